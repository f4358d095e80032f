/**
 * What every trainer does with a packed batch: log-probabilities without a graph, and the gradient of a loss over the
 * log-probabilities of its completion tokens. Knows no loss: the caller turns log-probabilities into their gradients.
 */
import type { Decoder } from '../model/decoder.ts';
import type { PackedBatch } from '../model/packed-batch.ts';
import { hiddenStates, trainingPass } from '../model/packed-pass.ts';
import type { PassOptions } from '../model/packed-pass.ts';
import { backwardHead, tokenLogprobs } from '../model/token-logprobs.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** d(loss)/d(log-probability) and d(loss)/d(entropy) of each completion token, float32 [M]. */
export interface TokenGradients {
  logprobs: Tensor;
  entropy: Tensor | null;
}

/** Turns log-probabilities and entropies, float32 [M] in the order of the batch's targets, into their gradients. */
export type Differentiate = (logprobs: Tensor, entropy: Tensor) => TokenGradients;

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

/** Adds the gradient of one micro-batch to the gradients of the weights. */
export async function accumulateGradient(
  decoder: Decoder,
  batch: PackedBatch,
  { temperature, ...options }: { temperature: number } & PassOptions,
  differentiate: Differentiate,
): Promise<void> {
  const pass = await trainingPass(decoder, batch, options);
  const owned: Tensor[] = [];
  try {
    const scored = await tokenLogprobs(decoder, pass.hidden, batch.targets, temperature);
    owned.push(scored.logprobs, scored.entropy);
    const gradients = differentiate(scored.logprobs, scored.entropy);
    owned.push(gradients.logprobs);
    if (gradients.entropy) owned.push(gradients.entropy);
    const gradHidden = await backwardHead(decoder, pass.hidden, batch.targets, temperature, gradients.logprobs, gradients.entropy);
    owned.push(gradHidden);
    await pass.backward(gradHidden);
  } finally {
    for (const tensor of owned) tensor.dispose();
    pass.dispose();
  }
}
