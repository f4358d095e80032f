import { dirname, resolve } from 'node:path';
import type { Rewards } from '../rewards/reward.ts';
import { command } from './command.ts';
import { flagsHelp, given, toggle, UsageError, type Flags, type ParsedFlags } from './flags.ts';
import type { Io } from './io.ts';
import { loadRecipe, loadRewardFiles, rewardsFromFlags } from './module-file.ts';
import { optionFlags, optionHelp, overrideOptions } from './option-flags.ts';
import { checkOptions, optionAssignments, train, type CheckedOptions } from './training.ts';

const own: Flags = {
  dryRun: toggle('Shows one prompt, one group of completions and its rewards; updates nothing'),
  json: toggle('Prints the result as JSON'),
  help: toggle('Shows this'),
};

/** The text of `tsrl run --help`. */
export function help(): string {
  return `tsrl run RECIPE.ts [--key value …]

Runs a recipe: a TypeScript file whose default export describes a run. Every option of the recipe can be overridden.
Lists and objects are JSON; keys below an option are written with a dot (--micro-batch.rows 4); --no-x turns x off.
Prints the run folder. Ctrl-C stops after the current step and saves; exit code 130.

${flagsHelp(own)}

${optionHelp()}
`;
}

/** Runs a recipe with what the command line overrides. */
export const run = command(() => ({ ...optionFlags(), ...own }), help, async (parsed, io) => {
  const { options, ...files } = await recipeOptions(parsed, io);
  return train(options, parsed, io, files);
});

/** The checked options of a recipe with what the command line overrides, and the files that they came from. */
export async function recipeOptions(parsed: ParsedFlags, io: Io): Promise<CheckedOptions> {
  const [file, ...more] = parsed.positionals;
  if (file === undefined) throw new UsageError('Expected a recipe, got nothing; write `tsrl run recipe.ts`.');
  if (more.length > 0) throw new UsageError(`Expected one recipe, got ${parsed.positionals.join(' and ')}; flags begin with \`--\`.`);

  const recipePath = resolve(io.cwd, file);
  const recipe = await loadRecipe(recipePath);
  const assignments = optionAssignments(parsed);
  const options = overrideOptions(recipe, assignments, io.cwd);
  const rewardFlags = given(parsed, 'reward') as string[] | undefined;
  const rewards: Rewards | undefined = rewardFlags ? rewardsFromFlags(rewardFlags) : options.rewards;
  const loaded = typeof rewards === 'object' && rewards !== null ? await loadRewardFiles(rewards, rewardFlags ? io.cwd : dirname(recipePath), options.isolate === true) : { rewards, files: [] };
  const names = new Set([...assignments.map(({ path }) => path[0]!), ...(rewardFlags ? ['reward', 'rewards'] : [])]);
  return { options: checkOptions({ ...options, rewards: loaded.rewards }, names), recipePath, rewardFiles: loaded.files };
}
