import { command } from './command.ts';
import { flagsHelp, given, number, toggle, UsageError, type Flags } from './flags.ts';
import { givenOptions } from './grpo.ts';
import { exitCode } from './io.ts';
import { optionFlags, optionHelp } from './option-flags.ts';
import { recipeOptions } from './run.ts';

const own: Flags = {
  completionTokens: number('N', 'Mean length of a completion, for the time (default: all are as long as --max-completion-length)'),
  json: toggle('Prints the estimate as JSON, in bytes and seconds'),
  help: toggle('Shows this'),
};

/** The text of `tsrl estimate --help`. */
export function help(): string {
  return `tsrl estimate RECIPE.ts [--key value …]
tsrl estimate --model REF --dataset FILE --reward NAME|FILE.ts|MODEL … [--key value …]

Says what a run will take: peak memory by part, time of a step and of the whole run. Reads the dataset and the small files of the
model, no weights, and measures this machine for half a second. With --max-memory it shows how the run would be cut to stay
below that, on this machine or another; a run that cannot is refused, with what would save how much.

${flagsHelp(own)}

${optionHelp()}
`;
}

/** Estimates a run. */
export const run = command(() => ({ ...optionFlags(), ...own }), help, async (parsed, io) => {
  const { options } = await (parsed.positionals.length > 0 ? recipeOptions(parsed, io) : givenOptions(parsed, io));
  const completionTokens = (given(parsed, 'completionTokens') as number | undefined) ?? null;
  if (completionTokens !== null && !(completionTokens >= 1)) throw new UsageError(`Expected \`--completion-tokens\` to be 1 or more, got ${completionTokens}; correct the value.`, { flag: 'completion-tokens' });
  const [{ estimateRun }, { estimateText }] = await Promise.all([import('../grpo/estimate.ts'), import('./estimate-text.ts')]);
  const estimate = await estimateRun(options, { completionTokens, onMessage: (line) => io.err(`${line}\n`) });
  io.out(given(parsed, 'json') === true ? `${JSON.stringify(estimate)}\n` : estimateText(estimate));
  return exitCode.done;
});
