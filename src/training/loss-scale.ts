/**
 * Dynamic loss scaling (Micikevicius et al. 2018, arXiv 1710.03740, section 3.2): gradients of float16 are computed times a
 * scale, which keeps the small ones above 0, and divided by it in float32. As torch.amp.GradScaler moves it.
 */
import { expected } from '../errors.ts';

/** How the scale moves; names and defaults are those of torch.amp.GradScaler. */
export interface LossScaleSettings {
  initScale: number;
  /** What the scale is multiplied by after `growthInterval` finite gradients in a row. */
  growthFactor: number;
  /** What it is multiplied by after a gradient that is not finite. */
  backoffFactor: number;
  growthInterval: number;
}

/** What a gradient means for an update. */
export type Verdict = 'finite' | 'overflow' | 'failure';

/** The scale of a run. */
export class LossScale {
  readonly #settings: LossScaleSettings;
  #value: number;
  #finiteInARow = 0;

  constructor(settings: LossScaleSettings) {
    const { initScale, growthFactor, backoffFactor, growthInterval } = settings;
    if (!(initScale >= 1 && Number.isFinite(initScale))) throw expected('lossScale.initScale', 'to be 1 or more', initScale, 'the default is 65536');
    if (!(growthFactor >= 1 && Number.isFinite(growthFactor))) throw expected('lossScale.growthFactor', 'to be 1 or more', growthFactor, 'the default is 2');
    if (!(backoffFactor > 0 && backoffFactor < 1)) throw expected('lossScale.backoffFactor', 'to be above 0 and below 1', backoffFactor, 'the default is 0.5');
    if (!(Number.isInteger(growthInterval) && growthInterval >= 1)) throw expected('lossScale.growthInterval', 'to be a whole number, 1 or more', growthInterval, 'the default is 2000');
    this.#settings = settings;
    this.#value = initScale;
  }

  /** What the next gradient is multiplied by. */
  get value(): number {
    return this.#value;
  }

  /**
   * Moves the scale after a gradient. One that is not finite is an overflow while there is a smaller scale: the update is
   * left out, and the next one gets that scale. At 1, below which it does not go, it is the fault of the numbers themselves.
   */
  judge(isFinite: boolean): Verdict {
    const { growthFactor, backoffFactor, growthInterval } = this.#settings;
    if (isFinite) {
      this.#finiteInARow += 1;
      if (this.#finiteInARow < growthInterval) return 'finite';
      this.#finiteInARow = 0;
      // A scale beyond float32 would make every gradient infinite.
      if (Number.isFinite(Math.fround(this.#value * growthFactor))) this.#value *= growthFactor;
      return 'finite';
    }
    this.#finiteInARow = 0;
    if (this.#value === 1) return 'failure';
    this.#value = Math.max(1, this.#value * backoffFactor);
    return 'overflow';
  }
}
