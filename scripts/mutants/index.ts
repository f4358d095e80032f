/** Faults that a trainer plausibly has. */
import { adapters } from './adapters.ts';
import { evaluation } from './evaluation.ts';
import { advantages, loss } from './loss.ts';
import type { Mutant } from './mutant.ts';
import { optimizers } from './optimizers.ts';
import { rewards } from './rewards.ts';
import { sampling } from './sampling.ts';
import { optimisation, update } from './update.ts';

/** Every fault. */
export const mutants: readonly Mutant[] = [...advantages, ...loss, ...update, ...optimisation, ...optimizers, ...adapters, ...sampling, ...rewards, ...evaluation];
