/**
 * The arithmetic that a step cannot do without, in floating-point operations (a multiplication and an addition are two),
 * and the time it takes at a machine's measured roof. Counted are the products with weights and inside attention,
 * forwards once and backwards once, the prompt once for its group. Not counted: whatever a program computes twice,
 * elementwise work, the optimizer. The last token of a completion is never run through the network, and behind the keys and
 * values of the last layer a prompt matters only by its last token.
 */
import type { DecoderConfig } from '../model/decoder-config.ts';

/** The sizes that decide how much there is to compute. */
export type NetworkSizes = Pick<DecoderConfig, 'layers' | 'hiddenSize' | 'intermediateSize' | 'heads' | 'keyValueHeads' | 'headDim' | 'vocabSize'>;

/** How much one step has to do. Lengths in tokens. */
export interface StepShape {
  prompts: number;
  /** Completions per prompt. */
  generations: number;
  promptTokens: number;
  newTokens: number;
}

/** What is trained, and against what. */
export interface Method {
  /** Rank of an adapter on all linear maps of the layers; 0 trains the weights themselves. */
  rank: number;
  /** Whether a reference scores every completion. */
  reference: boolean;
}

/** All weights, no reference. */
export const plainMethod: Method = { rank: 0, reference: false };

/** What the machine reached. */
export interface Roof {
  /** 10⁹ floating-point operations per second in a float32 matrix product. */
  gemmGflops: number;
  /** 10⁹ bytes per second read from or written to memory. */
  memoryGbs: number;
}

/** Weights in the matrices of one layer. */
export function layerWeights({ hiddenSize, intermediateSize, heads, keyValueHeads, headDim }: NetworkSizes): number {
  return 2 * hiddenSize * headDim * (heads + keyValueHeads) + 3 * hiddenSize * intermediateSize;
}

/** The same without the maps of keys and values: what a token needs that is asked, and not only seen. */
function askedWeights(network: NetworkSizes): number {
  return layerWeights(network) - 2 * network.hiddenSize * network.headDim * network.keyValueHeads;
}

/** Weights of the adapters of one layer: r·(in + out) of each map. */
export function adapterWeights({ hiddenSize, intermediateSize, heads, keyValueHeads, headDim }: NetworkSizes, rank: number): number {
  return rank * (2 * (hiddenSize + headDim * heads) + 2 * (hiddenSize + headDim * keyValueHeads) + 3 * (hiddenSize + intermediateSize));
}

/** The same without those of keys and values. */
function askedAdapterWeights(network: NetworkSizes, rank: number): number {
  return adapterWeights(network, rank) - 2 * rank * (network.hiddenSize + network.headDim * network.keyValueHeads);
}

/** Tokens that go through the network for one group: the prompt, and each completion without its last token. */
function nodesOf({ generations, promptTokens, newTokens }: StepShape): number {
  return promptTokens + generations * (newTokens - 1);
}

/** Pairs of a token and one that it sees in all layers, in one group. */
function pairsOf(layers: number, { generations, promptTokens, newTokens }: StepShape): number {
  const nodes = newTokens - 1;
  const completed = generations * (nodes * promptTokens + (nodes * (nodes + 1)) / 2);
  return layers * ((promptTokens * (promptTokens + 1)) / 2 + completed) - (promptTokens * (promptTokens - 1)) / 2;
}

/** Multiply-adds of the maps of all layers, in one group: of the last layer only keys and values of all but the last prompt token. */
function mapped(network: NetworkSizes, shape: StepShape, [weights, asked]: readonly [weights: number, asked: number]): number {
  return network.layers * weights * nodesOf(shape) - asked * (shape.promptTokens - 1);
}

/** `mapped` with the weights themselves, and with an adapter. */
const byWeights = (network: NetworkSizes, shape: StepShape) => mapped(network, shape, [layerWeights(network), askedWeights(network)]);
const byAdapters = (network: NetworkSizes, shape: StepShape, rank: number) => mapped(network, shape, [adapterWeights(network, rank), askedAdapterWeights(network, rank)]);

/**
 * Forward and backward pass of one update. Backwards every product becomes two, of which a frozen weight needs one; the
 * inputs of the first layer need none under an adapter.
 */
export function updateFlops(network: NetworkSizes, shape: StepShape, { rank }: Method = plainMethod): number {
  const { layers, hiddenSize, vocabSize, heads, keyValueHeads, headDim } = network;
  const frozen = rank > 0;
  const inputs = frozen ? 2 * hiddenSize * headDim * (heads + 2 * keyValueHeads) * nodesOf(shape) : 0;
  const linear = (frozen ? 4 : 6) * byWeights(network, shape) - inputs;
  const attention = 12 * heads * headDim * pairsOf(layers, shape);
  const head = (frozen ? 4 : 6) * hiddenSize * vocabSize * shape.generations * shape.newTokens;
  return shape.prompts * (linear + attention + head) + adapterFlops(network, shape, rank);
}

/** The part of an update that is an adapter's. */
export function adapterFlops(network: NetworkSizes, shape: StepShape, rank: number): number {
  return 6 * shape.prompts * byAdapters(network, shape, rank);
}

/** Log-probabilities of every completion under the reference. */
export function referenceFlops(network: NetworkSizes, shape: StepShape): number {
  const { layers, hiddenSize, vocabSize, heads, headDim } = network;
  const linear = 2 * byWeights(network, shape);
  const attention = 4 * heads * headDim * pairsOf(layers, shape);
  return shape.prompts * (linear + attention + 2 * hiddenSize * vocabSize * shape.generations * shape.newTokens);
}

/** Sampling every completion, each prompt run once. */
export function rolloutFlops(network: NetworkSizes, shape: StepShape, { rank }: Method = plainMethod): number {
  const { layers, hiddenSize, vocabSize, heads, headDim } = network;
  const linear = 2 * (byWeights(network, shape) + byAdapters(network, shape, rank));
  const attention = 4 * heads * headDim * pairsOf(layers, shape);
  const head = 2 * hiddenSize * vocabSize * (1 + shape.generations * (shape.newTokens - 1));
  return shape.prompts * (linear + attention + head);
}

/**
 * Shortest time in which the machine can sample every completion: the prompts at the peak of the matrix product, then
 * every token for all completions together, bound by arithmetic or by reading weights and cache (float32) once.
 */
export function rolloutRoofSeconds(network: NetworkSizes, shape: StepShape, { gemmGflops, memoryGbs }: Roof, method: Method = plainMethod): number {
  const { layers, hiddenSize, vocabSize, keyValueHeads, headDim } = network;
  const { prompts, generations, promptTokens, newTokens } = shape;
  const prefillOnly = { ...shape, newTokens: 1 };
  const decodeFlops = rolloutFlops(network, shape, method) - rolloutFlops(network, prefillOnly, method);
  const steps = newTokens - 1;
  const weightBytes = 4 * (layers * (layerWeights(network) + adapterWeights(network, method.rank)) + hiddenSize * vocabSize);
  const meanCached = prompts * (promptTokens + generations * (newTokens / 2)); // token t reads t of its own, 1 to T − 1
  const cacheBytes = 8 * layers * keyValueHeads * headDim * meanCached; // keys and values, 4 bytes each
  const bytesPerStep = weightBytes + cacheBytes;
  return rolloutFlops(network, prefillOnly, method) / (gemmGflops * 1e9) + Math.max(decodeFlops / (gemmGflops * 1e9), (steps * bytesPerStep) / (memoryGbs * 1e9));
}

/** Arithmetic and shortest time of a part of a step. */
export function workOf(part: 'step' | 'rollout' | 'update', network: NetworkSizes, shape: StepShape, roof: Roof, method: Method = plainMethod): { flops: number; roofSeconds: number } {
  const update = part === 'rollout' ? 0 : updateFlops(network, shape, method);
  const reference = part === 'step' && method.reference ? referenceFlops(network, shape) : 0;
  const [rollout, rolloutRoof] = part === 'update' ? [0, 0] : [rolloutFlops(network, shape, method), rolloutRoofSeconds(network, shape, roof, method)];
  return { flops: rollout + reference + update, roofSeconds: rolloutRoof + (reference + update) / (roof.gemmGflops * 1e9) };
}
