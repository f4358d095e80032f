/** What a judge's answer says. The last statement counts: the reasoning before it may weigh several. */

/** Who won a comparison. */
export type Winner = 'A' | 'B' | 'tie';

/** `"score": 7`, `Score: 7/10`, `**Score:** 7`. */
const SCORE = /\bscore\b["'*_\s:=]*(-?\d+(?:\.\d+)?)(?:\s*\/\s*(\d+(?:\.\d+)?))?/gi;

/**
 * The number after the last `score`.
 *
 * @returns null when there is none, it lies outside the scale, or it is a share of something else than the scale's best
 */
export function readScore(answer: string, { min, max }: { min: number; max: number }): number | null {
  const last = [...answer.matchAll(SCORE)].at(-1);
  if (!last) return null;
  const score = Number(last[1]);
  if (last[2] !== undefined && Number(last[2]) !== max) return null;
  return score >= min && score <= max ? score : null;
}

/** `"winner": "A"`, `Winner: B`, `**Winner:** tie`. In capitals: `a` is a word of its own. */
const WINNER = /\b[Ww]inner\b["'*_\s:=]*(?:[Aa]nswer\s+)?(A|B|[Tt]ie)\b/g;

/** The last `winner`; null when there is none. */
export function readWinner(answer: string): Winner | null {
  const name = [...answer.matchAll(WINNER)].at(-1)?.[1];
  if (name === undefined) return null;
  return name === 'A' || name === 'B' ? name : 'tie';
}
