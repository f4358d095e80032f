/**
 * The peak memory of a run by part, from the sizes of the network and of a step, before anything is loaded. What tensors
 * take is counted; what the process, the kernels and the holes of the heap take was measured (`measured` below), and
 * `npm run bench -- estimate` holds both against real runs.
 */
import type { AttentionKernel } from '../model/attention.ts';
import type { DecoderConfig } from '../model/decoder-config.ts';
import { adapterShapes } from '../model/lora.ts';
import type { LoraSettings } from '../model/lora.ts';
import { headChunk } from '../model/token-logprobs.ts';
import { weightShapes } from '../model/weight-names.ts';
import { keptNumbers, packedTokens } from '../training/activations.ts';
import type { StepShape } from '../training/flops.ts';
import type { TrainedShapes } from '../training/optimizers/make-optimizer.ts';
import { elementCount } from '../weights/dtype.ts';
import type { Plan } from './start.ts';

/** What a run is, as far as its memory goes. */
export interface RunSizes {
  config: DecoderConfig;
  /** The adapter that is trained; null for the weights themselves. */
  lora: LoraSettings | null;
  attention: AttentionKernel;
  /** Whether a reference scores completions, and whether it is a copy of what is trained. */
  reference: 'none' | 'shared' | 'copy';
  /** Numbers of 4 bytes that the optimizer remembers of tensors of these shapes. */
  remembers: (shapes: TrainedShapes) => number;
  /** One update with prompts and completions as long as they may be. */
  step: StepShape;
  /** Completions of a round of generation. */
  completions: number;
}

/** Bytes by part. The first five are always there. */
export interface MemoryParts {
  /** Node, libtorch, its kernels, the tokenizer. */
  runtime: number;
  weights: number;
  adapters: number;
  /** A second copy for β; 0 where the reference is the policy without its adapter. */
  reference: number;
  optimizer: number;
  /** While completions are sampled. */
  rollout: { decodingCopies: number; keyValueCache: number; sampling: number };
  /** While the policy is updated; `heap` is what lies unused between blocks. */
  update: { gradients: number; activations: number; head: number; heap: number };
}

/**
 * What cannot be counted, fitted to the runs of `npm run bench -- estimate` and of docs/experiments.md (torch 2.13 on Linux
 * with glibc). Bytes, and shares of what is counted.
 */
const measured = {
  /** Node, libtorch and the code of its kernels once they have run. */
  process: 335e6,
  /** Of the tokenizer, an entry of the vocabulary: its text, its merges, its places in both directions. */
  vocabularyEntry: 800,
  /** Of kept activations: blocks of many sizes, between which a layer's passing ones leave holes. */
  holes: 0.2,
  /** The same with an adapter, whose layers make twice as many passing blocks. */
  adapterHoles: 0.45,
  /** Of activations: what of them is not given back in pieces that gradients fit into, in a single micro-batch. */
  leftByActivations: 0.45,
} as const;

/** Bytes of a number. */
const NUMBER = 4;
/** Tokens of a page of the cache, and of prompts that are prefilled together. */
const [PAGE, PREFILL] = [64, 512];
/** Blocks of logits that are there at once, in a chunk of the head and when a token is drawn. */
const LOGITS = 4;

/** Memory of a run by part. */
export function memoryParts(run: RunSizes, plan: Plan): MemoryParts {
  const { config, lora, reference, remembers } = run;
  const trained = trainedShapes(config, lora);
  const trainedBytes = NUMBER * count([...trained.vocabulary, ...trained.hidden]);
  return {
    runtime: measured.process + measured.vocabularyEntry * config.vocabSize,
    weights: NUMBER * count([...weightShapes(config).values()]),
    adapters: lora ? trainedBytes : 0,
    reference: reference === 'copy' ? trainedBytes : 0,
    optimizer: NUMBER * remembers(trained),
    rollout: rolloutParts(run, plan.slots),
    update: updateParts(run, plan, trainedBytes),
  };
}

/** The most that is there at one time. */
export function peakBytes({ rollout, update, ...always }: MemoryParts): number {
  return total(always) + Math.max(total(rollout), total(update));
}

/** Shapes of the tensors that training changes. */
export function trainedShapes(config: DecoderConfig, lora: LoraSettings | null): TrainedShapes {
  const shapes = [...(lora ? adapterShapes(config, lora) : weightShapes(config))];
  const ofVocabulary = (name: string) => name === 'model.embed_tokens.weight' || name === 'lm_head.weight';
  return {
    vocabulary: shapes.flatMap(([name, shape]) => (ofVocabulary(name) ? [shape] : [])),
    hidden: shapes.flatMap(([name, shape]) => (ofVocabulary(name) ? [] : [shape])),
  };
}

function rolloutParts({ config, lora, step, completions }: RunSizes, slots: number): MemoryParts['rollout'] {
  const { vocabSize, hiddenSize, intermediateSize, heads, keyValueHeads, headDim, layers } = config;
  const live = Math.min(slots, completions);
  const prompts = Math.ceil(live / step.generations) + (live < completions ? 1 : 0);
  const maps = [...weightShapes(config)].filter(([name, shape]) => shape.length === 2 && name.startsWith('model.layers.')).map(([, shape]) => shape);
  const head = vocabSize * hiddenSize;
  const cached = 2 * layers * keyValueHeads * headDim * (live * Math.ceil(step.newTokens / PAGE) * PAGE + prompts * step.promptTokens);
  const drawn = LOGITS * live * vocabSize;
  const prefilled = Math.max(PREFILL, step.promptTokens) * (4 * hiddenSize + 3 * intermediateSize + 3 * heads * headDim);
  // While the head, the last of them, is reordered, it is there once more; cache and logits come after.
  const reordered = Math.max(0, head - cached - Math.max(drawn, prefilled));
  return {
    decodingCopies: NUMBER * (count(maps) + head + reordered + (lora ? adapterRows(config, lora) : 0)),
    keyValueCache: NUMBER * cached,
    sampling: NUMBER * Math.max(drawn, prefilled),
  };
}

/** Numbers of an adapter while decoding: A as more rows of the maps, and B, which is block-diagonal where maps are joined. */
function adapterRows(config: DecoderConfig, lora: LoraSettings): number {
  const shapes = [...adapterShapes(config, lora)];
  return shapes.reduce((sum, [name, shape]) => sum + (name.endsWith('.lora_A.weight') ? elementCount(shape) : name.endsWith('.lora_B.weight') ? joined(name) * elementCount(shape) : 0), 0);
}

/** Maps that are multiplied together with this one. */
function joined(name: string): number {
  return /\.(q|k|v)_proj\./.test(name) ? 3 : /\.(gate|up)_proj\./.test(name) ? 2 : 1;
}

function updateParts(run: RunSizes, { limit, checkpoint }: Plan, trainedBytes: number): MemoryParts['update'] {
  const { config, lora, attention, step } = run;
  const { batch, batches } = largestMicroBatch(limit, step);
  const activations = NUMBER * keptNumbers({ config, lora, attention, checkpoint }, batch);
  const head = LOGITS * NUMBER * Math.min(headChunk, batch.prompts * batch.generations * batch.newTokens) * config.vocabSize;
  const heap = (lora ? measured.adapterHoles : measured.holes) * activations;
  if (batches > 1) return { gradients: trainedBytes, activations, head, heap };
  // Of a single micro-batch gradients come as activations go, but for the head's.
  const first = lora ? 0 : Math.min(trainedBytes, NUMBER * config.vocabSize * config.hiddenSize);
  const left = measured.leftByActivations * activations;
  return first + activations + head + heap >= trainedBytes + left ? { gradients: first, activations, head, heap } : { gradients: trainedBytes, activations: left, head: 0, heap: 0 };
}

/** The largest micro-batch of an update whose groups are all alike, and how many there are. */
export function largestMicroBatch(limit: Plan['limit'], step: StepShape): { batch: StepShape; batches: number } {
  const { prompts, generations, promptTokens, newTokens } = step;
  const group = packedTokens({ ...step, prompts: 1 });
  const groups = Math.min(prompts, 'rows' in limit ? Math.floor(limit.rows / generations) : Math.floor(limit.tokens / group));
  if (groups >= 1) return { batch: { ...step, prompts: groups }, batches: Math.ceil(prompts / groups) };
  const fitting = 'rows' in limit ? limit.rows : Math.floor((limit.tokens - promptTokens) / newTokens);
  const rows = Math.min(generations, Math.max(1, fitting));
  return { batch: { ...step, prompts: 1, generations: rows }, batches: prompts * Math.ceil(generations / rows) };
}

function count(shapes: readonly (readonly number[])[]): number {
  return shapes.reduce((sum, shape) => sum + elementCount(shape), 0);
}

function total(parts: Readonly<Record<string, number>>): number {
  return Object.values(parts).reduce((sum, bytes) => sum + bytes, 0);
}
