/**
 * Writes into docs/math-answers.md how far the comparison of math answers agrees with math-verify, and every pair on
 * which the two differ: `npx tsx scripts/math-docs.ts`. With `--check` it writes nothing and fails when the two differ.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { TsrlError } from '../src/errors.ts';
import { mathEquals } from '../src/rewards/math/math-equals.ts';

const fixtures = new URL('../test/fixtures/math/', import.meta.url);

/** The file this script writes a part of. */
export const mathFile = new URL('../docs/math-answers.md', import.meta.url);
const [begin, end] = ['<!-- agreement: written by scripts/math-docs.ts -->', '<!-- /agreement -->'];

/** A list of pairs with math-verify's verdicts. */
export interface Corpus {
  file: 'pairs' | 'later-pairs' | 'outside-pairs' | 'unusual-pairs';
  /** What it is, for the table. */
  about: string;
}

/** The lists, in the order of the table. */
export const corpora: readonly Corpus[] = [
  { file: 'pairs', about: 'answers as in GSM8K and MATH, by category; right, wrong and nearly right' },
  { file: 'later-pairs', about: 'the same kinds, written when the first list had been met, and not tuned for' },
  { file: 'outside-pairs', about: 'the same kinds once more, written apart from the other lists: more near misses, and rubbish' },
  { file: 'unusual-pairs', about: 'writings sought for where readers differ: characters, complex numbers, calculus, bare notation' },
];

/** One pair: `verdict` is math-verify's, null where it finds no mathematics in the gold. */
interface Pair {
  category: string;
  gold: string;
  answer: string;
  verdict: boolean | null;
}

/** A pair with what we say of it. */
export interface JudgedPair extends Pair {
  ours: boolean | null;
}

/** Every pair of a list with both verdicts. */
export function judged({ file }: Corpus): JudgedPair[] {
  const pairs = JSON.parse(readFileSync(new URL(`${file}.json`, fixtures), 'utf8')) as Pair[];
  return pairs.map((pair) => ({ ...pair, ours: mathEquals(pair.gold, pair.answer) }));
}

/** Who is right about a pair on which both differ, by the pair as it is written in the lists. */
export function opinions(): Map<string, { right: string; reason: string }> {
  const lines = readFileSync(new URL('disagreements.txt', fixtures), 'utf8').trimEnd().split('\n');
  return new Map(
    lines.map((line) => {
      const [gold = '', answer = '', right = '', reason = ''] = line.split(' ;; ');
      return [`${gold} ;; ${answer}`, { right, reason }];
    }),
  );
}

/** Docs with the figures and the disagreements between the two marks. */
export function withAgreement(text: string): string {
  const [start, stop] = [text.indexOf(begin), text.indexOf(end)];
  if (start < 0 || stop < start) throw new TsrlError(`Expected docs/math-answers.md to hold "${begin}" and behind it "${end}", got a text without; put them back.`);
  return `${text.slice(0, start)}${begin}\n\n${agreement()}\n\n${text.slice(stop)}`;
}

function agreement(): string {
  const lists = corpora.map((corpus) => ({ corpus, pairs: judged(corpus) }));
  const known = opinions();
  const figures = lists.map(({ corpus, pairs }) => {
    const same = pairs.filter(({ ours, verdict }) => ours === verdict).length;
    return `| \`${corpus.file}.txt\` | ${corpus.about} | ${pairs.length} | ${same} | ${((100 * same) / pairs.length).toFixed(1)}% |`;
  });
  const rows = lists.flatMap(({ pairs }) =>
    pairs.filter(({ ours, verdict }) => ours !== verdict).map(({ gold, answer, ours, verdict }) => {
      const { right, reason } = known.get(`${gold} ;; ${answer}`) ?? { right: '?', reason: '?' };
      return `| ${code(gold)} | ${code(answer)} | ${word(verdict)} | ${word(ours)} | ${right} | ${reason} |`;
    }),
  );
  return [
    ['| list | what it holds | pairs | same verdict | share |', '|---|---|---|---|---|', ...figures].join('\n'),
    '### Every disagreement',
    ['| gold | answer | math-verify | tsrl | right | why |', '|---|---|---|---|---|---|', ...rows].join('\n'),
  ].join('\n\n');
}

function word(verdict: boolean | null): string {
  return verdict === null ? 'no gold' : verdict ? 'equal' : 'different';
}

function code(text: string): string {
  return `\`${text.replaceAll('|', '\\|')}\``;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const text = readFileSync(mathFile, 'utf8');
  if (!process.argv.includes('--check')) writeFileSync(mathFile, withAgreement(text));
  else if (text !== withAgreement(text)) {
    process.stderr.write('Expected docs/math-answers.md to match the lists in test/fixtures/math/, got another; run `npx tsx scripts/math-docs.ts`.\n');
    process.exitCode = 1;
  }
}
