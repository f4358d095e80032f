/**
 * The peak memory of a run by part, from the sizes of the network and of a step, before anything is loaded. What tensors
 * take is counted; what the process, the kernels and the holes of the heap take was measured (`measured` below), and
 * `npm run bench -- estimate` holds both against real runs.
 */
import type { AttentionKernel } from '../model/attention.ts';
import type { DecoderConfig } from '../model/decoder-config.ts';
import { adapterShapes } from '../model/lora.ts';
import type { LoraSettings } from '../model/lora.ts';
import { headRowsOf } from '../model/token-logprobs.ts';
import { weightShapes } from '../model/weight-names.ts';
import { keptNumbers } from '../training/activations.ts';
import type { StepShape } from '../training/flops.ts';
import { optimizers } from '../training/optimizers/make-optimizer.ts';
import type { OptimizerName, OptimizerSettings, TrainedShapes } from '../training/optimizers/make-optimizer.ts';
import { elementCount } from '../weights/dtype.ts';
import type { Plan } from './plan.ts';

/** How weights lie in memory. */
export interface Storage {
  /** Bytes of a number of the weights, of keys and of values: 4, or 2 for 16 bits. */
  number: number;
  /** Bytes of an element of a matrix held in blocks; null where matrices are numbers. */
  block: number | null;
}

/** What a run is, as far as its memory goes. */
export interface RunSizes {
  config: DecoderConfig;
  storage: Storage;
  /** The adapter that is trained; null for the weights themselves. */
  lora: LoraSettings | null;
  attention: AttentionKernel;
  /** Whether a reference scores completions, and whether it is a copy of what is trained. */
  reference: 'none' | 'shared' | 'copy';
  /** Null for one of the caller's own, which is taken to remember as much as AdamW. */
  optim: OptimizerName | null;
  optimizerSettings: OptimizerSettings;
  /** One update with prompts and completions as long as they may be. */
  step: StepShape;
  /** Completions of a round of generation. */
  completions: number;
  /** Bytes of the models among the rewards. */
  rewardModels: number;
}

/** The same without what rewards take. */
export type PolicySizes = Omit<RunSizes, 'rewardModels'>;

/** Bytes by part. The first six are always there. */
export interface MemoryParts {
  /** Node, libtorch, its kernels, the tokenizer. */
  runtime: number;
  weights: number;
  adapters: number;
  /** A second copy for β; 0 where the reference is the policy without its adapter. */
  reference: number;
  optimizer: number;
  /** Models among the rewards. */
  rewardModels: number;
  /** While completions are sampled; `heap` is what lies unused between blocks. */
  rollout: { decodingCopies: number; keyValueCache: number; sampling: number; heap: number };
  /** While the policy is updated. */
  update: { gradients: number; activations: number; head: number; heap: number };
}

/**
 * What cannot be counted, fitted to the runs of `npm run bench -- estimate` and of docs/experiments.md (torch 2.13 on Linux
 * with glibc). Bytes, and shares of what is counted.
 */
const measured = {
  /** Node, libtorch and the code of its kernels once they have run. */
  process: 350e6,
  /** Of the tokenizer, an entry of the vocabulary: its text, its merges, its places in both directions. */
  vocabularyEntry: 800,
  /** Of kept activations: the holes that a layer's passing blocks leave between them. */
  holes: 0.1,
  /** Of what sampling freed and gradients do not fill, blocks of one size each: the holes into which activations do not fit. */
  leftBySampling: 0.6,
  /** Of the cache and what is on its way when a token is drawn: what finds no room where an update was. */
  leftByUpdates: 1,
  /** Of activations: what of them is not given back in pieces that gradients fit into, in a single micro-batch. */
  leftByActivations: 0.45,
} as const;

/** Bytes of a float32 number: gradients, moments, adapters, logits, and about what training keeps for each number in 16 bits as well. */
const NUMBER = 4;
/** Tokens of a page of the cache, and of prompts that are prefilled together. */
const [PAGE, PREFILL] = [64, 512];
/** Blocks of logits that are there at once when a token is drawn, and in a part of the head, with and without a soft cap. */
const [DRAWN, CAPPED_HEAD, HEAD] = [4, 3, 1];
/** Larger blocks go back to the system when they are freed (native/addon.cc). */
const RETURNED = 64 * 2 ** 20;

/** Memory of a run by part. */
export function memoryParts(run: RunSizes, plan: Plan): MemoryParts {
  const { config, storage, lora, reference, optim, optimizerSettings } = run;
  const trained = trainedShapes(config, lora);
  const trainedCount = count([...trained.vocabulary, ...trained.hidden]);
  // Adapters are float32; weights of 16 bits are stepped through copies in float32.
  const [trainedNumber, masters] = lora || storage.number === NUMBER ? [NUMBER, 0] : [storage.number, NUMBER];
  const rollout = rolloutParts(run, plan);
  return {
    runtime: measured.process + measured.vocabularyEntry * config.vocabSize,
    weights: weightBytes(run),
    adapters: lora ? trainedNumber * trainedCount : 0,
    reference: reference === 'copy' ? trainedNumber * trainedCount : 0,
    optimizer: masters * trainedCount + NUMBER * optimizers[optim ?? 'adamw'].remembers(trained, optimizerSettings),
    rewardModels: run.rewardModels,
    rollout,
    update: updateParts(run, plan, trained, rollout),
  };
}

function weightBytes({ config, storage }: Pick<RunSizes, 'config' | 'storage'>): number {
  const shapes = [...weightShapes(config).values()];
  return shapes.reduce((sum, shape) => sum + elementCount(shape) * (shape.length === 2 ? (storage.block ?? storage.number) : storage.number), 0);
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

function rolloutParts({ config, storage, lora, step, completions }: RunSizes, { slots, decodingCopies }: Plan): MemoryParts['rollout'] {
  const { vocabSize, hiddenSize, intermediateSize, heads, keyValueHeads, headDim, layers } = config;
  const live = Math.min(slots, completions);
  const prompts = Math.ceil(live / step.generations) + (live < completions ? 1 : 0);
  const maps = [...weightShapes(config)].filter(([name, shape]) => shape.length === 2 && name.startsWith('model.layers.')).map(([, shape]) => shape);
  const head = vocabSize * hiddenSize;
  const cached = 2 * layers * keyValueHeads * headDim * (live * Math.ceil(step.newTokens / PAGE) * PAGE + prompts * step.promptTokens);
  const drawn = DRAWN * live * vocabSize;
  const prefilled = Math.max(PREFILL, step.promptTokens) * (4 * hiddenSize + 3 * intermediateSize + 3 * heads * headDim);
  // Of 16 bits only the head is copied, in float32; blocks are multiplied as they are.
  const copied = !decodingCopies || storage.block !== null ? 0 : storage.number === NUMBER ? count(maps) + head + (lora ? adapterRows(config, lora) : 0) : head;
  const cache = storage.number * cached;
  // While the head, the last of the copies, is reordered, it is there once more; the cache comes after.
  const passing = Math.max(NUMBER * drawn, NUMBER * prefilled, copied > 0 ? NUMBER * head - cache : 0);
  return { decodingCopies: NUMBER * copied, keyValueCache: cache, sampling: passing, heap: measured.leftByUpdates * (cache + passing) };
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

function updateParts(run: RunSizes, { limit, checkpoint }: Plan, trained: TrainedShapes, { decodingCopies, keyValueCache }: MemoryParts['rollout']): MemoryParts['update'] {
  const { config, lora, attention, step } = run;
  const [vocabulary, hidden] = [trained.vocabulary, trained.hidden].map((shapes) => NUMBER * count(shapes)) as [number, number];
  const { batch, batches } = largestMicroBatch(limit, step);
  const activations = NUMBER * keptNumbers({ config, lora, attention, fused: run.storage.number === NUMBER, checkpoint }, batch);
  const head = (config.logitCap === null ? HEAD : CAPPED_HEAD) * NUMBER * Math.min(headRowsOf(config), batch.prompts * batch.generations * batch.newTokens) * config.vocabSize;
  const headWeights = NUMBER * config.vocabSize * config.hiddenSize;
  const freed = keyValueCache + Math.max(0, decodingCopies - (headWeights >= RETURNED ? headWeights : 0));
  const holes = (gradients: number) => measured.holes * activations + measured.leftBySampling * Math.min(activations + head, Math.max(0, freed - gradients));
  if (batches > 1) return { gradients: vocabulary + hidden, activations, head, heap: holes(vocabulary + hidden) };
  // Of a single micro-batch gradients come as activations go, but for those of the vocabulary.
  const atFirst = { gradients: vocabulary, activations, head, heap: holes(vocabulary) };
  const atLast = { gradients: vocabulary + hidden, activations: measured.leftByActivations * activations, head: 0, heap: 0 };
  return total(atFirst) >= total(atLast) ? atFirst : atLast;
}

/** The largest micro-batch of an update whose groups are all alike, and how many there are. */
export function largestMicroBatch(limit: Plan['limit'], step: StepShape): { batch: StepShape; batches: number } {
  const { prompts, generations, promptTokens, newTokens } = step;
  const group = promptTokens + generations * newTokens;
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
