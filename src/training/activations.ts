/**
 * What training keeps of a micro-batch until it has walked back, in numbers (docs/experiments.md has the count beside what
 * the allocator says). It follows what each op of model/layers.ts, model/tree-attention.ts and the fused ops of native/ saves
 * in float32: the inputs of products that train something, of norms and of the gated unit, and what attention needs
 * (test/kept-activations.test.ts).
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
  /** Whether the ops of native/fused.cc compute, which make the gated unit again: float32 on a CPU. */
  fused: boolean;
  /** Whether layers keep their input only, and are computed again on the way back. */
  checkpoint: boolean;
}

/** Packed tokens of a micro-batch: each prompt once, and all completions without their last token. */
export function packedTokens({ prompts, generations, promptTokens, newTokens }: StepShape): number {
  return prompts * (promptTokens + generations * (newTokens - 1));
}

/** Numbers that a forward pass keeps, with one layer more: what the walk back has in hand. */
export function keptNumbers({ config, lora, attention, fused, checkpoint }: KeptBy, batch: StepShape): number {
  const { perToken, perLayer } = adapterNumbers(config, lora);
  const tokens = packedTokens(batch);
  const takes = inputsOf(config, lora, fused);
  const layers = config.windows.map((window, i) => tokens * (layerNumbers(config, takes(i)) + perToken) + attentionNumbers(config, batch, window, attention) + perLayer);
  const inHand = Math.max(...layers);
  if (checkpoint) return config.layers * config.hiddenSize * tokens + inHand;
  return layers.reduce((total, numbers) => total + numbers, inHand);
}

/** Which products of a layer need their input on the way back. */
interface KeptInputs {
  /** Of queries, keys and values, or of gate and up: what the norm before them made. */
  attention: boolean;
  feedForward: boolean;
  /** The gated unit. */
  unit: boolean;
}

/**
 * The input of a product is kept for the weight or the A that is trained; under dropout A sees another input. The unit before a
 * trained weight is made again where that is one pass.
 */
function inputsOf(config: DecoderConfig, lora: LoraSettings | null, fused: boolean): (layer: number) => KeptInputs {
  if (!lora) return () => ({ attention: true, feedForward: true, unit: !fused });
  const shapes = adapterShapes(config, lora);
  const has = (layer: number, maps: readonly string[], end: string) => maps.some((map) => shapes.has(`model.layers.${layer}.${map}.${end}`));
  const seen = (layer: number, maps: readonly string[]) => has(layer, maps, 'weight') || (lora.dropout === 0 && has(layer, maps, 'lora_A.weight'));
  return (layer) => ({
    attention: seen(layer, ['q', 'k', 'v', 'qkv'].map((map) => `self_attn.${map}_proj`)),
    feedForward: seen(layer, ['gate', 'up', 'gate_up'].map((map) => `mlp.${map}_proj`)),
    unit: !fused || (lora.dropout === 0 && has(layer, ['mlp.down_proj'], 'lora_A.weight')),
  });
}

/** Of a token in a layer, attention's own left out: its input and the sum behind attention, what norms and products take, gate and up. */
function layerNumbers({ hiddenSize, intermediateSize, heads, keyValueHeads, headDim, norms, queryKeyNorm }: DecoderConfig, takes: KeptInputs): number {
  // A norm keeps a number for each row. What the norms behind attention and feed-forward take is theirs alone.
  const places = Object.keys(norms).length;
  const unused = Number('inputNorm' in norms && !takes.attention) + Number('feedForwardNorm' in norms && !takes.feedForward);
  const normed = (places - unused) * hiddenSize + places;
  const headsNormed = queryKeyNorm === null ? 0 : (heads + keyValueHeads) * headDim + (queryKeyNorm === 'whole' ? 2 : heads + keyValueHeads);
  // Of attention: the turned queries and its result.
  return 2 * hiddenSize + normed + headsNormed + 2 * heads * headDim + (takes.unit ? 3 : 2) * intermediateSize;
}

/** Of attention besides queries and result: in one op keys, values and a number for each head and token; else see below. */
function attentionNumbers(config: DecoderConfig, batch: StepShape, window: number | null, kernel: AttentionKernel): number {
  const { heads, keyValueHeads, headDim, attentionCap } = config;
  if (kernel === 'eager' || attentionCap !== null) return writtenOutNumbers(config, batch, window);
  return packedTokens(batch) * (2 * keyValueHeads * headDim + heads);
}

/**
 * Attention written out: the queries of completions by head as well, the scores as weights (and before their cap), and keys
 * and values of each completion behind its prompt, for every query head where those share.
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
  return prompts * (generations * newTokens * heads * headDim + keysAndValues + (attentionCap === null ? 1 : 2) * scores);
}

/**
 * Of the adapted maps of a layer on average. Per token: A·x; under dropout what is left of x and its mask; under DoRA the product
 * before it is grown. Per layer: by how much each row grows, and its length before.
 */
function adapterNumbers(config: DecoderConfig, lora: LoraSettings | null): { perToken: number; perLayer: number } {
  let [perToken, perLayer] = [0, 0];
  for (const [name, [rows = 0, columns = 0]] of lora ? adapterShapes(config, lora) : []) {
    if (name.endsWith('.lora_A.weight')) perToken += rows + (lora!.dropout > 0 ? 2 * columns : 0);
    if (!name.endsWith('.lora_magnitude_vector')) continue;
    perToken += rows;
    perLayer += 2 * rows;
  }
  return { perToken: perToken / config.layers, perLayer: perLayer / config.layers };
}
