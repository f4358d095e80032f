/** Prompts → groups of completions: G draws from the policy for each prompt. */
import { generate } from '../generate/engine.ts';
import type { Completion } from '../generate/engine.ts';
import { cutAtStop } from '../generate/stop.ts';
import type { LoadedModel } from '../model/load.ts';
import { stopIds } from '../text/stop-ids.ts';
import type { ResolvedOptions } from './options.ts';
import type { Plan } from './plan.ts';
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
> &
  Pick<Plan, 'slots'> &
  Partial<Pick<Plan, 'decodingCopies'>>;

/** What a rollout is watched with. */
export interface RolloutContext {
  /** Called with each group and its place among the prompts as its last completion ends, while others still generate. */
  onGroup?: (group: Group, place: number) => void;
  /** Aborts between two tokens. */
  signal?: AbortSignal;
  /** The prompt's place in the random key; its position in the round where it is left out. */
  keyOf?: (prompt: Prompt) => number;
}

/**
 * One group per prompt, in order. Dropout is always off.
 *
 * @param round number of the generation round, from 0; part of the random key
 */
export async function rollout(policy: LoadedModel, prompts: readonly Prompt[], options: RolloutOptions, round: number, { onGroup, signal, keyOf }: RolloutContext = {}): Promise<Group[]> {
  const { tokenizer, decoder } = policy;
  const groups: Group[] = [];
  await generate(
    decoder,
    prompts.map((prompt) => ({ ids: prompt.ids, count: options.numGenerations, ...(keyOf ? { key: keyOf(prompt) } : {}) })),
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
      decodingCopies: options.decodingCopies ?? true,
      recordEntropy: options.topEntropyQuantile < 1,
      textStream: () => tokenizer.decoder(),
      onRequest: (p, completions) => {
        groups[p] = groupOf(prompts[p]!, completions, policy, options);
        onGroup?.(groups[p], p);
      },
      ...(signal ? { signal } : {}),
    },
  );
  return groups;
}

function groupOf(prompt: Prompt, completions: readonly Completion[], { tokenizer }: LoadedModel, options: RolloutOptions): Group {
  const rollouts = completions.map(
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
}

/** Whether completions are drawn from less than the full distribution. */
function truncates({ topP, topK, minP, repetitionPenalty, minCompletionLength }: RolloutOptions): boolean {
  return topP < 1 || topK > 0 || minP !== null || repetitionPenalty !== 1 || minCompletionLength > 0;
}
