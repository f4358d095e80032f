import assert from 'node:assert/strict';
import { test } from 'node:test';
import { duration, meanMetrics, Progress, progressLine } from './progress.ts';

class Screen {
  text = '';
  readonly isTTY: boolean;
  readonly columns: number;
  constructor(isTTY: boolean, columns = 200) {
    this.isTTY = isTTY;
    this.columns = columns;
  }
  write(text: string): void {
    this.text += text;
  }
}

test('the line has step, reward, KL, length, tokens per second and time left; what a step lacks is left out', () => {
  const metrics = { reward: -12.3456, kl: 0.01234, 'completions/mean_length': 40.25, tokens_per_second: 812.4 };
  assert.equal(progressLine(3, 20, metrics, 125), 'step 3/20  reward -12.346  kl 0.0123  length 40.3  tok/s 812  left 2m05s');
  assert.equal(progressLine(3, null, { reward: 1 }, null), 'step 3  reward 1.000');
});

test('durations', () => {
  assert.deepEqual([0, 8.4, 59.7, 125, 3600, 11_220].map(duration), ['0s', '8s', '1m00s', '2m05s', '1h00m', '3h07m']);
});

test('means are over the records that have the metric', () => {
  assert.deepEqual(meanMetrics([{ loss: 1, reward: 4 }, { loss: 2 }, { loss: 6, reward: 8 }]), { loss: 3, reward: 6 });
});

test('without a terminal: one plain line per loggingSteps, the rest at the end', () => {
  const stream = new Screen(false);
  const progress = new Progress({ totalSteps: 5, loggingSteps: 2, stream });
  [1, 2, 3, 4, 5].forEach((step) => progress.step(step, { reward: step, step_time: 10 }));
  progress.say('note');
  progress.end();
  progress.end();
  assert.equal(stream.text, 'step 2/5  reward 1.500  left 30s\nstep 4/5  reward 3.500  left 10s\nnote\nstep 5/5  reward 4.500  left 0s\n');
});

test('on a terminal: one line rewritten, messages above it, never wider than the screen', () => {
  const stream = new Screen(true, 16);
  const progress = new Progress({ totalSteps: null, stream });
  progress.step(1, { reward: 1 });
  progress.say('note');
  progress.step(2, { reward: 2.5 });
  progress.end();
  const clear = '\r\x1b[K';
  assert.equal(stream.text, `${clear}step 1  reward ${clear}note\n${clear}step 1  reward ${clear}step 2  reward \n`);
});
