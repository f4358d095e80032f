/** Several optimizers as one, each with parameters of its own. */
import type { Optimizer } from './optimizer.ts';

/** Steps all of them, one after the other. Their memory is its own. */
export class JointOptimizer implements Optimizer {
  readonly #parts: readonly Optimizer[];

  /** @param parts no two of which have a parameter in common */
  constructor(parts: readonly Optimizer[]) {
    this.#parts = parts;
  }

  /** @param learningRate of this step */
  async step(learningRate: number): Promise<void> {
    for (const part of this.#parts) await part.step(learningRate);
  }

  zeroGrad(): void {
    for (const part of this.#parts) part.zeroGrad();
  }

  dispose(): void {
    for (const part of this.#parts) part.dispose();
  }

  get stateBytes(): number {
    return this.#parts.reduce((total, { stateBytes = 0 }) => total + stateBytes, 0);
  }
}
