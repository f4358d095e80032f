/** Filling a round with groups that teach something (DAPO, arXiv 2503.14476, "dynamic sampling"). */

/** A round, full. */
export interface FilledRound<G> {
  groups: G[];
  /** Groups without spread that fresh prompts took the place of. */
  replaced: number;
}

/**
 * Samples groups until `size` of them have a spread, or `maxResampleRounds` further samplings have been made, or there
 * are no more prompts; what is then missing is filled with the last groups without spread.
 *
 * @param sample that many fresh groups; fewer or none when the prompts end
 * @param isFlat whether all rewards of a group are equal
 * @param maxResampleRounds 0 takes the first sampling as it is
 */
export async function fillRound<G>(
  size: number,
  maxResampleRounds: number,
  sample: (count: number) => Promise<G[]>,
  isFlat: (group: G) => boolean,
): Promise<FilledRound<G>> {
  const first = await sample(size);
  if (maxResampleRounds === 0) return { groups: first, replaced: 0 };
  const kept = first.filter((group) => !isFlat(group));
  let flat = first.filter(isFlat);
  let replaced = 0;
  for (let round = 0; round < maxResampleRounds && kept.length < first.length; round++) {
    const fresh = await sample(first.length - kept.length);
    if (fresh.length === 0) break;
    const good = fresh.filter((group) => !isFlat(group));
    replaced += good.length;
    kept.push(...good);
    flat = [...flat, ...fresh.filter(isFlat)];
  }
  const missing = first.length - kept.length;
  return { groups: missing > 0 ? [...kept, ...flat.slice(-missing)] : kept, replaced };
}
