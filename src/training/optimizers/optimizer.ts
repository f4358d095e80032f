/** What a run asks of an optimizer; `optim` accepts any object of this shape. */
export interface Optimizer {
  /** Moves the parameters against their gradients. A promise lets other code run in between. */
  step(learningRate: number): void | Promise<void>;
  /** Drops the gradients of all parameters. */
  zeroGrad(): void;
  /** Frees what the optimizer keeps between steps. The parameters are not its own. */
  dispose(): void;
  /** Bytes it keeps between steps. */
  readonly stateBytes?: number;
}
