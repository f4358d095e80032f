/** Rewards by a language model that judges, behind an OpenAI-compatible endpoint. What to expect of it: `docs/judge.md`. */
import { expected } from '../errors.ts';
import { readScore, readWinner, type Winner } from './judge/answers.ts';
import { comparisonsOf } from './judge/comparisons.ts';
import { JudgeClient, type JudgeService } from './judge/judge-client.ts';
import { checkTemplate, columnText, judgeMessages } from './judge/judge-prompt.ts';
import { recorded } from './definition.ts';
import { batch, type BatchReward, type RewardFunction, type RewardSample } from './reward.ts';
import { Slots } from './slots.ts';

/** Options of `judgeScore`. */
export interface JudgeScoreOptions extends JudgeService {
  /** What makes an answer good, in words for the judge. */
  criteria: string;
  /** Worst and best score. */
  scale?: { min: number; max: number };
  /** What the judge reads, with the places {{prompt}}, {{completion}}, {{criteria}} and {{row.COLUMN}}. */
  template?: string;
}

/** Options of `judgePairwise`. */
export interface JudgePairwiseOptions extends JudgeService {
  /** What makes an answer better, in words for the judge. */
  criteria: string;
  /** `group`: the other completions of the prompt. `{ column }`: a text of the row, such as a reference answer. */
  against?: 'group' | { column: string };
  /** Most pairs of one group; each pair is two requests, one in each order. */
  maxComparisons?: number;
  /** Requests of this reward at once. */
  concurrency?: number;
  /** What the judge reads, with the places {{prompt}}, {{a}}, {{b}}, {{criteria}} and {{row.COLUMN}}. */
  template?: string;
}

const SCORE_TEMPLATE = 'Judge an answer.\n\nThe question:\n{{prompt}}\n\nThe answer:\n{{completion}}\n\nWhat counts: {{criteria}}';

const PAIR_TEMPLATE = 'Compare two answers.\n\nThe question:\n{{prompt}}\n\nAnswer A:\n{{a}}\n\nAnswer B:\n{{b}}\n\nWhat counts: {{criteria}}';

/**
 * The score that the judge gives to each completion, as it gives it.
 *
 * An answer that cannot be read, or lies outside the scale, is an error and not a 0.
 *
 * @throws InputError when an option cannot be, before anything is asked
 */
export function judgeScore(options: JudgeScoreOptions): RewardFunction {
  const { criteria, scale = { min: 1, max: 10 }, template = SCORE_TEMPLATE } = options;
  if (!(Number.isFinite(scale.min) && Number.isFinite(scale.max) && scale.min < scale.max)) throw expected('scale', 'to be { min, max } with min below max', scale, 'correct it');
  checkCriteria(criteria);
  checkTemplate(template, ['completion']);
  const client = new JudgeClient(options);
  const wanted = `{"score": N}, N from ${scale.min} to ${scale.max}`;
  const ending = `Say in a few sentences what speaks for and against it. Then end with one line of JSON: ${wanted}, ${scale.min} being the worst and ${scale.max} the best.`;
  const reward: RewardFunction = async function judgeScore(sample) {
    const messages = judgeMessages(template, criteria, sample, { completion: sample.completion.text }, ending);
    return client.ask(messages, (answer) => readScore(answer, scale), wanted, sample.signal);
  };
  return recorded(reward, 'judgeScore', { ...client.service, criteria, scale, template });
}

/**
 * The share of comparisons that a completion wins, 0…1: a win is 1, a tie ½. Every pair is judged in both orders, and its result
 * is the mean of the two, so that a judge who prefers the first place changes nothing. The share of pairs in which both orders
 * agree is logged as `judge_agreement`.
 *
 * A completion that has nobody to be compared with gets null. One failed comparison is an error for the whole group.
 *
 * @throws InputError when an option cannot be, before anything is asked
 */
export function judgePairwise(options: JudgePairwiseOptions): BatchReward {
  const { criteria, against = 'group', maxComparisons = 64, concurrency = 8, template = PAIR_TEMPLATE } = options;
  if (!Number.isInteger(maxComparisons) || maxComparisons < 1) throw expected('maxComparisons', 'to be a whole number of 1 or more', maxComparisons, 'correct it');
  if (!Number.isInteger(concurrency) || concurrency < 1) throw expected('concurrency', 'to be a whole number of 1 or more', concurrency, 'correct it');
  if (against !== 'group' && typeof against?.column !== 'string') throw expected('against', "to be 'group' or { column }", against, 'use one of the two');
  checkCriteria(criteria);
  checkTemplate(template, ['a', 'b']);
  const client = new JudgeClient(options);
  const slots = new Slots(concurrency);
  const wanted = '{"winner": "A"}, {"winner": "B"} or {"winner": "tie"}';
  const ending = `Say in a few sentences how they differ. The order of the answers means nothing. Then end with one line of JSON: ${wanted}.`;

  const ask = (sample: RewardSample, a: string, b: string, stop: AbortSignal): Promise<Winner> =>
    slots.run(() => {
      stop.throwIfAborted();
      return client.ask(judgeMessages(template, criteria, sample, { a, b }, ending), readWinner, wanted, sample.signal);
    });

  const reward = batch(async function judgePairwise(samples) {
    const texts = samples.map(({ completion }) => completion.text);
    const references = against === 'group' ? null : samples.map((sample) => columnText(against.column, sample));
    const pairs = references ? texts.map((_, i) => [i, i] as const) : comparisonsOf(texts.length, maxComparisons);
    const results = await untilOneFails(pairs, ([i, j], stop) => compare((a, b) => ask(samples[i]!, a, b, stop), texts[i]!, references ? references[j]! : texts[j]!));
    const tallies = texts.map(() => ({ wins: 0, agreed: 0, count: 0 }));
    const add = (i: number, share: number, agreed: boolean): void => {
      const tally = tallies[i]!;
      tally.wins += share;
      tally.agreed += Number(agreed);
      tally.count += 1;
    };
    pairs.forEach(([i, j], at) => {
      const { share, agreed } = results[at]!;
      add(i, share, agreed);
      if (!references) add(j, 1 - share, agreed);
    });
    return tallies.map(({ wins, agreed, count }, i) => {
      if (count === 0) return null;
      samples[i]!.log('judge_agreement', agreed / count);
      return wins / count;
    });
  });
  return recorded(reward, 'judgePairwise', { ...client.service, criteria, against, maxComparisons, concurrency, template });
}

/** The share that `first` gets against `second`, from both orders; equal texts are a tie that nobody is asked about. */
async function compare(ask: (a: string, b: string) => Promise<Winner>, first: string, second: string): Promise<{ share: number; agreed: boolean }> {
  if (first === second) return { share: 0.5, agreed: true };
  const [straight, swapped] = await Promise.all([ask(first, second), ask(second, first)]);
  const mirrored = swapped === 'tie' ? 'tie' : swapped === 'A' ? 'B' : 'A';
  return { share: (shareOf(straight) + shareOf(mirrored)) / 2, agreed: straight === mirrored };
}

function shareOf(winner: Winner): number {
  return winner === 'tie' ? 0.5 : winner === 'A' ? 1 : 0;
}

/** All pairs at once. The first failure stops those that have not begun and is thrown when the others have ended: they are kept. */
async function untilOneFails<P, T>(pairs: readonly P[], judge: (pair: P, stop: AbortSignal) => Promise<T>): Promise<T[]> {
  const failure = new AbortController();
  const results = await Promise.allSettled(
    pairs.map(async (pair) => {
      try {
        return await judge(pair, failure.signal);
      } catch (error) {
        failure.abort(error);
        throw error;
      }
    }),
  );
  failure.signal.throwIfAborted();
  return results.map((result) => (result as PromiseFulfilledResult<T>).value);
}

function checkCriteria(criteria: string): void {
  if (typeof criteria !== 'string' || criteria.trim() === '') throw expected('criteria', 'to say what makes an answer good', criteria, 'write a sentence for the judge');
}
