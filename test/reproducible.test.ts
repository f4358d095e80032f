/** The same seed makes the same run, bit by bit, for each number of threads and whichever reward is done first. */
import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type { GrpoOptions } from '../src/grpo/option-schema.ts';
import { grpo } from '../src/grpo/trainer.ts';
import { batch } from '../src/rewards/reward.ts';
import type { RewardSample } from '../src/rewards/reward.ts';
import { writeTinyModel } from '../scripts/tiny-model.ts';
import { dice } from './fuzz/mutations.ts';
import { letters, ownFolder, silent, toyOptions } from './toy.ts';

// Idle threads of libtorch sleep instead of spinning: another test may want their core. Read when the addon loads.
process.env.OMP_WAIT_POLICY = 'passive';

const folder = ownFolder();
let model: string;
before(async () => {
  // Wide enough that two threads share its products.
  model = await writeTinyModel(join(folder, 'model'), { hidden: 160 });
});

/** Figures of times and memory, which no seed repeats. */
const timed = /^(time\/.*|step_time|tokens_per_second|memory_peak_gb)$/;

/** What a short run leaves on disk, times and memory left out. */
async function shortRun(name: string, more: Partial<GrpoOptions>): Promise<{ metrics: Record<string, number>[]; samples: string[]; weights: Buffer }> {
  const outputDir = join(folder, name);
  await grpo(toyOptions(model, outputDir, { maxSteps: 4, maxCompletionLength: 12, beta: 0.02, numIterations: 2, logCompletions: true, ...more }), silent).run();
  const lines = (await readFile(join(outputDir, 'metrics.jsonl'), 'utf8')).trim().split('\n');
  const samples = join(outputDir, 'samples');
  return {
    metrics: lines.map((line) => Object.fromEntries(Object.entries(JSON.parse(line) as Record<string, number>).filter(([key]) => !timed.test(key)))),
    samples: await Promise.all((await readdir(samples)).sort().map((file) => readFile(join(samples, file), 'utf8'))),
    weights: await readFile(join(outputDir, 'final', 'model.safetensors')),
  };
}

for (const threads of [1, 2]) {
  test(`twice the same seed with threads ${threads}: the same tokens, metrics and weights; another seed gives others`, async () => {
    const first = await shortRun(`first-${threads}`, { threads });
    assert.equal(first.metrics.length, 4);
    assert.ok(first.metrics.every((metrics) => metrics.grad_norm! > 0));
    assert.deepEqual(await shortRun(`again-${threads}`, { threads }), first);
    const other = await shortRun(`other-${threads}`, { threads, seed: 7 });
    assert.notDeepEqual(other.samples, first.samples);
    assert.notDeepEqual(other.metrics, first.metrics);
  });
}

test('a prompt that comes again gets other completions', async () => {
  const drawn: string[] = [];
  const options = toyOptions(model, join(folder, 'rounds'), { dataset: [{ prompt: 'say a' }], promptsPerStep: 1, learningRate: 0, maxSteps: 3 });
  for await (const { groups } of grpo(options, silent)) drawn.push(String(groups[0]!.rollouts.map(({ ids }) => ids)));
  assert.equal(new Set(drawn).size, 3);
});

/** Three rewards, each of which waits up to 8 ms; `order` hears them as they end. */
function slowRewards(seed: number, order: string[]): GrpoOptions['rewards'] {
  const random = dice(seed);
  const late = async <T>(name: string, value: T): Promise<T> => {
    await new Promise((resolve) => setTimeout(resolve, random.roll(9)));
    order.push(name);
    return value;
  };
  const shown = ({ completion, row }: RewardSample) => `${String(row.id)} ${completion.text}`;
  return {
    letter: (sample) => late(`letter ${shown(sample)}`, letters(sample.completion.text)),
    length: { fn: (sample) => late(`length ${shown(sample)}`, Number(sample.row.id) % 4 === 0 ? null : -sample.completion.text.length), weight: 0.1 },
    vowels: batch((samples) => late('vowels', samples.map(({ completion }) => [...completion.text].filter((letter) => 'eiou'.includes(letter)).length))),
  };
}

test('the order in which rewards are done changes nothing', async () => {
  const orders: string[][] = [];
  const runs = [];
  for (const seed of [1, 2, 3]) {
    const order: string[] = [];
    runs.push(await shortRun(`order-${seed}`, { rewards: slowRewards(seed, order) }));
    orders.push(order);
  }
  for (const run of runs.slice(1)) assert.deepEqual(run, runs[0]);
  // The same calls, in another order each time.
  for (const order of orders.slice(1)) {
    assert.notDeepEqual(order, orders[0]);
    assert.deepEqual(order.toSorted(), orders[0]!.toSorted());
  }
});
