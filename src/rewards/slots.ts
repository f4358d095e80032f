/** A fixed number of places; whoever finds none waits in line. Shared by all calls that must stay under one limit. */
export class Slots {
  #free: number;
  readonly #line: (() => void)[] = [];

  /** @param count how many may run at once, 1 or more */
  constructor(count: number) {
    this.#free = count;
  }

  /** Runs `work` when a place is free and gives the place on when it ends, however it ends. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#line.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#line.shift();
      if (next) next();
      else this.#free++;
    }
  }
}
