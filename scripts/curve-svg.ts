/**
 * Draws the reward curve of a run as an SVG.
 *
 * Usage: node --import tsx scripts/curve-svg.ts RUN_FOLDER OUT.svg [TITLE]
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { smooth } from '../src/run/curve.ts';
import { curveSvg } from '../src/run/curve-svg.ts';

const [runFolder, out, title = 'Mean reward of each step'] = process.argv.slice(2);
if (!runFolder || !out) {
  process.stderr.write('Usage: node --import tsx scripts/curve-svg.ts RUN_FOLDER OUT.svg [TITLE]\n');
  process.exit(2);
}
const points = readFileSync(join(runFolder, 'metrics.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as { step: number; reward?: number })
  .flatMap(({ step, reward }) => (reward === undefined ? [] : [{ x: step, y: reward }]));
const means = smooth(points.map(({ y }) => y), 5);
const first = points[0]!;
const last = points.at(-1)!;
writeFileSync(
  out,
  curveSvg(
    [
      { name: 'reward', points },
      { name: 'mean of 5 steps', points: points.map(({ x }, i) => ({ x, y: means[i]! })) },
    ],
    { title, description: `The mean reward goes from ${first.y.toFixed(1)} at step ${first.x} to ${last.y.toFixed(1)} at step ${last.x}.`, xLabel: 'step', yLabel: 'reward' },
  ),
);
