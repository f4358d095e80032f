/** Rules between the options of evaluation: combinations that are refused. */
import type { DatasetInput } from '../data/source.ts';
import { expected } from '../errors.ts';
import type { InputError } from '../errors.ts';
import { nearestName } from '../text/nearest-name.ts';
import type { ValidOptions } from './option-schema.ts';
import { isStreamed } from './option-types.ts';

/** See option-rules.ts, which holds these among its own. */
export const evaluationRefusals = {
  evaluationHasQuestions: ({ evalDataset, evalSteps, evalOnStart, numGenerationsEval, callbacks }) => {
    if (evalDataset !== null) return null;
    const wants = evalSteps !== null ? 'evalSteps' : evalOnStart ? 'evalOnStart' : numGenerationsEval !== null ? 'numGenerationsEval' : callbacks.some(({ onEvaluate }) => onEvaluate) ? 'onEvaluate' : null;
    return wants === null ? null : expected('evalDataset', `to be given with \`${wants}\``, null, `name the rows to evaluate on, or remove \`${wants}\``);
  },

  evaluationHasATime: ({ evalDataset, evalSteps, evalOnStart, callbacks }) =>
    evalDataset !== null && evalSteps === null && !evalOnStart && callbacks.length === 0
      ? expected('evalSteps', 'to be set when `evalDataset` is', null, 'say after how many updates to evaluate, or set `evalOnStart`')
      : null,

  evaluationHasAnEnd: ({ evalDataset }) =>
    evalDataset !== null && isStreamed(evalDataset as DatasetInput)
      ? expected('evalDataset', 'to be rows that can be asked again and again', 'a stream', 'leave `streaming` out, or gather its rows in a list first')
      : null,

  bestIsLookedFor: ({ metricForBestModel, evalSteps }) =>
    metricForBestModel !== null && evalSteps === null
      ? expected('evalSteps', 'to be set when `metricForBestModel` is', null, 'say after how many updates to evaluate')
      : null,

  betterOfWhat: ({ metricForBestModel, greaterIsBetter }) =>
    metricForBestModel === null && !greaterIsBetter ? expected('metricForBestModel', 'to be set when `greaterIsBetter` is', null, 'name the figure, or remove `greaterIsBetter`') : null,
} satisfies Record<string, (options: ValidOptions) => InputError | null>;

/** Figures that every evaluation has; those of rewards stand beside them. */
const always = [
  'reward', 'reward_std', 'reward_errors', 'frac_reward_zero_std', 'completions/mean_length', 'completions/min_length', 'completions/max_length',
  'completions/mean_terminated_length', 'completions/min_terminated_length', 'completions/max_terminated_length', 'completions/clipped_ratio',
];

/** The name of a figure as it stands in the metrics: `eval/` in front of it may be left out, and transformers writes `eval_`. */
export function evaluationMetric(written: string): string {
  return `eval/${written.replace(/^eval[/_]/, '')}`;
}

/**
 * Checks the name of the figure that decides on the best checkpoint.
 *
 * @throws InputError for a figure that no evaluation of these rewards has
 */
export function assertBestMetric(written: string, rewardNames: readonly string[]): void {
  const name = evaluationMetric(written).slice('eval/'.length);
  const known = [...always, ...rewardNames.flatMap((reward) => [`rewards/${reward}/mean`, `rewards/${reward}/std`, `rewards/${reward}/errors`])];
  // What rewards log is known only when they have.
  if (known.includes(name) || name.startsWith('logged/')) return;
  const near = nearestName(name, known);
  throw expected('metricForBestModel', `to be a figure of the evaluation (${known.slice(0, 1).concat(known.slice(always.length)).join(', ')}, …)`, written, near ? `did you mean \`${near}\`` : 'see docs/metrics.md');
}
