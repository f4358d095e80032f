/**
 * The chunked head: hidden states → logits/τ → log-softmax over the whole vocabulary in float32 → the sampled token's
 * log-probability and the entropy. Sampling and training share it, and no [B, T, V] tensor ever exists.
 */
import { noGrad } from '../tensor/autograd.ts';
import { breathe } from '../tensor/breathe.ts';
import { halves } from '../tensor/encode.ts';
import * as ops from '../tensor/ops.ts';
import { keep, scope } from '../tensor/scope.ts';
import { Tensor } from '../tensor/tensor.ts';
import type { DType } from '../tensor/tensor.ts';
import { capped } from './attention.ts';
import type { DecoderConfig } from './decoder-config.ts';
import type { Decoder } from './decoder.ts';
import { gradientOf } from './packed-pass.ts';
import { linearBy, transposedBy } from './weight.ts';

/** Rows of hidden states per chunk: the logits of one chunk are [96, V] in float32, and one chunk blocks for well under half a second. */
export const headChunk = 96;

/** Elements of a head of 16 bits that are widened at a time: 16 MB in float32. */
const widenedAtOnce = 1 << 22;

/** The head: hidden states [n, H] → logits [n, V], in float32 where the weights have 16 bits, soft-capped where the family says so. No graph. */
export function headLogits({ head, config }: Decoder, hidden: Tensor): Tensor {
  return capped(head instanceof Tensor && halves.has(head.dtype) ? wideLogits(hidden, head) : linearBy(hidden, head), config.logitCap);
}

// A product in 16 bits would round logits to 8 or 11 bits, whatever it adds up in.
function wideLogits(hidden: Tensor, head: Tensor): Tensor {
  const [vocabulary, width] = head.shape as [number, number];
  const rows = Math.max(1, Math.floor(widenedAtOnce / width));
  const wide = ops.widened(hidden);
  const logits = ops.empty([hidden.size(0), vocabulary], 'float32', head.device);
  for (let start = 0; start < vocabulary; start += rows) {
    const count = Math.min(rows, vocabulary - start);
    scope(() => void ops.copy_(ops.narrow(logits, 1, start, count), ops.linear(wide, ops.widened(ops.narrow(head, 0, start, count)))));
  }
  return logits;
}

/** Log-softmax of logits/τ in float32: [n, V] → [n, V]. */
export function temperedLogprobs(logits: Tensor, temperature: number): Tensor {
  const wide = ops.to(logits, 'float32');
  return ops.logSoftmax(temperature === 1 ? wide : ops.divScalar(wide, temperature), -1);
}

/** The same in the memory of the logits, where that can be. */
export function temperedLogprobs_(logits: Tensor, temperature: number): Tensor {
  return ops.isFused(logits) ? ops.rowLogSoftmax_(logits, temperature) : temperedLogprobs(logits, temperature);
}

/** Entropy of each row of log-probabilities, in nats: [n, V] → [n]. */
export function entropyOf(logprobs: Tensor): Tensor {
  if (ops.isFused(logprobs) && !logprobs.requiresGrad) return ops.rowEntropy(logprobs);
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
    const { all } = headLogprobs(decoder, cut(hidden), temperature);
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

/** d(loss)/d(log-probability) and d(loss)/d(entropy) of some completion tokens, float32 [n]. Entropy: null when the loss has no such term. */
export interface TokenGradients {
  logprobs: Tensor;
  entropy: Tensor | null;
}

/** Bytes of float32 logits that may be there at once for a part of the head. */
const partBytes = 64e6;

/** Rows of hidden states that go through the head and back in one piece, their logits computed once. */
export function headRowsOf({ vocabSize }: Pick<DecoderConfig, 'vocabSize'>): number {
  return Math.max(headChunk, Math.floor(partBytes / (4 * vocabSize)));
}

/** Where a walk through the head and back stands: which part it is, and what came out of it. */
export type DifferentiatePart = (logprobs: Tensor, entropy: Tensor, part: number) => TokenGradients;

/**
 * Through the head and back, part after part: log-probabilities and entropies of a part's `targets`, what the loss makes of
 * them, and the way back, which adds the head's gradient. The logits of a part are computed once, unless it is longer than
 * `rows`: then they are computed twice in chunks, so that no more than that is ever there.
 *
 * @param hidden [M, H]
 * @param targets int64 [M]
 * @param parts tokens of each part; together M
 * @returns d(loss)/d(hidden) [M, H] in the dtype of `hidden`; the caller disposes it
 */
export async function headGradient(
  decoder: Decoder,
  hidden: Tensor,
  targets: Tensor,
  temperature: number,
  parts: readonly number[],
  differentiate: DifferentiatePart,
  { rows = headRowsOf(decoder.config), chunk = headChunk } = {},
): Promise<Tensor> {
  const gradHidden = keep(noGrad(() => ops.empty(hidden.shape, hidden.dtype)));
  let start = 0;
  try {
    for (const [i, length] of parts.entries()) {
      const cuts = keep(scope(() => [ops.detach(ops.narrow(hidden, 0, start, length)), ops.narrow(targets, 0, start, length), ops.narrow(gradHidden, 0, start, length)]));
      const [x, ids, to] = cuts as [Tensor, Tensor, Tensor];
      try {
        const walk = length <= rows ? onePass : twoPasses;
        await walk(decoder, x, ids, temperature, (logprobs, entropy) => differentiate(logprobs, entropy, i), to, chunk);
      } finally {
        for (const cut of cuts) cut.dispose();
      }
      start += length;
    }
    return gradHidden;
  } catch (error) {
    gradHidden.dispose();
    throw error;
  }
}

type Differentiate = (logprobs: Tensor, entropy: Tensor) => TokenGradients;

async function onePass(decoder: Decoder, x: Tensor, targets: Tensor, temperature: number, differentiate: Differentiate, to: Tensor): Promise<void> {
  const owned: Tensor[] = [];
  const own = <T extends Tensor | null>(made: T): T => {
    if (made) owned.push(keep(made));
    return made;
  };
  try {
    const { logits, all } = noGrad(() => scope(() => headLogprobs(decoder, x, temperature))); // [n, V]
    own(logits);
    own(all);
    await breathe();
    const { logprobs, entropy } = noGrad(() => scope(() => ({ logprobs: ops.squeeze(ops.gather(all, 1, ops.unsqueeze(targets, 1)), 1), entropy: entropyOf(all) })));
    const gradients = differentiate(own(logprobs), own(entropy));
    own(gradients.logprobs);
    own(gradients.entropy);
    const gradLogits = own(noGrad(() => scope(() => gradientOfLogits(decoder, { logits, all }, targets, temperature, gradients))));
    await breathe();
    scope(() => void noGrad(() => ops.copy_(to, throughHead(decoder, gradLogits, x.dtype))));
    await breathe();
    scope(() => noGrad(() => addHeadGradient(decoder, gradLogits, x)));
    await breathe();
  } finally {
    for (const tensor of new Set(owned)) tensor.dispose();
  }
}

async function twoPasses(decoder: Decoder, x: Tensor, targets: Tensor, temperature: number, differentiate: Differentiate, to: Tensor, chunk: number): Promise<void> {
  const owned: Tensor[] = [];
  try {
    const { logprobs, entropy } = await tokenLogprobs(decoder, x, targets, temperature, { chunk });
    owned.push(logprobs, entropy);
    const gradients = differentiate(logprobs, entropy);
    owned.push(gradients.logprobs);
    if (gradients.entropy) owned.push(gradients.entropy);
    await inChunks(x.size(0), chunk, [], (cut) => {
      const part = headLogprobs(decoder, cut(x), temperature);
      const gradLogits = gradientOfLogits(decoder, part, cut(targets), temperature, { logprobs: cut(gradients.logprobs), entropy: gradients.entropy && cut(gradients.entropy) });
      ops.copy_(cut(to), throughHead(decoder, gradLogits, x.dtype));
      addHeadGradient(decoder, gradLogits, cut(x));
    });
  } finally {
    for (const tensor of owned) tensor.dispose();
  }
}

/** d(loss)/d(hidden) in the dtype of the hidden states. [n, H] */
function throughHead({ head }: Decoder, gradLogits: Tensor, dtype: DType): Tensor {
  return transposedBy(ops.to(gradLogits, dtype), head);
}

function addHeadGradient({ head }: Decoder, gradLogits: Tensor, rows: Tensor): void {
  if (!(head instanceof Tensor) || !head.requiresGrad) return;
  const sum = gradientOf(head);
  if (ops.isFused(sum)) ops.addTransposedProduct_(sum, ops.to(gradLogits, sum.dtype), ops.to(rows, sum.dtype));
  else ops.addmm_(sum, ops.transpose(ops.to(gradLogits, sum.dtype), 0, 1), ops.to(rows, sum.dtype));
}

/** Log-probabilities of all tokens, and the logits as well where a soft cap needs them on the way back. [n, V] */
interface HeadValues {
  logits: Tensor | null;
  all: Tensor;
}

function headLogprobs(decoder: Decoder, rows: Tensor, temperature: number): HeadValues {
  const logits = headLogits(decoder, rows);
  if (decoder.config.logitCap !== null) return { logits, all: temperedLogprobs(logits, temperature) };
  return { logits: null, all: temperedLogprobs_(logits, temperature) };
}

/** d(loss)/d(logits), in the memory of the log-probabilities. A soft cap c·tanh(y/c) multiplies it by 1 − (logit/c)². */
function gradientOfLogits({ config }: Decoder, { logits, all }: HeadValues, targets: Tensor, temperature: number, { logprobs, entropy }: TokenGradients): Tensor {
  const gradient = logitsGradient_(all, targets, temperature, { logprobs: ops.to(logprobs, 'float32'), entropy: entropy && ops.to(entropy, 'float32') });
  if (!logits) return gradient;
  const slope = ops.addScalar(ops.neg(ops.square(ops.divScalar(ops.to(logits, 'float32'), config.logitCap!))), 1);
  return ops.mul_(gradient, slope);
}

/**
 * Log-probabilities at a temperature become d(loss)/d(logits), in place. By hand, because with p = softmax(z), z = logits/τ,
 * d(logprob)/dz = onehot − p and d(entropy)/dz = −p·(log p + H), which needs no stored graph.
 *
 * @param all [n, V]
 * @param targets int64 [n]
 * @param gradients in the dtype of `all`
 */
export function logitsGradient_(all: Tensor, targets: Tensor, temperature: number, gradients: TokenGradients): Tensor {
  if (ops.isFused(all)) return ops.rowLogitsGradient_(all, targets, gradients.logprobs, gradients.entropy, temperature);
  const perToken = ops.unsqueeze(gradients.logprobs, 1); // [n, 1]
  let coefficient = ops.neg(perToken); // of p
  if (gradients.entropy) coefficient = ops.sub(coefficient, ops.mul(ops.add(all, ops.unsqueeze(entropyOf(all), 1)), ops.unsqueeze(gradients.entropy, 1)));
  const gradient = ops.mul_(ops.exp_(all), coefficient);
  ops.scatterAdd_(gradient, 1, ops.unsqueeze(targets, 1), perToken);
  return temperature === 1 ? gradient : ops.divScalar_(gradient, temperature);
}
