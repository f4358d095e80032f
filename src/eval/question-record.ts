/** What an evaluation keeps of each question: one line of `questions.jsonl`. */
import { judge } from './answer-modes.ts';
import type { AnswerMode } from './answer-modes.ts';
import type { Failures } from '../grpo/reward.ts';
import type { FinishReason, Group } from '../grpo/types.ts';
import type { Message } from '../text/message.ts';

/** One completion of a question, judged and scored. */
export interface CompletionRecord {
  text: string;
  /** Tokens, the stop token included. */
  tokens: number;
  /** Characters of `text`: code points. */
  characters: number;
  finishReason: FinishReason;
  /** Mode → the answer found, null where there is none. */
  answers: Record<string, string | null>;
  /** Mode → right or wrong, null where that cannot be said. */
  verdicts: Record<string, boolean | null>;
  /** Reward → value, null where it does not apply or failed. */
  rewards: Record<string, number | null>;
  /** Weighted sum; null = unscored. Left out without rewards. */
  reward?: number | null;
  /** Rewards that failed, and how; left out when none did. */
  failed?: Failures;
  /** What the rewards logged, when they did. */
  logged?: Record<string, number>;
}

/** One question with its completions. */
export interface QuestionRecord {
  /** Position of the row in the dataset. */
  index: number;
  /** What the dataset gave. */
  question: string | Message[];
  /** The right answer; null where the row has none, or none is asked for. */
  gold: string | null;
  /** As the model read it, special tokens included. */
  prompt: string;
  promptTokens: number;
  completions: CompletionRecord[];
}

/** What scoring a group left beside its rewards. */
interface Scored {
  /** [G] */
  failed: readonly Failures[];
  /** [G] what the rewards logged. */
  logged: readonly Readonly<Record<string, number>>[];
}

/** The record of a group that was scored; `reward` of the group is null without rewards. */
export function questionRecord({ prompt, rollouts, rewards, reward }: Group, gold: string | null, modes: readonly AnswerMode[], { failed, logged }: Scored): QuestionRecord {
  return {
    index: prompt.index,
    question: prompt.source,
    gold,
    prompt: prompt.text,
    promptTokens: prompt.ids.length,
    completions: rollouts.map(({ text, ids, finishReason }, g) => ({
      text,
      tokens: ids.length,
      characters: [...text].length,
      finishReason,
      ...judge(text, gold, modes),
      rewards: rewards[g]!,
      ...(Object.keys(rewards[g]!).length > 0 ? { reward: reward[g]! } : {}),
      ...(Object.keys(failed[g]!).length > 0 ? { failed: { ...failed[g]! } } : {}),
      ...(Object.keys(logged[g]!).length > 0 ? { logged: { ...logged[g] } } : {}),
    })),
  };
}
