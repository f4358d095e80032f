/** Optimizers and schedules. */
import type { Mutant } from './mutant.ts';

const folder = 'src/training/optimizers';
const tests = [`${folder}/optimizers.test.ts`];

/** Steps that go somewhere else. */
export const optimizers: readonly Mutant[] = [
  {
    name: 'norms and biases decay',
    file: `${folder}/stateful-optimizer.ts`,
    find: 'decays: parameter.shape.length > 1',
    replace: 'decays: true',
    tests: [`${folder}/make-optimizer.test.ts`],
  },
  { name: 'lion: shares of the momentum exchanged', file: `${folder}/lion.ts`, find: 'const { beta1, beta2 }', replace: 'const { beta1: beta2, beta2: beta1 }', tests },
  { name: 'adafactor: step not clipped', file: `${folder}/adafactor.ts`, find: 'Math.max(1, rootMeanSquare / CLIP)', replace: '1', tests },
  { name: 'adafactor: second moment kept from the step before', file: `${folder}/adafactor.ts`, find: 'steps ** DECAY_EXPONENT', replace: '(steps + 1) ** DECAY_EXPONENT', tests },
  { name: "muon: momentum not Nesterov's", file: `${folder}/muon.ts`, find: 'lerp(gradient, mean, momentum)', replace: 'mean', tests },
  { name: 'muon: steps of the shorter side', file: `${folder}/muon.ts`, find: 'Math.max(...parameter.shape)', replace: 'Math.min(...parameter.shape)', tests },
  {
    name: '8 bits: a second moment becomes 0',
    file: `${folder}/dynamic-map.ts`,
    find: 'if (!signed) bounds[0] = 0;',
    replace: '',
    tests: [`${folder}/adamw-8bit.test.ts`],
  },
  {
    name: '8 bits: tables exchanged',
    file: `${folder}/adamw-8bit.ts`,
    find: 'first: codebook(true, dtype), second: codebook(false, dtype)',
    replace: 'first: codebook(false, dtype), second: codebook(true, dtype)',
    tests: [`${folder}/adamw-8bit.test.ts`],
  },
  {
    name: 'embedding stepped by Muon',
    file: `${folder}/make-optimizer.ts`,
    find: 'new Muon(hidden.filter(isMatrix), momentumSettings(settings)), new AdamW([...vocabulary, ...others]',
    replace: 'new Muon([...vocabulary, ...hidden].filter(isMatrix), momentumSettings(settings)), new AdamW(others',
    tests: [`${folder}/make-optimizer.test.ts`],
  },
  {
    name: 'weights of 16 bits stepped without master copies',
    file: `${folder}/master-weights.ts`,
    find: 'masters.get(tensor) ?? tensor',
    replace: 'tensor',
    tests: [`${folder}/master-weights.test.ts`],
  },
  {
    name: 'gradients added up in 16 bits',
    file: `${folder}/master-weights.ts`,
    find: 'weight.gradIn_(dtype);',
    replace: '',
    tests: [`${folder}/master-weights.test.ts`],
  },
  {
    name: 'the same random numbers in every update',
    file: `${folder}/master-weights.ts`,
    find: 'update: this.#updates, tensor: index',
    replace: 'update: 0, tensor: index',
    tests: [`${folder}/master-weights.test.ts`],
  },
  {
    name: 'stochastic rounding goes up too rarely',
    file: `${folder}/stochastic-rounding.ts`,
    find: '0xffff)',
    replace: '0x7fff)',
    tests: [`${folder}/stochastic-rounding.test.ts`],
  },
  {
    name: 'loss scale grows one update late',
    file: 'src/training/loss-scale.ts',
    find: 'this.#finiteInARow < growthInterval',
    replace: 'this.#finiteInARow <= growthInterval',
    tests: ['src/training/loss-scale.test.ts'],
  },
  {
    name: 'gradient steps with the loss scale in it',
    file: 'src/training/gradient-norm.ts',
    find: 'maxNorm / (norm + EPSILON))) / scale;',
    replace: 'maxNorm / (norm + EPSILON)));',
    tests: ['src/training/gradient-norm.test.ts'],
  },
  {
    name: 'logits of 16 bits',
    file: 'src/model/token-logprobs.ts',
    find: 'head instanceof Tensor && halves.has(head.dtype) ? wideLogits(hidden, head) : linearBy(hidden, head)',
    replace: 'linearBy(hidden, head)',
    tests: ['src/model/token-logprobs.test.ts'],
  },
  {
    name: 'minimum rate added on top',
    file: 'src/training/schedule.ts',
    find: 'least + (1 - least) * share',
    replace: 'least + share',
    tests: ['src/training/schedule.test.ts'],
  },
];
