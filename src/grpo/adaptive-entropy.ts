/** The weight of the entropy bonus over a run: fixed, or moved after each update towards a target entropy. */

/** Settings of the option `adaptiveEntropy`; entropies in nats. */
export interface AdaptiveEntropy {
  target: number;
  min: number;
  max: number;
  delta: number;
}

/** What is carried from one update to the next. */
export interface EntropyBonus {
  /** The weight as it has moved so far. */
  coefficient: number;
  /** The weight that the next update applies. */
  applied: number;
}

/** Before the first update: a fixed weight applies from the start, an adaptive one not before an entropy is known. */
export function firstBonus(entropyCoef: number, adaptive: AdaptiveEntropy | null): EntropyBonus {
  return { coefficient: entropyCoef, applied: adaptive ? 0 : entropyCoef };
}

/** After an update whose mean entropy was `entropy`: up while it is at or below the target, else down and not applied. */
export function nextBonus({ coefficient, applied }: EntropyBonus, entropy: number, adaptive: AdaptiveEntropy | null): EntropyBonus {
  if (!adaptive) return { coefficient, applied };
  const low = entropy <= adaptive.target;
  const moved = low ? Math.min(coefficient + adaptive.delta, adaptive.max) : Math.max(coefficient - adaptive.delta, adaptive.min);
  return { coefficient: moved, applied: low ? moved : 0 };
}
