/** The options under the heading Optimiser; part of the schema in option-schema.ts. */
import { z } from 'zod';
import { quantisations } from '../model/read-weights.ts';
import { optimizers } from '../training/optimizers/make-optimizer.ts';
import { schedules } from '../training/schedule.ts';
import { functionOf, notNegative, objectOf, option, orAuto, positive, share, whole } from './option-fields.ts';

const keysOf = <K extends string>(record: Readonly<Record<K, unknown>>) => Object.keys(record) as K[];
const quoted = (names: readonly string[]) => names.map((name) => `'${name}'`);

const optimizerNames = keysOf(optimizers);
const scheduleNames = keysOf(schedules);

/** In the order of the docs. */
export const optimiser = {
  optim: option(z.union([z.enum(optimizerNames), objectOf<object>()]).default('adamw'), {
    meaning:
      'docs/optimizers.md has the formulas. AdamW; AdamW with moments of 8 bits (a quarter of the memory); SGD with momentum; Adafactor (memory per row and column) at `learningRate`, without momentum; Lion, which wants a `learningRate` 3 to 10 times smaller; Muon for the matrices of the layers, with AdamW for embedding, head, norms and biases; or an object of the optimizer interface',
    written: [...quoted(optimizerNames), 'optimizer'].join(' | '),
    wanted: `to be ${quoted(optimizerNames).join(', ')} or an optimizer`,
  }),
  masterRounding: option(z.enum(['nearest', 'stochastic']).default('nearest'), {
    meaning: 'How master copies in float32 become weights of 16 bits again: to the nearest, or (bfloat16 only) up or down by chance, drawn from `seed`, so that the mean is right',
  }),
  lossScale: option(
    z
      .strictObject({
        initScale: z.number().min(1).default(65_536),
        growthFactor: z.number().min(1).default(2),
        backoffFactor: positive().lt(1).default(0.5),
        growthInterval: whole(1).default(2_000),
      })
      .prefault({}),
    {
      meaning: "What gradients in float16 are multiplied by, as torch.amp.GradScaler moves it: `growthFactor` after `growthInterval` finite ones in a row, `backoffFactor` after an overflow, whose update is left out",
      written: '{ initScale, growthFactor, backoffFactor, growthInterval }',
      wanted: 'to be { initScale, growthFactor, backoffFactor, growthInterval }',
      byDefault: '65536, 2, 0.5, 2000',
    },
  ),
  optimizerDevice: option(z.enum(['cpu']).nullable().default(null), {
    meaning: "`'cpu'` keeps optimizer states and master copies there while the weights are on another device; changes nothing where the weights are on the CPU",
    byDefault: 'that of the weights',
  }),
  learningRate: option(notNegative().default(1e-6), { meaning: 'Peak learning rate' }),
  adamBeta1: option(notNegative().lt(1).default(0.9), { meaning: 'Decay of the first moment; of `lion`, share of the momentum in a step' }),
  adamBeta2: option(notNegative().lt(1).nullable().default(null), {
    meaning: 'Decay of the second moment; of `lion`, of the momentum',
    byDefault: '0.999; 0.99 with `lion`',
  }),
  adamEpsilon: option(positive().default(1e-8), { meaning: 'Added to the root of the second moment' }),
  momentum: option(notNegative().lt(1).nullable().default(null), {
    meaning: 'Momentum of `sgd` and `muon`; with `sgd` and 0 nothing is remembered',
    byDefault: '0.9 with `sgd`; 0.95 with `muon`',
  }),
  weightDecay: option(notNegative().default(0), { meaning: 'Decoupled weight decay (with `sgd` added to the gradient); never on norms and biases' }),
  maxGradNorm: option(positive().nullable().default(1), { meaning: 'Gradients are scaled down to this norm' }),
  lrSchedulerType: option(z.union([z.enum(scheduleNames), functionOf<(step: number) => number>()]).default('linear'), {
    meaning:
      "Learning rate after the warm-up, under transformers' names: falls to 0 linearly, as a cosine, as several cosines one after the other, or as a polynomial; falls with the root of the steps; stays, then falls as a cosine; or stays. Or a function from updates done to the share of `learningRate`",
    written: [...quoted(scheduleNames), '(step) => number'].join(' | '),
    wanted: `to be ${quoted(scheduleNames).join(', ')} or a function of the step`,
  }),
  warmupSteps: option(whole(0).default(0), { meaning: 'Updates over which the learning rate rises from 0' }),
  warmupRatio: option(share().default(0), { meaning: 'The same as a share of all updates' }),
  lrMinRatio: option(share().default(0), {
    meaning: 'The share of `learningRate` that a falling schedule ends at, in place of 0; `cosine_with_min_lr` needs it',
  }),
  lrCycles: option(whole(1).default(1), { meaning: 'Cosines of `cosine_with_restarts`' }),
  lrPower: option(positive().default(1), { meaning: 'Exponent of `polynomial`' }),
  lrDecayRatio: option(share().default(0.1), { meaning: 'Share of all updates over which `warmup_stable_decay` falls at the end' }),
  quantisation: option(z.enum(quantisations).nullable().default(null), {
    meaning: "Holds the base under an adapter (`lora`, or a model that is one) in blocks of 4 or 8 bits in place of numbers (QLoRA): made of them (`'q4_0'`, `'q4_1'`, `'q8_0'`), or as a GGUF file has them (`'asStored'`); docs/adapters.md",
  }),
  lora: option(
    z
      .strictObject({
        r: whole(1).default(8),
        alpha: positive().default(8),
        dropout: notNegative().lt(1).default(0),
        targetModules: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]).nullable().default(null),
        modulesToSave: z.array(z.string().min(1)).default([]),
        useRslora: z.boolean().default(false),
        useDora: z.boolean().default(false),
        initLoraWeights: z.enum(['kaiming', 'gaussian']).default('kaiming'),
      })
      .nullable()
      .default(null),
    {
      meaning:
        "Trains a low-rank adapter in place of the weights (LoRA), with peft's names and numbers. `targetModules`: `'all-linear'`, names or a pattern; null takes queries and values. `modulesToSave` are trained whole",
      written: '{ r, alpha, dropout, targetModules, modulesToSave, useRslora, useDora, initLoraWeights } | null',
      wanted: 'to be { r, alpha, dropout, targetModules, … } or null',
      byDefault: 'null; `{}` is r 8, alpha 8, dropout 0',
    },
  ),
  gradientCheckpointing: option(orAuto(z.boolean()).default('auto'), {
    meaning: "Computes each layer again in the backward pass to save memory; `'auto'`: only where memory needs it",
    wanted: "to be 'auto', true or false",
  }),
};
