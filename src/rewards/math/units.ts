/**
 * Words that may stand behind a number and say nothing about its value. Bare letters are in `UNIT_LETTERS`, because
 * those may be variables as well.
 */
const UNIT_WORDS = `
  mm cm dm km meter metre centimeter centimetre kilometer kilometre millimeter inch in ft foot feet yd yard mi mile
  mg kg gram kilogram lb pound oz ounce ton tonne ml liter litre gal gallon cc cup quart pint
  ms sec second min minute hr hour day week month yr year am pm noon
  mph kmph kmh deg degree rad radian ohm volt watt joule newton acre hectare sq square cu cubic unit per
  dollar usd cent euro eur rupee rs yuan yen
  student child children man men woman women people person apple coin tile toy day way digit point time mark more less total each left st nd rd th
`;

/** Letters that name a unit behind a plain number: `5 m`, `20 g`. */
export const UNIT_LETTERS: ReadonlySet<string> = new Set(['m', 'g', 's', 'h', 'l', 't', 'd', 'c', 'L', 'A', 'V', 'W', 'J', 'N', 'K', 'F', 'C']);

const words = new Set(UNIT_WORDS.trim().split(/\s+/).flatMap((word) => [word, `${word}s`, `${word}es`]));

/** Whether a run of letters is a unit, in the singular or the plural. */
export function isUnit(word: string): boolean {
  return words.has(word.toLowerCase());
}
