/**
 * The options of an evaluation. What asks and scores is as in a training run, under the same names; what is not given about
 * sampling comes from the model. This schema is the only source of types, defaults, validation, help and the table in
 * docs/evaluation.md.
 */
import { z } from 'zod';
import { expected } from '../errors.ts';
import { optionError } from '../grpo/option-errors.ts';
import { notNegative, option, positive, share, whole } from '../grpo/option-fields.ts';
import { optionSchema } from '../grpo/option-schema.ts';
import type { OptionGroup } from '../grpo/option-schema.ts';
import { extractions } from '../rewards/answer-extraction.ts';
import type { Extraction } from '../rewards/answer-extraction.ts';
import { namedRewards } from '../rewards/named-rewards.ts';
import type { Rewards, RewardSpec } from '../rewards/reward.ts';
import { answerModes } from './answer-modes.ts';
import type { AnswerMode, AnswerModes } from './answer-modes.ts';
import { usualKs } from './pass-at-k.ts';

const run = optionSchema.shape;
const byModel = "the model's `generation_config.json`";
const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;

const asked = {
  model: run.model,
  base: option(z.string().min(1).nullable().default(null), { meaning: 'For an adapter: the model under it, in place of the one its config names' }),
  tokenizer: run.tokenizer,
  dataset: run.dataset,
  prompt: run.prompt,
  maxPromptLength: run.maxPromptLength,
  promptTooLong: run.promptTooLong,
  addSpecialTokens: run.addSpecialTokens,
  chatTemplateKwargs: run.chatTemplateKwargs,
};

const sampled = {
  numGenerations: option(whole(1).default(1), { meaning: 'n, completions per question' }),
  temperature: option(notNegative().nullable().default(null), { meaning: '0 takes the likeliest token each time', byDefault: `${byModel}, else 1` }),
  topP: option(positive().max(1).nullable().default(null), { meaning: 'Samples from the most likely tokens that hold this share of the probability', byDefault: `${byModel}, else 1` }),
  topK: option(whole(0).nullable().default(null), { meaning: 'Samples from this many of the most likely tokens; 0 is off', byDefault: `${byModel}, else 0` }),
  minP: option(share().nullable().default(null), { meaning: "Leaves out tokens less likely than this share of the likeliest one's probability; 0 is off", byDefault: `${byModel}, else 0` }),
  repetitionPenalty: option(positive().nullable().default(null), { meaning: 'Makes tokens that occurred already less likely (above 1)', byDefault: `${byModel}, else 1` }),
  maxCompletionLength: option(whole(1).nullable().default(null), { meaning: 'Longest completion in tokens', byDefault: `${byModel}, else 512` }),
  minCompletionLength: option(whole(0).nullable().default(null), { meaning: 'Stop ids are suppressed until a completion has this many tokens', byDefault: `${byModel}, else 0` }),
  stopStrings: option(z.array(z.string().min(1)).default([]), { meaning: 'Texts that end a completion; `text` ends before them' }),
  seed: option(whole(0).default(42), { meaning: 'The only source of randomness: of sampling and of resampling' }),
};

const scored = {
  answer: option(z.string().min(1).nullable().default(null), { meaning: 'Column with the right answer; without it nothing is right or wrong' }),
  gold: option(z.enum(Object.keys(extractions) as Extraction[]).default('whole'), { meaning: 'Where the right answer stands in that column, as in `hashes`' }),
  extract: option(z.custom<AnswerModes>(isObject).default(['answer']), {
    meaning: 'Where the answer stands in a completion and how it is compared, `EXTRACTION[:CHECK]`, several side by side; by name also functions `(text, gold) => true | false | null`',
    written: 'text[] | record',
    wanted: 'to be a list of texts EXTRACTION[:CHECK], or such texts and functions by name',
  }),
  passAt: option(z.array(whole(1)).min(1).nullable().default(null), { meaning: 'The k of pass@k', written: 'integer[] | null', byDefault: '1, 2, 4, … and n' }),
  rewards: option(z.custom<Rewards>(isObject).nullable().default(null), {
    meaning: 'Rewards whose means are shown, given as in a run',
    written: 'record | list | null',
    wanted: 'to be rewards by name, or a list of reward functions',
  }),
  rewardWeights: run.rewardWeights,
  maxRewardErrorRate: run.maxRewardErrorRate,
  rewardTimeoutMs: run.rewardTimeoutMs,
  rewardConcurrency: run.rewardConcurrency,
  isolate: run.isolate,
};

const place = {
  outputDir: option(z.string().min(1).nullable().default(null), {
    meaning: 'Folder of the evaluation; where it holds the same one unfinished, that is gone on with',
    byDefault: '`runs/eval-<date>`',
  }),
  overwrite: option(z.boolean().default(false), { meaning: 'Replaces the evaluation that `outputDir` holds' }),
  device: run.device,
  dtype: option(z.enum(['auto', 'float32', 'bfloat16', 'float16', 'float64']).default('auto'), { meaning: "Type of the weights; `'auto'` takes what the machine computes fast" }),
  quantisation: run.quantisation,
  attention: run.attention,
  cacheDir: run.cacheDir,
  maxConcurrentRollouts: run.maxConcurrentRollouts,
  threads: run.threads,
};

/** The options in the order of the docs. */
export const evaluationGroups: readonly OptionGroup[] = [
  { title: 'What is asked', options: asked },
  { title: 'How it is answered', options: sampled },
  { title: 'How it is judged', options: scored },
  { title: 'Where', options: place },
];

/** The whole schema; unknown keys are refused. */
export const evaluationSchema = z.strictObject({ ...asked, ...sampled, ...scored, ...place });

/** What a user gives: every option but `model` and `dataset` may be left out. */
export type EvaluationOptions = z.input<typeof evaluationSchema>;

/** Every option with its value. */
export type ResolvedEvaluation = Omit<z.output<typeof evaluationSchema>, 'rewards' | 'rewardWeights' | 'extract' | 'passAt'> & {
  rewards: RewardSpec[];
  /** None without `answer`. */
  modes: AnswerMode[];
  passAt: number[];
};

/**
 * Validates options and writes the defaults out that do not depend on the model.
 *
 * @throws InputError for an unknown key, a value that cannot be used, or options that exclude one another
 */
export function resolveEvaluation(input: EvaluationOptions): ResolvedEvaluation {
  if (!isObject(input) || Array.isArray(input)) throw expected('options', 'to be an object', input, 'pass at least { model, dataset }');
  const parsed = evaluationSchema.safeParse(input);
  if (!parsed.success) throw optionError(parsed.error.issues, input, evaluationSchema.shape);
  const { rewards, rewardWeights, extract, passAt, ...rest } = parsed.data;
  const { numGenerations, temperature, answer, device, dtype, model, base, quantisation } = rest;
  if (numGenerations > 1 && temperature === 0) throw greedyAndMany(numGenerations);
  if (typeof model === 'object' && (device !== 'auto' || dtype !== 'auto' || base !== null || quantisation !== null)) {
    throw expected('model', 'to be a reference where `device`, `dtype`, `quantisation` or `base` is set', 'a loaded model', 'set them in `loadModel`');
  }
  const tooMany = passAt?.find((k) => k > numGenerations);
  if (tooMany !== undefined) throw expected('passAt', `to hold numbers up to \`numGenerations\` (${numGenerations})`, tooMany, 'raise `numGenerations`, or leave it out');
  for (const name of ['gold', 'extract', 'passAt'] as const) {
    if (answer === null && (input[name] ?? null) !== null) throw expected('answer', `to name the column of the right answer when \`${name}\` is set`, null, 'name it');
  }
  if (rewards === null && rewardWeights !== null) throw expected('rewards', 'to be given when `rewardWeights` is', null, 'give them');
  return {
    ...rest,
    rewards: rewards === null ? [] : namedRewards(rewards, rewardWeights ?? undefined, rest.isolate),
    modes: answer === null ? [] : answerModes(extract),
    passAt: passAt ? [...new Set(passAt)].sort((a, b) => a - b) : usualKs(numGenerations),
  };
}

/** Several completions that are all alike say nothing; also where the model asks for greedy decoding. */
export function greedyAndMany(numGenerations: number): Error {
  return expected('temperature', `to be above 0 with \`numGenerations\` ${numGenerations}`, 0, 'greedy completions of one question are all alike: set it, or leave `numGenerations` out');
}
