import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError } from '../errors.ts';
import { curveSvg } from './curve-svg.ts';
import { curveText, label, niceTicks, smooth } from './curve.ts';

test('smoothing is a trailing mean that passes over gaps', () => {
  assert.deepEqual(smooth([1, 3, 5, Number.NaN, 9], 2), [1, 2, 4, 5, 9]);
  assert.deepEqual(smooth([4, 2], 1), [4, 2]);
  assert.ok(Number.isNaN(smooth([Number.NaN, 1], 2)[0]));
});

test('ticks are round and inside', () => {
  assert.deepEqual(niceTicks(0, 10, 5), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(niceTicks(-0.31, 0.1, 4), [-0.2, 0]);
  assert.deepEqual(niceTicks(-0.31, 0.1, 5), [-0.3, -0.2, -0.1, 0, 0.1]);
  assert.deepEqual(niceTicks(3, 3, 5), [3]);
  assert.ok(niceTicks(-1, 1, 4).every((tick) => !Object.is(tick, -0)));
});

test('labels are short', () => {
  assert.deepEqual([0, -0, 1 / 3, -77.8642, 123_456].map(label), ['0', '0', '0.3333', '-77.86', '123500']);
});

test('a curve as text, cell by cell', () => {
  // Eighths of 16: 1 + round(15·(0, ⅓, ⅔, 1)) = 1, 6, 11, 16.
  assert.equal(
    curveText([0, 1, 2, 3], { title: 'reward', width: 4, height: 2 }),
    ['reward', '3 ┤  ▃█', '0 ┤▁▆██', '  └────', '   step 1 4'].join('\n'),
  );
});

test('long runs are averaged into columns, short ones widened; gaps stay empty; a flat curve is in the middle', () => {
  assert.match(curveText([0, 2, 4, 6], { title: 't', width: 2, height: 2 }), /^t\n5 ┤ █\n1 ┤▁█\n/);
  assert.match(curveText([0, 1], { title: 't', width: 4, height: 2 }), /^t\n1 ┤ {2}██\n0 ┤▁▁██\n/);
  assert.match(curveText([0, Number.NaN, 1], { title: 't', width: 3, height: 2 }), /^t\n1 ┤ {2}█\n0 ┤▁ █\n/);
  assert.match(curveText([5, 5], { title: 't', width: 2, height: 2 }), /^t\n {2}│\n5 ┤██\n/);
  assert.match(curveText([1, 2], { title: 't', smoothing: 10 }), /^t \(mean over 10 steps\)\n/);
});

test('a curve of nothing is refused', () => {
  assert.throws(() => curveText([Number.NaN], { title: 't' }), InputError);
  assert.throws(() => curveSvg([{ name: 'a', points: [{ x: 1, y: Number.NaN }] }], chart), InputError);
});

const chart = { title: 'Reward & <length>', description: 'It climbs.', xLabel: 'step', yLabel: 'reward', width: 200, height: 188 };

test('SVG: points at their places, gaps lift the pen', () => {
  // Plot area x 64…184, y 140 (low) … 40 (high).
  const svg = curveSvg([{ name: 'run', points: [{ x: 1, y: 0 }, { x: 2, y: 10 }, { x: 3, y: Number.NaN }, { x: 4, y: 5 }, { x: 5, y: 5 }] }], chart);
  assert.match(svg, /d="M64 140L94 40M154 90L184 90"/);
});

test('SVG: accessible, escaped, ticks on both axes, whole steps only', () => {
  const svg = curveSvg([{ name: 'run', points: [{ x: 1, y: 0 }, { x: 3, y: -10 }] }], chart);
  assert.match(svg, /role="img" aria-labelledby="title desc"/);
  assert.match(svg, /<title id="title">Reward &amp; &lt;length&gt;<\/title>\n<desc id="desc">It climbs\.<\/desc>/);
  assert.match(svg, /prefers-color-scheme: dark/);
  const texts = [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map((match) => match[1]);
  assert.deepEqual(texts, ['Reward &amp; &lt;length&gt;', '−10', '−8', '−6', '−4', '−2', '0', '1', '2', '3', 'step', 'reward']);
});

test('SVG: several lines have a legend and differ by more than colour', () => {
  const points = [{ x: 1, y: 0 }, { x: 2, y: 1 }];
  const svg = curveSvg([{ name: 'first', points }, { name: 'second', points }], chart);
  assert.match(svg, />first<\/text>/);
  assert.match(svg, /d="M64 140L184 60"/, 'the plot starts below the legend');
  assert.match(svg, /stroke-dasharray/);
  assert.throws(() => curveSvg(Array.from({ length: 5 }, () => ({ name: 'x', points })), chart), InputError);
});
