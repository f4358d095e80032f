/** Records of questions → the figures of an evaluation. Questions are what is independent; completions of one are not. */
import { mean } from '../grpo/statistics.ts';
import type { AnswerMode } from './answer-modes.ts';
import { majority } from './majority.ts';
import { passAtK } from './pass-at-k.ts';
import type { CompletionRecord, QuestionRecord } from './question-record.ts';
import { bootstrapInterval } from './resampling.ts';
import { wilsonInterval } from './wilson.ts';
import type { Interval } from './wilson.ts';

/** A mean over questions with its 95% interval; null where one question says nothing about others. */
export interface Estimate {
  value: number;
  interval: Interval | null;
}

/** How often answers are right, by one way to find and judge them. */
export interface ModeSummary {
  /** Questions that were judged. */
  questions: number;
  /** Mean share of right completions of a question: mean@n. With one completion each, the accuracy. */
  accuracy: Estimate;
  /** k → pass@k. */
  passAt: Record<string, Estimate>;
  /** Share of the questions whose most frequent answer is right; null for one completion each, and where no answers are known. */
  majority: Estimate | null;
  /** Share of the completions in which no answer is found; null where answers are not known. */
  withoutAnswer: number | null;
}

/** The values of one reward, or of their weighted sum. */
export interface RewardSummary {
  /** Mean over questions of the mean over their completions that have a value; null when none has. */
  mean: Estimate | null;
  /** Completions with a value. */
  scored: number;
  /** Completions on which it failed. */
  errors: number;
}

/** Lengths of completions. */
export interface LengthSummary extends Estimate {
  min: number;
  median: number;
  max: number;
}

/** `summary.json`. */
export interface EvaluationSummary {
  /** Absolute path of the evaluation's folder. */
  folder: string;
  /** Model reference. */
  model: string;
  questions: number;
  /** n */
  numGenerations: number;
  /** Mode → figures; none without `answer`. */
  modes: Record<string, ModeSummary>;
  /** Name → figures; `reward` is the weighted sum. None without rewards. */
  rewards: Record<string, RewardSummary>;
  reward: RewardSummary | null;
  tokens: LengthSummary;
  characters: LengthSummary;
  /** Share of the completions that were cut off at `maxCompletionLength`. */
  truncated: number;
  finishReasons: Record<string, number>;
}

/** What a summary is told besides the records. */
export interface SummaryContext {
  folder: string;
  model: string;
  passAt: readonly number[];
  /** How answers are counted as votes. */
  modes: readonly Pick<AnswerMode, 'name' | 'vote'>[];
  seed: number;
}

/** The figures of an evaluation. */
export function summarise(records: readonly QuestionRecord[], context: SummaryContext): EvaluationSummary {
  const { folder, model, seed } = context;
  const completions = records.flatMap((record) => record.completions);
  const first = completions[0]!;
  const rewardNames = Object.keys(first.rewards);
  const reasons = [...new Set(completions.map(({ finishReason }) => finishReason))].sort();
  const count = (reason: string) => completions.filter(({ finishReason }) => finishReason === reason).length;
  return {
    folder,
    model,
    questions: records.length,
    numGenerations: records[0]!.completions.length,
    modes: Object.fromEntries(Object.keys(first.verdicts).flatMap((mode) => {
      const figures = modeSummary(records, mode, context);
      return figures ? [[mode, figures]] : [];
    })),
    rewards: Object.fromEntries(rewardNames.map((name) => [name, rewardSummary(records, ({ rewards }) => rewards[name]!, ({ failed = {} }) => Object.hasOwn(failed, name), seed)])),
    reward: rewardNames.length > 0 ? rewardSummary(records, ({ reward = null }) => reward, ({ failed = {} }) => Object.keys(failed).length > 0, seed) : null,
    tokens: lengthSummary(records, ({ tokens }) => tokens, seed),
    characters: lengthSummary(records, ({ characters }) => characters, seed),
    truncated: count('length') / completions.length,
    finishReasons: Object.fromEntries(reasons.map((reason) => [reason, count(reason)])),
  };
}

/** Right completions and answers of a question. */
interface Judged {
  verdicts: boolean[];
  completions: readonly CompletionRecord[];
}

/** null when no question can be judged. */
function modeSummary(records: readonly QuestionRecord[], mode: string, { passAt, modes, seed }: SummaryContext): ModeSummary | null {
  const judged = records.flatMap(({ completions }): Judged[] => {
    const verdicts = completions.map(({ verdicts: all }) => all[mode]!);
    return verdicts.every((verdict) => verdict !== null) ? [{ verdicts, completions }] : [];
  });
  if (judged.length === 0) return null;
  const right = judged.map(({ verdicts }) => verdicts.filter(Boolean).length);
  const n = judged[0]!.verdicts.length;
  const vote = modes.find(({ name }) => name === mode)?.vote ?? String;
  const isKnown = Object.hasOwn(judged[0]!.completions[0]!.answers, mode);
  const answers = isKnown ? judged.map(({ completions }) => completions.map((completion) => completion.answers[mode]!)) : null;
  return {
    questions: judged.length,
    accuracy: estimate(right.map((c) => c / n), seed),
    passAt: Object.fromEntries(passAt.map((k) => [k, estimate(right.map((c) => passAtK(n, c, k)), seed)])),
    majority: answers && n > 1 ? estimate(judged.map(({ verdicts }, q) => Number(majorityIsRight(answers[q]!.map((answer) => answer && vote(answer)), verdicts))), seed) : null,
    withoutAnswer: answers && mean(answers.flat().map((answer) => Number(answer === null))),
  };
}

function majorityIsRight(answers: readonly (string | null)[], verdicts: readonly boolean[]): boolean {
  const winner = majority(answers);
  return winner !== null && verdicts[winner]!;
}

function rewardSummary(records: readonly QuestionRecord[], valueOf: (completion: CompletionRecord) => number | null, failed: (completion: CompletionRecord) => boolean, seed: number): RewardSummary {
  const values = records.map(({ completions }) => completions.map(valueOf).filter((value) => value !== null));
  const scored = values.filter((ofQuestion) => ofQuestion.length > 0);
  return {
    mean: scored.length > 0 ? meanEstimate(scored.map(mean), seed) : null,
    scored: values.flat().length,
    errors: records.flatMap(({ completions }) => completions.filter(failed)).length,
  };
}

function lengthSummary(records: readonly QuestionRecord[], lengthOf: (completion: CompletionRecord) => number, seed: number): LengthSummary {
  const sorted = records.flatMap(({ completions }) => completions.map(lengthOf)).sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return {
    ...meanEstimate(records.map(({ completions }) => mean(completions.map(lengthOf))), seed),
    min: sorted[0]!,
    median: (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2,
    max: sorted.at(-1)!,
  };
}

/** A mean of shares: by Wilson where every question is wholly right or wrong, else by the bootstrap over the questions. */
export function estimate(shares: readonly number[], seed: number): Estimate {
  const isBinary = shares.every((share) => share === 0 || share === 1);
  if (!isBinary) return meanEstimate(shares, seed);
  const right = shares.filter((share) => share === 1).length;
  return { value: right / shares.length, interval: wilsonInterval(right, shares.length) };
}

/** A mean with its bootstrap interval. */
function meanEstimate(values: readonly number[], seed: number): Estimate {
  return { value: mean(values), interval: values.length > 1 ? bootstrapInterval(values, { seed }) : null };
}
