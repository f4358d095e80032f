/** How one optimizer update is cut for memory: rows of groups into micro-batches, under a row count or a token budget. */
import { expected } from '../errors.ts';
import type { DecoderConfig } from '../model/decoder-config.ts';

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
/** Share of the available memory that activations may take; weights, gradients and optimizer states come on top. */
const activationShare = 0.4;

/** Bytes that one packed token keeps for the backward pass: about 16 H and 7 F numbers a layer, measured on SmolLM2. */
export function activationBytesPerToken({ layers, hiddenSize, intermediateSize }: DecoderConfig, bytesPerNumber: number, checkpoint: boolean): number {
  const perLayer = checkpoint ? hiddenSize : 16 * hiddenSize + 7 * intermediateSize;
  return layers * perLayer * bytesPerNumber;
}

/**
 * The token budget behind `microBatch: 'auto'`.
 *
 * @param largestGroup tokens of the longest prompt with all its completions: torn, its prompt would be computed more than once
 * @param availableBytes memory that is free when the run starts, with weights, gradients and optimizer states taken off
 */
export function automaticTokenBudget(config: DecoderConfig, bytesPerNumber: number, availableBytes: number, checkpoint: boolean, largestGroup: number): number {
  const fits = Math.floor((activationShare * availableBytes) / activationBytesPerToken(config, bytesPerNumber, checkpoint));
  if (fits < 1) {
    throw expected('model', 'to leave memory for activations', `${(availableBytes / 1e9).toFixed(1)} GB free`, 'use a smaller model or a machine with more memory');
  }
  return Math.min(fits, mostTokens, Math.max(enoughTokens, largestGroup));
}
