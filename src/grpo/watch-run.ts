/** A run under a watchdog, which saves the weights when a reward never gives our thread back. */
import { modelToSave } from '../model/load.ts';
import { isIsolated } from '../rewards/reward.ts';
import { lendTensors } from '../run/checkpoint-rescue.ts';
import type { LentModel } from '../run/checkpoint-rescue.ts';
import { Watchdog } from '../run/watchdog.ts';
import type { WatchedRun } from '../run/watchdog-signals.ts';
import { Tensor } from '../tensor/tensor.ts';
import type { Run } from './start.ts';

/** The watch over a run. */
export interface RunWatch {
  /** So many optimizer updates are done. */
  updated(step: number): void;
  close(): Promise<void>;
}

/**
 * Starts to watch over the rewards of a run; null where all of them have processes of their own.
 *
 * @param onFault told when the watchdog itself fails
 */
export function watchRun(run: Run, watched: WatchedRun, onFault: (reason: string) => void): RunWatch | null {
  if (run.options.rewards.every(({ fn }) => isIsolated(fn))) return null;
  const { weights, ...files } = modelToSave(run.policy, run.options.saveDtype);
  // What a run saves is numbers: over a base in blocks an adapter is trained, and saved alone.
  const numbers = weights.flatMap(({ weight, ...entry }) => (weight instanceof Tensor ? [{ weight, ...entry }] : []));
  // Weights change in place, so what is lent is always the policy as it is. While rewards run nothing changes it.
  const { loan, takeBack } = lendTensors(numbers.map(({ weight }) => weight));
  const model: LentModel = { ...files, loan, saved: numbers.map(({ name, dtype }) => ({ name, dtype })) };
  const watchdog = new Watchdog({ run: watched, model, onFault });
  run.watch = watchdog;
  return {
    updated: (step) => void (watchdog.step = step),
    close: async () => {
      await watchdog.close();
      takeBack();
    },
  };
}
