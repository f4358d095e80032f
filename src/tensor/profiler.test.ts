import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noGrad } from './autograd.ts';
import * as ops from './ops.ts';
import { profileOps } from './profiler.ts';
import { scope } from './scope.ts';

test('every op is recorded with its time, its bytes and the op that called it, backward as well', () => {
  const profiler = profileOps();
  const before = performance.now();
  scope(() => {
    const a = ops.full([64, 32], 1, 'float32').requiresGrad_();
    const b = ops.full([16, 32], 2, 'float32');
    ops.sum(ops.linear(a, b, null)).backward();
  });
  const after = performance.now();
  const { ops: events, peakBytes } = profiler.take();
  assert.deepEqual(profiler.take().ops, []);
  profiler.stop();
  const named = (name: string) => events.filter((event) => event.name === name);
  const [linear] = named('tsrl::linear');
  assert.ok(linear && linear.depth === 0 && linear.self < linear.duration && linear.bytes === 0);
  assert.ok(events.some(({ name, depth, bytes }) => name.endsWith('mm') && depth > 0 && bytes >= 64 * 16 * 4), 'the product inside linear');
  assert.ok(events.some(({ name }) => /Backward/.test(name)));
  for (const { start, duration, self } of events) {
    // The two clocks are read one after the other; a busy machine may pause between.
    assert.ok(start >= before - 100 && start + duration <= after + 100, 'times are those of performance.now()');
    assert.ok(self >= -1e-9 && self <= duration + 1e-9);
  }
  assert.ok(peakBytes >= 4 * (64 * 32 + 16 * 32 + 64 * 16));
});

test('after the end nothing is recorded; a second profile at the same time is refused, one after the other is not', () => {
  const first = profileOps();
  assert.throws(() => profileOps(), /no profile to be under way/);
  first.stop();
  scope(() => noGrad(() => ops.zeros([2, 2], 'float32')));
  const second = profileOps();
  assert.deepEqual(second.take().ops, []);
  second.stop();
});
