/** What a reward model reads of a sample, as token ids. */
import { renderChat } from '../text/chat-template.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { ModelRewardSettings } from './model-reward.ts';
import type { RewardSample } from './reward.ts';

/** How samples become tokens. */
export interface InputRule extends Pick<ModelRewardSettings, 'input' | 'specialTokens'> {
  tokenizer: Tokenizer;
  /** Most tokens a row may have. */
  limit: number;
  chatTemplateKwargs: Readonly<Record<string, unknown>>;
}

/** One row for the network. */
export interface ModelInput {
  ids: number[];
  /** Tokens that were left out. */
  cut: number;
}

/**
 * Prompt and completion (messages through the template, strings one behind the other) without added special tokens, as in
 * TRL, or the completion alone with them. What is too long loses the beginning of the prompt, or the end of a completion
 * that stands alone; added special tokens stay.
 */
export function modelInput({ prompt, completion }: Pick<RewardSample, 'prompt' | 'completion'>, rule: InputRule): ModelInput {
  const { tokenizer, input, limit } = rule;
  if (input === 'completion') return withinLimit(completion.text, rule.specialTokens ?? true, tokenizer, limit, 'end');
  const text = typeof prompt === 'string' ? prompt + completion.text : renderChat(tokenizer, [...prompt, ...completion.messages!], { addGenerationPrompt: false, kwargs: rule.chatTemplateKwargs });
  return withinLimit(text, rule.specialTokens ?? false, tokenizer, limit, 'beginning');
}

function withinLimit(text: string, addSpecialTokens: boolean, tokenizer: Tokenizer, limit: number, loses: 'beginning' | 'end'): ModelInput {
  const ids = tokenizer.encode(text, { addSpecialTokens });
  const cut = ids.length - limit;
  if (cut <= 0) return { ids, cut: 0 };
  const own = tokenizer.encode(text, { addSpecialTokens: false });
  const before = placeOf(own, ids);
  const middle = loses === 'end' ? own.slice(0, -cut) : own.slice(cut);
  return { ids: [...ids.slice(0, before), ...middle, ...ids.slice(before + own.length)], cut };
}

/** Where a text's own tokens begin behind the special ones; these stand together before and behind them. */
function placeOf(own: readonly number[], ids: readonly number[]): number {
  let before = 0;
  while (before < ids.length - own.length && own.some((id, i) => ids[before + i] !== id)) before += 1;
  return before;
}
