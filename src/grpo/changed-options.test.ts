import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configDocument } from '../run/config.ts';
import { changedOptions } from './changed-options.ts';
import { resolveOptions } from './options.ts';
import type { GrpoOptions } from './option-schema.ts';

const least: GrpoOptions = { model: './m', dataset: './d.jsonl', rewards: { r: () => 0 } };

function changedBy(more: Partial<GrpoOptions>): Record<string, unknown> {
  const config = configDocument({ ...resolveOptions({ ...least, ...more }).options, plan: {}, totalSteps: 3 }, {});
  return Object.fromEntries(changedOptions(JSON.parse(JSON.stringify(config)) as Record<string, unknown>).map(({ name, value }) => [name, value]));
}

test('a run with every default changed nothing', () => {
  assert.deepEqual(changedBy({}), {});
  // Not equal to what the schema says (null), but what it resolves to.
  assert.deepEqual(changedBy({ lossType: 'gmpo' }), { lossType: 'gmpo' });
  assert.deepEqual(changedBy({ epsilon: 0.2 }), {});
});

test('what shapes the result is listed in the order of the docs, what does not is left out', () => {
  const changed = changedBy({ learningRate: 1e-5, numGenerations: 16, microBatch: { rows: 4 }, epsilon: 0.4, maxSteps: 7, prompt: (row) => String(row['p']), seed: 1, threads: 3, outputDir: '/runs/a', loggingSteps: 5, overwrite: true });
  assert.deepEqual(Object.entries(changed), [
    ['prompt', '[function prompt]'], ['seed', 1], ['numGenerations', 16], ['microBatch', { rows: 4 }], ['maxSteps', 7], ['epsilon', 0.4], ['learningRate', 1e-5],
  ]);
});
