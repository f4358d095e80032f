/** When failing rewards stop a run. */
import { RewardError } from '../errors.ts';
import type { Row } from '../data/row.ts';
import type { ScoredSample } from './score.ts';

/** How many of the latest samples are judged. */
const WINDOW = 100;
/** No verdict is given on fewer samples than this. */
const ENOUGH = 20;

/** One error or timeout, kept with what is needed to find its cause. */
export interface RewardFailure {
  reward: string;
  /** Number of the sample since the start of the run, from 0. */
  sample: number;
  row: Row;
  error: unknown;
  message: string;
}

/**
 * Counts samples with a reward that failed or ran out of time, and stops the run when they are too many: their share of the
 * last 100 samples is above `maxRewardErrorRate` (judged from 20 samples on), or the first 20 all failed.
 */
export class RewardErrorMonitor {
  readonly #maxRate: number;
  /** The last `WINDOW` verdicts, oldest first. */
  readonly #recent: boolean[] = [];
  #seen = 0;
  #errors = 0;
  #last: RewardFailure | undefined;

  /** @param maxRate the option `maxRewardErrorRate`, 0…1 */
  constructor(maxRate: number) {
    this.#maxRate = maxRate;
  }

  /**
   * Takes in the samples of one group, in order.
   *
   * @param rows the dataset row of each sample
   * @returns the failures among them, for the log
   * @throws RewardError once failures pass the limit; it names the last failing reward, its sample and its stack
   */
  observe(samples: readonly ScoredSample[], rows: readonly Row[]): RewardFailure[] {
    const failures: RewardFailure[] = [];
    samples.forEach((sample, i) => {
      const own = failuresOf(sample, this.#seen, rows[i]!);
      failures.push(...own);
      this.#seen++;
      if (own.length > 0) this.#errors++;
      this.#last = own.at(-1) ?? this.#last;
      this.#recent.push(own.length > 0);
      if (this.#recent.length > WINDOW) this.#recent.shift();
      if (this.#last && this.#tooMany()) throw this.#stop(this.#last);
    });
    return failures;
  }

  #tooMany(): boolean {
    const count = this.#recent.filter(Boolean).length;
    const judged = this.#recent.length >= ENOUGH && count / this.#recent.length > this.#maxRate;
    return judged || (this.#seen === ENOUGH && this.#errors === ENOUGH);
  }

  #stop({ reward, sample, row, error, message }: RewardFailure): RewardError {
    const count = this.#recent.filter(Boolean).length;
    const share = `${count} of the last ${this.#recent.length} samples`;
    const stack = error instanceof Error && error.stack ? `\n${error.stack}` : '';
    return new RewardError(
      `Expected rewards to fail on at most ${this.#maxRate * 100}% of the samples (\`maxRewardErrorRate\`), got ${share}; ` +
        `mend reward \`${reward}\`, which failed on sample ${sample}: ${message}${stack}`,
      { reward, sample, row, errors: count, samples: this.#recent.length },
      { cause: error },
    );
  }
}

function failuresOf(scored: ScoredSample, sample: number, row: Row): RewardFailure[] {
  return Object.entries(scored.results).flatMap(([reward, result]) =>
    result.kind === 'error' || result.kind === 'timeout' ? [{ reward, sample, row, error: result.error, message: result.message }] : [],
  );
}
