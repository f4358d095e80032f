/** What a run does when memory ends in the middle of a step: the same work in smaller parts, on the same rollout. */
import { OutOfMemoryError, ResourceError } from '../errors.ts';
import { native } from '../tensor/binding.ts';
import { planText } from './plan.ts';
import type { Plan } from './plan.ts';
import type { Group } from './types.ts';

/** The next smaller plan; null when there is none. */
export type Shrink = (plan: Plan) => Plan | null;

/** How to go on with less memory, and what to tell the user when there is no way. */
export interface MemoryFallback {
  shrink: Shrink;
  /** Names what was done: *the update*. */
  what: string;
  /** What the user could change. */
  mend: string;
}

/** Half the micro-batch; where one row is left, layers are computed again instead of kept. */
export function smallerUpdates(groups: readonly Group[], isSplitFree: boolean): MemoryFallback {
  const longest = groups.reduce((most, { prompt, rollouts }) => rollouts.reduce((row, { ids }) => Math.max(row, prompt.ids.length + ids.length), most), 1);
  const shrink: Shrink = (plan) => {
    const { limit, checkpoint } = plan;
    if (isSplitFree && 'rows' in limit && limit.rows > 1) return { ...plan, limit: { rows: Math.floor(limit.rows / 2) } };
    if (isSplitFree && 'tokens' in limit && limit.tokens > longest) return { ...plan, limit: { tokens: Math.max(longest, Math.floor(limit.tokens / 2)) } };
    return checkpoint ? null : { ...plan, checkpoint: true };
  };
  const mend = isSplitFree ? 'lower `maxCompletionLength`, train an adapter (`lora`), or use a smaller model' : "lower `microBatch`, on which the loss `bnpo` depends, or use another `lossType`";
  return { shrink, what: 'the update', mend };
}

/** Half the completions at a time; where one is left, decoding goes without its copies of the weights. */
export const fewerSlots: MemoryFallback = {
  shrink: (plan) => (plan.slots > 1 ? { ...plan, slots: Math.floor(plan.slots / 2) } : plan.decodingCopies ? { ...plan, decodingCopies: false } : null),
  what: 'the rollout',
  mend: 'lower `maxCompletionLength`, or use a smaller model',
};

/**
 * Does some work under the plan of a run. When memory ends the plan becomes smaller, for good, and the work is done again
 * from its beginning: it must leave nothing behind when it fails.
 *
 * @param onSmaller told of every smaller plan, in a sentence
 * @throws ResourceError when the smallest plan does not fit either
 */
export async function withinMemory<T>(run: { plan: Plan }, { shrink, what, mend }: MemoryFallback, work: (plan: Plan) => Promise<T>, onSmaller: (message: string) => void): Promise<T> {
  for (;;) {
    try {
      return await work(run.plan);
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error;
      const smaller = shrink(run.plan);
      if (!smaller) throw new ResourceError(`Expected memory for ${what} in its smallest parts, got an allocator without (${error.message}); ${mend}.`, { plan: run.plan }, { cause: error });
      run.plan = smaller;
      // What the failed attempt freed goes back to the system, which may have other uses for it.
      native().trimMemory();
      onSmaller(`memory ended in ${what} (${error.message}); it is repeated with ${planText(smaller)}`);
    }
  }
}

/** Memory as it stands before a step, in bytes. */
export interface MemoryState {
  /** The most that the process has held so far: what a step takes. */
  peak: number;
  /** What it holds now. Freed blocks that wait for their next use count. */
  held: number;
  /** What the system can still give. */
  available: number;
}

/** Of this process, now. */
export function memoryState(): MemoryState {
  return { peak: process.resourceUsage().maxRSS * 1024, held: process.memoryUsage.rss(), available: process.availableMemory() };
}

/** Makes the plan smaller before a step for which memory will not do: other programs may have taken some since the last one. */
export function shrinkToBudget(run: { plan: Plan }, { shrink, what }: MemoryFallback, { peak, held, available }: MemoryState, onSmaller: (message: string) => void): void {
  const missing = peak - held - available;
  const smaller = missing > 0 ? shrink(run.plan) : null;
  if (!smaller) return;
  run.plan = smaller;
  onSmaller(`${(missing / 1e9).toFixed(2)} GB of what a step took so far are no longer free; ${what} goes on with ${planText(smaller)}`);
}

/** The memory of a run: its work goes through here, and what became smaller is told once. */
export class RunMemory {
  readonly #run: { plan: Plan };
  readonly #isSplitFree: boolean;
  readonly #messages: string[] = [];

  /** @param isSplitFree false for a loss that depends on the micro-batches */
  constructor(run: { plan: Plan }, isSplitFree: boolean) {
    this.#run = run;
    this.#isSplitFree = isSplitFree;
  }

  /** Looks before a step whether there is still as much as the largest one took. */
  beginStep(): void {
    shrinkToBudget(this.#run, smallerUpdates([], this.#isSplitFree), memoryState(), this.#onSmaller);
  }

  /** A rollout; when memory ends, again with fewer completions at a time. */
  rollout<T>(work: (plan: Plan) => Promise<T>): Promise<T> {
    return withinMemory(this.#run, fewerSlots, work, this.#onSmaller);
  }

  /** A pass over groups; when memory ends, again in smaller micro-batches. */
  pass<T>(groups: readonly Group[], work: (plan: Plan) => Promise<T>): Promise<T> {
    return withinMemory(this.#run, smallerUpdates(groups, this.#isSplitFree), work, this.#onSmaller);
  }

  /** What became smaller since the last call, in sentences. */
  take(): string[] {
    return this.#messages.splice(0);
  }

  readonly #onSmaller = (message: string): void => void this.#messages.push(message);
}
