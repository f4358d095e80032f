/** Small random models of any family, with the tokenizer of the model they are like: for tests, benchmarks and teaching. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError, expected } from '../errors.ts';
import { normals } from '../tensor/random.ts';
import { scope } from '../tensor/scope.ts';
import * as ops from '../tensor/ops.ts';
import { tensor } from '../tensor/tensor.ts';
import type { DType } from '../tensor/tensor.ts';
import { generationConfigToSave } from '../text/stop-ids.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import { readDescription } from '../weights/checkpoint.ts';
import type { TensorEntry } from '../weights/dtype.ts';
import { elementCount } from '../weights/dtype.ts';
import { resolveModel } from '../weights/reference.ts';
import { saveCheckpoint } from '../weights/save.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { decoderConfig } from './families.ts';
import { bytesPerNumber } from './load.ts';
import type { LoadOptions } from './load.ts';
import { weightShapes } from './weight-names.ts';

/** The sizes of a random model. What is not given follows: widths and heads in proportion to `hidden`, the rest as in the model it is like. */
export interface ModelSizes {
  layers?: number;
  hidden?: number;
  /** Width of the feed-forward part. */
  intermediate?: number;
  heads?: number;
  keyValueHeads?: number;
  headDim?: number;
}

/** How a random model is made. */
export interface InitOptions extends ModelSizes, Pick<LoadOptions, 'cacheDir' | 'onMessage'> {
  /** The model whose family, tokenizer and other settings it takes. Its weights are neither read nor fetched from the Hub. */
  like: string;
  /** Default 42. */
  seed?: number;
  /** Standard deviation of the weights. Default: the `initializer_range` of the model it is like, else 0.02. */
  std?: number;
  /** Default float32. */
  dtype?: DType;
}

/**
 * Writes a random model as a folder in Hugging Face layout.
 *
 * @returns its number of weights
 * @throws InputError when the sizes do not fit together or the folder holds a model; and what loading `like` may throw
 */
export async function initModel(folder: string, options: InitOptions): Promise<{ parameters: number }> {
  const { like, seed = 42, dtype = 'float32' } = options;
  bytesPerNumber(dtype);
  if (existsSync(join(folder, 'config.json'))) throw expected('folder', 'to hold no model yet', folder, 'choose another folder, or remove this one');
  const { cacheDir, onMessage } = options;
  const description = readDescription(await resolveModel(like, { weights: false, ...(cacheDir ? { cacheDir } : {}), ...(onMessage ? { onMessage } : {}) }));
  // One that we cannot read is refused here.
  const tokenizer = new Tokenizer(description.tokenizerFiles());
  const sized = sizedConfig(description.config, options);
  const std = options.std ?? (typeof sized.initializer_range === 'number' ? sized.initializer_range : 0.02);
  if (!(std >= 0 && Number.isFinite(std))) throw expected('std', 'to be 0 or more', std, 'correct the value');
  const tensors = randomWeights(decoderConfig(sized), { seed, std, dtype });
  const { dtype: _, ...config } = sized;
  const generationConfig = generationConfigToSave({ config, generationConfig: description.generationConfig, tokenizer });
  await saveCheckpoint(folder, { config: { ...config, torch_dtype: dtype }, generationConfig, tokenizerFiles: tokenizer.files, tensors });
  return { parameters: tensors.reduce((total, { shape }) => total + elementCount(shape), 0) };
}

/** Random weights of a network: norms as they are before training, biases 0, everything else normal. */
export function randomWeights(config: DecoderConfig, { seed, std, dtype }: { seed: number; std: number; dtype: DType }): TensorEntry[] {
  const neutral = config.normStyle === 'offset' ? 0 : 1;
  return [...weightShapes(config)].map(([name, shape], i) => {
    const count = elementCount(shape);
    const bytes = () => {
      const values = name.endsWith('norm.weight') ? new Float32Array(count).fill(neutral) : name.endsWith('.bias') ? new Float32Array(count) : normals(count, std, seed, i);
      // Without a cast, the addon is not needed.
      return dtype === 'float32' ? new Uint8Array(values.buffer) : scope(() => ops.to(tensor(values, shape), dtype).toBytes());
    };
    return { name, dtype, shape, bytes };
  });
}

/** The `config.json` of a model with other sizes. */
export function sizedConfig(config: Readonly<Record<string, unknown>>, sizes: ModelSizes): Record<string, unknown> {
  for (const name of ['layers', 'hidden', 'intermediate', 'heads', 'keyValueHeads', 'headDim'] as const) {
    const value = sizes[name];
    if (value !== undefined && !(Number.isInteger(value) && value > 0)) throw expected(name, 'to be a whole number, 1 or more', value, 'correct the value');
  }
  const like = decoderConfig(config);
  const { layers = like.layers, hidden = like.hiddenSize } = sizes;
  const share = hidden / like.hiddenSize;
  // transformers refuses a hidden size that the heads do not divide, whatever their width.
  const heads = sizes.heads ?? divisorUpTo(hidden, like.heads * share);
  const keyValueHeads = sizes.keyValueHeads ?? divisorUpTo(heads, (like.keyValueHeads * heads) / like.heads);
  if (heads % keyValueHeads !== 0) throw expected('keyValueHeads', `to divide the ${heads} heads`, keyValueHeads, 'choose a divisor');
  return {
    ...config,
    ...cutLayerLists(config, layers),
    num_hidden_layers: layers,
    hidden_size: hidden,
    intermediate_size: sizes.intermediate ?? Math.max(1, Math.round(like.intermediateSize * share)),
    num_attention_heads: heads,
    num_key_value_heads: keyValueHeads,
    head_dim: sizes.headDim ?? like.headDim,
  };
}

/** The largest divisor of n that does not exceed a limit; at least 1. */
function divisorUpTo(n: number, limit: number): number {
  for (let d = Math.min(n, Math.floor(limit)); d > 1; d--) if (n % d === 0) return d;
  return 1;
}

/** Lists with an entry for each layer, for the layers that are left. */
function cutLayerLists(config: Readonly<Record<string, unknown>>, layers: number): Record<string, unknown[]> {
  const cut: Record<string, unknown[]> = {};
  for (const name of ['layer_types', 'no_rope_layers']) {
    const list = config[name];
    if (!Array.isArray(list)) continue;
    if (list.length < layers) {
      throw new InputError(`Expected \`layers\` to be at most ${list.length}, as many as config.json lists in \`${name}\`, got ${layers}; take fewer layers.`, { name: 'layers', got: layers });
    }
    cut[name] = list.slice(0, layers);
  }
  return cut;
}
