/**
 * Base and adapter side by side on the posts that were never trained on: characters of their answers, and the reward.
 *
 * Usage: npx tsx examples/length-smoltldr/compare.ts runs/<name>/final
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadModel } from 'tsrl';
import type { LanguageModel } from 'tsrl';

const samples = 4;
const posts = readFileSync(join(fileURLToPath(new URL('.', import.meta.url)), 'data', 'test.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => (JSON.parse(line) as { prompt: string }).prompt);

/** Characters of every answer, sampled as in training. */
async function lengths(model: LanguageModel): Promise<number[]> {
  const all: number[] = [];
  for (const post of posts) {
    const { completions } = await model.generate(post, { temperature: 0.9, topP: 1, maxNewTokens: 96, numReturnSequences: samples });
    all.push(...completions.map(({ text }) => [...text].length));
  }
  return all;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

const [folder] = process.argv.slice(2);
if (!folder) throw new Error('Expected the folder of an adapter, got nothing; name the `final/` of a run.');
const adapted = await loadModel(folder, { onMessage: (line) => console.error(line) });
const base = await loadModel(adapted.decoder.adapter!.baseReference);
console.log(`${posts.length} posts, ${samples} answers each\n`);
console.log('| | mean reward | mean characters | median | within 25 of 50 |');
console.log('|---|---:|---:|---:|---:|');
for (const [name, model] of [['before', base], ['after', adapted]] as const) {
  const values = await lengths(model);
  const rewards = values.map((value) => -Math.abs(50 - value));
  const near = values.filter((value) => Math.abs(value - 50) <= 25).length / values.length;
  console.log(`| ${name} | ${mean(rewards).toFixed(1)} | ${mean(values).toFixed(0)} | ${median(values)} | ${(100 * near).toFixed(0)}% |`);
}
