/** Faults of datasets and their order. */
import type { Mutant } from './mutant.ts';

export const data: readonly Mutant[] = [
  {
    name: 'a whole number beyond 2^53 is rounded',
    file: 'src/data/parquet-values.ts',
    find: 'if (Number.isSafeInteger(number)) return number;',
    replace: 'if (Number.isInteger(number)) return number;',
    tests: ['src/data/parquet.test.ts'],
  },
  {
    name: 'timestamps before 1970 with a fraction are a second late',
    file: 'src/data/parquet-values.ts',
    find: 'BigInt.asUintN(64, ((value % perSecond[unit]) + perSecond[unit]) % perSecond[unit])',
    replace: '(value < 0n ? -value : value) % perSecond[unit]',
    tests: ['src/data/parquet.test.ts'],
  },
  {
    name: 'checksums of Parquet pages are not looked at',
    file: 'src/data/parquet-chunks.ts',
    find: '!== crc >>> 0) refuse',
    replace: '!== crc >>> 0 && packed < 0) refuse',
    tests: ['src/data/parquet.test.ts'],
  },
  {
    name: 'the second pass over a stream is drawn like the first',
    file: 'src/data/stream.ts',
    find: 'below(waiting.length, seed, pass, drawn++)',
    replace: 'below(waiting.length, seed, 0, drawn++)',
    tests: ['src/data/stream.test.ts'],
  },
  {
    name: 'a stream goes on one row late',
    file: 'src/data/stream.ts',
    find: 'if (drawn++ >= start)',
    replace: 'if (drawn++ > start)',
    tests: ['src/data/stream.test.ts'],
  },
  {
    name: 'parts of a mixture have equal shares',
    file: 'src/data/mixture.ts',
    find: 'apportion(count, parts.map(({ weight }) => weight / total))',
    replace: 'apportion(count, parts.map(() => 1 / parts.length))',
    tests: ['src/data/mixture.test.ts'],
  },
  {
    name: 'held-out rows are trained on',
    file: 'src/data/held-out.ts',
    find: "test.has(i) === (part === 'test')",
    replace: "test.has(i) || part === 'train'",
    tests: ['src/data/mixture.test.ts'],
  },
  {
    name: 'a shard that is missing goes unnoticed',
    file: 'src/data/data-files.ts',
    find: 'if (!choice.files) assertWholeShards(listing, found);',
    replace: '',
    tests: ['src/data/source.test.ts'],
  },
  {
    name: 'countdown divides with a rest',
    file: 'src/data/tasks/countdown.ts',
    find: 'if (larger.value % smaller.value === 0)',
    replace: 'if (larger.value > 0)',
    tests: ['src/data/tasks/tasks.test.ts'],
  },
];
