/** The types of options that hold code: what a recipe may put where JSON cannot say it. */
import type { DatasetInput } from '../data/source.ts';
import type { Row } from '../data/row.ts';
import type { Message } from '../text/message.ts';

/** What `prompt` may be besides a column name. */
export type PromptFunction = (row: Row) => string | Message[];

/** The moments at which a callback is called. */
export const callbackNames = ['onTrainBegin', 'onStepBegin', 'onStepEnd', 'onLog', 'onEvaluate', 'onSave', 'onTrainEnd'] as const;

/** One of `callbackNames`. */
export type CallbackName = (typeof callbackNames)[number];

/** What a callback sees, and what it may ask for. */
export interface CallbackEvent {
  /** Optimizer updates done. */
  step: number;
  /** Optimizer updates planned. */
  totalSteps: number;
  /** Where the run writes. */
  runFolder: string;
  /** Metrics of the latest update under the names of docs/metrics.md; for `onLog` their means since the last log, for `onEvaluate` those of the evaluation. */
  metrics: Readonly<Record<string, number>>;
  /** Folder that was just written; only for `onSave`. */
  savedTo?: string;
  /** Ends the run after the current update, with everything saved. */
  stop(reason: string): void;
  /** Writes a checkpoint after the current update. */
  save(): void;
  /** Evaluates after the current update, or after the next one when this one is over; needs `evalDataset`. */
  evaluate(): void;
}

/** One callback: any of the moments. The run waits for what it returns. */
export type Callback = { [name in CallbackName]?: (event: CallbackEvent) => void | Promise<void> };

/** A dataset whose rows come one by one, without an end that can be counted. */
export function isStreamed(dataset: DatasetInput): boolean {
  if (typeof dataset !== 'object' || dataset === null) return false;
  if (Symbol.asyncIterator in dataset) return true;
  if ('mixture' in dataset) return dataset.mixture.some((part) => isStreamed(part.dataset));
  return 'streaming' in dataset && dataset.streaming === true;
}
