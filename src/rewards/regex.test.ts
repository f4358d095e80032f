import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from '../../test/reward-sample.ts';
import { regex } from './regex.ts';

const earns = (options: Parameters<typeof regex>[0], ...texts: string[]): (number | null)[] => texts.map((text) => regex(options)(sampleOf(text)));

test('anywhere or the whole text, over several lines and with alternatives', () => {
  assert.deepEqual(earns({ pattern: 'b|c' }, 'abd', 'ad', ''), [1, 0, 0]);
  assert.deepEqual(earns({ pattern: 'b|bc', match: 'whole', score: 2 }, 'b', 'bc', 'abc', 'b\n'), [2, 2, 0, 0]);
  assert.deepEqual(earns({ pattern: '^b$', match: 'whole', flags: 'm' }, 'b', 'a\nb'), [1, 0]);
});

test('a point is a code point, and the same text earns the same twice', () => {
  const reward = regex({ pattern: '.', match: 'whole' });
  assert.deepEqual([reward(sampleOf('😀')), reward(sampleOf('😀')), reward(sampleOf('ab'))], [1, 1, 0]);
});

test('refuses what is no pattern, and flags that remember a position', () => {
  assert.throws(() => regex({ pattern: '(' }), /`regex\.pattern` to be a regular expression with the flags 'u' \(.*Unterminated group/);
  assert.throws(() => regex({ pattern: 'a', flags: 'g' }), /`regex\.flags` to be some of the flags i, m, s, u and v, got "g"/);
  assert.throws(() => regex({ pattern: 'a', flags: 'uv' }), /flags 'uv'/);
});
