/** The weights of a decoder network and what they are called. The passes over them stand in packed-pass.ts and generate/. */
import { FileFormatError } from '../errors.ts';
import { keep, scope } from '../tensor/scope.ts';
import * as ops from '../tensor/ops.ts';
import { tensorFromBytes } from '../tensor/tensor.ts';
import type { DType, Device, Tensor } from '../tensor/tensor.ts';
import { noGrad } from '../tensor/autograd.ts';
import { breathe } from '../tensor/breathe.ts';
import { decoderConfig, weightShapes } from './families.ts';
import type { DecoderConfig } from './families.ts';
import { rotaryTables } from './layers.ts';
import type { LayerWeights, LinearWeights, Rotary } from './layers.ts';

/** Weights as a file holds them; `weights/` provides them. */
export interface StoredWeights {
  names(): readonly string[];
  info(name: string): { dtype: DType; shape: readonly number[] };
  /** A whole tensor, or the rows of its first axis from `start` up to, not including, `end`. */
  read(name: string, rows?: { start: number; end: number }): { dtype: DType; shape: readonly number[]; bytes: Uint8Array };
}

/** Elements of a weight that are on their way at a time: 4 MiB of float32. A larger weight comes in pieces of whole rows. */
const PIECE = 1 << 20;

const FLOATS: ReadonlySet<DType> = new Set<DType>(['float64', 'float32', 'bfloat16', 'float16']);

/** How attention is computed: plain operations, or libtorch's fused kernel. Same numbers to rounding. */
export type AttentionKernel = 'eager' | 'sdpa';

/** A decoder network in memory. */
export interface Decoder {
  config: DecoderConfig;
  dtype: DType;
  device: Device;
  attention: AttentionKernel;
  /** Every trained tensor under its Hugging Face name, each once (a tied head is the embedding). */
  weights: Map<string, Tensor>;
  embedding: Tensor; // [V, H]
  layers: LayerWeights[];
  finalNorm: Tensor; // [H]
  head: Tensor; // [V, H]
  /** Rotary rows for every position of the context. */
  rotary: Rotary;
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
  const config = decoderConfig(configJson);
  // A damaged config could name more layers than there is memory to list their weights.
  const { length } = stored.names();
  if (config.layers > length) {
    throw new FileFormatError(`Expected the checkpoint to hold ${config.layers} layers as config.json says, got ${length} tensors; config and weights do not belong together.`, { layers: config.layers });
  }
  const shapes = weightShapes(config);
  checkWeights(stored, shapes);
  const weights = new Map<string, Tensor>();
  try {
    for (const [name, shape] of shapes) {
      const weight = keep(ops.empty(shape, dtype));
      weights.set(name, weight);
      await fill(weight, stored, name);
    }
  } catch (error) {
    for (const weight of weights.values()) weight.dispose();
    throw error;
  }
  return assembleDecoder(config, weights, dtype, attention);
}

/** Copies a stored tensor into one of its shape, row by row where it is large. */
async function fill(weight: Tensor, stored: StoredWeights, name: string): Promise<void> {
  const rows = weight.shape[0]!;
  const atOnce = Math.max(1, Math.floor((PIECE * rows) / weight.length));
  for (let start = 0; start < rows; start += atOnce) {
    const end = Math.min(rows, start + atOnce);
    scope(() => {
      const { bytes, shape, dtype } = stored.read(name, atOnce < rows ? { start, end } : undefined);
      ops.copy_(ops.narrow(weight, 0, start, end - start), tensorFromBytes(bytes, shape, dtype));
    });
    await breathe();
  }
}

/** Everything that the headers tell, before the first weight is read. */
function checkWeights(stored: StoredWeights, shapes: ReadonlyMap<string, readonly number[]>): void {
  const present = new Set(stored.names());
  for (const [name, shape] of shapes) {
    if (!present.has(name)) {
      throw new FileFormatError(`Expected the checkpoint to hold \`${name}\`, got none; take the whole model folder.`, { name });
    }
    const { shape: found, dtype } = stored.info(name);
    if (found.length !== shape.length || found.some((size, axis) => size !== shape[axis])) {
      throw new FileFormatError(
        `Expected \`${name}\` to have shape [${shape.join(', ')}] as config.json says, got [${found.join(', ')}]; config and weights do not belong together.`,
        { name, shape: found },
      );
    }
    if (!FLOATS.has(dtype)) {
      throw new FileFormatError(`Expected \`${name}\` to hold floating numbers, got ${dtype}; take the model in bfloat16, float16 or float32.`, { name, dtype });
    }
  }
}

/** A decoder over tensors that are already there, under the names of `weightShapes`. */
export function assembleDecoder(config: DecoderConfig, weights: Map<string, Tensor>, dtype: DType, attention: AttentionKernel = 'sdpa'): Decoder {
  const get = (name: string) => weights.get(name)!;
  const linear = (name: string): LinearWeights => ({ weight: get(`${name}.weight`), bias: weights.get(`${name}.bias`) ?? null });
  const layers = Array.from({ length: config.layers }, (_, i): LayerWeights => {
    const layer = `model.layers.${i}`;
    return {
      inputNorm: get(`${layer}.input_layernorm.weight`),
      q: linear(`${layer}.self_attn.q_proj`),
      k: linear(`${layer}.self_attn.k_proj`),
      v: linear(`${layer}.self_attn.v_proj`),
      o: linear(`${layer}.self_attn.o_proj`),
      feedForwardNorm: get(`${layer}.post_attention_layernorm.weight`),
      gate: linear(`${layer}.mlp.gate_proj`),
      up: linear(`${layer}.mlp.up_proj`),
      down: linear(`${layer}.mlp.down_proj`),
    };
  });
  const embedding = get('model.embed_tokens.weight');
  return {
    config,
    dtype,
    device: 'cpu',
    attention,
    weights,
    embedding,
    layers,
    finalNorm: get('model.norm.weight'),
    head: config.tiedHead ? embedding : get('lm_head.weight'),
    rotary: keep(rotaryTables(config.contextLength, config.headDim, config.ropeTheta, dtype)),
  };
}

/** A frozen copy, as a reference policy. */
export function copyDecoder(source: Decoder): Decoder {
  const weights = new Map([...source.weights].map(([name, weight]) => [name, noGrad(() => keep(ops.clone(weight)))]));
  return assembleDecoder(source.config, weights, source.dtype, source.attention);
}

/** target ← α·source + (1−α)·target, weight by weight; α = 1 copies. */
export async function mixDecoder(target: Decoder, source: Decoder, alpha: number): Promise<void> {
  for (const [name, weight] of target.weights) {
    scope(() => {
      noGrad(() => ops.lerp_(weight, source.weights.get(name)!, alpha));
    });
    await breathe();
  }
}

/** Frees every tensor of a network. */
export function disposeDecoder(decoder: Decoder): void {
  for (const weight of decoder.weights.values()) weight.dispose();
  decoder.rotary.cos.dispose();
  decoder.rotary.sin.dispose();
}

/** Number of trained elements. */
export function parameterCount(decoder: Decoder): number {
  return [...decoder.weights.values()].reduce((total, weight) => total + weight.length, 0);
}
