/** A tiny model learns copy and reverse, one seed each; test/real/learning.test.ts has more tasks and seeds. */
import { test } from 'node:test';
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
