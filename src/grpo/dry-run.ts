/** The rehearsal of a run: everything up to the rewards of one group, and nothing written or updated. */
import { resolveOptions } from './options.ts';
import type { GrpoOptions } from './option-schema.ts';
import type { RunContext } from './trainer.ts';
import { readPrompt } from './prompts.ts';
import { RoundScoring } from './reward.ts';
import { rollout } from './rollout.ts';
import { freeRun, prepare, start } from './start.ts';
import type { Run } from './start.ts';
import { assignAdvantages, nothingDrawn } from './train.ts';
import type { Prompt } from './types.ts';

/** What a rehearsal shows. */
export interface DryRunReport {
  /** As the model reads it, special tokens included. */
  prompt: { text: string; ids: number[] };
  completions: {
    text: string;
    ids: number[];
    finishReason: string;
    rewards: Record<string, number | null>;
    reward: number | null;
    advantage: number;
  }[];
  /** Sentences about the run: what would be done, what to look at. */
  notes: string[];
}

/**
 * Renders one prompt, samples one group and scores it.
 *
 * @throws what a run would throw before its first update
 */
export async function dryRun(input: GrpoOptions, { stream = process.stderr }: RunContext = {}): Promise<DryRunReport> {
  const { options, warnings } = resolveOptions(input);
  const say = (line: string) => stream?.write(`${line}\n`);
  const run = await start(await prepare(options, say), say);
  try {
    const prompt = await firstPrompt(run);
    const scoring = new RoundScoring({ specs: options.rewards, timeoutMs: options.rewardTimeoutMs, slots: run.slots, pools: run.pools, monitor: run.monitor, step: 1, progress: 0 });
    const groups = await rollout(run.policy, [prompt], { ...options, ...run.plan }, 0, { onGroup: (group, p) => scoring.add(group, p) });
    const scored = await scoring.finish(groups);
    assignAdvantages(groups, scored.failed, { ...options, klPlacement: 'loss' });
    const group = groups[0]!;
    const steps = Number.isFinite(run.totalSteps) ? `${run.totalSteps} updates` : 'updates without end';
    return {
      prompt: { text: prompt.text, ids: prompt.ids },
      completions: group.rollouts.map(({ text, ids, finishReason }, g) => ({
        text,
        ids,
        finishReason,
        rewards: group.rewards[g]!,
        reward: group.reward[g]!,
        advantage: group.advantages[g]!,
      })),
      notes: [
        ...warnings,
        `The run would make ${steps} of ${options.promptsPerStep} prompts with ${options.numGenerations} completions each.`,
        ...scored.failures.map(({ reward, message }) => `Reward \`${reward}\` failed: ${message}`),
      ],
    };
  } finally {
    freeRun(run);
    await run.rounds.close();
  }
}

async function firstPrompt({ rounds, survey, prompts, options }: Run): Promise<Prompt> {
  for (let drawn = await rounds.next(); drawn; drawn = await rounds.next()) {
    for (const { row, index } of drawn.rows) {
      const prompt = readPrompt(row, survey?.positions[index] ?? index, prompts);
      if (prompt) return prompt;
    }
  }
  throw nothingDrawn(options);
}
