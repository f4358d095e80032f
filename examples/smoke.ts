/** Smoke mode of the examples: `TSRL_SMOKE=1` runs the same code path for two steps, on a tiny model and rows beside the recipe. */
export const smoke = process.env.TSRL_SMOKE === '1';

/** The model of a recipe; in smoke mode the one that `TSRL_SMOKE_MODEL` names. */
export function modelOr(reference: string): string {
  if (!smoke) return reference;
  const folder = process.env.TSRL_SMOKE_MODEL;
  if (!folder) throw new Error('Expected `TSRL_SMOKE_MODEL` to be the absolute path of a tiny model folder, got nothing; set it, or unset `TSRL_SMOKE`.');
  return folder;
}
