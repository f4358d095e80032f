/** The rehearsal of a run as text. */
import type { DryRunReport } from '../grpo/dry-run.ts';

/** The rehearsal for reading: texts as they are, numbers with what they belong to. */
export function dryRunText({ prompt, completions, notes }: DryRunReport): string {
  const parts = completions.map((completion, i) => {
    const rewards = Object.entries(completion.rewards).map(([name, value]) => `${name} ${value === null ? 'does not apply' : short(value)}`);
    const sum = completion.reward === null ? 'unscored' : `reward ${short(completion.reward)}, advantage ${short(completion.advantage)}`;
    return [
      `Completion ${i + 1} of ${completions.length} (${completion.ids.length} tokens, ended by ${completion.finishReason})`,
      completion.text,
      `  ${[...rewards, sum].join(' · ')}`,
    ].join('\n');
  });
  const head = `Prompt as the model reads it (${prompt.ids.length} tokens)\n${prompt.text}`;
  return `${[head, ...parts, ...notes, 'Nothing was updated or written.'].join('\n\n')}\n`;
}

function short(value: number): string {
  return String(Number(value.toPrecision(5)));
}
