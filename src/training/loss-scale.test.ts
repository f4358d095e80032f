import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { LossScale } from './loss-scale.ts';
import type { LossScaleSettings } from './loss-scale.ts';

interface Case {
  settings: LossScaleSettings;
  states: { finite: boolean; stepped: boolean; scale: number }[];
}

const { scales } = JSON.parse(readFileSync(new URL('../../test/fixtures/torch/precision.json', import.meta.url), 'utf8')) as { scales: Case[] };

for (const { settings, states } of scales) {
  test(`steps and scales of torch.amp.GradScaler: ${JSON.stringify(settings)}`, () => {
    const scale = new LossScale(settings);
    assert.equal(scale.value, settings.initScale);
    const found = states.map(({ finite }) => ({ finite, stepped: scale.judge(finite) === 'finite', scale: scale.value }));
    assert.deepEqual(found, states);
  });
}

const settings: LossScaleSettings = { initScale: 4, growthFactor: 2, backoffFactor: 0.3, growthInterval: 2 };

test('the scale ends at 1, where a gradient that is not finite is a failure; a finite one lets it grow again', () => {
  const scale = new LossScale(settings);
  assert.deepEqual([scale.judge(false), scale.value], ['overflow', 1.2]);
  assert.deepEqual([scale.judge(false), scale.value], ['overflow', 1]);
  assert.deepEqual([scale.judge(false), scale.value], ['failure', 1]);
  assert.deepEqual([scale.judge(true), scale.judge(true), scale.value], ['finite', 'finite', 2]);
});

test('settings that cannot be used are refused', () => {
  const wrong: [Partial<LossScaleSettings>, string][] = [
    [{ initScale: 0.5 }, 'initScale'],
    [{ growthFactor: 0.9 }, 'growthFactor'],
    [{ backoffFactor: 1 }, 'backoffFactor'],
    [{ growthInterval: 0.5 }, 'growthInterval'],
  ];
  for (const [more, name] of wrong) assert.throws(() => new LossScale({ ...settings, ...more }), new RegExp(`Expected \`lossScale.${name}\` to be`));
});
