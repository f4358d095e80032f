/**
 * The chunked head: hidden states → logits/τ → log-softmax over the whole vocabulary in float32 → the sampled token's
 * log-probability and the entropy. Sampling and training share it, and no [B, T, V] tensor ever exists.
 */
import { noGrad } from '../tensor/autograd.ts';
import { breathe } from '../tensor/breathe.ts';
import * as ops from '../tensor/ops.ts';
import { keep, scope } from '../tensor/scope.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { capped } from './attention.ts';
import type { Decoder } from './decoder.ts';
import { gradientOf } from './packed-pass.ts';
import { linearBy, transposedBy } from './weight.ts';

/** Rows of hidden states per chunk: the logits of one chunk are [96, V] in float32, and one chunk blocks for well under half a second. */
export const headChunk = 96;

/** The head: hidden states [n, H] → logits [n, V], soft-capped where the family says so. */
export function headLogits({ head, config }: Decoder, hidden: Tensor): Tensor {
  return capped(linearBy(hidden, head), config.logitCap);
}

/** Log-softmax of logits/τ in float32: [n, V] → [n, V]. */
export function temperedLogprobs(logits: Tensor, temperature: number): Tensor {
  const wide = ops.to(logits, 'float32');
  return ops.logSoftmax(temperature === 1 ? wide : ops.divScalar(wide, temperature), -1);
}

/** Entropy of each row of log-probabilities, in nats: [n, V] → [n]. */
export function entropyOf(logprobs: Tensor): Tensor {
  return ops.neg(ops.sumOver(ops.mul(ops.exp(logprobs), logprobs), [-1]));
}

/**
 * Log-probabilities of `targets` and the entropies, without a graph.
 *
 * @param hidden [M, H]
 * @param targets int64 [M]
 * @returns float32 [M] each; the caller disposes them
 */
export async function tokenLogprobs(
  decoder: Decoder,
  hidden: Tensor,
  targets: Tensor,
  temperature: number,
  { chunk = headChunk } = {},
): Promise<{ logprobs: Tensor; entropy: Tensor }> {
  const total = hidden.size(0);
  const result = keep({ logprobs: ops.zeros([total]), entropy: ops.zeros([total]) });
  await inChunks(total, chunk, Object.values(result), (cut) => {
    const all = temperedLogprobs(headLogits(decoder, cut(hidden)), temperature); // [n, V]
    const picked = ops.gather(all, 1, ops.unsqueeze(cut(targets), 1));
    ops.copy_(cut(result.logprobs), ops.squeeze(picked, 1));
    ops.copy_(cut(result.entropy), entropyOf(all));
  });
  return result;
}

/** Fills `results` rows by rows, without a graph; a failure frees them. */
async function inChunks(total: number, chunk: number, results: readonly Tensor[], fill: (cut: (x: Tensor) => Tensor) => void): Promise<void> {
  try {
    for (let start = 0; start < total; start += chunk) {
      const length = Math.min(chunk, total - start);
      scope(() => noGrad(() => fill((x) => ops.narrow(x, 0, start, length))));
      await breathe();
    }
  } catch (error) {
    for (const result of results) result.dispose();
    throw error;
  }
}

/**
 * Walks back through the head: given d(loss)/d(logprobs) and d(loss)/d(entropy), adds the head's gradient and returns
 * d(loss)/d(hidden). By hand, because with p = softmax(z), z = logits/τ,
 * d(logprob)/dz = onehot − p and d(entropy)/dz = −p·(log p + H), which needs no stored graph and one temporary. A soft
 * cap c·tanh(y/c) multiplies that by 1 − (logit/c)².
 *
 * @param gradLogprobs [M]
 * @param gradEntropy [M], or null when the loss has no entropy term
 * @returns [M, H] in the dtype of `hidden`; the caller disposes it
 */
export async function backwardHead(
  decoder: Decoder,
  hidden: Tensor,
  targets: Tensor,
  temperature: number,
  gradLogprobs: Tensor,
  gradEntropy: Tensor | null,
  { chunk = headChunk } = {},
): Promise<Tensor> {
  const total = hidden.size(0);
  const gradHidden = keep(noGrad(() => ops.empty(hidden.shape, hidden.dtype)));
  await inChunks(total, chunk, [gradHidden], (cut) => {
    const rows = ops.detach(cut(hidden));
    const gradLogits = ops.to(gradientOfLogits(decoder, rows, cut(targets), temperature, cut(gradLogprobs), gradEntropy && cut(gradEntropy)), hidden.dtype); // [n, V]
    ops.copy_(cut(gradHidden), transposedBy(gradLogits, decoder.head));
    if (decoder.head.requiresGrad) ops.addmm_(gradientOf(decoder.head), ops.transpose(gradLogits, 0, 1), rows);
  });
  return gradHidden;
}

function gradientOfLogits(decoder: Decoder, rows: Tensor, targets: Tensor, temperature: number, gradLogprobs: Tensor, gradEntropy: Tensor | null): Tensor {
  const { logitCap } = decoder.config;
  const logits = headLogits(decoder, rows);
  const logprobs = temperedLogprobs(logits, temperature);
  const perToken = ops.unsqueeze(ops.to(gradLogprobs, 'float32'), 1); // [n, 1]
  let coefficient = ops.neg(perToken); // of p
  if (gradEntropy) {
    const entropy = ops.unsqueeze(entropyOf(logprobs), 1);
    coefficient = ops.sub(coefficient, ops.mul(ops.add(logprobs, entropy), ops.unsqueeze(ops.to(gradEntropy, 'float32'), 1)));
  }
  const gradient = gradEntropy ? ops.mul_(ops.exp(logprobs), coefficient) : ops.mul_(ops.exp_(logprobs), coefficient);
  ops.scatterAdd_(gradient, 1, ops.unsqueeze(targets, 1), perToken);
  if (temperature !== 1) ops.divScalar_(gradient, temperature);
  if (logitCap === null) return gradient;
  const slope = ops.addScalar(ops.neg(ops.square(ops.divScalar(ops.to(logits, 'float32'), logitCap))), 1);
  return ops.mul_(gradient, slope);
}
