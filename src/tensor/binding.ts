/**
 * The whole native contract, and the only importer of the addon. A handle is a number that native/tensor.cc hands out;
 * it means nothing here. Loading happens at the first call, so that importing tsrl loads no libtorch.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { ResourceError } from '../errors.ts';

export type Handle = number;

/** What the dispatcher says of one op. */
export interface OpSchema {
  index: number;
  /** `kind` is `tensor`, `int`, `float`, `bool`, `string`, `scalar`, `dtype`, `device`, with `?` (optional) and `[]` (list) behind it. */
  args: { name: string; kind: string; optional: boolean }[];
  returns: string[];
  /** The schema as libtorch prints it. */
  schema: string;
}

/** The addon's exports; each is described where it is defined in native/. */
export interface Native {
  lookup(name: string, overload: string): OpSchema | null;
  call(index: number, args: unknown[]): unknown;
  fromBytes(bytes: Uint8Array, shape: readonly number[], stored: string, dtype: string): Handle;
  toBytes(handle: Handle, dtype: string): ArrayBuffer;
  describe(handle: Handle): [dtype: string, device: string, ...shape: number[]];
  releaseAll(handles: Float64Array, count: number): void;
  handleCount(): number;
  lend(key: number, handles: Float64Array): void;
  borrow(key: number): Handle[];
  leave(code: number): never;
  backward(outputs: Handle[], gradients: (Handle | null)[], retainGraph: boolean): void;
  gradients(
    outputs: Handle[],
    inputs: Handle[],
    gradients: (Handle | null)[],
    retainGraph: boolean,
    createGraph: boolean,
  ): (Handle | null)[];
  getGrad(handle: Handle): Handle | null;
  setGrad(handle: Handle, gradient: Handle | null): void;
  gradDtype(handle: Handle): string;
  setGradDtype(handle: Handle, dtype: string): void;
  setGradMode(enabled: boolean): boolean;
  requiresGrad(handle: Handle): boolean;
  profileStart(): void;
  profileTake(): { names: string[]; events: Float64Array; peakBytes: number };
  profileStop(): void;
  setThreads(count: number): void;
  getThreads(): number;
  trimMemory(): void;
  torchVersion: string;
}

let loaded: Native | null = null;

/** The addon, loaded on first use. Throws `ResourceError` when set-up has not run or the addon does not load. */
export function native(): Native {
  loaded ??= load();
  return loaded;
}

/** Whether the addon has been loaded in this process. */
export function isLoaded(): boolean {
  return loaded !== null;
}

function load(): Native {
  const record = fileURLToPath(new URL('../../build/setup.json', import.meta.url));
  if (!existsSync(record)) {
    throw new ResourceError('Expected the native addon to be built, got none; run `npm run setup` in the tsrl folder.', { record });
  }
  const { addon } = JSON.parse(readFileSync(record, 'utf8')) as { addon: string };
  try {
    return createRequire(import.meta.url)(addon) as Native;
  } catch (error) {
    throw new ResourceError(
      `Expected the native addon to load, got "${(error as Error).message}"; run \`npm run setup\` to build it again.`,
      { addon },
      { cause: error },
    );
  }
}
