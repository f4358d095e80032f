import type { SampleRecord } from '../run/samples.ts';
import type { Failures } from './reward.ts';
import type { Group } from './types.ts';

/**
 * The lines of one step's samples file, group by group.
 *
 * @param scoring what scoring left beside the rewards: what they logged and which failed, [P][G]; left out when nothing
 */
export function sampleRecords(
  step: number,
  groups: readonly Group[],
  { logged = [], failed = [] }: { logged?: readonly (readonly Readonly<Record<string, number>>[])[]; failed?: readonly (readonly Failures[])[] } = {},
): SampleRecord[] {
  return groups.flatMap(({ prompt, rollouts, rewards, reward, advantages }, group) =>
    rollouts.map((rollout, sample): SampleRecord => {
      const notes = logged[group]?.[sample] ?? {};
      const failures = failed[group]?.[sample] ?? {};
      return {
        step,
        group,
        sample,
        prompt: prompt.source,
        completion: rollout.text,
        rewards: rewards[sample]!,
        reward: reward[sample]!,
        advantage: advantages[sample]!,
        finishReason: rollout.finishReason,
        promptIds: prompt.ids,
        completionIds: rollout.ids,
        row: prompt.row,
        ...(Object.keys(notes).length > 0 ? { logged: { ...notes } } : {}),
        ...(Object.keys(failures).length > 0 ? { failed: { ...failures } } : {}),
      };
    }),
  );
}
