/** The learning rate over a run: a multiplier of the peak by optimizer updates done, as transformers' get_scheduler gives it. */
import { expected } from '../errors.ts';

/** Multiplier of the learning rate after so many optimizer updates, from 0. A run accepts any such function. */
export type Schedule = (step: number) => number;

/** How long the schedule is, in optimizer updates. */
export interface ScheduleLength {
  /** The multiplier climbs linearly from 0 to 1 over these. */
  warmupSteps: number;
  /** Updates of the whole run, warm-up included. */
  totalSteps: number;
}

/** The multiplier after the warm-up. */
const shapes = {
  constant: () => 1,
  /** From 1 to 0 in a straight line. */
  linear: (step: number, { warmupSteps, totalSteps }: ScheduleLength) => (totalSteps - step) / Math.max(1, totalSteps - warmupSteps),
  /** From 1 to 0 as half a cosine; stays there, where transformers' climbs again. */
  cosine: (step: number, { warmupSteps, totalSteps }: ScheduleLength) => {
    const done = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
    return 0.5 * (1 + Math.cos(Math.PI * done));
  },
} as const;

/** Names accepted by `lrSchedulerType`. */
export type ScheduleName = keyof typeof shapes;

/**
 * A named schedule, or the caller's own.
 *
 * @throws InputError for an unknown name, or a length a falling schedule cannot have
 */
export function scheduleOf(type: ScheduleName | Schedule, length: ScheduleLength): Schedule {
  if (typeof type === 'function') return type;
  if (!Object.hasOwn(shapes, type)) {
    throw expected('lrSchedulerType', `to be one of ${Object.keys(shapes).join(', ')}, or a function of the step`, type, 'use one of these names');
  }
  const { warmupSteps, totalSteps } = length;
  if (!Number.isInteger(warmupSteps) || warmupSteps < 0) throw expected('warmupSteps', 'to be a whole number, 0 or more', warmupSteps, 'count it in optimizer updates');
  if (type !== 'constant' && !(Number.isFinite(totalSteps) && totalSteps >= 0)) {
    throw expected('totalSteps', `to be a number of optimizer updates for the ${type} schedule`, totalSteps, "give `maxSteps`, or use 'constant'");
  }
  const shape = shapes[type];
  return (step) => (step < warmupSteps ? step / warmupSteps : Math.max(0, shape(step, length)));
}

/**
 * The learning rate of the update that follows `step` done ones.
 *
 * @param step optimizer updates done, from 0: with a warm-up the first update has the rate 0
 */
export function learningRateAt(step: number, options: ScheduleLength & { type: ScheduleName | Schedule; learningRate: number }): number {
  return options.learningRate * scheduleOf(options.type, options)(step);
}
