/** What the program's own thread tells its watchdog, through shared memory: the thread that is stuck can send nothing. */

/** Places in the shared `Int32Array`. */
export const place = {
  /** Changes while the event loop turns, and with every call of a reward that begins or returns. */
  beat: 0,
  /** Milliseconds without a beat after which the thread counts as stuck, without the grace; 0 while no reward runs. */
  limit: 1,
  /** Optimizer updates done. */
  step: 2,
  /** Bytes of the text below. */
  textBytes: 3,
} as const;

/** Bytes of the shared `Int32Array`, and of the text that names the rewards that run: JSON of `RunningRewards`. */
export const SIGNAL_BYTES = 16;
export const TEXT_BYTES = 4096;

/** One try of a reward. */
export interface WatchedCall {
  reward: string;
  /** The samples it was given. */
  samples: readonly { group: number; sample: number; step: number }[];
  timeoutMs: number;
}

/** The rewards that run. */
export interface RunningRewards {
  /** The one whose function was called last and has not returned; null where all have, and wait for something. */
  called: WatchedCall | null;
  /** Those that have returned a promise; the first few. */
  waiting: WatchedCall[];
}

/** What the watchdog must know of a run to end it. */
export interface WatchedRun {
  stateFile: string;
  lockFile: string;
  checkpointsFolder: string;
  /** ISO 8601. */
  startedAt: string;
}

/** What the thread is started with. */
export interface WatchdogData {
  signals: SharedArrayBuffer;
  text: SharedArrayBuffer;
  run: WatchedRun;
  /** Milliseconds beyond the limit after which the run is ended. */
  graceMs: number;
  /** JSON of what a checkpoint holds besides its tensors, which are lent. */
  model: SharedArrayBuffer;
}
