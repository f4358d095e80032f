/** What a reward function is: the sample it sees, its two shapes, and how a run names it. */
import type { Row } from '../data/row.ts';
import type { Message } from '../text/message.ts';

/** What a reward sees of one completion. */
export interface RewardSample {
  /** What the dataset gave: a plain string, or messages. */
  prompt: string | Message[];
  completion: {
    /** Decoded without special tokens. Its length in the sources is `[...text].length`: characters, not UTF-16 units. */
    text: string;
    /** `[{ role: 'assistant', content: text }]` for conversational prompts; absent for plain ones. */
    messages?: Message[];
    /** Token ids, the stop token included. */
    ids: readonly number[];
    finishReason: 'stop' | 'length' | 'stopString' | 'tool';
  };
  /** The whole dataset row, so that answers and other columns can be compared with. */
  row: Row;
  /** The optimizer update this sample will serve, from 1. */
  step: number;
  /** Share of the run that is done, 0…1. */
  progress: number;
  /** Aborted when the reward runs out of time or the run is interrupted; pass it to `fetch` and the like. */
  signal: AbortSignal;
  /** Records a number of the reward's own; the mean over the samples that logged it appears as `logged/<name>`. */
  log(name: string, value: number): void;
}

/** A reward for one sample; null = does not apply to it. */
export type RewardFunction = (sample: RewardSample) => number | null | Promise<number | null>;

/** The plain function inside a batch reward: one entry per sample, in order. */
export type BatchFunction = (samples: RewardSample[]) => (number | null)[] | Promise<(number | null)[]>;

// A registered symbol: a recipe may load its own copy of this module.
const BATCH: unique symbol = Symbol.for('tsrl.batchReward') as never;

/**
 * A reward that takes a list of samples at once; made by `batch`. Not a function itself, so that a plain reward written
 * inline in a recipe gets the type of its argument.
 */
export interface BatchReward {
  /** The name of the function given to `batch`. */
  readonly name: string;
  readonly [BATCH]: BatchFunction;
}

/**
 * Marks a reward that scores a list of samples in one call, for instance with one request to a judge. It gets the
 * completions of one prompt at a time and returns one number or null for each, in order.
 */
export function batch(fn: BatchFunction): BatchReward {
  return { name: fn.name, [BATCH]: fn };
}

/** The function inside a reward made by `batch`; null for any other value. */
export function batchFunction(reward: unknown): BatchFunction | null {
  return typeof reward === 'object' && reward !== null && BATCH in reward ? (reward as BatchReward)[BATCH] : null;
}

/** A reward that runs in processes of its own, which are ended when they hang. */
export interface IsolatedReward {
  /** Absolute path of the file whose default export is the reward. */
  file: string;
  /** How many processes there are, each with one call at a time. */
  processes: number;
  /** Megabytes (10⁶ bytes) that one process may take beyond what it holds with the file loaded. */
  memoryMb: number;
}

/** One reward as a run scores with it. */
export interface RewardSpec {
  name: string;
  fn: RewardFunction | BatchReward | IsolatedReward;
  weight: number;
  /** Milliseconds one try may take; null = the run's `rewardTimeoutMs`. */
  timeoutMs: number | null;
  /** How often a call that failed or ran out of time is tried again; 0 for all rewards that are not remote. */
  retries: number;
  /** Milliseconds before the first of these tries; each next pause is twice as long. */
  backoffMs: number;
}

/** A reward with settings of its own. */
export interface RewardSettings {
  /** The function, a built-in such as `'length:50'`, or the path of a file whose default export is the reward. */
  fn?: RewardFunction | BatchReward | string;
  /** The path of such a file, in place of `fn`. */
  file?: string;
  /** Its factor in the sum; default 1. */
  weight?: number;
  /** Milliseconds one try may take; default `rewardTimeoutMs`. */
  timeoutMs?: number;
  /** It asks another machine, which may fail for a moment: what fails or runs out of time is tried again. */
  remote?: boolean;
  /** With `remote`: how often; default 3. */
  retries?: number;
  /** With `remote`: milliseconds before the second try, twice as many before the third, and so on; default 500. */
  backoffMs?: number;
  /** Runs it in processes of its own; it must be given by file. */
  isolate?: boolean;
  /** With `isolate`: how many processes; default one per core, at most 8. */
  processes?: number;
  /** With `isolate`: megabytes that one process may take beyond what it holds with the file loaded; default 1024. */
  memoryMb?: number;
}

/** A reward model: a sequence classifier by its reference, with what is read and what its logit becomes (docs/reward-models.md). */
export interface ModelRewardEntry {
  model: string;
  /** What it reads: prompt and completion, or the completion alone. Default `'conversation'`. */
  input?: 'conversation' | 'completion';
  /** Which logit counts, by name. A model with several needs this or `logit`. */
  label?: string | null;
  /** Which logit counts, by its place from 0. */
  logit?: number | null;
  /** What the logit becomes. Default `'logit'`: it stays as it is. */
  transform?: 'logit' | 'sigmoid' | 'softmax' | 'logSigmoid';
  /** The factor of what comes out. Default 1. */
  sign?: 1 | -1;
  /** Whether the tokenizer adds its special tokens. Default: to a completion alone, and not to a conversation. */
  specialTokens?: boolean | null;
  /** The factor of the reward in the sum. Default 1. */
  weight?: number;
  /** Default: none, because it waits for nothing but this machine. */
  timeoutMs?: number;
}

/** One entry of `rewards`: a function, a built-in such as `'length:50'`, a model, or a function with its own settings. */
export type RewardEntry = FunctionEntry | ModelRewardEntry;

/** An entry that is no reward model. A text may name one all the same. */
export type FunctionEntry = RewardFunction | BatchReward | string | RewardSettings;

/** The option `rewards`: by name, or a list in which each function is named by its own name. */
export type Rewards = Readonly<Record<string, RewardEntry>> | readonly RewardEntry[];

/** Whether a reward runs in processes of its own. */
export function isIsolated(fn: RewardSpec['fn']): fn is IsolatedReward {
  return typeof fn === 'object' && 'file' in fn;
}

/** Whether the text of a reward names a file, not a built-in. */
export function isModulePath(text: string): boolean {
  return /\.[cm]?[jt]s$/.test(text);
}
