/** How one optimizer update is cut for memory: rows of groups into micro-batches, under a row count or a token budget. */
/** A prompt and its completions, as lengths in tokens. */
export interface GroupLengths {
  prompt: number;
  completions: readonly number[];
}

/** Some completions of one group. */
export interface GroupPart {
  group: number;
  rows: number[];
}

/** What bounds a micro-batch. */
export type MicroBatchLimit = { rows: number } | { tokens: number };

/**
 * Cuts groups into micro-batches, in order. A group may span several; each then holds the prompt once and some of its
 * completions. Under a token budget a group that fits into one micro-batch is not torn; a row that alone exceeds the
 * budget gets a micro-batch of its own.
 */
export function cutIntoMicroBatches(groups: readonly GroupLengths[], limit: MicroBatchLimit): GroupPart[][] {
  const batches: GroupPart[][] = [];
  let current: GroupPart[] = [];
  let rows = 0;
  let tokens = 0;
  const close = () => {
    if (current.length > 0) batches.push(current);
    current = [];
    rows = 0;
    tokens = 0;
  };
  groups.forEach(({ prompt, completions }, group) => {
    const whole = completions.reduce((sum, length) => sum + length, prompt);
    if ('tokens' in limit && whole <= limit.tokens && tokens + whole > limit.tokens) close();
    completions.forEach((length, row) => {
      const cost = () => length + (current.at(-1)?.group === group ? 0 : prompt);
      const full = 'rows' in limit ? rows + 1 > limit.rows : tokens + cost() > limit.tokens;
      if (full) close();
      tokens += cost();
      rows += 1;
      if (current.at(-1)?.group === group) current.at(-1)!.rows.push(row);
      else current.push({ group, rows: [row] });
    });
  });
  close();
  return batches;
}

/** Tokens beyond which a bigger micro-batch makes nothing faster (docs/experiments.md), but for a group that it would tear. */
const enoughTokens = 512;
const mostTokens = 2048;

/**
 * The token budget that `microBatch: 'auto'` takes where memory allows it.
 *
 * @param largestGroup tokens of the longest prompt with all its completions: torn, its prompt would be computed more than once
 */
export function wantedTokens(largestGroup: number): number {
  return Math.min(mostTokens, Math.max(enoughTokens, largestGroup));
}
