/** Told of each part of a step as it ends; times in ms by `performance.now()`. */
export type PhaseListener = (name: string, start: number, end: number) => void;

/** Where the seconds of a step go. */
export class Stopwatch {
  readonly #onPhase: PhaseListener | null;
  #lapStart = performance.now();
  #parts = new Map<string, number>();

  constructor(onPhase: PhaseListener | null = null) {
    this.#onPhase = onPhase;
  }

  /** Runs `work` and counts its time under `name`. */
  async time<T>(name: string, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await work();
    } finally {
      const end = performance.now();
      this.#parts.set(name, (this.#parts.get(name) ?? 0) + (end - start) / 1000);
      this.#onPhase?.(name, start, end);
    }
  }

  /** Seconds since the last lap: each part, `other`, and `total`. Starts the next lap. */
  lap(): Record<string, number> {
    const now = performance.now();
    const total = (now - this.#lapStart) / 1000;
    const named = [...this.#parts.values()].reduce((sum, seconds) => sum + seconds, 0);
    const result = { ...Object.fromEntries(this.#parts), other: Math.max(0, total - named), total };
    this.#lapStart = now;
    this.#parts = new Map();
    return result;
  }
}
