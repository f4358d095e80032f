/** What a run says about itself, once each, and that it never holds the event loop. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import type { GrpoOptions } from '../src/grpo/option-schema.ts';
import { grpo } from '../src/grpo/trainer.ts';
import { liveTensors } from '../src/tensor/scope.ts';
import { capture, ownFolder, rows, silent, toyModel, toyOptions } from './toy.ts';

const folder = ownFolder();
let model: string;
before(async () => {
  model = await toyModel(folder);
});

let number = 0;
const freshFolder = () => join(folder, `run-${++number}`);

/** What a run writes to its stream, line by line. */
async function linesOf(more: Partial<GrpoOptions>): Promise<string[]> {
  const { stream, text } = capture();
  await grpo(toyOptions(model, freshFolder(), more), { stream }).run();
  return text().split('\n');
}

const count = (lines: readonly string[], pattern: RegExp) => lines.filter((line) => line.startsWith('Warning: ') && pattern.test(line)).length;

describe('warnings', () => {
  test('no spread, a constant reward, cut-off completions, plain strings: each is said once', async () => {
    const lines = await linesOf({ rewards: { same: () => 1 }, maxSteps: 12, maxCompletionLength: 4, scaleRewards: 'none', advantage: 'leaveOneOut' });
    assert.equal(count(lines, /every advantage is 0/), 1);
    assert.equal(count(lines, /Reward `same` gave every completion the same 1/), 1);
    assert.equal(count(lines, /were cut off at `maxCompletionLength`/), 1);
    assert.equal(count(lines, /32 of 32 prompts are plain strings/), 1);
    assert.equal(count(lines, /./), 4, lines.filter((line) => line.startsWith('Warning')).join('\n'));
  });

  test('prompts near the limit are said once', async () => {
    const lines = await linesOf({ maxPromptLength: 6, maxSteps: 4 });
    assert.equal(count(lines, /come near the limit of 6 tokens/), 1);
  });

  test('a combination that its paper would not choose is said once', async () => {
    const lines = await linesOf({ lossType: 'dr_grpo', maxSteps: 3 });
    assert.equal(count(lines, /The paper of `lossType: 'dr_grpo'`/), 1);
  });

  test('a healthy chat run has nothing to say about spread, rewards or prompts', async () => {
    const lines = await linesOf({ prompt: (row) => [{ role: 'user', content: String(row.prompt) }], maxSteps: 6, rewards: { size: ({ completion }) => completion.text.length + completion.ids[0]! } });
    assert.equal(count(lines, /advantage is 0|teaches nothing|plain strings|near the limit/), 0, lines.join('\n'));
  });
});

test('a timer of 50 ms fires within 500 ms all along', async () => {
  const gaps: number[] = [];
  let last = performance.now();
  const timer = setInterval(() => {
    gaps.push(performance.now() - last);
    last = performance.now();
  }, 50);
  try {
    await grpo(toyOptions(model, freshFolder(), { maxSteps: 20 }), silent).run();
  } finally {
    clearInterval(timer);
  }
  assert.ok(gaps.length > 2, `${gaps.length} ticks`);
  // The second longest: one long gap may be another process's.
  assert.ok(gaps.sort((a, b) => b - a)[1]! < 500, `gaps of ${gaps.slice(0, 3)} ms`);
});

describe('what is found late by nature or brought by the caller', () => {
  test('a stream that ends before its first round is an error, and nothing is saved as trained', async () => {
    async function* stream() {
      yield* rows.slice(0, 3);
    }
    const outputDir = freshFolder();
    const alive = liveTensors();
    await assert.rejects(async () => grpo(toyOptions(model, outputDir, { dataset: stream(), maxSteps: 2 }), silent).run(), {
      name: 'InputError',
      message: /Expected `dataset` to hold at least one round of 4 rows.*got .*ended before.*; give more rows/,
    });
    assert.ok(!existsSync(join(outputDir, 'final')));
    assert.equal(liveTensors(), alive);
  });

  test('half an optimizer is refused before the folder is made', async () => {
    const outputDir = freshFolder();
    await assert.rejects(async () => grpo(toyOptions(model, outputDir, { optim: { step() {} } }), silent).run(), {
      name: 'InputError',
      message: /Expected `optim` to have the methods step, zeroGrad, dispose, got .*zeroGrad, dispose/,
    });
    assert.ok(!existsSync(outputDir));
  });

  for (const moment of ['onTrainBegin', 'onStepBegin'] as const) {
    test(`stop() in ${moment} makes no update more`, async () => {
      const outputDir = freshFolder();
      const alive = liveTensors();
      const summary = await grpo(toyOptions(model, outputDir, { callbacks: [{ [moment]: ({ stop }: { stop(reason: string): void }) => stop('not today') }] }), silent).run();
      assert.deepEqual([summary.status, summary.steps, summary.model], ['interrupted', 0, null]);
      assert.deepEqual(readdirSync(outputDir).sort(), ['config.json', 'state.json']);
      assert.equal(liveTensors(), alive);
    });
  }
});
