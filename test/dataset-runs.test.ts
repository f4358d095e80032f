/** Runs over the kinds of datasets that are more than a list: what is drawn, and in which order. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { grpo } from '../src/grpo/trainer.ts';
import type { GrpoOptions } from '../src/grpo/option-schema.ts';
import { capture, ownFolder, silent, toyModel, toyOptions } from './toy.ts';

const folder = ownFolder();
const model = await toyModel(folder);
const questions = fileURLToPath(new URL('fixtures/parquet/snappy.parquet', import.meta.url));

/** Columns of the rows of each step. */
async function drawn(name: string, column: string, more: Partial<GrpoOptions>): Promise<unknown[][]> {
  const steps: unknown[][] = [];
  for await (const { groups } of grpo(toyOptions(model, join(folder, name), { numGenerations: 2, promptsPerStep: 2, maxCompletionLength: 4, numTrainEpochs: 1, maxSteps: null, ...more }), silent)) {
    steps.push(groups.map(({ prompt }) => prompt.row[column]));
  }
  return steps;
}

test('a task by name with its verifier, from flags that are text alone', async () => {
  const steps = await drawn('task', 'task', { dataset: 'task:sort?count=4&difficulty=1', rewards: ['task'], promptTooLong: 'truncateLeft' });
  assert.deepEqual(steps, [['sort', 'sort'], ['sort', 'sort']]);
});

test('Parquet streamed for two epochs, drawn from waiting rows by the seed', async () => {
  const dataset = { path: questions, split: 'train[:5]', columns: { prompt: 'subject', id: 'id' }, filter: ({ prompt }: { prompt?: unknown }) => prompt !== null, streaming: true };
  const options = { numTrainEpochs: 2, maxSteps: 100 };
  // Row 4 has no subject.
  assert.deepEqual(await drawn('stream', 'id', { ...options, dataset }), [[0, 1], [2, 3], [0, 1], [2, 3]]);
  const shuffled = { ...options, dataset: { ...dataset, shuffleBuffer: 3 } };
  const steps = await drawn('shuffled', 'id', shuffled);
  assert.deepEqual(steps.slice(0, 2).flat().sort(), [0, 1, 2, 3]);
  assert.notDeepEqual(steps.flat(), [0, 1, 2, 3, 0, 1, 2, 3]);
  assert.deepEqual(await drawn('again', 'id', shuffled), steps);
  assert.deepEqual(await drawn('in-order', 'id', { ...shuffled, shuffleDataset: false }), [[0, 1], [2, 3], [0, 1], [2, 3]]);
});

test('rows held out are never drawn; a mixture keeps its shares', async () => {
  const part = (side: 'train' | 'test') => ({ path: questions, columns: { prompt: 'prompt', id: 'id' }, split: 'train[:8]', testSize: 0.25, part: side });
  const train = (await drawn('held-out', 'id', { dataset: part('train') })).flat();
  const held = (await drawn('held', 'id', { dataset: part('test') })).flat();
  assert.deepEqual([...train, ...held].map(Number).sort(), [0, 1, 2, 3, 4, 5, 6, 7]);
  assert.equal(held.length, 2);
  const mixed = (await drawn('mixture', 'id', { dataset: { mixture: [{ dataset: part('train'), weight: 0.75 }, { dataset: 'task:copy?count=9', weight: 0.25 }] } })).flat();
  assert.deepEqual([mixed.length, mixed.filter((id) => id === undefined).length], [8, 2]);
});

test('a run that ends within a stream lets go of it', async () => {
  let open = false;
  async function* endless(): AsyncGenerator<{ prompt: string }> {
    open = true;
    try {
      for (;;) yield { prompt: 'a' };
    } finally {
      open = false;
    }
  }
  const steps = await drawn('ends', 'prompt', { dataset: endless(), maxSteps: 1 });
  assert.deepEqual([steps, open], [[['a', 'a']], false]);
});

test('a prompt that cannot be used is named by its file and line before the first step', async () => {
  const file = join(folder, 'bad.jsonl');
  writeFileSync(file, '{"prompt":"a"}\n\n{"prompt":"b"}\n{"prompt":""}\n{"prompt":"c"}\n');
  const { stream } = capture();
  const run = grpo(toyOptions(model, join(folder, 'bad'), { dataset: { path: file, split: 'train[1:]' } }), { stream });
  await assert.rejects(run.run(), { name: 'InputError', message: /^Expected `prompt` to be text or messages .*; correct row 1 \(.*bad\.jsonl, line 4\)\.$/ });
});
