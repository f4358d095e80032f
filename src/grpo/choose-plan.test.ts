import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResourceError } from '../errors.ts';
import type { DecoderConfig } from '../model/decoder-config.ts';
import { choosePlan } from './choose-plan.ts';
import type { PlanOptions } from './choose-plan.ts';
import { memoryParts, peakBytes } from './memory-estimate.ts';
import type { RunSizes } from './memory-estimate.ts';
import type { Plan } from './plan.ts';

// SmolLM2-135M: 538 MB of weights.
const config = {
  hiddenSize: 576,
  intermediateSize: 1536,
  layers: 30,
  heads: 9,
  keyValueHeads: 3,
  headDim: 64,
  vocabSize: 49152,
  tiedHead: true,
  norms: { inputNorm: 'a', feedForwardNorm: 'b' },
  queryKeyNorm: null,
  attentionCap: null,
  logitCap: null,
  windows: Array.from({ length: 30 }, () => null),
} as unknown as DecoderConfig;
const run: RunSizes = {
  config,
  storage: { number: 4, block: null },
  lora: null,
  attention: 'sdpa',
  reference: 'none',
  optim: 'adamw',
  optimizerSettings: { adamBeta1: 0.9, adamBeta2: 0.999, adamEpsilon: 1e-8, momentum: null, weightDecay: 0 },
  step: { prompts: 4, generations: 8, promptTokens: 128, newTokens: 128 },
  completions: 32,
  rewardModels: 0,
};
const auto: PlanOptions = { microBatch: 'auto', maxConcurrentRollouts: 'auto', gradientCheckpointing: 'auto' };
const limit = (gigabytes: number) => ({ bytes: gigabytes * 1e9, source: '`maxMemory`' });
const peak = (plan: Plan, of = run) => peakBytes(memoryParts(of, plan));

test('with memory enough: all slots, whole groups, nothing computed twice', () => {
  const { plan, peak: estimated } = choosePlan(run, auto, limit(100));
  assert.deepEqual(plan, { limit: { tokens: 128 + 8 * 128 }, checkpoint: false, slots: 32, decodingCopies: true });
  assert.equal(estimated, peak(plan));
});

test('with less it takes what costs least time: a group in two parts before layers are computed again', () => {
  const plans = [4.5, 4, 3.5, 3, 2.9].map((most) => choosePlan(run, auto, limit(most)));
  for (const [i, { peak }] of plans.entries()) assert.ok(peak <= [4.5, 4, 3.5, 3, 2.9][i]! * 1e9, `${i}`);
  // Parts of 4 of 8 rows compute 1/9 more; layers computed again 3/10.
  const halves = { limit: { tokens: 128 + 4 * 128 }, checkpoint: false, slots: 32, decodingCopies: true };
  assert.deepEqual(choosePlan(run, auto, limit((peak(halves) + 1e6) / 0.95e9)).plan, halves);
  const cost = ({ limit: cut, checkpoint }: Plan) => [checkpoint, 'tokens' in cut && cut.tokens];
  assert.deepEqual(plans.map(({ plan }) => cost(plan)).at(-1), [true, 1152]);
});

test('slots make way where sampling is what takes most, and only there', () => {
  const long = { ...run, lora: { r: 8, alpha: 8, dropout: 0, targetModules: 'all-linear', modulesToSave: [], useRslora: false, useDora: false, initLoraWeights: 'kaiming' as const }, step: { ...run.step, newTokens: 2048 }, completions: 32 };
  const { plan, peak: estimated } = choosePlan(long, auto, limit(2.6));
  assert.ok(plan.slots > 1 && plan.slots < 32, `${plan.slots}`);
  assert.ok(estimated <= 2.6e9);
  // One more would not fit.
  assert.ok(peak({ ...plan, limit: { tokens: 1 }, checkpoint: true, slots: plan.slots + 1 }, long) > 0.95 * 2.6e9);
});

test('an adapter at 65% of what it would take: decoding without copies of the weights, which weigh as much as they do', () => {
  const adapted = { ...run, lora: { r: 16, alpha: 32, dropout: 0, targetModules: 'all-linear', modulesToSave: [], useRslora: false, useDora: false, initLoraWeights: 'kaiming' as const }, reference: 'shared' as const, step: { ...run.step, generations: 4, newTokens: 64 }, completions: 16 };
  const free = choosePlan(adapted, auto, limit(100));
  assert.equal(free.plan.decodingCopies, true);
  const bound = choosePlan(adapted, auto, limit((0.65 * free.peak) / 1e9));
  assert.equal(bound.plan.decodingCopies, false);
  assert.ok(bound.peak <= 0.65 * free.peak);
  assert.ok(peak({ ...bound.plan, decodingCopies: true }, adapted) > 0.65 * free.peak);
});

test('what the options say stays', () => {
  const fixed: PlanOptions = { microBatch: { rows: 3 }, maxConcurrentRollouts: 5, gradientCheckpointing: false };
  assert.deepEqual(choosePlan(run, fixed, limit(100)).plan, { limit: { rows: 3 }, checkpoint: false, slots: 5, decodingCopies: true });
  const { plan } = choosePlan(run, { ...auto, gradientCheckpointing: false }, limit(3));
  assert.equal(plan.checkpoint, false);
});

test('what cannot fit is refused, with what each change would save', () => {
  const big = { ...run, reference: 'copy' as const };
  assert.throws(
    () => choosePlan(big, { ...auto, gradientCheckpointing: false }, limit(2)),
    (error: unknown) => {
      assert.ok(error instanceof ResourceError);
      assert.match(error.message, /^Expected `maxMemory` to hold the run, got 2\.00 GB for an estimated 3\.\d\d GB in its smallest parts; /);
      const changes = error.data['changes'] as { text: string; saves: number }[];
      const saved = (text: string) => changes.find((change) => change.text.includes(text))!.saves;
      // A copy of 134,515,008 float32 weights; two moments in 8 bits: 8 bytes become 2 + 8/256, of norms none.
      assert.equal(saved('beta: 0'), 4 * 134_515_008);
      assert.ok(Math.abs(saved('adamw_8bit') - (6 - 8 / 256) * 134_515_008) < 1e6);
      assert.ok(saved('lora') > saved('adamw_8bit'));
      assert.ok(saved('gradientCheckpointing') > 0);
      for (const { text, saves } of changes) assert.ok(error.message.includes(`${text} saves ${(saves / 1e9).toPrecision(3)} GB`), text);
      return true;
    },
  );
});

test('a limit between the smallest plan and a comfortable one is still a plan', () => {
  const smallest = peak({ limit: { tokens: 128 + 128 }, checkpoint: true, slots: 1, decodingCopies: false });
  assert.ok(choosePlan(run, auto, limit((smallest * 1.01) / 1e9)).peak <= smallest * 1.01);
  assert.throws(() => choosePlan(run, auto, limit((smallest * 0.97) / 1e9)), ResourceError);
});
