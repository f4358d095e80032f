import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleOf } from '../../test/reward-sample.ts';
import { InputError } from '../errors.ts';
import { builtinReward, rewards } from './builtin.ts';
import type { PureReward, RewardFactory, Parameters } from './definition.ts';
import { namedRewards } from './named-rewards.ts';
import type { Rewards } from './reward.ts';

/** What a reward written as text gives for a completion. */
const earns = (text: string, completion: string, row: Record<string, unknown> = {}): number | null => (builtinReward(text) as PureReward)(sampleOf(completion, { row }));

test('each reward stands under its own name, and carries it', () => {
  for (const [name, factory] of Object.entries(rewards)) assert.equal((factory as unknown as RewardFactory<Parameters, unknown>).definition.name, name);
  assert.deepEqual(namedRewards([rewards.format(), rewards.length({ target: 5 }), 'digits']).map(({ name }) => name), ['format', 'length', 'digits']);
});

test('a reward says what it was made of', () => {
  assert.deepEqual(JSON.parse(JSON.stringify({ fn: builtinReward('length:50') })), { fn: { builtin: 'length', parameters: { target: 50, unit: 'characters' } } });
});

const written: [text: string, completion: string, earned: number][] = [
  ['length:5', 'abc', -2],
  ['length:5:tokens', 'abc', -2],
  ['length:5:unit=characters', 'abcd', -1],
  ['length:unit=characters:4', 'abcd', 0],
  ['length:{"target": 5}', 'abcd', -1],
  ['lengthBounds:2:3:score=0.5', 'abc', 0.5],
  ['format', '<think></think><answer></answer>', 1],
  ['format:strict=true:multiline=false', '<think>\n</think><answer></answer>', 0],
  ['regex:^a(?:b|c):=$', 'ac:=', 1],
  ['regex:score=2:flags=iu:^B', 'b', 2],
  ['regex:answer=\\d', 'answer=7', 1],
  ['regex:123', '123', 1],
  ['tagCount:{"tags": {"a:b": 2}}', 'a:b', 2],
  ['exactAnswer:gold:whole', 'x', 1],
  ['countdown:useAll=false', '44', 0.1],
];
const row = { gold: 'x', numbers: [44, 19], target: 63 };
for (const [text, completion, earned] of written) {
  test(`${text} of ${JSON.stringify(completion)} is ${earned}`, () => assert.equal(earns(text, completion, row), earned));
}

const refused: [text: string, message: RegExp][] = [
  ['lenght:5', /got "lenght:5"; write `length:TARGET\[:UNIT\]` with target \(a number of 0 or more\), unit \('characters' or 'tokens'\)/],
  ['tag-count', /write `tagCount` with tags \(an object, text to weight\), count \(/],
  ['cosinescaled:512', /write `cosineScaled:MAX_LEN\[:COLUMN\]\[:CHECK\]` with/],
  ['jsonshema', /write `jsonSchema:schema=…` with/],
  ['thinkformat', /write `thinkFormat`\./],
  ['zzzzzzzzzzzzzzzz', /use one of length, lengthBounds, .*countdown, task, a file .*, or a model with a slash/],
  ['toString', /built-in reward/],
  ['__proto__', /built-in reward/],
  ['', /built-in reward/],
  ['length', /`length\.target` to be a number of 0 or more, got nothing; correct it; its parameters are target \(/],
  ['length:', /`length\.target`.*got ""/],
  ['length:x', /`length\.target`.*got "x"/],
  ['length:5:words', /`length\.unit`.*got "words"/],
  ['length:5:tokens:6', /to be written length:TARGET\[:UNIT\], got "length:5:tokens:6"; remove `6`, name its parameter/],
  ['tagCount:tags={"a":2}', /remove `2}`, name its parameter, or write all of them as one JSON object/],
  ['length:5:target=6', /give `target` once/],
  ['length:targt=5', /`length` to be given parameters that it has, got "targt"; write `target`; its parameters are target/],
  ['thinkFormat:x=1', /got "x"; it has no parameters/],
  ['format:strict=yes', /`format\.strict` to be true or false, got "yes"/],
  ['length:{"target"', /as JSON after `length:`/],
  ['length:{"target": "5"}', /`length\.target`.*got "5"/],
];
for (const [text, message] of refused) {
  test(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => builtinReward(text), (error: Error) => error instanceof InputError && message.test(error.message)));
}

test('code is checked like text', () => {
  assert.throws(() => rewards.length({ targt: 5 } as never), /got "targt"; write `target`/);
  assert.throws(() => rewards.format(null as never), /`format` to be given an object of parameters, got null/);
  assert.throws(() => rewards.format(3 as never), /`format` to be given an object of parameters, got 3/);
});

test('types know required parameters, their names and values', () => {
  // @ts-expect-error `target` is required
  assert.throws(() => rewards.length(), /`length\.target`/);
  // @ts-expect-error there is no such unit
  assert.throws(() => rewards.length({ target: 1, unit: 'words' }));
  // @ts-expect-error there is no such parameter
  assert.throws(() => rewards.finished({ socre: 1 }));
  const list: Rewards = { format: rewards.format(), length: { fn: rewards.length({ target: 1 }), weight: 2 } };
  assert.equal(namedRewards(list).length, 2);
});
