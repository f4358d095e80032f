/**
 * What every trainer does with a packed batch: log-probabilities without a graph, and the gradient of a loss over the
 * log-probabilities of its completion tokens. Knows no loss: the caller turns log-probabilities into their gradients.
 */
import type { Decoder } from '../model/decoder.ts';
import type { PackedBatch } from '../model/packed-batch.ts';
import { hiddenStates, trainingPass } from '../model/packed-pass.ts';
import type { PassOptions } from '../model/packed-pass.ts';
import { headGradient, headRowsOf, tokenLogprobs } from '../model/token-logprobs.ts';
import type { TokenGradients } from '../model/token-logprobs.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Some completions of a batch, and their tokens among its targets. */
export interface BatchPart {
  completions: { from: number; to: number };
  tokens: { from: number; to: number };
}

/** Turns log-probabilities and entropies of a part, float32 in the order of the batch's targets, into their gradients. */
export type Differentiate = (logprobs: Tensor, entropy: Tensor, part: BatchPart) => TokenGradients;

/** Log-probabilities and entropies of a batch's completion tokens, in the order of its targets; no graph. [M] */
export async function scoreBatch(decoder: Decoder, batch: PackedBatch, temperature: number): Promise<{ logprobs: Float32Array; entropy: Float32Array }> {
  const hidden = await hiddenStates(decoder, batch);
  try {
    const { logprobs, entropy } = await tokenLogprobs(decoder, hidden, batch.targets, temperature);
    const result = { logprobs: logprobs.toArray() as Float32Array, entropy: entropy.toArray() as Float32Array };
    logprobs.dispose();
    entropy.dispose();
    return result;
  } finally {
    hidden.dispose();
  }
}

/**
 * Adds the gradient of one micro-batch to the gradients of the weights. The loss must be a sum over completions: it is asked
 * for part after part, so that no part's logits need to be computed twice.
 */
export async function accumulateGradient(
  decoder: Decoder,
  batch: PackedBatch,
  { temperature, ...options }: { temperature: number } & PassOptions,
  differentiate: Differentiate,
): Promise<void> {
  const pass = await trainingPass(decoder, batch, options);
  let gradHidden: Tensor | null = null;
  try {
    const parts = cutIntoParts(batch.completions, headRowsOf(decoder.config));
    const lengths = parts.map(({ tokens }) => tokens.to - tokens.from);
    gradHidden = await headGradient(decoder, pass.hidden, batch.targets, temperature, lengths, (logprobs, entropy, i) => differentiate(logprobs, entropy, parts[i]!));
    await pass.backward(gradHidden);
  } finally {
    gradHidden?.dispose();
    pass.dispose();
  }
}

/** Neighbouring completions of at most `most` tokens together, or one longer completion. Empty ones go with others. */
export function cutIntoParts(completions: readonly number[], most: number): BatchPart[] {
  const parts: BatchPart[] = [];
  let token = 0;
  completions.forEach((length, row) => {
    const current = parts.at(-1);
    const end = { completion: row + 1, token: (token += length) };
    if (current && end.token - current.tokens.from <= most) {
      current.completions.to = end.completion;
      current.tokens.to = end.token;
    } else parts.push({ completions: { from: row, to: end.completion }, tokens: { from: token - length, to: end.token } });
  });
  return parts;
}
