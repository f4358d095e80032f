/**
 * The position of the first completion that gives the answer which most completions give (self-consistency, Wang et al.
 * 2022, arXiv 2203.11171); of answers with as many votes the one that was given first. Completions without an answer have
 * no vote; null when none has one.
 *
 * @param answers one per completion, written so that equal answers are equal texts
 */
export function majority(answers: readonly (string | null)[]): number | null {
  const votes = new Map<string, { first: number; count: number }>();
  answers.forEach((answer, i) => {
    if (answer === null) return;
    const vote = votes.get(answer);
    if (vote) vote.count++;
    else votes.set(answer, { first: i, count: 1 });
  });
  let best: { first: number; count: number } | null = null;
  for (const vote of votes.values()) if (!best || vote.count > best.count) best = vote;
  return best?.first ?? null;
}
