/**
 * What training keeps of a micro-batch until it has walked back, in numbers (docs/experiments.md has the count beside what
 * the allocator says). It follows what each op of model/layers.ts, model/tree-attention.ts and the fused ops of native/ saves
 * in float32: the inputs of products, norms and the gated unit, and what attention needs.
 */
import type { AttentionKernel } from '../model/attention.ts';
import type { DecoderConfig } from '../model/decoder-config.ts';
import { adapterShapes } from '../model/lora.ts';
import type { LoraSettings } from '../model/lora.ts';
import type { StepShape } from './flops.ts';

/** What the count depends on besides the micro-batch. */
export interface KeptBy {
  config: DecoderConfig;
  /** The adapter that is trained; null for the weights themselves. */
  lora: LoraSettings | null;
  attention: AttentionKernel;
  /** Whether layers keep their input only, and are computed again on the way back. */
  checkpoint: boolean;
}

/** Packed tokens of a micro-batch: each prompt once, and all completions without their last token. */
export function packedTokens({ prompts, generations, promptTokens, newTokens }: StepShape): number {
  return prompts * (promptTokens + generations * (newTokens - 1));
}

/** Numbers that a forward pass keeps, with one layer more: what the walk back has in hand. */
export function keptNumbers({ config, lora, attention, checkpoint }: KeptBy, batch: StepShape): number {
  const adapted = adapterNumbers(config, lora) * packedTokens(batch);
  const layers = config.windows.map((window) => layerNumbers(config, batch) + attentionNumbers(config, batch, window, attention) + adapted / config.layers);
  const inHand = Math.max(...layers);
  if (checkpoint) return config.layers * config.hiddenSize * packedTokens(batch) + inHand;
  return layers.reduce((total, numbers) => total + numbers, inHand);
}

/** Of a layer, attention's own left out: its input and the sum behind attention, what norms and products take, gate, up and their unit. */
function layerNumbers({ hiddenSize, intermediateSize, heads, keyValueHeads, headDim, norms, queryKeyNorm }: DecoderConfig, batch: StepShape): number {
  const normed = Object.keys(norms).length * hiddenSize;
  const headsNormed = queryKeyNorm === null ? 0 : (heads + keyValueHeads) * headDim;
  // Of attention: the turned queries and its result.
  return packedTokens(batch) * (2 * hiddenSize + normed + headsNormed + 2 * heads * headDim + 3 * intermediateSize);
}

/** Of attention besides queries and result: in one op keys, values and a number for each head and token; else see below. */
function attentionNumbers(config: DecoderConfig, batch: StepShape, window: number | null, kernel: AttentionKernel): number {
  const { heads, keyValueHeads, headDim, attentionCap } = config;
  if (kernel === 'eager' || attentionCap !== null) return writtenOutNumbers(config, batch, window);
  return packedTokens(batch) * (2 * keyValueHeads * headDim + heads);
}

/**
 * Attention written out: its result by tree as well, the scores as weights (and before their cap), and keys and values of
 * each completion behind its prompt, for every query head where those share.
 */
function writtenOutNumbers({ heads, keyValueHeads, headDim, attentionCap }: DecoderConfig, batch: StepShape, window: number | null): number {
  const { prompts, generations, promptTokens } = batch;
  const newTokens = batch.newTokens - 1;
  const seen = window === null ? promptTokens : Math.min(promptTokens, window - 1);
  // One key head for all query heads is a view; so are the heads that stand for themselves.
  const copies = keyValueHeads > 1 && heads > keyValueHeads;
  const completed = generations * (seen + newTokens);
  const rows = copies ? promptTokens + completed : promptTokens + generations * newTokens + completed;
  const keysAndValues = 2 * (copies ? heads : keyValueHeads) * headDim * rows;
  const scores = heads * (promptTokens ** 2 + newTokens * completed);
  return packedTokens(batch) * heads * headDim + prompts * (keysAndValues + (attentionCap === null ? 1 : 2) * scores);
}

/** Per token, of all adapted maps: A·x; under dropout what is left of x and its mask; under DoRA the product before it is grown. */
function adapterNumbers(config: DecoderConfig, lora: LoraSettings | null): number {
  if (!lora) return 0;
  return [...adapterShapes(config, lora)].reduce((total, [name, [rows = 0, columns = 0]]) => {
    if (name.endsWith('.lora_A.weight')) return total + rows + (lora.dropout > 0 ? 2 * columns : 0);
    return total + (name.endsWith('.lora_magnitude_vector') ? rows : 0);
  }, 0);
}
