import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { appendMetrics } from './metrics.ts';
import { SampleWriter, type SampleRecord } from './samples.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tsrl-records-'));
});
afterEach(() => rm(folder, { recursive: true }));

function sample(step: number): SampleRecord {
  return {
    step,
    group: 0,
    sample: 0,
    prompt: 'p',
    completion: 'line\nbreak',
    rewards: { a: null },
    reward: null,
    advantage: 0,
    finishReason: 'stop',
    promptIds: [1],
    completionIds: [2],
    row: { id: 12_345_678_901_234_567_890n },
  };
}

test('metrics: one line per update; what JSON cannot say is null', async () => {
  const file = join(folder, 'metrics.jsonl');
  await appendMetrics(file, { step: 1, loss: 0.5 });
  await appendMetrics(file, { step: 2, loss: Number.NaN, grad_norm: Infinity });
  assert.equal(await readFile(file, 'utf8'), '{"step":1,"loss":0.5}\n{"step":2,"loss":null,"grad_norm":null}\n');
});

test('samples: written in the background, all there after close', async () => {
  const writer = new SampleWriter(join(folder, 'samples'));
  for (const step of [1, 2, 3]) writer.write(step, [sample(step), sample(step)]);
  await writer.close();
  assert.deepEqual((await readdir(join(folder, 'samples'))).sort(), ['step-000001.jsonl', 'step-000002.jsonl', 'step-000003.jsonl']);
  const lines = (await readFile(join(folder, 'samples', 'step-000002.jsonl'), 'utf8')).trimEnd().split('\n');
  assert.equal(lines.length, 2);
  assert.deepEqual(JSON.parse(lines[0]!), { ...sample(2), row: { id: '12345678901234567890' } });
});

test('samples: a failed write is reported by the next write and by close', async () => {
  await writeFile(join(folder, 'samples'), 'a file where the folder should be');
  const writer = new SampleWriter(join(folder, 'samples'));
  writer.write(1, [sample(1)]);
  await assert.rejects(writer.close(), /EEXIST|ENOTDIR/);
  assert.throws(() => writer.write(2, [sample(2)]), /EEXIST|ENOTDIR/);
});
