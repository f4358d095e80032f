/** Where the code of a completion stands. */

/**
 * The last fenced code block of a text: fences of three or more backticks or tildes, with or without a language. A block
 * that no fence closes runs to the end, as in CommonMark.
 *
 * @returns the lines between the fences; null when there is no fence
 */
export function lastCodeBlock(text: string): string | null {
  let fence: string | null = null;
  let lines: string[] = [];
  let last: string | null = null;
  for (const line of text.split(/\r?\n/)) {
    const found = /^ {0,3}(`{3,}|~{3,})([^`]*)$/.exec(line);
    if (fence === null) {
      if (!found) continue;
      fence = found[1]!;
      lines = [];
    } else if (found && found[1]!.startsWith(fence) && found[2]!.trim() === '') {
      last = lines.join('\n');
      fence = null;
    } else {
      lines.push(line);
    }
  }
  return fence === null ? last : lines.join('\n');
}
