import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Row } from './measure.ts';
import { benchTable, figure, markdownTable } from './table.ts';

const shape = { prompts: 4, generations: 4, promptTokens: 128, newTokens: 64 };
const row: Row = {
  work: 'full',
  shape,
  part: 'step',
  ours: { seconds: { median: 20, least: 18.04, most: 23 }, tokensPerSecond: 51.2, peakGb: 5.25 },
  peer: { seconds: { median: 60, least: 60, most: 60 }, tokensPerSecond: 17.07, peakGb: 10.5 },
  peerNote: 'gradient checkpointing off',
  ratio: { median: 3, least: 2.6, most: 3.333 },
  gflop: 1500,
  roofSeconds: 15,
};

const cells = (table: string) => table.split('\n').map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()));

test('a row: times with both ends, ratio, tokens, memory and its share, GFLOP over seconds, roof over seconds', () => {
  assert.deepEqual(cells(benchTable([row]))[2], ['full', '4 × 4 × (128 + 64)', '20.0 (18.0–23.0)', '60.0', '3.00 (2.60–3.33)', '51', '17', '5.3', '10.5', '50%', '75.0', '75%']);
});

test('without the peer, or without figures of memory, there are dashes', () => {
  const alone = { ...row, ours: { ...row.ours, peakGb: null }, peer: null, ratio: null };
  assert.deepEqual(cells(benchTable([alone]))[2], ['full', '4 × 4 × (128 + 64)', '20.0 (18.0–23.0)', '–', '–', '51', '–', '–', '–', '–', '75.0', '75%']);
});

test('columns are aligned: text to the left, figures to the right', () => {
  assert.equal(markdownTable(['work', 's'], [['a', '1.00'], ['longer', '20']]), ['| work   |    s |', '| ------ | ---: |', '| a      | 1.00 |', '| longer |   20 |'].join('\n'));
});

test('figures keep three digits that count', () => assert.deepEqual([0.123, 1.234, 12.34, 123.4, 1234.5].map(figure), ['0.12', '1.23', '12.3', '123', '1235']));
