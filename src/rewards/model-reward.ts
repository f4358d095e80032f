/**
 * Reward models as entries of `rewards`: what a recipe or `--reward` says of one, checked, and the reward that stands for it
 * until the network is there (reward-models.ts).
 */
import { z } from 'zod';
import { checked, parameter } from './definition.ts';
import type { Given, Values } from './definition.ts';
import { batch, isModulePath } from './reward.ts';
import type { BatchReward, FunctionEntry, RewardEntry, RewardSample } from './reward.ts';
import { parametersFromText } from './reward-text.ts';

/** What a logit becomes before its sign. */
export const transforms = {
  logit: (logits: readonly number[], at: number): number => logits[at]!,
  sigmoid: (logits: readonly number[], at: number): number => Math.exp(-softplus(-logits[at]!)),
  logSigmoid: (logits: readonly number[], at: number): number => -softplus(-logits[at]!),
  softmax: (logits: readonly number[], at: number): number => {
    const largest = Math.max(...logits);
    return Math.exp(logits[at]! - largest) / logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0);
  },
} as const;

/** log(1 + eˣ) without overflow. */
function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

const parameters = {
  model: parameter(z.string().min(1), 'a model reference', 'the classifier'),
  input: parameter(z.enum(['conversation', 'completion']).default('conversation'), "'conversation' or 'completion'", 'what it reads: prompt and completion, or the completion alone'),
  label: parameter(z.string().nullable().default(null), 'the name of a label', 'which logit counts, by the names in config.json'),
  logit: parameter(z.number().int().min(0).nullable().default(null), 'a whole number of 0 or more', 'which logit counts, by its place'),
  transform: parameter(z.enum(['logit', 'sigmoid', 'softmax', 'logSigmoid']).default('logit'), "'logit', 'sigmoid', 'softmax' or 'logSigmoid'", 'what the logit becomes'),
  sign: parameter(z.literal([1, -1]).default(1), '1 or -1', 'the factor of what comes out'),
  specialTokens: parameter(z.boolean().nullable().default(null), 'true or false', "whether the tokenizer adds its special tokens; null: to a completion alone, and not to a conversation"),
};

/** What a user says of a reward model. */
export type ModelRewardGiven = Given<typeof parameters>;
/** The same, checked, with every default. */
export type ModelRewardSettings = Values<typeof parameters>;

/** Scores a group; one number, or null where there is nothing to read, for each sample. */
export type ScoreSamples = (samples: readonly RewardSample[]) => Promise<(number | null)[]>;

/** What stands behind the reward of a model. */
export interface ModelReward {
  readonly settings: ModelRewardSettings;
  /** Set while a run has the network in memory. */
  score: ScoreSamples | null;
}

/** Model rewards by the reward that stands for them in the list. */
const known = new WeakMap<BatchReward, ModelReward>();

/** What stands behind a reward, or null where it is no reward model. */
export function modelBehind(reward: unknown): ModelReward | null {
  return typeof reward === 'object' && reward !== null ? (known.get(reward as BatchReward) ?? null) : null;
}

/** Longest time for which Node keeps a timer, ms: scoring here waits for the networks before it, and never for a machine that may not answer. */
const NO_DEADLINE = 2 ** 31 - 1;

/**
 * An entry of `rewards` with the reward of a model in place of its name: `'org/name'`, `'./folder:label=toxic'`,
 * `{ fn: 'org/name', weight }` or `{ model: 'org/name', … }`. Other entries stay as they are.
 *
 * @throws InputError for settings that a reward model does not have
 */
export function functionEntry(entry: RewardEntry): FunctionEntry {
  if (typeof entry === 'string') return isModelText(entry) ? { fn: fromText(entry), timeoutMs: NO_DEADLINE } : entry;
  if (typeof entry !== 'object' || entry === null) return entry;
  if ('model' in entry) {
    const { weight = 1, timeoutMs = NO_DEADLINE, ...given } = entry;
    return { fn: modelReward(given), weight, timeoutMs };
  }
  return 'fn' in entry && typeof entry.fn === 'string' && isModelText(entry.fn) ? { timeoutMs: NO_DEADLINE, ...entry, fn: fromText(entry.fn) } : entry;
}

/** Whether a text names a model: no built-in has a slash in its name, and files end in .ts or .js. */
export function isModelText(text: string): boolean {
  return nameOf(text).includes('/') && !isModulePath(text);
}

/** The metric name of a model: the last part of its reference, without revision and settings. */
export function modelRewardName(text: string): string {
  const path = nameOf(text).replace(/\/+$/, '');
  const last = path.slice(path.lastIndexOf('/') + 1);
  const revision = path.startsWith('.') || path.startsWith('/') ? -1 : path.indexOf('@');
  return revision < 0 ? last : modelRewardName(path.slice(0, revision));
}

/** The same entry with its model's reference changed, as for a path that is read from another folder. */
export function withReference(entry: RewardEntry, change: (reference: string) => string): RewardEntry {
  const inText = (text: string) => (isModelText(text) ? change(nameOf(text)) + text.slice(nameOf(text).length) : text);
  if (typeof entry === 'string') return inText(entry);
  if (typeof entry !== 'object' || entry === null) return entry;
  if ('model' in entry && typeof entry.model === 'string') return { ...entry, model: change(entry.model) };
  return 'fn' in entry && typeof entry.fn === 'string' ? { ...entry, fn: inText(entry.fn) } : entry;
}

/** What stands before the settings. */
function nameOf(text: string): string {
  return text.split(':', 1)[0]!;
}

function fromText(text: string): BatchReward {
  const model = nameOf(text);
  const { model: _, ...rest } = parameters;
  const given = parametersFromText({ name: model, rule: '', range: '', source: '', parameters: rest, make: () => null }, model === text ? null : text.slice(model.length + 1));
  return modelReward({ ...given, model } as ModelRewardGiven);
}

function modelReward(given: ModelRewardGiven): BatchReward {
  const settings = checked({ name: typeof given.model === 'string' ? given.model : 'rewards', parameters }, given);
  const behind: ModelReward = { settings, score: null };
  const reward = batch((samples) => {
    if (!behind.score) throw new Error(`The reward model ${settings.model} is not in memory; it scores only while a run goes on.`);
    return behind.score(samples);
  });
  known.set(reward, behind);
  // Its name in a list, and what config.json says of it.
  Object.defineProperty(reward, 'name', { value: modelRewardName(settings.model) });
  return Object.defineProperty(reward, 'toJSON', { value: () => settings });
}
