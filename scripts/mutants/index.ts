/** Faults that a trainer plausibly has. */
import { adapters } from './adapters.ts';
import { data } from './data.ts';
import { estimate } from './estimate.ts';
import { evaluation } from './evaluation.ts';
import { advantages, loss } from './loss.ts';
import { math } from './math.ts';
import type { Mutant } from './mutant.ts';
import { optimizers } from './optimizers.ts';
import { codeAndJudge } from './code-and-judge.ts';
import { rewardModels } from './reward-models.ts';
import { rewardRuntime } from './reward-runtime.ts';
import { rewards } from './rewards.ts';
import { sampling } from './sampling.ts';
import { optimisation, update } from './update.ts';

/** Every fault. */
export const mutants: readonly Mutant[] = [...advantages, ...loss, ...update, ...optimisation, ...optimizers, ...adapters, ...sampling, ...rewards, ...rewardRuntime, ...rewardModels, ...codeAndJudge, ...estimate, ...data, ...math, ...evaluation];
