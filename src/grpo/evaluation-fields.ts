/** The options of evaluation during a run, but for the dataset, which has the shape of that of the run. */
import { z } from 'zod';
import { option, whole } from './option-fields.ts';

/** When and how a run evaluates, and what its best checkpoint is. */
export const evaluationFields = {
  evalSteps: option(whole(1).nullable().default(null), { meaning: 'Evaluates every so many updates, and after the last one' }),
  evalOnStart: option(z.boolean().default(false), { meaning: 'Evaluates before the first update too' }),
  numGenerationsEval: option(whole(1).nullable().default(null), { meaning: 'Completions per prompt of the evaluation', byDefault: '= `numGenerations`' }),
  metricForBestModel: option(z.string().min(1).nullable().default(null), {
    meaning: 'Figure of the evaluation by which the best checkpoint is found, as in `reward` or `rewards/correctness/mean`; a better one than before is saved, and `saveTotalLimit` leaves it alone',
  }),
  greaterIsBetter: option(z.boolean().default(true), { meaning: 'Whether more of `metricForBestModel` is better' }),
};
