/** The weights of a decoder network and what they are called. The passes over them stand in packed-pass.ts and generate/. */
import { FileFormatError } from '../errors.ts';
import { keep, scope } from '../tensor/scope.ts';
import * as ops from '../tensor/ops.ts';
import { tensorFromBytes } from '../tensor/tensor.ts';
import type { DType, Device, Tensor } from '../tensor/tensor.ts';
import { breathe } from '../tensor/breathe.ts';
import type { AttentionKernel } from './attention.ts';
import type { DecoderConfig, NormPlace } from './decoder-config.ts';
import { decoderConfig } from './families.ts';
import type { LayerWeights } from './layers.ts';
import type { LinearAdapter, LinearWeights } from './linear.ts';
import type { Adapter } from './lora.ts';
import { rotaryTables } from './rope.ts';
import type { Rotary } from './rope.ts';
import { layerName, weightShapes } from './weight-names.ts';

/** Weights as a file holds them; `weights/` provides them. */
export interface StoredWeights {
  names(): readonly string[];
  info(name: string): { dtype: DType; shape: readonly number[] };
  /** A whole tensor, or the rows of its first axis from `start` up to, not including, `end`; in `memory` where the bytes fit. */
  read(name: string, rows?: { start: number; end: number }, memory?: ArrayBuffer): { dtype: DType; shape: readonly number[]; bytes: Uint8Array };
}

/** Elements of a weight that are on their way at a time: 4 MiB of float32. A larger weight comes in pieces of whole rows. */
const PIECE = 1 << 20;

const FLOATS: ReadonlySet<DType> = new Set<DType>(['float64', 'float32', 'bfloat16', 'float16']);

/** A decoder network in memory. */
export interface Decoder {
  config: DecoderConfig;
  dtype: DType;
  device: Device;
  attention: AttentionKernel;
  /** Every weight under its Hugging Face name, each once (a tied head is the embedding). */
  weights: ReadonlyMap<string, Tensor>;
  /** What training changes: the weights, or under an adapter what it adds to them and trains in their place. */
  trained: ReadonlyMap<string, Tensor>;
  /** The adapter over the weights of another network; null where the weights are this network's own. */
  adapter: Adapter | null;
  embedding: Tensor; // [V, H]
  layers: LayerWeights[];
  finalNorm: Tensor; // [H]
  head: Tensor; // [V, H]
  /** Of each layer: rotary rows for every position of the context, or null where it has none. Layers share tables. */
  rotary: (Rotary | null)[];
}

/**
 * Reads a network piece by piece, casting on the way, so that memory peaks at the weights plus a few pieces.
 *
 * @throws FileFormatError when a weight is missing or has another shape than config.json says
 */
export async function readDecoder(
  configJson: Readonly<Record<string, unknown>>,
  stored: StoredWeights,
  dtype: DType,
  attention: AttentionKernel = 'sdpa',
): Promise<Decoder> {
  return readNetwork(decoderConfig(configJson), stored, dtype, attention);
}

/** The same for a checkpoint without a language head, as classifiers are: the head of the result is the embedding and means nothing. */
export async function readTrunk(
  configJson: Readonly<Record<string, unknown>>,
  stored: StoredWeights,
  dtype: DType,
  attention: AttentionKernel = 'sdpa',
): Promise<Decoder> {
  return readNetwork({ ...decoderConfig(configJson), tiedHead: true }, stored, dtype, attention);
}

async function readNetwork(config: DecoderConfig, stored: StoredWeights, dtype: DType, attention: AttentionKernel): Promise<Decoder> {
  // A damaged config could name more layers than there is memory to list their weights.
  const { length } = stored.names();
  if (config.layers > length) {
    throw new FileFormatError(`Expected the checkpoint to hold ${config.layers} layers as config.json says, got ${length} tensors; config and weights do not belong together.`, { layers: config.layers });
  }
  const shapes = weightShapes(config);
  checkWeights(stored, shapes);
  const weights = new Map<string, Tensor>();
  try {
    const memory = new ArrayBuffer(8 * PIECE); // enough for float64; what is never written takes nothing
    for (const [name, shape] of shapes) weights.set(name, await readWeight(stored, name, shape, dtype, memory));
  } catch (error) {
    for (const weight of weights.values()) weight.dispose();
    throw error;
  }
  return assembleDecoder(config, weights, dtype, attention);
}

/**
 * One weight in the dtype asked for, row by row where it is large. The caller disposes it.
 *
 * @param memory for the pieces on their way, one after the other: garbage of several hundred MB would wait for the collector otherwise
 */
export async function readWeight(stored: StoredWeights, name: string, shape: readonly number[], dtype: DType, memory?: ArrayBuffer): Promise<Tensor> {
  const weight = keep(ops.empty(shape, dtype));
  const rows = shape[0]!;
  const atOnce = Math.max(1, Math.floor((PIECE * rows) / weight.length));
  try {
    for (let start = 0; start < rows; start += atOnce) {
      const end = Math.min(rows, start + atOnce);
      scope(() => {
        const piece = stored.read(name, atOnce < rows ? { start, end } : undefined, memory);
        ops.copy_(ops.narrow(weight, 0, start, end - start), tensorFromBytes(piece.bytes, piece.shape, piece.dtype));
      });
      await breathe();
    }
    return weight;
  } catch (error) {
    weight.dispose();
    throw error;
  }
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
export function assembleDecoder(config: DecoderConfig, weights: ReadonlyMap<string, Tensor>, dtype: DType, attention: AttentionKernel = 'sdpa'): Decoder {
  const embedding = weights.get('model.embed_tokens.weight')!;
  return {
    config,
    dtype,
    device: 'cpu',
    attention,
    weights,
    trained: weights,
    adapter: null,
    embedding,
    layers: layersOf(config, weights),
    finalNorm: weights.get('model.norm.weight')!,
    head: config.tiedHead ? embedding : weights.get('lm_head.weight')!,
    rotary: rotaryOfLayers(config, dtype),
  };
}

/** @param adapters by the names of their maps, such as `model.layers.0.self_attn.q_proj` */
export function layersOf(config: DecoderConfig, weights: ReadonlyMap<string, Tensor>, adapters: ReadonlyMap<string, LinearAdapter> = new Map()): LayerWeights[] {
  const get = (name: string) => weights.get(name)!;
  const linear = (name: string): LinearWeights => ({ weight: get(`${name}.weight`), bias: weights.get(`${name}.bias`) ?? null, adapter: adapters.get(name) ?? null });
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
export function disposeDecoder({ trained, adapter, rotary }: Decoder): void {
  for (const weight of trained.values()) weight.dispose();
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

/** Elements that training changes. */
export function trainedCount({ trained }: Decoder): number {
  return elements(trained);
}

function elements(tensors: ReadonlyMap<string, Tensor>): number {
  return [...tensors.values()].reduce((total, { length }) => total + length, 0);
}
