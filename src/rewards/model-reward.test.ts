import assert from 'node:assert/strict';
import { test } from 'node:test';
import { functionEntry, isModelText, modelBehind, modelRewardName, transforms, withReference } from './model-reward.ts';
import type { RewardEntry } from './reward.ts';

/** What stands behind an entry that names a model. */
function settingsOf(entry: RewardEntry) {
  const made = functionEntry(entry);
  return typeof made === 'object' && 'fn' in made ? modelBehind(made.fn)?.settings : undefined;
}

const defaults = { input: 'conversation', label: null, logit: null, transform: 'logit', sign: 1, specialTokens: null };

test('a text names a model by its slash, and a built-in or a file has none before its settings', () => {
  for (const text of ['org/name', 'org/name@main', './rm', '/models/rm', 'org/name:sign=-1']) assert.ok(isModelText(text), text);
  for (const text of ['length:50', 'regex:a/b', 'rewards/mine.ts', './mine.js', 'length']) assert.ok(!isModelText(text), text);
});

test('the name is the last part of the reference', () => {
  const names = { 'weqweasdas/RM-Gemma-2B': 'RM-Gemma-2B', 'org/name@v1.0': 'name', 'org/name@refs/pr/1': 'name', './folder/rm': 'rm', './folder/rm/': 'rm', './a@b': 'a@b', 'org/name:label=a/b': 'name' };
  for (const [text, name] of Object.entries(names)) assert.equal(modelRewardName(text), name, text);
});

test('settings as text, as JSON behind the reference, and as an object', () => {
  const wanted = { ...defaults, model: 'org/name@v1', input: 'completion', label: 'toxic', transform: 'sigmoid', sign: -1 };
  assert.deepEqual(settingsOf('org/name@v1:label=toxic:input=completion:transform=sigmoid:sign=-1'), wanted);
  assert.deepEqual(settingsOf('org/name@v1:{"label":"toxic","input":"completion","transform":"sigmoid","sign":-1}'), wanted);
  assert.deepEqual(settingsOf({ model: 'org/name@v1', label: 'toxic', input: 'completion', transform: 'sigmoid', sign: -1, weight: 2 }), wanted);
  assert.deepEqual(settingsOf('org/name'), { ...defaults, model: 'org/name' });
  assert.deepEqual(settingsOf({ fn: './rm:logit=1:specialTokens=true' }), { ...defaults, model: './rm', logit: 1, specialTokens: true });
});

test('entries that name no model stay as they are', () => {
  const fn = () => 1;
  for (const entry of ['length:50', fn, { fn, weight: 2 }, { fn: 'length:50' }]) assert.equal(functionEntry(entry), entry);
});

test('paths are read from another folder, settings and all else kept', () => {
  const absolute = (reference: string) => `/there/${reference}`;
  assert.equal(withReference('./rm:sign=-1', absolute), '/there/./rm:sign=-1');
  assert.deepEqual(withReference({ model: 'rm', logit: 1 }, absolute), { model: '/there/rm', logit: 1 });
  assert.deepEqual(withReference({ fn: './rm', weight: 2 }, absolute), { fn: '/there/./rm', weight: 2 });
  assert.equal(withReference('length:50', absolute), 'length:50');
});

test('transforms by hand, where numbers are large too', () => {
  const near = (value: number, wanted: number) => assert.ok(Math.abs(value - wanted) < 1e-12, `${value} is not ${wanted}`);
  const logits = [Math.log(3), 0, Math.log(4)];
  near(transforms.logit(logits, 0), Math.log(3));
  near(transforms.sigmoid(logits, 0), 0.75);
  near(transforms.logSigmoid(logits, 0), Math.log(0.75));
  near(transforms.softmax(logits, 0), 3 / 8);
  near(transforms.softmax([1000, 1000], 1), 0.5);
  near(transforms.sigmoid([-1000], 0), 0);
  near(transforms.sigmoid([1000], 0), 1);
  near(transforms.logSigmoid([-1000], 0), -1000);
  near(transforms.logSigmoid([1000], 0), 0);
});

const refused: [RewardEntry, RegExp][] = [
  ['org/name:lable=toxic', /write `label`/],
  ['org/name:toxic', /remove `toxic`, name its parameter/],
  ['org/name:transform=exp', /transform` to be 'logit', 'sigmoid', 'softmax' or 'logSigmoid'/],
  ['org/name:sign=2', /sign` to be 1 or -1/],
  ['org/name:input=prompt', /input` to be 'conversation' or 'completion'/],
  ['org/name:logit=-1', /logit` to be a whole number of 0 or more/],
  [{ model: 3 } as unknown as RewardEntry, /model` to be a model reference/],
  [{ model: 'org/name', wieght: 2 } as unknown as RewardEntry, /parameters that it has/],
];
for (const [entry, message] of refused) {
  test(`refuses ${JSON.stringify(entry)}`, () => assert.throws(() => functionEntry(entry), { name: 'InputError', message }));
}
