/**
 * The few records that travel through one step of GRPO, in the order in which they appear:
 * dataset rows → `Prompt` → `Group` of `Rollout`s → rewards → advantages → micro-batches → `StepRecord`.
 * A field has one meaning for its whole life.
 */
import type { Row } from '../data/row.ts';
import type { Message } from '../text/message.ts';

/** Why a completion ended. `stop`: an end-of-sequence id; `length`: `maxCompletionLength`; `stopString`: one of `stopStrings`. */
export type FinishReason = 'stop' | 'length' | 'stopString' | 'tool';

/** One prompt of a round, ready for the model. */
export interface Prompt {
  /** Position of the dataset row in the dataset, before shuffling. */
  index: number;
  row: Row;
  /** What the user gave: a plain string, or messages. */
  source: string | Message[];
  /** The text the model reads, template and special tokens included. */
  text: string;
  /** Token ids the model reads. */
  ids: number[];
}

/** One completion as the sampler made it. The ids are what is trained on and stored; never a re-encoding of the text. */
export interface Rollout {
  ids: number[];
  /** Decoded without special tokens, cut before a stop string. */
  text: string;
  finishReason: FinishReason;
  /** Log-probabilities of the sampled tokens under the tempered full distribution, as recorded while sampling. [ids.length] */
  logprobs: Float32Array;
  /** The same under the truncated distribution they were drawn from (`topP`, `topK`, `minP`, `repetitionPenalty`); absent when nothing was cut off. */
  truncatedLogprobs?: Float32Array;
  /** Entropy of the full distribution at each token, in nats, as recorded while sampling; only under `topEntropyQuantile`. */
  entropies?: Float32Array;
  /** The same under the policy of the round, as training computes them: ℓold. Absent while the update is on-policy. */
  oldLogprobs?: Float32Array;
  /** The same under the reference: ℓref. Absent without one. */
  refLogprobs?: Float32Array;
}

/** A prompt with its G completions, their rewards and advantages. */
export interface Group {
  prompt: Prompt;
  /** [G] */
  rollouts: Rollout[];
  /** One record per completion: reward name to value; null = not applicable, or errored (then counted as an error). [G] */
  rewards: Record<string, number | null>[];
  /** Weighted sum of the applicable rewards, before any KL; null = unscored. [G] */
  reward: (number | null)[];
  /** [G] */
  advantages: number[];
}

/** What one optimizer update reports. */
export interface StepRecord {
  /** Optimizer updates done, from 1. */
  step: number;
  /** Plain numbers under the names of docs/metrics.md. */
  metrics: Record<string, number>;
  /** The groups this update was computed from. */
  groups: Group[];
}
