/** Built-in rewards in a run: by text and from code, under their names in metrics and samples, with their parameters in config.json. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { grpo } from '../src/grpo/trainer.ts';
import { rewards } from '../src/rewards/builtin.ts';
import { ownFolder, rows, silent, toyModel, toyOptions } from './toy.ts';

const folder = ownFolder();

test('a run scores with built-ins', async () => {
  const run = join(folder, 'run');
  const model = await toyModel(folder);
  const dataset = rows.map((row) => ({ ...row, answer: row.id === 0 ? null : 'a' }));
  const list = ['length:5', rewards.exactAnswer({ extract: 'whole', score: 2 }), { fn: 'repetitionPenalty:2', weight: 0.5 }];
  const trainer = grpo(toyOptions(model, run, { maxSteps: 1, rewards: list, dataset, logCompletions: true }), silent);
  for await (const { metrics } of trainer) {
    for (const name of ['length', 'exactAnswer', 'repetitionPenalty']) assert.ok(Number.isFinite(metrics[`rewards/${name}/mean`]), name);
  }
  const samples = readFileSync(join(run, 'samples', 'step-000001.jsonl'), 'utf8').trim().split('\n');
  assert.equal(samples.length, 32);
  for (const line of samples) {
    const { completion, rewards: scored, row } = JSON.parse(line) as { completion: string; rewards: Record<string, number | null>; row: { answer: string | null } };
    assert.equal(scored.length, 0 - Math.abs(5 - [...completion].length));
    assert.equal(scored.exactAnswer, row.answer === null ? null : completion.trim() === 'a' ? 2 : 0);
  }
  const { rewards: written } = JSON.parse(readFileSync(join(run, 'config.json'), 'utf8')) as { rewards: { fn: unknown }[] };
  assert.deepEqual(written.map(({ fn }) => fn), [
    { builtin: 'length', parameters: { target: 5, unit: 'characters' } },
    { builtin: 'exactAnswer', parameters: { column: 'answer', extract: 'whole', gold: 'whole', score: 2 } },
    { builtin: 'repetitionPenalty', parameters: { ngramSize: 2, maxPenalty: -1 } },
  ]);
});
