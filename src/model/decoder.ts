/** The weights of a decoder network and what they are called. The passes over them stand in packed-pass.ts and generate/. */
import { FileFormatError } from '../errors.ts';
import { keep } from '../tensor/scope.ts';
import { Tensor } from '../tensor/tensor.ts';
import type { DType, Device } from '../tensor/tensor.ts';
import type { AttentionKernel } from './attention.ts';
import type { DecoderConfig, NormPlace } from './decoder-config.ts';
import { decoderConfig } from './families.ts';
import type { LayerWeights } from './layers.ts';
import type { LinearAdapter, LinearWeights } from './linear.ts';
import type { Adapter } from './lora.ts';
import { formatsOf, pieceMemory, readBlocks, readWeight } from './read-weights.ts';
import type { Quantisation, StoredWeights } from './read-weights.ts';
import { rotaryTables } from './rope.ts';
import type { Rotary } from './rope.ts';
import { layerName, weightShapes } from './weight-names.ts';
import { BlockMatrix } from './weight.ts';
import type { Weight } from './weight.ts';

const FLOATS: ReadonlySet<DType> = new Set<DType>(['float64', 'float32', 'bfloat16', 'float16']);

/** A decoder network in memory. */
export interface Decoder {
  config: DecoderConfig;
  dtype: DType;
  device: Device;
  attention: AttentionKernel;
  /** Every weight under its Hugging Face name, each once (a tied head is the embedding). */
  weights: ReadonlyMap<string, Weight>;
  /** What training changes: the weights that are numbers, or under an adapter what it adds to them and trains in their place. */
  trained: ReadonlyMap<string, Tensor>;
  /** The adapter over the weights of another network; null where the weights are this network's own. */
  adapter: Adapter | null;
  embedding: Weight; // [V, H]
  layers: LayerWeights[];
  finalNorm: Tensor; // [H]
  head: Weight; // [V, H]
  /** Of each layer: rotary rows for every position of the context, or null where it has none. Layers share tables. */
  rotary: (Rotary | null)[];
}

/**
 * Reads a network piece by piece, casting on the way, so that memory peaks at the weights plus a few pieces.
 *
 * @param quantisation in what blocks matrices are held; null holds all in `dtype`
 * @throws FileFormatError when a weight is missing, has another shape than config.json says, or cannot be held in such blocks
 */
export async function readDecoder(
  configJson: Readonly<Record<string, unknown>>,
  stored: StoredWeights,
  dtype: DType,
  attention: AttentionKernel = 'sdpa',
  quantisation: Quantisation | null = null,
): Promise<Decoder> {
  return readNetwork(decoderConfig(configJson), stored, dtype, attention, quantisation);
}

/** The same for a checkpoint without a language head, as classifiers are: the head of the result is the embedding and means nothing. */
export async function readTrunk(
  configJson: Readonly<Record<string, unknown>>,
  stored: StoredWeights,
  dtype: DType,
  attention: AttentionKernel = 'sdpa',
): Promise<Decoder> {
  return readNetwork({ ...decoderConfig(configJson), tiedHead: true }, stored, dtype, attention, null);
}

async function readNetwork(config: DecoderConfig, stored: StoredWeights, dtype: DType, attention: AttentionKernel, quantisation: Quantisation | null): Promise<Decoder> {
  // A damaged config could name more layers than there is memory to list their weights.
  const { length } = stored.names();
  if (config.layers > length) {
    throw new FileFormatError(`Expected the checkpoint to hold ${config.layers} layers as config.json says, got ${length} tensors; config and weights do not belong together.`, { layers: config.layers });
  }
  const shapes = weightShapes(config);
  checkWeights(stored, shapes);
  const formats = quantisation ? formatsOf(stored, shapes, quantisation) : null;
  const weights = new Map<string, Weight>();
  try {
    const memory = pieceMemory();
    for (const [name, shape] of shapes) {
      const format = formats?.get(name);
      weights.set(name, format ? await readBlocks(stored, name, shape, format, quantisation!, memory) : await readWeight(stored, name, shape, dtype, memory));
    }
  } catch (error) {
    for (const weight of weights.values()) weight.dispose();
    throw error;
  }
  return assembleDecoder(config, weights, dtype, attention);
}

/** How the faults of a checkpoint are told. */
const ofModel = { what: 'the checkpoint', says: 'config.json says', incomplete: 'take the whole model folder', foreign: 'config and weights do not belong together' };

/**
 * Everything that the headers tell, before the first weight is read.
 *
 * @throws FileFormatError when a weight is missing or has another shape
 */
export function checkWeights(stored: Omit<StoredWeights, 'read'>, shapes: ReadonlyMap<string, readonly number[]>, { what, says, incomplete, foreign } = ofModel): void {
  const present = new Set(stored.names());
  for (const [name, shape] of shapes) {
    if (!present.has(name)) {
      throw new FileFormatError(`Expected ${what} to hold \`${name}\`, got none; ${incomplete}.`, { name });
    }
    const { shape: found, dtype } = stored.info(name);
    if (found.length !== shape.length || found.some((size, axis) => size !== shape[axis])) {
      throw new FileFormatError(
        `Expected \`${name}\` to have shape [${shape.join(', ')}] as ${says}, got [${found.join(', ')}]; ${foreign}.`,
        { name, shape: found },
      );
    }
    if (!FLOATS.has(dtype)) {
      throw new FileFormatError(`Expected \`${name}\` to hold floating numbers, got ${dtype}; take the model in bfloat16, float16 or float32.`, { name, dtype });
    }
  }
}

/** A decoder over tensors that are already there, under the names of `weightShapes`. */
export function assembleDecoder(config: DecoderConfig, weights: ReadonlyMap<string, Weight>, dtype: DType, attention: AttentionKernel = 'sdpa'): Decoder {
  const embedding = weights.get('model.embed_tokens.weight')!;
  return {
    config,
    dtype,
    device: 'cpu',
    attention,
    weights,
    trained: new Map([...weights].filter((entry): entry is [string, Tensor] => entry[1] instanceof Tensor)),
    adapter: null,
    embedding,
    layers: layersOf(config, weights),
    finalNorm: weights.get('model.norm.weight') as Tensor,
    head: config.tiedHead ? embedding : weights.get('lm_head.weight')!,
    rotary: rotaryOfLayers(config, dtype),
  };
}

/** @param adapters by the names of their maps, such as `model.layers.0.self_attn.q_proj` */
export function layersOf(config: DecoderConfig, weights: ReadonlyMap<string, Weight>, adapters: ReadonlyMap<string, LinearAdapter> = new Map()): LayerWeights[] {
  // A list of numbers is a tensor; only matrices are held in blocks.
  const get = (name: string) => weights.get(name) as Tensor;
  const linear = (name: string): LinearWeights => ({ weight: weights.get(`${name}.weight`)!, bias: get(`${name}.bias`) ?? null, adapter: adapters.get(name) ?? null });
  return Array.from({ length: config.layers }, (_, i): LayerWeights => {
    const norm = (place: NormPlace) => (config.norms[place] ? get(`${layerName(i)}.${config.norms[place]}.weight`) : null);
    const headNorm = (name: string) => (config.queryKeyNorm ? get(`${layerName(i)}.self_attn.${name}.weight`) : null);
    const maps = (part: string, names: readonly string[]) => names.map((name) => linear(`${layerName(i)}.${part}.${name}`));
    return {
      inputNorm: norm('inputNorm'),
      queryKeyValue: maps('self_attn', config.fusedProjections ? ['qkv_proj'] : ['q_proj', 'k_proj', 'v_proj']),
      queryNorm: headNorm('q_norm'),
      keyNorm: headNorm('k_norm'),
      o: linear(`${layerName(i)}.self_attn.o_proj`),
      attentionOutputNorm: norm('attentionOutputNorm'),
      feedForwardNorm: norm('feedForwardNorm'),
      gateUp: maps('mlp', config.fusedProjections ? ['gate_up_proj'] : ['gate_proj', 'up_proj']),
      down: linear(`${layerName(i)}.mlp.down_proj`),
      feedForwardOutputNorm: norm('feedForwardOutputNorm'),
    };
  });
}

/** One table for all layers that turn alike. */
function rotaryOfLayers({ rotary, contextLength }: DecoderConfig, dtype: DType): (Rotary | null)[] {
  const tables = new Map<string, Rotary>();
  return rotary.map((settings) => {
    if (settings === null) return null;
    const key = JSON.stringify(settings);
    const table = tables.get(key) ?? keep(rotaryTables(contextLength, settings, dtype));
    tables.set(key, table);
    return table;
  });
}

/** Frees every tensor of a network; under an adapter, those of the adapter. */
export function disposeDecoder({ weights, trained, adapter, rotary }: Decoder): void {
  for (const weight of (adapter ? trained : weights).values()) weight.dispose();
  if (!adapter) disposeRotary(rotary);
}

/** Frees rotary rows that layers share. */
export function disposeRotary(rotary: readonly (Rotary | null)[]): void {
  for (const rows of rotary) {
    rows?.cos.dispose();
    rows?.sin.dispose();
  }
}

/** Elements of all weights, an adapter's included. */
export function parameterCount({ weights, trained, adapter }: Decoder): number {
  return adapter ? parameterCount(adapter.base) + elements(trained) : elements(weights);
}

/** Elements that are held in blocks, an adapter's base included. */
export function blockCount({ weights, adapter }: Decoder): number {
  return elements(new Map([...(adapter?.base.weights ?? weights)].filter(([, weight]) => weight instanceof BlockMatrix)));
}

/** Elements that training changes. */
export function trainedCount({ trained }: Decoder): number {
  return elements(trained);
}

function elements(weights: ReadonlyMap<string, Weight>): number {
  return [...weights.values()].reduce((total, { length }) => total + length, 0);
}
