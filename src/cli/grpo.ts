import { rewards as builtinRewards } from '../rewards/builtin.ts';
import { command } from './command.ts';
import { flagsHelp, given, toggle, UsageError, type Flags, type ParsedFlags } from './flags.ts';
import type { Io } from './io.ts';
import { loadRewardFiles, rewardsFromFlags } from './module-file.ts';
import { optionFlags, optionHelp, overrideOptions } from './option-flags.ts';
import { checkOptions, optionAssignments, train, type CheckedOptions } from './training.ts';

const own: Flags = {
  dryRun: toggle('Shows one prompt, one group of completions and its rewards; updates nothing'),
  json: toggle('Prints the result as JSON'),
  help: toggle('Shows this'),
};

/** The text of `tsrl grpo --help`. */
export function help(): string {
  return `tsrl grpo --model REF --dataset PATH|ORG/NAME|TASK --reward NAME|FILE.ts|MODEL … [--key value …]

Runs GRPO without a recipe. A reward is built in (length:50), the default export of a file, or a classifier (org/name, ./folder:label=toxic).
It is named after its name, file or folder.
Built in, with their parameters in docs/rewards-library.md: ${Object.keys(builtinRewards).join(', ')}.
Lists and objects are JSON; keys below an option are written with a dot (--dataset.split test); --no-x turns x off.
Prints the run folder. Ctrl-C stops after the current step and saves; exit code 130.

${flagsHelp(own)}

${optionHelp()}
`;
}

/** Runs GRPO from flags alone. */
export const run = command(() => ({ ...optionFlags(), ...own }), help, async (parsed, io) => {
  const { options, ...files } = await givenOptions(parsed, io);
  return train(options, parsed, io, files);
});

/** The checked options of a command line that names no recipe, and the files that its rewards came from. */
export async function givenOptions(parsed: ParsedFlags, io: Io): Promise<CheckedOptions> {
  if (parsed.positionals.length > 0) {
    throw new UsageError(`Expected only flags, got \`${parsed.positionals[0]}\`; for a recipe write \`tsrl run ${parsed.positionals[0]}\`.`);
  }
  const assignments = optionAssignments(parsed);
  const names = new Set([...assignments.map(({ path }) => path[0]!), 'reward', 'rewards']);
  const missing = ['model', 'dataset', 'reward'].find((name) => !parsed.assignments.some(({ path }) => path[0] === name));
  if (missing !== undefined) throw new UsageError(`Expected \`--${missing}\` to be given, got nothing; without a recipe all of --model, --dataset and --reward are needed.`, { flag: missing });

  const options = overrideOptions({}, assignments, io.cwd);
  const { rewards, files } = await loadRewardFiles(rewardsFromFlags(given(parsed, 'reward') as string[]), io.cwd, options.isolate === true);
  return { options: checkOptions({ ...options, rewards }, names), rewardFiles: files };
}
