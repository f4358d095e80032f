import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DecodeTimeline, interpolate } from './decode-timeline.ts';

test('a group and a late one: admissions apart from steps, rows counted in each step', () => {
  const line = new DecodeTimeline(0);
  const tokens: [request: number, sample: number, now: number][] = [
    [0, 0, 5], [0, 1, 5], // prompt 0 runs for 5
    [0, 0, 7], [0, 1, 7], // a step of 2; the second completion ends
    [1, 0, 10], // prompt 1 runs for 3
    [0, 0, 12], [1, 0, 12], // a step of 2; the first group ends
    [1, 0, 13], // a step of 1
  ];
  for (const [request, sample, now] of tokens) line.token(request, sample, now);
  assert.deepEqual(line.admissions, [5, 3]);
  assert.deepEqual(line.steps, [{ rows: 2, seconds: 2 }, { rows: 2, seconds: 2 }, { rows: 1, seconds: 1 }]);
});

test('when all leave at once, the next ones begin a step of their own', () => {
  const line = new DecodeTimeline(0);
  for (const [request, now] of [[0, 1], [0, 2], [1, 4], [1, 5]] as const) line.token(request, 0, now);
  assert.deepEqual(line.steps, [{ rows: 1, seconds: 1 }, { rows: 1, seconds: 1 }]);
  assert.deepEqual(line.admissions, [1, 2]);
});

test('two prompts admitted one behind the other are two admissions', () => {
  const line = new DecodeTimeline(2);
  for (const [request, sample, now] of [[0, 0, 3], [0, 1, 3], [1, 0, 5]] as const) line.token(request, sample, now);
  assert.deepEqual(line.admissions, [1, 2]);
});

test('between two points the line is straight; at a point it is the point', () => {
  const points = [{ x: 1, y: 10 }, { x: 4, y: 16 }, { x: 8, y: 36 }];
  assert.deepEqual([1, 2, 4, 7, 8].map((x) => interpolate(points, x)), [10, 12, 16, 31, 36]);
});

test('beyond the points there is no value', () => {
  assert.throws(() => interpolate([{ x: 2, y: 1 }, { x: 3, y: 1 }], 1), /Expected `x` to lie between 2 and 3, got 1/);
  assert.throws(() => interpolate([{ x: 2, y: 1 }], 3), /got 3/);
});
