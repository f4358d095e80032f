/** A tiny model learns four tasks, over five seeds: each curve in its band, and the mean of the five in a narrower one. */
import { test } from 'node:test';
import { meanOf, ownFolder } from '../toy.ts';
import { assertWithin, learn, readBands, tasks, windowsOf } from '../learning.ts';
import type { TaskName } from '../learning.ts';

const folder = ownFolder();
const bands = readBands();
/** None is among the seeds of the bands. */
const seeds = [102, 103, 104, 105, 106];

for (const task of Object.keys(tasks) as TaskName[]) {
  test(`${task} is learned over ${seeds.length} seeds`, async () => {
    const curves: number[][] = [];
    for (const seed of seeds) curves.push(windowsOf(await learn(task, seed, folder)));
    for (const [i, windows] of curves.entries()) assertWithin(windows, bands[task].one, `${task}, seed ${seeds[i]}`);
    const means = curves[0]!.map((_, part) => meanOf(curves.map((windows) => windows[part]!)));
    assertWithin(means, bands[task].five, `${task}, mean of ${seeds.length} seeds`);
  });
}
