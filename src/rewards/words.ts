const han = String.raw`\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}`;
const word = new RegExp(String.raw`[${han}]|[[\p{L}\p{N}\p{M}]--[${han}]]+`, 'gv');

/**
 * The words of a text in small letters: runs of letters and digits. Each Han or kana character is a word of its own, since
 * nothing separates words there.
 */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(word) ?? [];
}
