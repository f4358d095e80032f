/** A tiny model learns copy and reverse, one seed each, and copy with moments of 8 bits and weights of 16; test/real/learning.test.ts has more tasks and seeds. */
import { join } from 'node:path';
import { test } from 'node:test';
import { AdamW8bit } from '../src/training/optimizers/adamw-8bit.ts';
import { assertWithin, learn, readBands, windowsOf } from './learning.ts';
import type { Changes } from './learning.ts';
import { ownFolder } from './toy.ts';

const folder = ownFolder();
const bands = readBands();
/** Not among the seeds of the bands. */
const seed = 101;

for (const task of ['copy', 'reverse'] as const) {
  test(`${task} is learned: the reward climbs in its band`, async () => {
    assertWithin(windowsOf(await learn(task, seed, folder)), bands[task].one, `${task}, seed ${seed}`);
  });
}

for (const eightBitSeed of [101, 102, 103]) {
  test(`copy is learned with moments of 8 bits as with AdamW's, seed ${eightBitSeed}`, async () => {
    // This model is small: without `minElements` most of its moments would stay as they are.
    const rewards = await learn('copy', eightBitSeed, join(folder, '8-bit'), { optim: (weights) => new AdamW8bit(weights, { minElements: 1 }) });
    assertWithin(windowsOf(rewards), bands.copy.one, `copy, 8 bits, seed ${eightBitSeed}`);
  });
}

const narrow = {
  'bfloat16, rounded to the nearest': { dtype: 'bfloat16' },
  'bfloat16, rounded by chance': { dtype: 'bfloat16', options: { masterRounding: 'stochastic' } },
  // A scale that moves in the course of the run, first down.
  float16: { dtype: 'float16', options: { lossScale: { initScale: 2 ** 26, growthInterval: 20 } } },
} as const satisfies Record<string, Changes>;

for (const [name, changes] of Object.entries(narrow)) {
  test(`copy is learned in ${name}, as in float32`, async () => {
    assertWithin(windowsOf(await learn('copy', seed, join(folder, name.replaceAll(/\W/g, '-')), changes)), bands.copy.one, `copy, ${name}`);
  });
}
