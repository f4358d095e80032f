import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { camel, flagsHelp, given, json, kebab, number, parseFlags, text, toggle, UsageError, type Flags } from './flags.ts';

const flags: Flags = {
  maxSteps: { kinds: new Set(['number', 'null']), help: 'steps', value: 'N' },
  learningRate: number('X', 'rate'),
  adamBeta1: number('X', 'decay'),
  runName: text('NAME', 'name'),
  overwrite: toggle('overwrites'),
  gradientCheckpointing: { kinds: new Set(['text', 'boolean']), help: 'recomputes', value: 'auto|true|false' },
  stopStrings: json('JSON', 'stops'),
  microBatch: { kinds: new Set(['text', 'json']), help: 'cut', nests: true },
  reward: text('NAME', 'reward', { repeats: true }),
  help: toggle('help'),
};

function parse(...args: string[]): Record<string, unknown> {
  const { positionals, assignments } = parseFlags(args, flags);
  return { ...Object.fromEntries(assignments.map(({ path, value }) => [path.join('.'), value])), ...(positionals.length > 0 ? { positionals } : {}) };
}

function usage(...args: string[]): string {
  try {
    parse(...args);
  } catch (error) {
    assert.ok(error instanceof UsageError, String(error));
    return error.message;
  }
  throw new assert.AssertionError({ message: `accepted ${args.join(' ')}` });
}

describe('names', () => {
  test('kebab-case and camelCase are each other\'s inverse', () => {
    for (const name of ['numGenerations', 'adamBeta1', 'vespoKPos', 'topP', 'beta']) assert.equal(camel(kebab(name)), name);
    assert.equal(kebab('vespoKPos'), 'vespo-k-pos');
  });
});

describe('values', () => {
  test('after a space or an equals sign', () => {
    assert.deepEqual(parse('--max-steps', '3', '--learning-rate=1e-5', '--adam-beta1', '0.8'), { maxSteps: 3, learningRate: 1e-5, adamBeta1: 0.8 });
  });

  test('are read by the kind of the flag', () => {
    assert.deepEqual(parse('--run-name', '123'), { runName: '123' });
    assert.deepEqual(parse('--run-name', '{x'), { runName: '{x' });
    assert.deepEqual(parse('--run-name='), { runName: '' });
    assert.deepEqual(parse('--max-steps', 'null'), { maxSteps: null });
    assert.deepEqual(parse('--learning-rate', '-1'), { learningRate: -1 });
    assert.deepEqual(parse('--stop-strings', '["a","b"]'), { stopStrings: ['a', 'b'] });
    assert.deepEqual(parse('--micro-batch', '{"rows":4}'), { microBatch: { rows: 4 } });
    assert.deepEqual(parse('--micro-batch', 'auto'), { microBatch: 'auto' });
  });

  test('keys below an option', () => {
    assert.deepEqual(parse('--micro-batch.rows', '4', '--micro-batch.some-name', 'x'), { 'microBatch.rows': 4, 'microBatch.someName': 'x' });
  });

  test('switches', () => {
    assert.deepEqual(parse('--overwrite'), { overwrite: true });
    assert.deepEqual(parse('--overwrite', 'false'), { overwrite: false });
    assert.deepEqual(parse('--no-overwrite'), { overwrite: false });
    assert.deepEqual(parse('--no-max-steps'), { maxSteps: null });
    assert.deepEqual(parse('--overwrite', 'recipe.ts'), { overwrite: true, positionals: ['recipe.ts'] });
    assert.deepEqual(parse('--gradient-checkpointing', 'auto'), { gradientCheckpointing: 'auto' });
    assert.deepEqual(parse('--gradient-checkpointing', '--overwrite'), { gradientCheckpointing: true, overwrite: true });
  });

  test('repeating flags are gathered in order', () => {
    assert.deepEqual(parse('--reward', 'a', '--reward', 'b'), { reward: ['a', 'b'] });
    assert.deepEqual(parse('--reward', 'a'), { reward: ['a'] });
  });

  test('positionals, also behind --', () => {
    assert.deepEqual(parse('recipe.ts', '--max-steps', '1', '--', '--x'), { maxSteps: 1, positionals: ['recipe.ts', '--x'] });
  });

  test('-h and --help', () => {
    assert.equal(given(parseFlags(['-h', '--help'], flags), 'help'), true);
  });
});

describe('wrong usage', () => {
  const cases: [string[], string][] = [
    [['--max-step', '1'], 'Expected a flag of this command, got `--max-step`; did you mean `--max-steps`?'],
    [['--maxSteps', '1'], 'Expected a flag of this command, got `--maxSteps`; did you mean `--max-steps`?'],
    [['--no-thing'], 'Expected a flag of this command, got `--no-thing`; see `--help` for all flags.'],
    [['--constructor', '1'], 'Expected a flag of this command, got `--constructor`; see `--help` for all flags.'],
    [['--max-steps'], 'Expected a value after `--max-steps`, got nothing; write `--max-steps VALUE`.'],
    [['--max-steps', '--overwrite'], 'Expected a value after `--max-steps`, got `--overwrite`; write `--max-steps VALUE`.'],
    [['--max-steps', 'many'], 'Expected `--max-steps` to be a number or null, got "many"; correct the value.'],
    [['--stop-strings', '[a]'], 'Expected `--stop-strings` to be JSON, got "[a]"; put it in single quotes, with double quotes inside.'],
    [['--run-name', 'a', '--run-name', 'b'], 'Expected `--run-name` once, got it twice; remove one.'],
    [['--run-name.x', 'a'], 'Expected `--run-name` without keys below it, got `--run-name.x`; remove what follows the dot.'],
    [['--no-run-name'], 'Expected a flag that can be turned off, got `--no-run-name`; `--run-name` needs a value.'],
    [['--no-overwrite=true'], 'Expected `--no-overwrite` without a value, got "true"; remove it.'],
  ];
  for (const [args, message] of cases) test(args.join(' '), () => assert.equal(usage(...args), message));
});

test('help has a line per flag', () => {
  assert.equal(flagsHelp({ json: toggle('as JSON'), runName: text('NAME', 'a name') }), '  --json           as JSON\n  --run-name NAME  a name');
});
