/** Faults of adapters. */
import type { Mutant } from './mutant.ts';

export const adapters: readonly Mutant[] = [
  {
    name: 'an adapter multiplied by alpha alone',
    file: 'src/model/lora.ts',
    find: 'return alpha / (useRslora ? Math.sqrt(r) : r);',
    replace: 'return alpha;',
    tests: ['test/adapters-against-peft.test.ts'],
  },
  {
    name: 'the reference keeps the adapter',
    file: 'src/grpo/start.ts',
    find: 'decoder.adapter!.base : copyDecoder(decoder)',
    replace: 'decoder : copyDecoder(decoder)',
    tests: ['test/lora-run.test.ts'],
  },
  {
    name: 'decoding forgets the scale of an adapter',
    file: 'src/generate/decoding-weights.ts',
    find: 'ops.mulScalar(adapter.b, adapter.scale)',
    replace: 'ops.mulScalar(adapter.b, 1)',
    tests: ['test/adapters-against-peft.test.ts'],
  },
  {
    name: 'DoRA divides by the lengths of the base',
    file: 'src/model/linear.ts',
    find: 'ops.rowNorms(adaptedWeight(valuesOf(weight), adapter))',
    replace: 'ops.rowNorms(valuesOf(weight))',
    tests: ['test/adapters-against-peft.test.ts'],
  },
  {
    name: 'every update drops the same',
    file: 'src/model/lora.ts',
    find: 'step * adapter.maps.size + index',
    replace: 'index',
    tests: ['test/adapter-dropout.test.ts'],
  },
  {
    name: 'decoding over blocks forgets the adapter',
    file: 'src/generate/decoding-weights.ts',
    find: 'multiply(x, map, null, growths[i])',
    replace: 'multiply(x, { ...map, adapter: null }, null, growths[i])',
    tests: ['test/quantised-base.test.ts'],
  },
  {
    name: 'the walk back through a head in blocks turns around',
    file: 'src/model/weight.ts',
    find: 'ops.blockProduct(y, weight.blocks, weight.format)',
    replace: 'ops.blockProduct(ops.neg(y), weight.blocks, weight.format)',
    tests: ['test/quantised-base.test.ts'],
  },
  {
    name: 'a quantised base is trained without an adapter',
    file: 'src/grpo/start.ts',
    find: 'blockCount(model.loaded.decoder) > 0 : quantisation !== null',
    replace: 'false : false',
    tests: ['test/quantised-base.test.ts'],
  },
];
