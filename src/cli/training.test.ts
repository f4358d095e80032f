import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { describe, test } from 'node:test';
import type { GrpoOptions } from '../grpo/option-schema.ts';
import { dryRunText } from './dry-run-text.ts';
import type { Io } from './io.ts';
import { checkOptions, runInterruptibly } from './training.ts';

const quiet: Io = { out: () => {}, err: () => {}, readAll: async () => '', lines: async function* () {}, cwd: '/' };

/** A run that ends when it is told to, or by `finish`. */
function fakeRun(): { run(): Promise<object>; stop(reason: string): void; finish(): void; reasons: string[] } {
  const reasons: string[] = [];
  const end = new EventEmitter();
  const ended = once(end, 'end').then(() => ({ steps: 3 }));
  return { run: () => ended, finish: () => void end.emit('end'), stop: (reason) => reasons.push(reason), reasons };
}

describe('signals', () => {
  test('none: the summary, and no listener left behind', async () => {
    const signals = new EventEmitter();
    const trainer = fakeRun();
    const done = runInterruptibly(trainer, quiet, signals, assert.fail);
    trainer.finish();
    assert.deepEqual(await done, { interrupted: false, summary: { steps: 3 } });
    assert.equal(signals.listenerCount('SIGINT') + signals.listenerCount('SIGTERM'), 0);
  });

  test('the first asks the run to stop, the second leaves', async () => {
    const signals = new EventEmitter();
    const trainer = fakeRun();
    let left = 0;
    const done = runInterruptibly(trainer, quiet, signals, () => left++);
    signals.emit('SIGINT', 'SIGINT');
    assert.deepEqual([trainer.reasons, left], [['SIGINT'], 0]);
    signals.emit('SIGINT', 'SIGINT');
    assert.deepEqual([trainer.reasons, left], [['SIGINT'], 1]);
    trainer.finish();
    assert.equal((await done).interrupted, true);
  });

  test('a run that fails leaves no listener behind', async () => {
    const signals = new EventEmitter();
    const failing = { run: () => Promise.reject(new Error('broken')), stop: () => {} };
    await assert.rejects(runInterruptibly(failing, quiet, signals, assert.fail), { message: 'broken' });
    assert.equal(signals.listenerCount('SIGINT'), 0);
  });
});

describe('options', () => {
  const good: GrpoOptions = { model: './m', dataset: [{ prompt: 'a' }], rewards: { r: () => 0 } };

  test('what flags got wrong is wrong usage, what a recipe got wrong is not', () => {
    assert.equal(checkOptions(good, new Set()), good);
    const bad = { ...good, microBatch: { rows: 0 } };
    assert.throws(() => checkOptions(bad, new Set(['microBatch'])), { name: 'UsageError' });
    assert.throws(() => checkOptions(bad, new Set(['seed'])), { name: 'InputError' });
  });
});

test('a rehearsal as text', () => {
  const text = dryRunText({
    prompt: { text: '<|im_start|>user', ids: [1, 2] },
    completions: [
      { text: 'Hi.', ids: [5, 6, 0], finishReason: 'stop', rewards: { length: -47, judge: null }, reward: -47, advantage: 0.612372 },
      { text: 'Hey', ids: [5], finishReason: 'length', rewards: { length: -47 }, reward: null, advantage: 0 },
    ],
    notes: ['12 updates would be made.'],
  });
  assert.equal(
    text,
    `Prompt as the model reads it (2 tokens)
<|im_start|>user

Completion 1 of 2 (3 tokens, ended by stop)
Hi.
  length -47 · judge does not apply · reward -47, advantage 0.61237

Completion 2 of 2 (1 tokens, ended by length)
Hey
  length -47 · unscored

12 updates would be made.

Nothing was updated or written.
`,
  );
});
