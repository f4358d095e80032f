/** Warnings in plain words, each said once: what looks wrong, and where to look. Nothing here changes the run. */

type Metrics = Readonly<Record<string, number>>;

/** One warning. */
export interface Warning {
  /** Stable name, for programs: `no-spread`, `cut-off`, `constant-reward:<name>`, `plain-string`, `long-prompts`. */
  code: string;
  message: string;
}

/** What the warnings remember between steps. */
export interface WarningState {
  /** Codes already said. */
  said: readonly string[];
  /** Rounds in a row in which no group had a spread. */
  flatRounds: number;
  /** Reward name → its only value so far and for how many rounds in a row it was the only one. */
  constant: Readonly<Record<string, { value: number; rounds: number }>>;
}

/** The state before the first step. */
export const noWarnings: WarningState = { said: [], flatRounds: 0, constant: {} };

/** What is known of the prompts before the first step. */
export interface PromptFacts {
  /** Whether the model has a chat template. */
  hasChatTemplate: boolean;
  /** How many prompts are plain strings. */
  plainStrings: number;
  /** Tokens of each prompt that was looked at. */
  lengths: readonly number[];
  /** Tokens a prompt may have. */
  limit: number;
}

const FLAT_ROUNDS = 3;
const CONSTANT_ROUNDS = 5;
const CUT_OFF = 0.9;
/** A prompt is near the limit from this share of it on. */
const NEAR = 0.9;

/** Warnings about the prompts, before anything is generated. */
export function promptWarnings(state: WarningState, facts: PromptFacts): { state: WarningState; warnings: Warning[] } {
  const { hasChatTemplate, plainStrings, lengths, limit } = facts;
  const near = lengths.filter((length) => length >= NEAR * limit).length;
  const longest = lengths.reduce((most, length) => Math.max(most, length), 0);
  const warnings: Warning[] = [];
  if (hasChatTemplate && plainStrings > 0) {
    warnings.push({
      code: 'plain-string',
      message:
        `${plainStrings} of ${lengths.length} prompts are plain strings, but this model was trained on chats. It will continue the text ` +
        'instead of answering it. If you want answers, give messages: prompt: (row) => [{ role: \'user\', content: row.prompt }].',
    });
  }
  if (near > 0) {
    warnings.push({
      code: 'long-prompts',
      message:
        `${near} of ${lengths.length} prompts come near the limit of ${limit} tokens (the longest has ${longest}). Look at \`maxPromptLength\`, ` +
        '`maxCompletionLength` and the context length of the model; `promptTooLong` says what happens to a prompt above the limit.',
    });
  }
  return sayOnce(state, warnings);
}

/** Warnings about the metrics of one update; updates without a round of their own change nothing. */
export function stepWarnings(state: WarningState, metrics: Metrics): { state: WarningState; warnings: Warning[] } {
  const flat = metrics.frac_reward_zero_std;
  const clipped = metrics['completions/clipped_ratio'];
  const flatRounds = flat === undefined ? state.flatRounds : flat === 1 ? state.flatRounds + 1 : 0;
  const constant = { ...state.constant, ...constantRewards(state, metrics) };
  const warnings: Warning[] = [];
  if (flatRounds >= FLAT_ROUNDS) {
    warnings.push({
      code: 'no-spread',
      message:
        `For ${flatRounds} rounds every completion of a prompt earned the same reward, so every advantage is 0 and nothing is learned. ` +
        'Look at samples/: the reward may be too hard, too easy or too coarse, the temperature too low, or the group too small.',
    });
  }
  if (clipped !== undefined && clipped >= CUT_OFF) {
    warnings.push({
      code: 'cut-off',
      message:
        `${Math.round(clipped * 100)}% of the completions were cut off at \`maxCompletionLength\` before they ended. Look at samples/: raise ` +
        '`maxCompletionLength`, ask for shorter answers in the prompt, or check that the model writes its end token in this prompt format.',
    });
  }
  for (const [name, { value, rounds }] of Object.entries(constant)) {
    if (rounds < CONSTANT_ROUNDS) continue;
    warnings.push({
      code: `constant-reward:${name}`,
      message:
        `Reward \`${name}\` gave every completion the same ${value} for ${rounds} rounds, so it teaches nothing. Look at the \`rewards\` ` +
        'column of samples/, and whether the function reads the field it means to.',
    });
  }
  return sayOnce({ ...state, flatRounds, constant }, warnings);
}

/** The rewards of this round, with how long each has had one value only; 0 rounds when it varied. */
function constantRewards(state: WarningState, metrics: Metrics): Record<string, { value: number; rounds: number }> {
  const found: Record<string, { value: number; rounds: number }> = {};
  for (const [key, deviation] of Object.entries(metrics)) {
    const name = /^rewards\/(.+)\/std$/.exec(key)?.[1];
    const value = name === undefined ? undefined : metrics[`rewards/${name}/mean`];
    if (name === undefined || value === undefined) continue;
    const before = state.constant[name];
    const sameAsBefore = before !== undefined && before.rounds > 0 && before.value === value;
    found[name] = { value, rounds: deviation !== 0 ? 0 : sameAsBefore ? before.rounds + 1 : 1 };
  }
  return found;
}

function sayOnce(state: WarningState, warnings: Warning[]): { state: WarningState; warnings: Warning[] } {
  const fresh = warnings.filter(({ code }) => !state.said.includes(code));
  return { state: { ...state, said: [...state.said, ...fresh.map(({ code }) => code)] }, warnings: fresh };
}
