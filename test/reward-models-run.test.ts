/** A run whose rewards are models and a function in one list, equal to scores computed by hand from its samples. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { dryRun } from '../src/grpo/dry-run.ts';
import { evaluate } from '../src/eval/evaluate.ts';
import { estimateRun } from '../src/grpo/estimate.ts';
import { grpo } from '../src/grpo/trainer.ts';
import { openClassifier, readClassifier } from '../src/model/sequence-classifier.ts';
import { namedRewards } from '../src/rewards/named-rewards.ts';
import { rewardModelBytes } from '../src/rewards/reward-models.ts';
import { liveTensors } from '../src/tensor/scope.ts';
import { capture, meanOf, ownFolder, rows, silent, toyModel, toyOptions } from './toy.ts';

const folder = ownFolder();
const fixtures = fileURLToPath(new URL('./fixtures/reward-models', import.meta.url));
const [gemma, bert] = [join(fixtures, 'gemma'), join(fixtures, 'bert')];

const conversations = rows.map(({ id }) => ({ prompt: [{ role: 'user', content: `say ${id}` }], id }));

/** Logits of texts, one at a time, without anything of rewards/. */
async function logitsOf(reference: string, texts: readonly string[], addSpecialTokens: boolean): Promise<number[][]> {
  const opened = await openClassifier(reference);
  const network = await readClassifier(opened);
  const logits: number[][] = [];
  for (const text of texts) logits.push(...(await network.scores([opened.tokenizer.encode(text, { addSpecialTokens }).slice(0, opened.limit)])));
  network.dispose();
  return logits;
}

interface Line {
  completion: string;
  rewards: Record<string, number>;
  reward: number;
  logged: Record<string, number>;
  row: { id: number };
}

test('a run scores with models and a function in one list', async () => {
  const run = join(folder, 'run');
  const model = await toyModel(folder);
  const before = liveTensors();
  const list = [gemma, function size({ completion }: { completion: { text: string } }) { return [...completion.text].length; }, { model: bert, input: 'completion' as const, label: 'toxic', transform: 'sigmoid' as const, sign: -1 as const, weight: 2 }];
  const steps = [];
  for await (const { metrics } of grpo(toyOptions(model, run, { maxSteps: 1, rewards: list, dataset: conversations, logCompletions: true, overwrite: true }), silent)) steps.push(metrics);
  assert.equal(liveTensors(), before);

  const lines = readFileSync(join(run, 'samples', 'step-000001.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Line);
  assert.equal(lines.length, 32);
  // The template of the reward model, written out.
  const read = lines.map(({ completion, row }) => `<bos><start>user\nsay ${row.id}<end>\n<start>assistant\n${completion.trim()}<end>\n`);
  const scores = await logitsOf(gemma, read, false);
  const toxic = await logitsOf(bert, lines.map(({ completion }) => completion), true);
  lines.forEach(({ rewards, reward, completion, logged }, i) => {
    const wanted = { gemma: scores[i]![0]!, size: [...completion].length, bert: -1 / (1 + Math.exp(-toxic[i]![0]!)) };
    assert.deepEqual(Object.keys(rewards), ['gemma', 'size', 'bert']);
    for (const [name, value] of Object.entries(wanted)) assert.ok(Math.abs(rewards[name]! - value) < 1e-5, `${name} ${i}: ${rewards[name]} is not ${value}`);
    assert.ok(Math.abs(reward - (wanted.gemma + wanted.size + 2 * wanted.bert)) < 1e-4);
    assert.deepEqual(Object.keys(logged).sort(), ['truncated/bert', 'truncated/gemma']);
  });
  assert.ok(Math.abs(steps[0]!['rewards/gemma/mean']! - meanOf(lines.map(({ rewards }) => rewards.gemma!))) < 1e-9);
  const { rewards: written } = JSON.parse(readFileSync(join(run, 'config.json'), 'utf8')) as { rewards: { name: string; fn: unknown }[] };
  assert.deepEqual(written[2], { ...written[2], name: 'bert', fn: { model: bert, input: 'completion', label: 'toxic', logit: null, transform: 'sigmoid', sign: -1, specialTokens: null } });
});

test('what is wrong with a reward model is said before the weights are read and anything is written', async () => {
  const model = await toyModel(folder);
  const before = liveTensors();
  const run = join(folder, 'refused');
  const attempt = (rewards: [string]) => grpo(toyOptions(model, run, { maxSteps: 1, rewards, dataset: conversations }), silent).run();
  await assert.rejects(attempt([`${bert}:label=toxic`]), { name: 'InputError', message: /chat template, because prompts are messages.*'completion'/ });
  await assert.rejects(attempt([`${bert}:label=rude:input=completion`]), { name: 'InputError', message: /its labels are 0 "toxic"/ });
  assert.throws(() => readFileSync(join(run, 'state.json')));
  assert.equal(liveTensors(), before);
});

test('a rehearsal scores with a model, named by a path from the working directory', async () => {
  const model = await toyModel(folder);
  const before = liveTensors();
  const path = relative(process.cwd(), gemma);
  const { stream } = capture();
  const report = await dryRun(toyOptions(model, join(folder, 'rehearsal'), { rewards: [path.startsWith('.') ? path : `./${path}`] }), { stream });
  const scores = await logitsOf(gemma, report.completions.map(({ text }) => report.prompt.text + text), false);
  report.completions.forEach(({ rewards }, i) => assert.ok(Math.abs(rewards.gemma! - scores[i]![0]!) < 1e-5));
  assert.equal(liveTensors(), before);
});

test('an estimate counts the networks, each once, and reads no weights', async () => {
  const model = await toyModel(folder);
  const before = liveTensors();
  const roof = { gemmGflops: 100, memoryGbs: 10 };
  const estimated = (rewards: Record<string, string>) =>
    estimateRun(toyOptions(model, join(folder, 'estimate'), { rewards }), { measure: () => Promise.resolve(roof) });
  const [without, counted] = [await estimated({ length: 'length:5' }), await estimated({ toxic: `${bert}:label=toxic`, insult: `${bert}:label=insult` })];
  const bytes = await rewardModelBytes(namedRewards([`${bert}:label=toxic`]), {});
  assert.ok(bytes > 0);
  assert.deepEqual([without.memory.parts.rewardModels, counted.memory.parts.rewardModels], [0, bytes]);
  assert.ok(Math.abs(counted.memory.peak - without.memory.peak - bytes) < 1);
  assert.equal(liveTensors(), before);
});

test('an evaluation scores with a model, and frees it', async () => {
  const model = await toyModel(folder);
  const before = liveTensors();
  const evaluated = (rewards: [string]) =>
    evaluate({ model, dataset: conversations.slice(0, 3), answer: null, rewards, maxCompletionLength: 6, temperature: 1, threads: 1, outputDir: join(folder, 'evaluation'), overwrite: true }, silent);
  const { records } = await evaluated([gemma]);
  assert.equal(records.length, 3);
  const got = records.flatMap(({ completions }) => completions.map(({ text, rewards }) => ({ text, value: rewards!['gemma'] })));
  const scores = await logitsOf(gemma, got.map(({ text }, i) => `<bos><start>user\nsay ${i}<end>\n<start>assistant\n${text.trim()}<end>\n`), false);
  got.forEach(({ value }, i) => assert.ok(Math.abs(value! - scores[i]![0]!) < 1e-5, `${value} is not ${scores[i]![0]}`));
  await assert.rejects(evaluated([bert]), /choose one of the model's 3 logits/);
  assert.equal(liveTensors(), before);
});
