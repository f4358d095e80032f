/**
 * Writes the tables of docs/evaluation.md from the schema of evaluations and the record of checks: `npx tsx
 * scripts/evaluation-docs.ts`. With `--check` it writes nothing and fails when the file and the sources differ.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { checks } from '../src/eval/answer-modes.ts';
import { evaluationGroups } from '../src/eval/evaluation-options.ts';
import { optionTables } from '../src/grpo/option-table.ts';
import type { OptionTable } from '../src/grpo/option-table.ts';
import { tableText } from './options-docs.ts';

/** The file this script writes into. */
export const evaluationFile = new URL('../docs/evaluation.md', import.meta.url);

/** The document with its tables as the sources say. */
export function evaluationDocument(found: string): string {
  const rows = Object.entries(checks).map(([name, what]) => `| \`${name}\` | ${what} |`);
  const checksTable = ['| check | right when the answer has |', '| --- | --- |', ...rows].join('\n');
  // What the articles trained with is nothing to an evaluation.
  const withoutArticles = (table: OptionTable): OptionTable => ({ ...table, rows: table.rows.map((row) => ({ ...row, articles: null })) });
  const options = optionTables(evaluationGroups).map((table) => `### ${table.title}\n\n${tableText(withoutArticles(table))}`);
  return between(between(found, 'checks', checksTable), 'options', options.join('\n\n'));
}

function between(document: string, name: string, text: string): string {
  const [start, end] = [`<!-- ${name}: written by scripts/evaluation-docs.ts -->`, `<!-- /${name} -->`];
  const [from, to] = [document.indexOf(start), document.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`Expected docs/evaluation.md to hold the lines \`${start}\` and \`${end}\`, got none; put them back.`);
  return `${document.slice(0, from + start.length)}\n\n${text}\n\n${document.slice(to)}`;
}

async function main(): Promise<void> {
  const found = await readFile(evaluationFile, 'utf8');
  const wanted = evaluationDocument(found);
  if (!process.argv.includes('--check')) {
    await writeFile(evaluationFile, wanted);
    return;
  }
  if (found === wanted) return;
  process.stderr.write('Expected docs/evaluation.md to match the schema of evaluations, got another text; run `npx tsx scripts/evaluation-docs.ts`.\n');
  process.exitCode = 1;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
