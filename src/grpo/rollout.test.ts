import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadModel } from '../language-model.ts';
import { ownFolder, rows, silent, toyModel, toyOptions } from '../../test/toy.ts';
import { liveTensors } from '../tensor/scope.ts';
import { resolveOptions } from './options.ts';
import { rollout } from './rollout.ts';
import { grpo } from './trainer.ts';
import type { Group, Prompt } from './types.ts';

const folder = ownFolder();

test('a group is handed over as soon as it is complete, while others still generate', async () => {
  const path = await toyModel(join(folder, 'handed-over'));
  const model = await loadModel(path);
  const { options } = resolveOptions(toyOptions(path, join(folder, 'unused')));
  const prompts = rows.slice(0, 3).map((row, index): Prompt => ({ index, row, source: row.prompt, text: row.prompt, ids: model.tokenizer.encode(row.prompt) }));
  const complete: { group: Group; rolledOut: boolean }[] = [];
  let rolledOut = false;
  // As many slots as completions of one prompt: the groups generate one after the other.
  const groups = await rollout(model, prompts, { ...options, slots: options.numGenerations }, 0, { onGroup: (group) => void complete.push({ group, rolledOut }) });
  rolledOut = true;
  assert.deepEqual(complete.map(({ group }) => group), groups);
  assert.ok(complete.every((one) => !one.rolledOut));
  for (const { rollouts } of groups) assert.equal(rollouts.length, options.numGenerations);
  model.dispose();
});

test('without decoding copies the same completions come from the weights as they are', async () => {
  const path = await toyModel(join(folder, 'plain'));
  const model = await loadModel(path);
  const { options } = resolveOptions(toyOptions(path, join(folder, 'unused')));
  const prompts = rows.slice(0, 2).map((row, index): Prompt => ({ index, row, source: row.prompt, text: row.prompt, ids: model.tokenizer.encode(row.prompt) }));
  const sample = async (decodingCopies: boolean) => {
    let alive = 0;
    const groups = await rollout(model, prompts, { ...options, slots: 4, decodingCopies }, 0, { onGroup: () => void (alive = liveTensors()) });
    return { alive, ids: groups.map(({ rollouts }) => rollouts.map(({ ids }) => ids)) };
  };
  const [copies, plain] = [await sample(true), await sample(false)];
  assert.deepEqual(plain.ids, copies.ids);
  // Four maps of each of two layers, and the head.
  assert.equal(copies.alive - plain.alive, 9);
  model.dispose();
});

test('rewards of the first groups run while the last ones generate: waiting takes less than the rewards', async () => {
  const path = await toyModel(join(folder, 'overlap'));
  const slow = ({ completion }: { completion: { ids: readonly number[] } }) => new Promise<number>((resolve) => setTimeout(() => resolve(completion.ids.length), 20));
  const trainer = grpo(toyOptions(path, join(folder, 'overlap', 'run'), { rewards: { slow }, maxConcurrentRollouts: 8, maxCompletionLength: 24, minCompletionLength: 24, maxSteps: 1 }), silent);
  for await (const { metrics } of trainer) {
    assert.ok(metrics['time/reward/slow']! > metrics['time/reward']! + 0.01, `waited ${metrics['time/reward']} s of ${metrics['time/reward/slow']} s`);
  }
});
