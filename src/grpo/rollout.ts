/** Prompts → groups of completions: G draws from the policy for each prompt. */
import { generate } from '../generate/engine.ts';
import { cutAtStop } from '../generate/stop.ts';
import type { LoadedModel } from '../model/load.ts';
import { stopIds } from '../text/stop-ids.ts';
import type { ResolvedOptions } from './options.ts';
import type { Group, Prompt, Rollout } from './types.ts';

/** The options that shape a rollout. */
export type RolloutOptions = Pick<
  ResolvedOptions,
  | 'numGenerations'
  | 'maxCompletionLength'
  | 'minCompletionLength'
  | 'temperature'
  | 'topP'
  | 'topK'
  | 'minP'
  | 'repetitionPenalty'
  | 'stopStrings'
  | 'seed'
  | 'topEntropyQuantile'
> & { slots: number };

/**
 * One group per prompt, in order. Dropout is always off.
 *
 * @param round number of the generation round, from 0; part of the random key
 * @param signal aborts between two tokens
 */
export async function rollout(policy: LoadedModel, prompts: readonly Prompt[], options: RolloutOptions, round: number, signal?: AbortSignal): Promise<Group[]> {
  const { tokenizer, decoder } = policy;
  const completions = await generate(
    decoder,
    prompts.map(({ ids }) => ({ ids, count: options.numGenerations })),
    {
      temperature: options.temperature,
      topP: options.topP,
      topK: options.topK,
      minP: options.minP,
      repetitionPenalty: options.repetitionPenalty,
      stopIds: stopIds(policy),
      stopStrings: options.stopStrings,
      maxNewTokens: options.maxCompletionLength,
      minNewTokens: options.minCompletionLength,
      seed: options.seed,
      step: round,
      slots: options.slots,
      recordEntropy: options.topEntropyQuantile < 1,
      textStream: () => tokenizer.decoder(),
      ...(signal ? { signal } : {}),
    },
  );
  return prompts.map((prompt, p): Group => {
    const rollouts = completions[p]!.map(
      ({ ids, logprobs, samplerLogprobs, entropies, finishReason }): Rollout => ({
        ids,
        logprobs,
        ...(truncates(options) ? { truncatedLogprobs: samplerLogprobs } : {}),
        ...(entropies ? { entropies } : {}),
        finishReason,
        text: cutAtStop(tokenizer.decode(ids), options.stopStrings),
      }),
    );
    return { prompt, rollouts, rewards: rollouts.map(() => ({})), reward: rollouts.map(() => null), advantages: rollouts.map(() => 0) };
  });
}

/** Whether completions are drawn from less than the full distribution. */
function truncates({ topP, topK, minP, repetitionPenalty, minCompletionLength }: RolloutOptions): boolean {
  return topP < 1 || topK > 0 || minP !== null || repetitionPenalty !== 1 || minCompletionLength > 0;
}
