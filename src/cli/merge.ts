import { resolve } from 'node:path';
import { modelFrom } from '../grpo/recipe.ts';
import type { DType } from '../tensor/tensor.ts';
import { command } from './command.ts';
import { flagsHelp, given, text, toggle, UsageError, type Flags } from './flags.ts';
import { exitCode } from './io.ts';

const own: Flags = {
  base: text('REF', 'The model under the adapter, in place of the one its config names'),
  dtype: text('DTYPE', "Type of the merged weights: 'float32', 'bfloat16' or 'float16' (default float32)"),
  fromQuantised: toggle('Merges into what the blocks of a quantised base stand for, at full size'),
  again: toggle('Merges although the base holds this adapter already'),
  cacheDir: text('FOLDER', 'Where fetched models are kept'),
  json: toggle('Prints { folder, dtype }'),
  help: toggle('Shows this'),
};

/** The text of `tsrl merge --help`. */
export function help(): string {
  return `tsrl merge ADAPTER FOLDER [--base REF]

Writes a whole model: the base as it is stored, in float32, with the adapter in its weights, then cast.

${flagsHelp(own)}
`;
}

/** Merges an adapter into its base. */
export const run = command(() => own, help, async (parsed, io) => {
  const [adapter, folder, ...more] = parsed.positionals;
  if (adapter === undefined || folder === undefined || more.length > 0) {
    throw new UsageError(`Expected an adapter and a folder to write, got ${parsed.positionals.length} of the two; write \`tsrl merge ADAPTER FOLDER\`.`);
  }
  const { loadNetwork, disposeModel, saveMerged } = await import('../model/load.ts');
  const base = given(parsed, 'base') as string | undefined;
  const dtype = (given(parsed, 'dtype') as DType | undefined) ?? 'float32';
  const path = resolve(io.cwd, folder);
  const model = await loadNetwork(modelFrom(io.cwd, adapter), {
    dtype: 'float32',
    base: base === undefined ? null : modelFrom(io.cwd, base),
    cacheDir: (given(parsed, 'cacheDir') as string | undefined) ?? null,
    onMessage: (line) => io.err(`${line}\n`),
  });
  try {
    await saveMerged(path, model, dtype, { fromQuantised: given(parsed, 'fromQuantised') === true, again: given(parsed, 'again') === true });
  } finally {
    disposeModel(model);
  }
  io.out(given(parsed, 'json') === true ? `${JSON.stringify({ folder: path, dtype })}\n` : `${path}\n`);
  return exitCode.done;
});
