/** Two evaluations of the same questions, compared question by question. */
import { InputError, expected, show } from '../errors.ts';
import { mean } from '../grpo/statistics.ts';
import { differences, readEvaluation } from './evaluation-folder.ts';
import type { Difference, EvaluationSettings } from './evaluation-folder.ts';
import { mcnemarExact } from './mcnemar.ts';
import type { CompletionRecord, QuestionRecord } from './question-record.ts';
import { bootstrapInterval, permutationTest } from './resampling.ts';
import type { Interval } from './wilson.ts';

/** One figure of both, and whether they differ. The difference is second − first. */
export interface PairedFigure {
  /** Questions that have it in both. */
  questions: number;
  first: number;
  second: number;
  difference: number;
  /** 95% of the difference, by the bootstrap over the questions; null for one question. */
  interval: Interval | null;
  /** Chance of a difference at least so large if both were alike. */
  p: number;
  test: 'mcnemar' | 'permutation';
}

/** How often each is right. */
export interface PairedVerdicts extends PairedFigure {
  /** Questions that only one answers rightly, with one completion each; null with several. */
  onlyFirst: number | null;
  onlySecond: number | null;
}

/** One question side by side: means over its completions. */
export interface PairedQuestion {
  index: number;
  question: QuestionRecord['question'];
  first: QuestionFigures;
  second: QuestionFigures;
}

/** Figures of one question in one evaluation. */
export interface QuestionFigures {
  characters: number;
  tokens: number;
  /** Mode → share of right completions; null where not judged. */
  right: Record<string, number | null>;
  /** Weighted sum of the rewards; null = unscored. */
  reward: number | null;
}

/** What `compareEvaluations` gives. */
export interface Comparison {
  first: { folder: string; model: string };
  second: { folder: string; model: string };
  /** Besides the model: settings of sampling, judging and rewards that are not the same. */
  differences: Difference[];
  questions: number;
  /** Mode → figures, of the modes that both have. */
  modes: Record<string, PairedVerdicts>;
  /** `reward`, `rewards/<name>`, `characters`, `tokens`, `truncated` → figures. */
  means: Record<string, PairedFigure>;
  rows: PairedQuestion[];
}

/**
 * Compares two evaluations.
 *
 * @param first folder of an evaluation, as a rule that of the model before
 * @param second folder of another one over the same questions
 * @throws InputError when the questions are not the same, or one is not finished
 */
export async function compareEvaluations(first: string, second: string, { seed = 42 } = {}): Promise<Comparison> {
  const [a, b] = [await readEvaluation(first), await readEvaluation(second)];
  for (const [folder, { settings, records }] of [[first, a], [second, b]] as const) assertFinished(folder, settings, records);
  const modelOf = ({ settings }: typeof a) => (settings['model'] as { reference: string }).reference;
  return {
    first: { folder: first, model: modelOf(a) },
    second: { folder: second, model: modelOf(b) },
    differences: differences(besidesTheModel(a.settings), besidesTheModel(b.settings)),
    ...compareRecords(a.records, b.records, { seed }),
  };
}

/** Questions are compared one by one; what their fingerprint holds beside them is how a model reads them. */
function besidesTheModel({ model: _model, questions: _questions, ...rest }: EvaluationSettings): EvaluationSettings {
  return rest;
}

function assertFinished(folder: string, settings: EvaluationSettings, records: readonly QuestionRecord[]): void {
  const { count } = settings['questions'] as { count: number };
  if (records.length === count) return;
  throw new InputError(`Expected the evaluation in \`${folder}\` to be finished, got ${records.length} of ${count} questions; evaluate again with that \`outputDir\` to go on with it.`, { folder });
}

/**
 * Compares the records of two evaluations, each in the order of the dataset.
 *
 * @throws InputError when the questions or their right answers are not the same
 */
export function compareRecords(first: readonly QuestionRecord[], second: readonly QuestionRecord[], { seed = 42 } = {}): Pick<Comparison, 'questions' | 'modes' | 'means' | 'rows'> {
  assertSameQuestions(first, second);
  const pairs = first.map((record, i): [QuestionRecord, QuestionRecord] => [record, second[i]!]);
  const shared = (namesOf: (completion: CompletionRecord) => object): string[] => {
    const [ours, theirs] = [first, second].map((records) => Object.keys(namesOf(records[0]!.completions[0]!)));
    return ours!.filter((name) => theirs!.includes(name));
  };
  const figure = (valueOf: (completion: CompletionRecord) => number | null) => pairedFigure(pairs.map((pair) => pair.map((record) => questionMean(record, valueOf))), seed);
  const rewards = shared(({ rewards: all }) => all).map((name) => [`rewards/${name}`, figure((completion) => completion.rewards[name]!)] as const);
  const means = [
    ...(rewards.length > 0 ? [['reward', figure(({ reward = null }) => reward)] as const] : []),
    ...rewards,
    ['characters', figure(({ characters }) => characters)] as const,
    ['tokens', figure(({ tokens }) => tokens)] as const,
    ['truncated', figure(({ finishReason }) => Number(finishReason === 'length'))] as const,
  ];
  return {
    questions: pairs.length,
    modes: present(shared(({ verdicts }) => verdicts).map((mode) => [mode, pairedVerdicts(pairs, mode, seed)])),
    means: present(means),
    rows: pairs.map(([a, b]) => ({ index: a.index, question: a.question, first: figuresOf(a), second: figuresOf(b) })),
  };
}

function assertSameQuestions(first: readonly QuestionRecord[], second: readonly QuestionRecord[]): void {
  if (first.length !== second.length) throw expected('compare', 'to name two evaluations of the same questions', `${first.length} and ${second.length} questions`, 'evaluate both on the same rows');
  const other = first.findIndex((record, i) => identity(record) !== identity(second[i]!));
  if (other < 0) return;
  const [a, b] = [first[other]!, second[other]!];
  throw new InputError(
    `Expected two evaluations of the same questions, got row ${a.index} with ${show(a.question)} and ${show(a.gold)}, and row ${b.index} with ${show(b.question)} and ${show(b.gold)}; evaluate both on the same rows, with the same prompt.`,
    { first: a.index, second: b.index },
  );
}

function identity({ index, question, gold }: QuestionRecord): string {
  return JSON.stringify([index, question, gold]);
}

/** Mean over the completions that have a value; null when none has. */
function questionMean({ completions }: QuestionRecord, valueOf: (completion: CompletionRecord) => number | null): number | null {
  const values = completions.map(valueOf).filter((value) => value !== null);
  return values.length > 0 ? mean(values) : null;
}

function shareRight(record: QuestionRecord, mode: string): number | null {
  return questionMean(record, ({ verdicts }) => (verdicts[mode] === null || verdicts[mode] === undefined ? null : Number(verdicts[mode])));
}

/** null when no question has the figure in both. */
function pairedFigure(values: readonly (number | null)[][], seed: number): PairedFigure | null {
  const both = values.flatMap(([a, b]) => (typeof a === 'number' && typeof b === 'number' ? [[a, b] as const] : []));
  if (both.length === 0) return null;
  const differences = both.map(([a, b]) => b - a);
  return {
    questions: both.length,
    first: mean(both.map(([a]) => a)),
    second: mean(both.map(([, b]) => b)),
    difference: mean(differences),
    interval: both.length > 1 ? bootstrapInterval(differences, { seed }) : null,
    p: permutationTest(differences, { seed }),
    test: 'permutation',
  };
}

/** With one completion each McNemar's test counts; with several the shares of each question are compared as means. */
function pairedVerdicts(pairs: readonly [QuestionRecord, QuestionRecord][], mode: string, seed: number): PairedVerdicts | null {
  const shares = pairs.map(([a, b]) => [shareRight(a, mode), shareRight(b, mode)]);
  const figure = pairedFigure(shares, seed);
  if (!figure) return null;
  if (pairs.some((pair) => pair.some(({ completions }) => completions.length > 1))) return { ...figure, onlyFirst: null, onlySecond: null };
  const onlyFirst = shares.filter(([a, b]) => a === 1 && b === 0).length;
  const onlySecond = shares.filter(([a, b]) => a === 0 && b === 1).length;
  return { ...figure, p: mcnemarExact({ onlyFirst, onlySecond }), test: 'mcnemar', onlyFirst, onlySecond };
}

function figuresOf(record: QuestionRecord): QuestionFigures {
  const { verdicts } = record.completions[0]!;
  return {
    characters: questionMean(record, ({ characters }) => characters)!,
    tokens: questionMean(record, ({ tokens }) => tokens)!,
    right: Object.fromEntries(Object.keys(verdicts).map((mode) => [mode, shareRight(record, mode)])),
    reward: questionMean(record, ({ reward = null }) => reward),
  };
}

function present<T>(entries: readonly (readonly [string, T | null])[]): Record<string, T> {
  return Object.fromEntries(entries.flatMap(([name, value]) => (value === null ? [] : [[name, value]])));
}
