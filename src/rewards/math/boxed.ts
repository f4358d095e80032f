/** What stands in `\boxed{…}` and `\fbox{…}`. */

/** Boxes closer together than this are one answer, in characters. */
const ADJACENT = 10;
/** So are boxes closer than this with a comma, a semicolon, `and` or `or` between them. */
const SEPARATED = 70;

interface Box {
  start: number;
  end: number;
  content: string;
}

/**
 * The contents of boxes, joined by commas: of all of them, or of the last one and those that belong to it. A box that
 * never closes reaches to the end of the text, with its brace, so that it cannot be read. The text itself where it has no box.
 */
export function boxedContent(text: string, which: 'last' | 'all'): string {
  const contents: string[] = [];
  let next: Box | null = null;
  for (const box of boxesFromTheEnd(text)) {
    if (which === 'last' && next !== null && !belongs(text, box, next, contents.at(-1)!)) break;
    if (contents.at(-1) !== box.content) contents.push(box.content);
    next = box;
  }
  return contents.length === 0 ? text : contents.toReversed().join(',');
}

function belongs(text: string, box: Box, next: Box, content: string): boolean {
  const gap = next.start - box.end - 1;
  if (gap < ADJACENT) return true;
  return gap < SEPARATED && box.content !== content && /\b(?:and|or)\b|[,;]/.test(text.slice(box.end + 1, next.start));
}

/** From the last to the first; one that holds another ends the list, as the inner one is the answer. */
function boxesFromTheEnd(text: string): Box[] {
  const boxes: Box[] = [];
  const openings = [...text.matchAll(/\\(?:boxed|fbox)\s*/g)].toReversed();
  if (openings.length === 0) return boxes;
  const closing = closingBraces(text);
  let limit = text.length;
  for (const { index, 0: command } of openings) {
    const brace = index + command.length;
    const end = text[brace] === '{' ? closing.get(brace) : undefined;
    if (end === undefined || end >= limit) {
      if (boxes.length === 0) boxes.push({ start: index, end: text.length, content: text.slice(brace).trim() });
      break;
    }
    boxes.push({ start: index, end, content: text.slice(brace + 1, end).trim() });
    limit = index;
  }
  return boxes;
}

/** Opening brace → closing brace, for the whole text in one pass. */
function closingBraces(text: string): Map<number, number> {
  const closing = new Map<number, number>();
  const open: number[] = [];
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '{') open.push(i);
    else if (text[i] === '}' && open.length > 0) closing.set(open.pop()!, i);
  }
  return closing;
}
