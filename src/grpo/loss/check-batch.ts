/** The mouth of the loss: shapes, dtypes, devices and presence, before any arithmetic. */
import { expected } from '../../errors.ts';
import { Tensor } from '../../tensor/tensor.ts';
import type { Normaliser } from './aggregate.ts';
import type { ResolvedLossOptions } from './options.ts';

const floating = ['float64', 'float32', 'bfloat16', 'float16'];

/** What one micro-batch brings. Where `mask` is 0 every tensor may hold anything, NaN included. */
export interface LossBatch {
  /** ℓθ, with its graph: [B, T], any floating dtype. */
  logprobs: Tensor;
  /** ℓold: [B, T]; absent = ℓθ without gradient, so that the ratio is exactly 1. */
  oldLogprobs?: Tensor | null;
  /** ℓref: [B, T]; needed for a KL term. */
  refLogprobs?: Tensor | null;
  /** What the sampler recorded: [B, T]; NaN where it recorded nothing. */
  samplerLogprobs?: Tensor | null;
  /** Entropy of each position in nats, with its graph when there is an entropy bonus: [B, T]. */
  entropy?: Tensor | null;
  /** Â: [B] or [B, T]. */
  advantages: Tensor;
  /** [B, T] of any dtype; a token counts where it is not 0. */
  mask: Tensor;
  /** Of the whole optimizer update, so that the losses of its parts add up. */
  normaliser: Normaliser;
  /** Of the whole update, from `entropyThresholdOf`; absent = that of this batch. */
  entropyThreshold?: number | null;
}

/** Refuses a batch that the loss cannot be computed of. */
export function checkBatch(batch: LossBatch, options: ResolvedLossOptions): void {
  const { logprobs } = batch;
  checkTensor('logprobs', logprobs);
  const { shape, device } = logprobs;
  if (shape.length !== 2 || shape.includes(0)) {
    throw expected('logprobs', 'to have the shape [B, T] with at least one row and one token', shape, 'give one row per completion, padded to one length');
  }
  for (const name of ['logprobs', 'oldLogprobs', 'refLogprobs', 'samplerLogprobs', 'entropy', 'advantages', 'mask'] as const) {
    const value = batch[name];
    const needed = name === 'advantages' || name === 'mask';
    if (value == null && !needed) continue;
    checkTensor(name, value);
    const fits = sameShape(value.shape, shape) || (name === 'advantages' && sameShape(value.shape, [shape[0]!]));
    if (!fits) {
      const wanted = name === 'advantages' ? `[${shape[0]}] or [${shape.join(', ')}]` : `[${shape.join(', ')}], as \`logprobs\``;
      throw expected(name, `to have the shape ${wanted}`, value.shape, 'give one value per token');
    }
    if (value.device !== device) throw expected(name, `to be on ${device}, as \`logprobs\``, value.device, 'move it there first');
    if (name !== 'mask' && name !== 'advantages' && !floating.includes(value.dtype)) {
      throw expected(name, `to have a floating dtype (${floating.join(', ')})`, value.dtype, 'give log-probabilities or entropies in nats');
    }
  }
  checkPresence(batch, options);
  checkNormaliser(batch.normaliser);
}

function checkTensor(name: string, value: unknown): asserts value is Tensor {
  if (!(value instanceof Tensor)) throw expected(name, 'to be a tensor', value, 'make one with tensor(data, shape, dtype)');
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

function checkPresence(batch: LossBatch, options: ResolvedLossOptions): void {
  const { beta, klPlacement, topEntropyQuantile, entropyCoef, samplerCorrection } = options;
  if (beta !== 0 && klPlacement === 'loss' && !batch.refLogprobs) {
    throw expected('refLogprobs', 'to be a tensor [B, T] when `beta` is not 0', batch.refLogprobs, 'give the log-probabilities under the reference, or set `beta` to 0');
  }
  if (topEntropyQuantile < 1 && !batch.entropy) {
    throw expected('entropy', 'to be a tensor [B, T] when `topEntropyQuantile` is below 1', batch.entropy, 'give the entropies, or set `topEntropyQuantile` to 1');
  }
  if (entropyCoef !== 0 && !batch.entropy) {
    throw expected('entropy', 'to be a tensor [B, T] when `entropyCoef` is not 0', batch.entropy, 'give the entropies, or set `entropyCoef` to 0');
  }
  if (samplerCorrection && !batch.samplerLogprobs) {
    throw expected('samplerLogprobs', 'to be a tensor [B, T] with `samplerCorrection`', batch.samplerLogprobs, 'give what the sampler recorded, or set `samplerCorrection` to null');
  }
  if (batch.entropyThreshold != null && !Number.isFinite(batch.entropyThreshold)) {
    throw expected('entropyThreshold', 'to be a finite number of nats', batch.entropyThreshold, 'take it from entropyThresholdOf()');
  }
}

function checkNormaliser(normaliser: Normaliser | undefined): void {
  if (normaliser === null || typeof normaliser !== 'object') {
    throw expected('normaliser', 'to be { rows, tokens } of the whole update', normaliser, 'count the rows and the counted tokens over all micro-batches');
  }
  const { rows, tokens, entropyTokens, microBatches, microBatchTokens } = normaliser;
  for (const [name, value] of Object.entries({ rows, tokens, entropyTokens, microBatches, microBatchTokens })) {
    if (value === undefined && name !== 'rows' && name !== 'tokens') continue;
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0 || (name === 'microBatches' && value === 0)) {
      throw expected(`normaliser.${name}`, 'to be a finite count of the whole update', value, 'count over all micro-batches');
    }
  }
}
