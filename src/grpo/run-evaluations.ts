/** The evaluations of a run: when they are due, what they write, and which was the best. */
import { expected } from '../errors.ts';
import { SampleWriter } from '../run/samples.ts';
import { betterThan, evaluateRun } from './evaluation.ts';
import type { BestCheckpoint } from './evaluation.ts';
import type { Run } from './start.ts';

/** Where evaluations leave what they find. */
export interface EvaluationPlace {
  /** Samples, each step's in a file of its own. */
  samplesFolder: string;
  signal: AbortSignal;
  say: (line: string) => void;
}

export class RunEvaluations {
  readonly #run: Run;
  readonly #place: EvaluationPlace;
  readonly #samples: SampleWriter;
  #isAsked = false;
  #best: BestCheckpoint | null = null;

  constructor(run: Run, place: EvaluationPlace) {
    this.#run = run;
    this.#place = place;
    this.#samples = new SampleWriter(place.samplesFolder);
  }

  /** The best evaluation after an update; null before one, and where none is looked for. */
  get best(): BestCheckpoint | null {
    return this.#best;
  }

  /** Asks for one beside those of `evalSteps`. */
  ask(): void {
    if (!this.#run.evaluation) throw expected('evalDataset', 'to be given where a callback asks to evaluate', null, 'name the rows to evaluate on');
    this.#isAsked = true;
  }

  /** Whether to evaluate after so many updates. */
  isDue(step: number): boolean {
    const { evalSteps, evalOnStart } = this.#run.options;
    if (step === 0) return evalOnStart;
    return this.#isAsked || (evalSteps !== null && (step % evalSteps === 0 || step === this.#run.totalSteps));
  }

  /**
   * Evaluates, and writes and shows what came out.
   *
   * @param step optimizer updates done
   * @returns the figures; none when the run was asked to stop meanwhile
   */
  async evaluate(step: number): Promise<Record<string, number>> {
    this.#isAsked = false;
    const { signal, say } = this.#place;
    const { options, evaluation } = this.#run;
    try {
      const { metrics, samples, failures, shrunk } = await evaluateRun(this.#run, evaluation!, step, signal);
      for (const { reward, message } of failures) say(`Warning: reward \`${reward}\` failed in the evaluation: ${message}`);
      for (const message of shrunk) say(`Warning: ${message}`);
      if (options.logCompletions) this.#samples.write(step, samples);
      // Before the first update there is no checkpoint that could be the best.
      const better = step > 0 ? betterThan(this.#best, step, metrics, options) : null;
      if (better === 'missing') say(`Warning: this evaluation has no \`${options.metricForBestModel}\` (\`metricForBestModel\`), so it is not the best; it has ${Object.keys(metrics).join(', ')}`);
      else this.#best = better ?? this.#best;
      say(lineOf(step, metrics, this.#best));
      return metrics;
    } catch (error) {
      if (!signal.aborted || error !== signal.reason) throw error;
      return {};
    }
  }

  /** Waits for the last samples; throws what writing them failed with. */
  async close(): Promise<void> {
    await this.#samples.close();
  }
}

function lineOf(step: number, metrics: Readonly<Record<string, number>>, best: BestCheckpoint | null): string {
  const shown = (name: string, digits: number) => (metrics[name] === undefined ? [] : [`${name.slice('eval/'.length)} ${metrics[name].toFixed(digits)}`]);
  const figures = [...shown('eval/reward', 3), ...shown('eval/completions/mean_length', 1), ...shown('eval/completions/clipped_ratio', 2)];
  return `evaluation after ${step} updates: ${figures.join('  ')}${best?.step === step ? `  (the best ${best.metric} so far)` : ''}`;
}
