/**
 * The arithmetic that a shape cannot do without, in floating-point operations (a multiplication and an addition are
 * two), and the time it takes at the machine's measured roof. Counted are the products with weights and inside
 * attention, forwards once and backwards once, the prompt once for its group. Not counted: whatever a program computes
 * twice, elementwise work, the optimizer. The last token of a completion is never run through the network.
 */
import type { DecoderConfig } from '../src/model/decoder-config.ts';
import type { Shape } from './works.ts';

/** The sizes that decide how much there is to compute. */
export type NetworkSizes = Pick<DecoderConfig, 'layers' | 'hiddenSize' | 'intermediateSize' | 'heads' | 'keyValueHeads' | 'headDim' | 'vocabSize'>;

/** What the machine reached. */
export interface Roof {
  /** 10⁹ floating-point operations per second in a float32 matrix product. */
  gemmGflops: number;
  /** 10⁹ bytes per second read from or written to memory. */
  memoryGbs: number;
}

/** Weights in the matrices of one layer. */
function layerWeights({ hiddenSize, intermediateSize, heads, keyValueHeads, headDim }: NetworkSizes): number {
  return 2 * hiddenSize * headDim * (heads + keyValueHeads) + 3 * hiddenSize * intermediateSize;
}

/** Tokens that go through the network for one group: the prompt, and each completion without its last token. */
function nodesOf({ generations, promptTokens, newTokens }: Shape): number {
  return promptTokens + generations * (newTokens - 1);
}

/** Pairs of a token and one that it sees, in one group. */
function pairsOf({ generations, promptTokens, newTokens }: Shape): number {
  const nodes = newTokens - 1;
  return (promptTokens * (promptTokens + 1)) / 2 + generations * (nodes * promptTokens + (nodes * (nodes + 1)) / 2);
}

/** Forward and backward pass of one update of all weights. Backwards every product becomes two. */
export function updateFlops(network: NetworkSizes, shape: Shape): number {
  const { layers, hiddenSize, vocabSize, heads, headDim } = network;
  const linear = 6 * layers * layerWeights(network) * nodesOf(shape);
  const attention = 12 * layers * heads * headDim * pairsOf(shape);
  const head = 6 * hiddenSize * vocabSize * shape.generations * shape.newTokens;
  return shape.prompts * (linear + attention + head);
}

/** Sampling every completion, each prompt run once. */
export function rolloutFlops(network: NetworkSizes, shape: Shape): number {
  const { layers, hiddenSize, vocabSize, heads, headDim } = network;
  const linear = 2 * layers * layerWeights(network) * nodesOf(shape);
  const attention = 4 * layers * heads * headDim * pairsOf(shape);
  const head = 2 * hiddenSize * vocabSize * (1 + shape.generations * (shape.newTokens - 1));
  return shape.prompts * (linear + attention + head);
}

/**
 * Shortest time in which the machine can sample every completion: the prompts at the peak of the matrix product, then
 * every token for all completions together, bound by arithmetic or by reading weights and cache (float32) once.
 */
export function rolloutRoofSeconds(network: NetworkSizes, shape: Shape, { gemmGflops, memoryGbs }: Roof): number {
  const { layers, hiddenSize, vocabSize, keyValueHeads, headDim } = network;
  const { prompts, generations, promptTokens, newTokens } = shape;
  const prefillOnly = { ...shape, newTokens: 1 };
  const decodeFlops = rolloutFlops(network, shape) - rolloutFlops(network, prefillOnly);
  const steps = newTokens - 1;
  const weightBytes = 4 * (layers * layerWeights(network) + hiddenSize * vocabSize);
  const meanCached = prompts * (promptTokens + generations * (newTokens / 2)); // token t reads t of its own, 1 to T − 1
  const cacheBytes = 8 * layers * keyValueHeads * headDim * meanCached; // keys and values, 4 bytes each
  const bytesPerStep = weightBytes + cacheBytes;
  return rolloutFlops(network, prefillOnly) / (gemmGflops * 1e9) + Math.max(decodeFlops / (gemmGflops * 1e9), (steps * bytesPerStep) / (memoryGbs * 1e9));
}

/** Arithmetic and shortest time of a part of a step. */
export function workOf(part: 'step' | 'rollout' | 'update', network: NetworkSizes, shape: Shape, roof: Roof): { flops: number; roofSeconds: number } {
  const update = part === 'rollout' ? 0 : updateFlops(network, shape);
  const [rollout, rolloutRoof] = part === 'update' ? [0, 0] : [rolloutFlops(network, shape), rolloutRoofSeconds(network, shape, roof)];
  return { flops: rollout + update, roofSeconds: rolloutRoof + update / (roof.gemmGflops * 1e9) };
}
