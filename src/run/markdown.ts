/** Text of others inside Markdown and YAML: shown as it is, never read as markup. */

/** Words that YAML reads as something else than text. */
const YAML_WORDS = /^(true|false|yes|no|on|off|null|y|n)$/i;

/** A value of YAML that is text: plain where that is safe, else in double quotes. */
export function yamlText(text: string): string {
  if (/^[A-Za-z][\w./-]*$/.test(text) && !YAML_WORDS.test(text)) return text;
  // JSON's quotes are YAML's; what YAML does not allow raw inside is written as an escape.
  return JSON.stringify(text).replaceAll(/[\u007f-\u009f\u2028\u2029\ufeff]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Text between other words: nothing in it is markup. */
export function plainText(text: string): string {
  return oneLine(text).replaceAll(/[\\`*_{}[\]<>()#+!|~&$^=]/g, String.raw`\$&`);
}

/** Text as code, in a fence that is longer than any run of backticks inside. */
export function codeSpan(text: string): string {
  const line = oneLine(text);
  if (line.trim() === '') return '` `';
  const longest = Math.max(0, ...[...line.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  const room = /^[` ]|[` ]$/.test(line) ? ' ' : '';
  return `${fence}${room}${line}${room}${fence}`;
}

/** A table. Cells are Markdown; a bar would end one, in code as well. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll(/(?<!\\)\|/g, String.raw`\|`)).join(' | ')} |`;
  return [line(head), `|${head.map(() => ' --- ').join('|')}|`, ...rows.map(line)].join('\n');
}

function oneLine(text: string): string {
  return text.replaceAll(/[\s\p{Cc}]+/gu, ' ');
}
