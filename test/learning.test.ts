/** A tiny model learns copy and reverse, one seed each, and copy with moments of 8 bits; test/real/learning.test.ts has more tasks and seeds. */
import { join } from 'node:path';
import { test } from 'node:test';
import { AdamW8bit } from '../src/training/optimizers/adamw-8bit.ts';
import { assertWithin, learn, readBands, windowsOf } from './learning.ts';
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
    const rewards = await learn('copy', eightBitSeed, join(folder, '8-bit'), (weights) => new AdamW8bit(weights, { minElements: 1 }));
    assertWithin(windowsOf(rewards), bands.copy.one, `copy, 8 bits, seed ${eightBitSeed}`);
  });
}
