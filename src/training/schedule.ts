/** The learning rate over a run: a multiplier of the peak by optimizer updates done, as transformers' get_scheduler gives it. */
import { expected } from '../errors.ts';

/** Multiplier of the learning rate after so many optimizer updates, from 0. A run accepts any such function. */
export type Schedule = (step: number) => number;

/** How long the schedule is, in optimizer updates. */
export interface ScheduleLength {
  /** The multiplier climbs linearly to 1 over these. */
  warmupSteps: number;
  /** Updates of the whole run, warm-up included. */
  totalSteps: number;
}

/** What only some schedules read, under the names of a run's options. */
export interface ScheduleSettings {
  /** The multiplier falls to this in place of 0; default 0. */
  lrMinRatio: number;
  /** Cosines one after the other; default 1. */
  lrCycles: number;
  /** Exponent of what is left of the run; default 1. */
  lrPower: number;
  /** Share of all updates in which the multiplier falls at the end; default 0.1. */
  lrDecayRatio: number;
}

interface NamedSchedule {
  /** The multiplier after the warm-up, as a fall from 1 to 0 (below 0 counts as 0). */
  shape(step: number, length: ScheduleLength & ScheduleSettings): number;
  reads: readonly (keyof ScheduleSettings)[];
  /** Runs of unknown length may use it. */
  endless?: true;
  /** The warm-up climbs from `lrMinRatio` in place of 0. */
  climbsFromMinimum?: true;
}

/** Half a cosine from 1 to 0, by the share of the way that is done. */
const fall = (done: number) => 0.5 * (1 + Math.cos(Math.PI * done));
/** Share of the way from the warm-up to the end; stays at the end, where transformers' cosine climbs again. */
const progress = (step: number, { warmupSteps, totalSteps }: ScheduleLength) => Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
const cosine = (step: number, length: ScheduleLength) => fall(progress(step, length));

/** Names accepted by `lrSchedulerType`, which are transformers': the multiplier and the settings it reads. */
export const schedules = {
  linear: { shape: (step, { warmupSteps, totalSteps }) => (totalSteps - step) / Math.max(1, totalSteps - warmupSteps), reads: ['lrMinRatio'] },
  cosine: { shape: cosine, reads: ['lrMinRatio'] },
  cosine_with_min_lr: { shape: cosine, reads: ['lrMinRatio'] },
  cosine_with_restarts: {
    shape: (step, length) => {
      const done = progress(step, length);
      return done === 1 ? 0 : fall((length.lrCycles * done) % 1);
    },
    reads: ['lrMinRatio', 'lrCycles'],
  },
  polynomial: { shape: (step, length) => (1 - progress(step, length)) ** length.lrPower, reads: ['lrMinRatio', 'lrPower'] },
  inverse_sqrt: {
    shape: (step, { warmupSteps }) => {
      const scale = warmupSteps || 10_000;
      return 1 / Math.sqrt((step - warmupSteps + scale) / scale);
    },
    reads: ['lrMinRatio'],
    endless: true,
  },
  warmup_stable_decay: {
    shape: (step, { totalSteps, lrDecayRatio }) => {
      const decaySteps = Math.ceil(lrDecayRatio * totalSteps);
      return fall(Math.min(1, Math.max(0, step - totalSteps + decaySteps) / Math.max(1, decaySteps)));
    },
    reads: ['lrMinRatio', 'lrDecayRatio'],
    climbsFromMinimum: true,
  },
  constant: { shape: () => 1, reads: [], endless: true },
  /** What `constant` is here, where warm-up belongs to every schedule. */
  constant_with_warmup: { shape: () => 1, reads: [], endless: true },
} as const satisfies Record<string, NamedSchedule>;

/** Names accepted by `lrSchedulerType`. */
export type ScheduleName = keyof typeof schedules;

/**
 * A named schedule, or the caller's own.
 *
 * @throws InputError for an unknown name, or a length a falling schedule cannot have
 */
export function scheduleOf(type: ScheduleName | Schedule, length: ScheduleLength & Partial<ScheduleSettings>): Schedule {
  if (typeof type === 'function') return type;
  if (!Object.hasOwn(schedules, type)) {
    throw expected('lrSchedulerType', `to be one of ${Object.keys(schedules).join(', ')}, or a function of the step`, type, 'use one of these names');
  }
  const { shape, endless, climbsFromMinimum }: NamedSchedule = schedules[type];
  const all = { lrMinRatio: 0, lrCycles: 1, lrPower: 1, lrDecayRatio: 0.1, ...length };
  const { warmupSteps, totalSteps, lrMinRatio } = all;
  if (!Number.isInteger(warmupSteps) || warmupSteps < 0) throw expected('warmupSteps', 'to be a whole number, 0 or more', warmupSteps, 'count it in optimizer updates');
  if (!endless && !(Number.isFinite(totalSteps) && totalSteps >= 0)) {
    throw expected('totalSteps', `to be a number of optimizer updates for the ${type} schedule`, totalSteps, "give `maxSteps`, or use 'constant'");
  }
  const above = (share: number, least: number) => least + (1 - least) * share;
  const climb = (share: number) => above(share, climbsFromMinimum ? lrMinRatio : 0);
  return (step) => (step < warmupSteps ? climb(step / warmupSteps) : above(Math.max(0, shape(step, all)), lrMinRatio));
}

/**
 * The learning rate of the update that follows `step` done ones.
 *
 * @param step optimizer updates done, from 0: with a warm-up the first update has the rate 0
 */
export function learningRateAt(step: number, options: ScheduleLength & Partial<ScheduleSettings> & { type: ScheduleName | Schedule; learningRate: number }): number {
  return options.learningRate * scheduleOf(options.type, options)(step);
}
