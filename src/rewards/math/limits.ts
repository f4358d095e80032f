/** Thrown inside the comparison when a text asks for more work or size than an answer needs. Never leaves `compareMath`. */
export class BeyondLimits extends Error {}

/** Longest mathematics that is read, in UTF-16 units. An answer is short; a longer one is compared as text only. */
export const MAX_LENGTH = 2_000;

/** Deepest nesting of what the parser reads. A pair of brackets takes four levels: relation, sum, sign, atom. */
export const MAX_DEPTH = 200;

/** Largest tree that a series, or a ± in a set, is written out to, in nodes. */
export const MAX_NODES = 5_000;

/** Largest numerator or denominator: 2^4096 in size. 1000! is beyond it. */
export const MAX_INTEGER = 1n << 4096n;

/** Work that one comparison may do, in products of two small coefficients. */
const MAX_WORK = 50_000;

/** What is left of the work that one comparison may do. */
export class Budget {
  #left: number;

  constructor(work = MAX_WORK) {
    this.#left = work;
  }

  /** @throws BeyondLimits once more was spent than a comparison may cost */
  spend(work: number): void {
    this.#left -= work;
    if (this.#left < 0) throw new BeyondLimits('too much work');
  }

  /** Runs `work` on at most half of what is left, so that there is another way when it fails. */
  try<T>(work: (part: Budget) => T): T {
    const share = this.#left / 2;
    const part = new Budget(share);
    try {
      return work(part);
    } finally {
      this.#left -= share - Math.max(0, part.#left);
    }
  }
}

/** Thrown inside the parser for what it cannot read. Never leaves `compareMath`. */
export class Unreadable extends Error {}
