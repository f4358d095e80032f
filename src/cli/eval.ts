import { join, resolve } from 'node:path';
import { evaluationGroups, resolveEvaluation } from '../eval/evaluation-options.ts';
import type { EvaluationOptions } from '../eval/evaluation-options.ts';
import type { Evaluation } from '../eval/evaluate.ts';
import { comparisonText, questionText, summaryText } from '../eval/summary-text.ts';
import type { GrpoOptions } from '../grpo/option-schema.ts';
import { optionTables } from '../grpo/option-table.ts';
import { modelFrom } from '../grpo/recipe.ts';
import type { Rewards } from '../rewards/reward.ts';
import { command } from './command.ts';
import { flagsHelp, given, number, text, toggle, UsageError, type Flags, type ParsedFlags } from './flags.ts';
import { exitCode, type Io } from './io.ts';
import { loadRecipe, loadRewardFiles, rewardsFromFlags } from './module-file.ts';
import { optionFlagGroups, optionHelp, overrideOptions } from './option-flags.ts';
import { asUsage } from './training.ts';

const own: Flags = {
  compare: toggle('Compares two evaluations, named by their folders'),
  show: number('N', 'Questions that are printed: whole after an evaluation (default 0), side by side in a comparison (default 20)'),
  json: toggle('Prints the summary as JSON, or the comparison'),
  help: toggle('Shows this'),
};

/** Options that are written in another way than their type says. */
const written: Flags = {
  model: text('REF', 'Model to evaluate, or an adapter; given twice, both are evaluated and compared (required)', { repeats: true }),
  extract: text('EXTRACTION[:CHECK]', 'Where the answer stands in a completion, and how it is compared; may be given several times (default answer:exact)', { repeats: true }),
};

function evaluationFlagGroups(): { title: string; flags: Flags }[] {
  return optionFlagGroups(optionTables(evaluationGroups)).map(({ title, flags }) => ({
    title,
    flags: Object.fromEntries(Object.entries(flags).map(([name, flag]) => [name, written[name] ?? flag])),
  }));
}

/** The text of `tsrl eval --help`. */
export function help(): string {
  return `tsrl eval --model REF --dataset FILE [--answer COLUMN] [--extract EXTRACTION[:CHECK] …] [--reward NAME|FILE.ts|MODEL …] [--key value …]
tsrl eval RECIPE.ts --model REF [--key value …]
tsrl eval --compare FOLDER FOLDER

Asks a model every question of a dataset, judges and scores what it answers, and prints shares, means and lengths.
With the recipe of a run, its \`evalDataset\` (else \`dataset\`) is asked and scored as there; its sampling is not taken over.
What is cut off goes on with the same command and \`--output-dir\`. docs/evaluation.md explains the figures.

${flagsHelp(own)}

${optionHelp(evaluationFlagGroups())}
`;
}

/** Evaluates a model, or two, or compares what was evaluated before. */
export const run = command(() => ({ ...Object.assign({}, ...evaluationFlagGroups().map(({ flags }) => flags)), ...own }) as Flags, help, async (parsed, io) => {
  if (given(parsed, 'compare') === true) return compareFolders(parsed, io);
  const { options, rewardFiles, models } = await optionsFrom(parsed, io);
  const folder = given(parsed, 'outputDir') === undefined ? null : (options.outputDir as string);
  if (models.length < 2) {
    const evaluation = await evaluateInterruptibly({ ...options, model: models[0]! }, rewardFiles, io);
    return evaluation ? printEvaluation(evaluation, parsed, io) : exitCode.interrupted;
  }
  if (folder === null) throw new UsageError('Expected `--output-dir` with two models, got none; name a folder for both evaluations.', { flag: 'output-dir' });
  const folders: string[] = [];
  for (const [i, model] of models.entries()) {
    const outputDir = join(folder, `model-${i + 1}`);
    if (!(await evaluateInterruptibly({ ...options, model, outputDir }, rewardFiles, io))) return exitCode.interrupted;
    folders.push(outputDir);
  }
  return printComparison(folders as [string, string], parsed, io);
});

/** Options of a run that say how a question is asked and scored. */
const fromRecipe = [
  'model', 'tokenizer', 'prompt', 'maxPromptLength', 'promptTooLong', 'addSpecialTokens', 'chatTemplateKwargs', 'maxCompletionLength', 'stopStrings', 'seed',
  'rewards', 'rewardWeights', 'maxRewardErrorRate', 'rewardTimeoutMs', 'rewardConcurrency', 'isolate', 'device', 'quantisation', 'attention', 'cacheDir', 'threads',
] as const satisfies (keyof GrpoOptions & keyof EvaluationOptions)[];

async function optionsFrom(parsed: ParsedFlags, io: Io): Promise<{ options: EvaluationOptions; models: EvaluationOptions['model'][]; rewardFiles: string[] }> {
  const [file, ...more] = parsed.positionals;
  if (more.length > 0) throw new UsageError(`Expected one recipe, got ${parsed.positionals.join(' and ')}; to compare two folders write \`tsrl eval --compare\`.`);
  const recipe = file === undefined ? {} : await recipeOptions(resolve(io.cwd, file));
  const assignments = parsed.assignments.filter(({ path }) => !Object.hasOwn(own, path[0]!) && path[0] !== 'reward' && path[0] !== 'model');
  const options = overrideOptions(recipe as Partial<GrpoOptions>, assignments, io.cwd) as Partial<EvaluationOptions>;
  if (typeof options.base === 'string') options.base = modelFrom(io.cwd, options.base);
  const flagged = given(parsed, 'model') as string[] | undefined;
  const models = flagged ? flagged.map((reference) => modelFrom(io.cwd, reference)) : options.model === undefined ? [] : [options.model];
  if (models.length === 0 || models.length > 2) throw new UsageError(`Expected one model or two, got ${models.length}; write \`--model REF\`.`, { flag: 'model' });
  if (options.dataset === undefined) throw new UsageError('Expected `--dataset` to be given, got nothing; `tsrl eval` needs --model and --dataset, or a recipe.', { flag: 'dataset' });
  const rewardFlags = given(parsed, 'reward') as string[] | undefined;
  const rewards: Rewards | null | undefined = rewardFlags ? rewardsFromFlags(rewardFlags) : options.rewards;
  const loaded = rewards ? await loadRewardFiles(rewards, rewardFlags || file === undefined ? io.cwd : resolve(io.cwd, file, '..'), options.isolate === true) : { rewards: null, files: [] };
  const whole = { ...options, model: models[0]!, rewards: loaded.rewards } as EvaluationOptions;
  try {
    resolveEvaluation(whole);
  } catch (error) {
    // `answer` is what misses when one of the flags needs it.
    throw asUsage(error, new Set([...assignments.map(({ path }) => path[0]!), 'model', 'answer', ...(rewardFlags ? ['reward', 'rewards'] : [])]));
  }
  return { options: whole, models, rewardFiles: loaded.files };
}

async function recipeOptions(path: string): Promise<Partial<EvaluationOptions>> {
  const recipe = (await loadRecipe(path)) as Record<string, unknown>;
  const shared = Object.fromEntries(fromRecipe.flatMap((name) => (recipe[name] === undefined ? [] : [[name, recipe[name]]])));
  const dataset = recipe['evalDataset'] ?? recipe['dataset'];
  return { ...shared, ...(dataset === undefined ? {} : { dataset }) } as Partial<EvaluationOptions>;
}

/** The first Ctrl-C (or SIGTERM) ends the evaluation between two tokens, the second at once. null when it was ended. */
async function evaluateInterruptibly(options: EvaluationOptions, rewardFiles: string[], io: Io): Promise<Evaluation | null> {
  const { evaluate } = await import('../eval/evaluate.ts');
  const abort = new AbortController();
  const onSignal = (): void => {
    if (abort.signal.aborted) process.exit(exitCode.interrupted);
    abort.abort(new Error('interrupted'));
  };
  const names = ['SIGINT', 'SIGTERM'] as const;
  for (const name of names) process.on(name, onSignal);
  try {
    return await evaluate(options, { rewardFiles, signal: abort.signal, stream: { write: (line) => io.err(line) } });
  } catch (error) {
    if (!abort.signal.aborted || error !== abort.signal.reason) throw error;
    io.err('Interrupted; finished questions are kept. The same command goes on, with `--output-dir` set to the folder above.\n');
    return null;
  } finally {
    for (const name of names) process.off(name, onSignal);
  }
}

function printEvaluation({ folder, summary, records }: Evaluation, parsed: ParsedFlags, io: Io): number {
  const shown = records.slice(0, (given(parsed, 'show') as number | undefined) ?? 0);
  if (given(parsed, 'json') === true) io.out(`${JSON.stringify(summary)}\n`);
  else io.out(`${[summaryText(summary), ...shown.map(questionText), folder].join('\n\n')}\n`);
  return exitCode.done;
}

async function compareFolders(parsed: ParsedFlags, io: Io): Promise<number> {
  const others = parsed.assignments.map(({ path }) => path[0]!).filter((name) => !Object.hasOwn(own, name) && name !== 'seed');
  if (others.length > 0) throw new UsageError(`Expected \`--compare\` with two folders alone, got \`--${others[0]}\` too; leave it out.`, { flag: others[0]! });
  const [first, second, ...more] = parsed.positionals;
  if (first === undefined || second === undefined || more.length > 0) {
    throw new UsageError(`Expected two folders, got ${parsed.positionals.length}; write \`tsrl eval --compare FOLDER FOLDER\`.`, { flag: 'compare' });
  }
  return printComparison([resolve(io.cwd, first), resolve(io.cwd, second)], parsed, io);
}

async function printComparison([first, second]: [string, string], parsed: ParsedFlags, io: Io): Promise<number> {
  const { compareEvaluations } = await import('../eval/compare.ts');
  const seed = given(parsed, 'seed') as number | undefined;
  const comparison = await compareEvaluations(first, second, seed === undefined ? {} : { seed });
  const shown = (given(parsed, 'show') as number | undefined) ?? 20;
  io.out(given(parsed, 'json') === true ? `${JSON.stringify(comparison)}\n` : `${comparisonText(comparison, shown)}\n`);
  return exitCode.done;
}
