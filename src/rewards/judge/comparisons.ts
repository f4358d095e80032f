/** Which completions of a group are compared. */
import { expected } from '../../errors.ts';

/**
 * Pairs of a group in which each completion stands equally often: everyone with everyone if that many are allowed, else in a
 * circle everyone with the next, then with the one after the next, and so on, as many whole rounds as are allowed.
 *
 * @throws InputError when not even one round is allowed
 */
export function comparisonsOf(count: number, most: number): (readonly [number, number])[] {
  const pairs: (readonly [number, number])[] = [];
  for (let distance = 1; distance <= count / 2; distance++) {
    // At half the circle, both ends of a pair name the same pair.
    const round = Array.from({ length: distance === count / 2 ? count / 2 : count }, (_, i) => [i, (i + distance) % count] as const);
    if (pairs.length + round.length > most) break;
    pairs.push(...round);
  }
  if (count > 1 && pairs.length === 0) throw expected('maxComparisons', `to be ${count === 2 ? 1 : count} or more for a group of ${count}`, most, 'raise it, so that each completion is compared equally often');
  return pairs;
}
