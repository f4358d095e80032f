/** The rewards that ship with tsrl, by the names that recipes and `--reward` use. A new one is its file and a row here. */
import { expected } from '../errors.ts';
import { nearestName } from '../text/nearest-name.ts';
import { consistent } from './consistent.ts';
import { containsNumber } from './contains-number.ts';
import { cosineScaled } from './cosine-scaled.ts';
import { countdown } from './countdown.ts';
import { parameterList, type Parameters, type RewardDefinition } from './definition.ts';
import { digits } from './digits.ts';
import { exactAnswer } from './exact-answer.ts';
import { finished } from './finished.ts';
import { format } from './format.ts';
import { gradedAnswer } from './graded-answer.ts';
import { grounded } from './grounded.ts';
import { jsonSchema } from './json-schema.ts';
import { lengthBonus } from './length-bonus.ts';
import { lengthBounds } from './length-bounds.ts';
import { length } from './length.ts';
import { mathAnswer } from './math/math-answer.ts';
import { numericAnswer } from './numeric-answer.ts';
import { reasoningAccuracy } from './reasoning-accuracy.ts';
import { regex } from './regex.ts';
import { repetitionPenalty } from './repetition-penalty.ts';
import { parametersFromText, usage } from './reward-text.ts';
import type { BatchReward, RewardFunction } from './reward.ts';
import { softOverlongPunishment } from './soft-overlong-punishment.ts';
import { tagCount } from './tag-count.ts';
import { task } from './task.ts';
import { thinkFormat } from './think-format.ts';

/** Every built-in reward under its name: `rewards.length({ target: 50 })`. */
export const rewards = {
  length,
  lengthBounds,
  lengthBonus,
  finished,
  regex,
  tagCount,
  format,
  thinkFormat,
  containsNumber,
  digits,
  exactAnswer,
  numericAnswer,
  gradedAnswer,
  mathAnswer,
  reasoningAccuracy,
  cosineScaled,
  softOverlongPunishment,
  repetitionPenalty,
  grounded,
  consistent,
  jsonSchema,
  countdown,
  task,
} as const;

/** A built-in as text calls it: with parameters that nothing has checked yet. */
type FromText = ((given: Record<string, unknown>) => RewardFunction | BatchReward) & {
  readonly definition: RewardDefinition<Parameters, RewardFunction | BatchReward>;
};

/**
 * Makes a built-in reward from its text form, as in `length:50`.
 *
 * @throws InputError for a name that is not built in (it names the nearest), or parameters that the reward does not take
 */
export function builtinReward(text: string): RewardFunction | BatchReward {
  const colon = text.indexOf(':');
  const name = colon < 0 ? text : text.slice(0, colon);
  const factory = factoryOf(name);
  if (factory === null) throw unknownReward(name, text);
  return factory(parametersFromText(factory.definition, colon < 0 ? null : text.slice(colon + 1)));
}

/** The type of each factory is narrower than what text can promise; each checks what it is given. */
function factoryOf(name: string): FromText | null {
  return Object.hasOwn(rewards, name) ? (rewards[name as keyof typeof rewards] as unknown as FromText) : null;
}

const takes = (parameters: Parameters): string => (Object.keys(parameters).length > 0 ? ` with ${parameterList(parameters)}` : '');

function unknownReward(name: string, text: string): Error {
  const near = factoryOf(nearestName(name, Object.keys(rewards)) ?? '');
  const mend = near === null ? `use one of ${Object.keys(rewards).join(', ')}, a file whose default export is the reward, or a model with a slash in its reference, as in ./folder` : `write \`${usage(near.definition)}\`${takes(near.definition.parameters)}`;
  return expected('reward', 'to be a built-in reward', text, mend);
}
