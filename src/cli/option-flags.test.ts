import assert from 'node:assert/strict';
import { test } from 'node:test';
import { optionSchema } from '../grpo/option-schema.ts';
import { parseFlags } from './flags.ts';
import { optionFlags, optionHelp, overrideOptions } from './option-flags.ts';

const flags = optionFlags();

function override(options: object, ...args: string[]): Record<string, unknown> {
  return overrideOptions(options, parseFlags(args, flags).assignments, '/here') as Record<string, unknown>;
}

test('every option but those of code is a flag', () => {
  const names = Object.keys(optionSchema.shape).filter((name) => !['rewards', 'callbacks', 'tokenizer'].includes(name));
  assert.deepEqual(Object.keys(flags).sort(), [...names, 'reward'].sort());
});

test('the kinds of values follow the schema', () => {
  assert.deepEqual(override({}, '--num-generations', '4', '--run-name', '7', '--no-kl-correction', '--min-p', 'null', '--dtype', 'float32'), {
    numGenerations: 4, runName: '7', klCorrection: false, minP: null, dtype: 'float32',
  });
  assert.deepEqual(override({}, '--max-concurrent-rollouts', '16'), { maxConcurrentRollouts: 16 });
  assert.deepEqual(override({}, '--max-concurrent-rollouts', 'auto'), { maxConcurrentRollouts: 'auto' });
  assert.deepEqual(override({}, '--no-gradient-checkpointing'), { gradientCheckpointing: false });
  assert.deepEqual(override({}, '--reward-weights', '[1,2]'), { rewardWeights: [1, 2] });
});

test('a nested key changes one key of an object, and starts one where there is none', () => {
  assert.deepEqual(override({ dataset: { path: '/d', split: 'train' } }, '--dataset.split', 'test'), { dataset: { path: '/d', split: 'test' } });
  assert.deepEqual(override({ dataset: '/d' }, '--dataset.split', 'test'), { dataset: { path: '/d', split: 'test' } });
  assert.deepEqual(override({}, '--dataset.split', 'test', '--dataset', './d'), { dataset: { path: '/here/d', split: 'test' } });
  assert.deepEqual(override({ evalDataset: '/d' }, '--eval-dataset.split', 'test'), { evalDataset: { path: '/d', split: 'test' } });
  assert.deepEqual(override({ microBatch: { tokens: 9 } }, '--micro-batch.rows', '4'), { microBatch: { rows: 4 } });
  assert.deepEqual(override({}, '--chat-template-kwargs.enable_thinking', 'false'), { chatTemplateKwargs: { enable_thinking: false } });
});

test('paths are read from the working directory, those of the recipe stay', () => {
  assert.deepEqual(override({ model: '/recipe/m', outputDir: '/recipe/out' }, '--model', './m', '--dataset.path', 'd.jsonl'), {
    model: '/here/m', outputDir: '/recipe/out', dataset: { path: '/here/d.jsonl' },
  });
});

test('the given options stay as they are', () => {
  const recipe = { dataset: { path: '/d' }, seed: 1 };
  override(recipe, '--dataset.split', 'test', '--seed', '2');
  assert.deepEqual(recipe, { dataset: { path: '/d' }, seed: 1 });
});

test('help names every heading and option', () => {
  const help = optionHelp();
  for (const part of ['What a run works on:', 'Records:', '--num-generations integer ≥ 2', '--overwrite ', '--reward NAME|FILE']) {
    assert.ok(help.includes(part), part);
  }
});
