/**
 * One optimizer update: micro-batches → loss → gradient → clip → step. The normaliser is that of the whole update,
 * known before the first backward, so the cut into micro-batches never changes the gradient.
 */
import { OutOfMemoryError, ResourceError } from '../errors.ts';
import type { Decoder } from '../model/decoder.ts';
import { disposeBatch } from '../model/packed-batch.ts';
import { grad } from '../tensor/autograd.ts';
import * as ops from '../tensor/ops.ts';
import { keep, scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { clipGradNorm } from '../training/gradient-norm.ts';
import type { LossScale, Verdict } from '../training/loss-scale.ts';
import type { Optimizer } from '../training/optimizers/optimizer.ts';
import type { MicroBatchLimit } from '../training/pack.ts';
import { accumulateGradient } from '../training/update.ts';
import { entropyThresholdOf, grpoLoss, mergeSums, metricsOf } from './loss/index.ts';
import type { LossOptions, LossSums, Normaliser } from './loss/index.ts';
import { microBatches, packMicroBatch, rowsOf, tokenKeys } from './token-scores.ts';
import type { Group, Rollout } from './types.ts';

/** How an update is made. */
export interface UpdateSettings {
  loss: LossOptions;
  temperature: number;
  maskTruncatedCompletions: boolean;
  limit: MicroBatchLimit;
  checkpoint: boolean;
  maxGradNorm: number | null;
  learningRate: number;
  /** Of a network in float16; null for the others. Moved by the update. */
  lossScale: LossScale | null;
  /** Names what an adapter's dropout takes away: the run and the update. */
  dropout: { seed: number; step: number };
}

/** What an update reports. */
export interface UpdateResult {
  /** Loss figures, `grad_norm` and `loss_scale*` under the names of docs/metrics.md. */
  metrics: Record<string, number>;
  /** False when the loss or the gradient was not finite, and a smaller loss scale would not help. The weights are then untouched, as after an overflow. */
  finite: boolean;
}

/**
 * Updates the policy from groups that have rewards and advantages.
 *
 * @throws OutOfMemoryError with weights and gradients as they were before: the update may be made again in smaller parts
 */
export async function updatePolicy(decoder: Decoder, optimizer: Optimizer, groups: readonly Group[], settings: UpdateSettings): Promise<UpdateResult> {
  let sums: LossSums | null;
  try {
    sums = await accumulate(decoder, groups, settings);
  } catch (error) {
    optimizer.zeroGrad();
    throw error;
  }
  // Nothing counts: every completion was cut off and masked. The update then changes nothing.
  if (!sums) return { metrics: { loss: 0, policy_loss: 0, grad_norm: 0 }, finite: true };
  const { lossScale } = settings;
  const scale = lossScale?.value ?? 1;
  const metrics = metricsOf(sums);
  try {
    const norm = await clipGradNorm([...decoder.trained.values()], settings.maxGradNorm, scale);
    const verdict = judge(metrics.loss!, norm, lossScale);
    if (verdict === 'finite') await optimizer.step(settings.learningRate);
    const figures: Record<string, number> = verdict === 'overflow' ? { loss_scale_overflow: 1 } : { grad_norm: norm };
    return { metrics: { ...metrics, ...(lossScale && { loss_scale: scale }), ...figures }, finite: verdict !== 'failure' };
  } catch (error) {
    if (!(error instanceof OutOfMemoryError)) throw error;
    throw new ResourceError(`Expected memory for a step of the optimizer, got an allocator without (${error.message}); the weights may be changed in part: go on from the last checkpoint with a smaller \`optim\`.`, {}, { cause: error });
  } finally {
    optimizer.zeroGrad();
  }
}

/** A loss that is not finite is the fault of the network, whatever the scale. */
function judge(loss: number, norm: number, lossScale: LossScale | null): Verdict {
  if (!Number.isFinite(loss)) return 'failure';
  return lossScale?.judge(Number.isFinite(norm)) ?? (Number.isFinite(norm) ? 'finite' : 'failure');
}

/** Adds up the gradient of the update, times the loss scale; null when no token counts. */
async function accumulate(decoder: Decoder, groups: readonly Group[], settings: UpdateSettings): Promise<LossSums | null> {
  const parts = microBatches(groups, settings.limit);
  const normaliser = normaliserOf(groups, parts.length, settings);
  let sums: LossSums | null = null;
  for (const part of parts) {
    const rows = rowsOf(groups, part);
    const counted = rows.map(({ rollout }) => rollout).filter((rollout) => counts(rollout, settings));
    // A micro-batch without a counted token has no gradient.
    if (counted.length === 0) continue;
    const microBatchTokens = tokensOf(counted);
    const packed = packMicroBatch(decoder, groups, part);
    const keys = decoder.adapter?.settings.dropout ? keep(tokenKeys(groups, part)) : null;
    try {
      const { temperature, checkpoint, dropout } = settings;
      await accumulateGradient(decoder, packed, { temperature, checkpoint, dropout: keys && { ...dropout, keys } }, (logprobs, entropy, { completions: { from, to } }) => {
        const result = differentiate(rows.slice(from, to), logprobs, entropy, { ...normaliser, microBatchTokens }, settings);
        sums = sums ? mergeSums(sums, result.sums) : result.sums;
        return { logprobs: result.gradient, entropy: result.entropyGradient };
      });
    } finally {
      disposeBatch(packed);
      keys?.dispose();
    }
  }
  return sums;
}

function counts(rollout: Rollout, { maskTruncatedCompletions }: UpdateSettings): boolean {
  return !(maskTruncatedCompletions && rollout.finishReason === 'length');
}

function tokensOf(rollouts: readonly Rollout[]): number {
  return rollouts.reduce((total, { ids }) => total + ids.length, 0);
}

/** What the losses of one update are divided by, and its one entropy threshold. */
interface UpdateNormaliser extends Normaliser {
  /** In nats; null while every token is in the policy term. */
  entropyThreshold: number | null;
}

/** Counts over the whole update; rows that are masked out leave all of them. */
function normaliserOf(groups: readonly Group[], batches: number, settings: UpdateSettings): UpdateNormaliser {
  const counted = groups.flatMap(({ rollouts }) => rollouts).filter((rollout) => counts(rollout, settings));
  const share = settings.loss.topEntropyQuantile ?? 1;
  const entropies = share < 1 ? counted.flatMap((rollout) => Array.from(rollout.entropies!)) : [];
  const entropyThreshold = entropies.length > 0 ? entropyThresholdOf(entropies, share) : null;
  return {
    rows: counted.length,
    tokens: tokensOf(counted),
    microBatches: batches,
    entropyThreshold,
    ...(entropyThreshold === null ? {} : { entropyTokens: entropies.filter((entropy) => entropy >= entropyThreshold).length }),
  };
}

/** The loss over [B, T], and its gradient, times the loss scale, at the completion tokens, in the order of the packed batch's targets. */
function differentiate(
  rows: ReturnType<typeof rowsOf>,
  logprobs: Tensor,
  entropy: Tensor,
  normaliser: UpdateNormaliser,
  settings: UpdateSettings,
): { gradient: Tensor; entropyGradient: Tensor | null; sums: LossSums } {
  return keep(
    scope(() => {
      const longest = Math.max(...rows.map(({ rollout }) => rollout.ids.length));
      const size = [rows.length, longest];
      const place = placesOf(rows.map(({ rollout }) => rollout.ids.length), longest); // [M]
      const spread = (flat: Tensor) => ops.view(ops.scatter(ops.zeros([rows.length * longest]), 0, place, flat), size);
      const stored = (field: 'oldLogprobs' | 'refLogprobs' | 'logprobs') => (rows.every(({ rollout }) => rollout[field]) ? spread(joined(rows.map(({ rollout }) => rollout[field]!))) : null);
      const leaf = ops.detach(spread(logprobs)).requiresGrad_(); // [B, T]
      const entropyLeaf = ops.detach(spread(entropy)).requiresGrad_((settings.loss.entropyCoef ?? 0) !== 0); // [B, T]
      const { loss, sums } = grpoLoss(
        {
          logprobs: leaf,
          oldLogprobs: stored('oldLogprobs'),
          refLogprobs: stored('refLogprobs'),
          samplerLogprobs: stored('logprobs'),
          entropy: entropyLeaf,
          advantages: tensor(Float32Array.from(rows, ({ group, sample }) => group.advantages[sample]!)),
          mask: maskOf(rows, longest, settings),
          normaliser,
          entropyThreshold: normaliser.entropyThreshold,
        },
        settings.loss,
      );
      const [gradient, entropyGradient] = grad([loss], entropyLeaf.requiresGrad ? [leaf, entropyLeaf] : [leaf]);
      const scale = settings.lossScale?.value ?? 1;
      const gather = (x: Tensor) => {
        const picked = ops.indexSelect(ops.reshape(x, [rows.length * longest]), 0, place);
        return scale === 1 ? picked : ops.mulScalar(picked, scale);
      };
      return { gradient: gather(gradient!), entropyGradient: entropyGradient ? gather(entropyGradient) : null, sums };
    }),
  );
}

/** Places of the completion tokens in a flat [B·T] block. */
function placesOf(lengths: readonly number[], longest: number): Tensor {
  return tensor(BigInt64Array.from(lengths.flatMap((length, row) => Array.from({ length }, (_, t) => BigInt(row * longest + t)))));
}

function joined(parts: readonly Float32Array[]): Tensor {
  const flat = new Float32Array(parts.reduce((total, part) => total + part.length, 0));
  let start = 0;
  for (const part of parts) {
    flat.set(part, start);
    start += part.length;
  }
  return tensor(flat);
}

/** [B, T]: 1 where a token counts. */
function maskOf(rows: ReturnType<typeof rowsOf>, longest: number, settings: UpdateSettings): Tensor {
  const mask = new Uint8Array(rows.length * longest);
  rows.forEach(({ rollout }, row) => {
    if (counts(rollout, settings)) mask.fill(1, row * longest, row * longest + rollout.ids.length);
  });
  return tensor(mask, [rows.length, longest]);
}
