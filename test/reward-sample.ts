/** One completion as a reward sees it, made from a text. */
import type { ScoredSample } from '../src/rewards/definition.ts';

/** What a sample has besides its text; left out, three tokens that ended by themselves, and an empty row. */
export type SampleParts = Partial<ScoredSample['completion']> & { row?: ScoredSample['row'] };

/** The sample of a completion with this text. */
export function sampleOf(text: string, { row = {}, ids = [1, 2, 3], finishReason = 'stop', ...rest }: SampleParts = {}): ScoredSample {
  return { completion: { text, ids, finishReason, ...rest }, row };
}
