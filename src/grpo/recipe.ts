/** A recipe: a TypeScript file whose default export is a plain description of a run. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { GrpoOptions } from './option-schema.ts';

/** Returns the description unchanged; it is there for its types. Nothing is loaded, checked or started. */
export function recipe(options: GrpoOptions): GrpoOptions {
  return options;
}

/** A model reference with a relative path made absolute; packages and Hub names stay as they are. */
export function modelFrom(folder: string, reference: string): string {
  const isPath = /^\.{1,2}(\/|$)/.test(reference) || (reference.endsWith('.gguf') && !reference.startsWith('pypi:'));
  return isPath ? resolve(folder, reference) : reference;
}

/** A dataset path made absolute, where it is one: it starts with a dot or slash, ends like a file, is a pattern, or exists. */
export function datasetFrom(folder: string, path: string): string {
  if (path.startsWith('task:')) return path;
  const isPath = /^(\.{0,2}\/|\.{1,2}$)/.test(path) || /\.(jsonl|json|csv|parquet)$/i.test(path) || /[*?[{]/.test(path) || existsSync(resolve(folder, path));
  return isPath ? resolve(folder, path) : path;
}

/** A dataset with its relative paths made absolute, those of a mixture's parts too. Values of the wrong type pass through. */
function datasetPaths(folder: string, dataset: unknown): unknown {
  if (typeof dataset === 'string') return datasetFrom(folder, dataset);
  if (typeof dataset !== 'object' || dataset === null) return dataset;
  if ('path' in dataset && typeof dataset.path === 'string') return { ...dataset, path: datasetFrom(folder, dataset.path) };
  if (!('mixture' in dataset) || !Array.isArray(dataset.mixture)) return dataset;
  const part = (one: unknown): unknown => (typeof one === 'object' && one !== null && 'dataset' in one ? { ...one, dataset: datasetPaths(folder, one.dataset) } : one);
  return { ...dataset, mixture: dataset.mixture.map(part) };
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
    if (dataset !== undefined && dataset !== null) paths[name] = datasetPaths(folder, dataset) as NonNullable<GrpoOptions['dataset']>;
  }
  if (typeof outputDir === 'string') paths.outputDir = resolve(folder, outputDir);
  if (typeof cacheDir === 'string') paths.cacheDir = resolve(folder, cacheDir);
  return { ...options, ...paths };
}
