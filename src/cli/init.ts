import { resolve } from 'node:path';
import { modelFrom } from '../grpo/recipe.ts';
import type { InitOptions } from '../model/init.ts';
import { command } from './command.ts';
import { flagsHelp, given, number, text, toggle, UsageError, type Flags } from './flags.ts';
import { exitCode } from './io.ts';

const sizes: Flags = {
  layers: number('N', 'Layers'),
  hidden: number('N', 'Hidden size'),
  intermediate: number('N', 'Width of the feed-forward part (default in proportion to --hidden)'),
  heads: number('N', 'Attention heads (default in proportion to --hidden)'),
  keyValueHeads: number('N', 'Key and value heads (default in proportion to the heads)'),
  headDim: number('N', 'Width of a head (default as in --like)'),
  seed: number('N', 'The only source of randomness (default 42)'),
  std: number('X', 'Standard deviation of the weights (default initializer_range, else 0.02)'),
  dtype: text('DTYPE', "'float32', 'bfloat16', 'float16' or 'float64' (default float32)"),
};

const own: Flags = {
  like: text('REF', 'The model whose family, tokenizer and other settings it takes (required)'),
  ...sizes,
  cacheDir: text('FOLDER', 'Where fetched models are kept'),
  json: toggle('Prints { folder, parameters }'),
  help: toggle('Shows this'),
};

/** The text of `tsrl init --help`. */
export function help(): string {
  return `tsrl init FOLDER --like REF [--layers N] [--hidden N]

Writes a small random model of any family with its tokenizer, for tests, benchmarks and teaching.

${flagsHelp(own)}
`;
}

/** Writes a random model. */
export const run = command(() => own, help, async (parsed, io) => {
  const [folder, ...more] = parsed.positionals;
  if (folder === undefined || more.length > 0) throw new UsageError(`Expected one folder to write, got ${parsed.positionals.length}; write \`tsrl init FOLDER --like REF\`.`);
  const like = given(parsed, 'like');
  if (typeof like !== 'string') throw new UsageError('Expected `--like`, got nothing; name the model whose family and tokenizer to take.');
  const options = Object.fromEntries([...Object.keys(sizes), 'cacheDir'].flatMap((name) => (given(parsed, name) === undefined ? [] : [[name, given(parsed, name)]])));
  const { initModel } = await import('../model/init.ts');
  const path = resolve(io.cwd, folder);
  const { parameters } = await initModel(path, { ...(options as Omit<InitOptions, 'like'>), like: modelFrom(io.cwd, like), onMessage: (line) => io.err(`${line}\n`) });
  io.out(given(parsed, 'json') === true ? `${JSON.stringify({ folder: path, parameters })}\n` : `${path}\n`);
  return exitCode.done;
});
