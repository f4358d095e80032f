/** Prompts of an exact number of tokens, the same ids for every program. */
import { TsrlError } from '../src/errors.ts';

/** A prompt as text and as every program must read it. */
export interface ExactPrompt {
  text: string;
  ids: number[];
}

/** The part of a tokenizer that is needed here. */
interface Codec {
  encode(text: string): number[];
  decode(ids: readonly number[]): string;
}

const words =
  'the boat left the harbour before dawn with two sailors and a small grey dog on board while the wind came from the north and the town behind them was still asleep under a thin blanket of snow nobody knew where they were going or how long they would stay away but the old woman at the window counted the days on her fingers and smiled because she had read the letter that lay on the kitchen table'.split(
    ' ',
  );

/**
 * Prompts that differ from each other and have exactly that many tokens.
 *
 * @throws TsrlError when the tokenizer cuts text so that no text of that length is read back as it was
 */
export function exactPrompts(codec: Codec, count: number, tokens: number): ExactPrompt[] {
  const found = new Map<string, ExactPrompt>();
  const tries = 20 * count + 200;
  for (let start = 0; start < tries && found.size < count; start++) {
    const prompt = promptFrom(codec, start, tokens);
    if (prompt) found.set(prompt.text, prompt);
  }
  if (found.size < count) throw new TsrlError(`Expected ${count} texts of exactly ${tokens} tokens, got ${found.size} in ${tries} attempts; ask for another prompt length.`);
  return [...found.values()];
}

/** A text that begins at some word, or null when its cut is not read back as it was. */
function promptFrom(codec: Codec, start: number, tokens: number): ExactPrompt | null {
  // Every word is a token or more. A number in front tells rounds through the words apart.
  const text = [start, ...Array.from({ length: tokens }, (_, i) => words[(start + i) % words.length]!)].join(' ');
  const ids = codec.encode(text).slice(0, tokens);
  const cut = codec.decode(ids);
  const again = codec.encode(cut);
  return again.length === tokens && again.every((id, i) => id === ids[i]) ? { text: cut, ids } : null;
}
