/**
 * Writes docs/options.md from the option schema: `npx tsx scripts/options-docs.ts`. With `--check` it writes nothing and
 * fails when the file and the schema differ.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { callbackNames } from '../src/grpo/option-types.ts';
import { notYetTable, optionTables, type OptionTable } from '../src/grpo/option-table.ts';
import { valuesNotYet } from '../src/grpo/option-schema.ts';

/** The file this script writes. */
export const optionsFile = new URL('../docs/options.md', import.meta.url);

const introduction = `# Options of a GRPO run

Written from the option schema by \`npx tsx scripts/options-docs.ts\`; change the schema, not this file.

In code and recipes options are in camelCase; on the command line in kebab-case (\`--num-generations 4\`). Keys below an
option are written with a dot (\`--micro-batch.rows 4\`), lists and objects as JSON, \`--no-x\` turns \`x\` off. Names are
TRL's where TRL's name is right. \`null\` is off. Durations are in milliseconds, lengths in tokens. An unknown name is an
error. Paths are relative to the recipe file; on the command line to the working directory.`;

/** What a heading says before its table. */
const notes: Readonly<Record<string, string>> = {
  'What a run works on':
    'What `dataset` takes is in [data.md](data.md): files, folders and the Hub, splits, columns, mixtures, tasks.',
  'How much per step':
    'An update takes whole groups: `promptsPerStep` × `numGenerations` completions. An epoch visits every row once; the last incomplete round of an epoch is filled from the next epoch\'s order, and dropped at the very end. A round bigger than the dataset is refused.',
  Sampling:
    'The last column has the defaults that the articles behind the recipes ran on, where they differ from ours or are worth stating. `temperature` 0 is refused in training. `tsrl generate` takes what is not given from the model\'s `generation_config.json`; training never does.',
};

/** The whole of docs/options.md. */
export function optionsDocument(): string {
  const groups = optionTables().map((table) => [`## ${table.title}`, notes[table.title], tableText(table)].filter(Boolean).join('\n\n'));
  return `${[introduction, ...groups, callbacksText(), notYetText()].join('\n\n')}\n`;
}

/** The options under one heading as a table of Markdown. */
export function tableText({ rows }: OptionTable): string {
  const withArticles = rows.some(({ articles }) => articles !== null);
  const head = ['option', 'type', 'default', 'meaning', ...(withArticles ? ["articles' default"] : [])];
  const body = rows.map((row) => [
    `\`${row.name}\``,
    code(row.type),
    isWords(row.default) ? row.default : code(row.default),
    row.meaning,
    ...(withArticles ? [row.articles ?? ''] : []),
  ]);
  return [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.map(escapePipes).join(' | ')} |`).join('\n');
}

/** Defaults in words are prose; the others are values. */
function isWords(text: string): boolean {
  return text === 'required' || text.includes('`') || /^[a-z]+ /i.test(text) || text.startsWith('context');
}

const code = (text: string): string => `\`${text}\``;
const escapePipes = (text: string): string => text.replaceAll('|', '\\|');

function callbacksText(): string {
  return `## Callbacks

A callback is an object with any of ${callbackNames.map(code).join(', ')}. The run waits for each. Every one
gets \`{ step, totalSteps, runFolder, metrics, savedTo, stop(reason), save(), evaluate() }\`.`;
}

function notYetText(): string {
  const rows = notYetTable().map(({ name, off }) => `| \`${name}\` | \`${off}\` |`);
  const values = Object.entries(valuesNotYet).map(([name, list]) => `\`${name}\`: ${list.map((value) => code(`'${value}'`)).join(', ')}`);
  return `## Known, not in this version

These options are accepted only with the value that turns them off; anything else is refused by name.

| option | off |
| --- | --- |
${rows.join('\n')}

The same holds for these values: ${values.join('; ')}.`;
}

async function main(): Promise<void> {
  const wanted = optionsDocument();
  if (!process.argv.includes('--check')) {
    await writeFile(optionsFile, wanted);
    return;
  }
  const found = await readFile(optionsFile, 'utf8').catch(() => '');
  if (found === wanted) return;
  process.stderr.write('Expected docs/options.md to match the option schema, got another text; run `npx tsx scripts/options-docs.ts`.\n');
  process.exitCode = 1;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
