/** Whole evaluations of the toy model: what is on disk, what goes on, what is refused, what the command line prints. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { main } from '../src/cli/main.ts';
import { compareEvaluations } from '../src/eval/compare.ts';
import { evaluate } from '../src/eval/evaluate.ts';
import type { EvaluationOptions } from '../src/eval/evaluation-options.ts';
import type { QuestionRecord } from '../src/eval/question-record.ts';
import { passAtK } from '../src/eval/pass-at-k.ts';
import { wilsonInterval } from '../src/eval/wilson.ts';
import { grpo } from '../src/grpo/trainer.ts';
import { loadModel } from '../src/language-model.ts';
import { writeTinyModel } from '../scripts/tiny-model.ts';
import { asked, slowEvaluation } from './programs/evaluation.ts';
import { letters, meanOf, ownFolder, silent, toyOptions } from './toy.ts';

const folder = ownFolder();
const quiet = { stream: null };
let model: string;
before(async () => {
  model = await writeTinyModel(join(folder, 'model'));
});

const questions = Array.from({ length: 6 }, (_, i) => ({ prompt: `say ${i}`, answer: `${i}` }));

function options(name: string, more: Partial<EvaluationOptions> = {}): EvaluationOptions {
  return { model, outputDir: join(folder, name), dataset: questions, temperature: 0, maxCompletionLength: 12, threads: 1, ...more };
}

const linesOf = (name: string): QuestionRecord[] =>
  readFileSync(join(folder, name, 'questions.jsonl'), 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line) as QuestionRecord);

test('greedy: each question with its completion, verdicts, rewards and lengths, as generate() answers it', async () => {
  const right = new Set<number>();
  const contains = (text: string, gold: string) => [...text].length % 2 === Number(gold) % 2;
  const result = await evaluate(
    options('greedy', { answer: 'answer', extract: { even: contains, whole: 'whole' }, rewards: { letter: ({ completion }) => letters(completion.text), never: () => null } }),
    quiet,
  );
  const loaded = await loadModel(model, { dtype: 'float32' });
  for (const record of result.records) {
    const { completions } = await loaded.generate(record.question as string, { temperature: 0, maxNewTokens: 12 });
    const [own] = record.completions;
    assert.equal(own!.text, completions[0]!.text);
    assert.deepEqual([own!.tokens, own!.characters, own!.finishReason], [completions[0]!.ids.length, [...own!.text].length, completions[0]!.finishReason]);
    assert.deepEqual([record.gold, record.prompt], [`${record.index}`, `say ${record.index}`]);
    assert.deepEqual(own!.rewards, { letter: letters(own!.text), never: null });
    assert.equal(own!.reward, letters(own!.text));
    assert.deepEqual(own!.answers, { whole: own!.text.trim() });
    assert.equal(own!.verdicts['even'], contains(own!.text, record.gold!));
    assert.equal(own!.verdicts['any'], own!.verdicts['even']! || own!.verdicts['whole']!);
    if (own!.verdicts['even']) right.add(record.index);
  }
  loaded.dispose();
  assert.deepEqual(linesOf('greedy').toSorted((a, b) => a.index - b.index), result.records);
  const { summary } = result;
  assert.deepEqual(summary.modes.even!.accuracy, { value: right.size / 6, interval: wilsonInterval(right.size, 6) });
  assert.equal(summary.rewards.letter!.mean!.value, meanOf(result.records.map(({ completions }) => letters(completions[0]!.text))));
  assert.equal(summary.rewards.never!.mean, null);
  assert.equal(summary.truncated, meanOf(result.records.map(({ completions }) => Number(completions[0]!.finishReason === 'length'))));
  assert.deepEqual(JSON.parse(readFileSync(join(folder, 'greedy', 'summary.json'), 'utf8')), JSON.parse(JSON.stringify(summary)));
});

test('several completions: pass@k from the counts of each question; the seed decides the draws', async () => {
  const judged = { answer: 'answer', extract: { short: (text: string) => [...text].length % 3 === 0 }, temperature: 1, numGenerations: 4 };
  const { records, summary } = await evaluate(options('sampled', judged), quiet);
  const counts = records.map(({ completions }) => completions.filter(({ verdicts }) => verdicts['short']).length);
  assert.ok(new Set(counts).size > 1, `${counts}`);
  assert.deepEqual(Object.keys(summary.modes.short!.passAt), ['1', '2', '4']);
  for (const k of [1, 2, 4]) assert.ok(Math.abs(summary.modes.short!.passAt[k]!.value - meanOf(counts.map((c) => passAtK(4, c, k)))) < 1e-12);
  assert.ok(records.every(({ completions }) => new Set(completions.map(({ text }) => text)).size > 1));
  const again = await evaluate(options('sampled-again', judged), quiet);
  assert.deepEqual(again.records, records);
  const other = await evaluate(options('sampled-other', { ...judged, seed: 7 }), quiet);
  assert.notDeepEqual(other.records, records);
});

test('killed in the middle, it goes on where it stands, and ends as if nothing had been', async () => {
  const whole = await evaluate(slowEvaluation(model, join(folder, 'whole')), quiet);
  const cut = join(folder, 'cut');
  const file = join(cut, 'questions.jsonl');
  const program = fileURLToPath(new URL('programs/evaluation.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', program, model, cut], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)));
  const finished = () => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0);
  while (finished() < 3 && child.exitCode === null) await sleep(5);
  child.kill('SIGKILL');
  assert.equal(await ended, 'SIGKILL');
  const kept = linesOf('cut').map(({ index }) => index);
  assert.ok(kept.length >= 3 && kept.length < 12, `${kept}`);
  assert.ok(!existsSync(join(cut, 'summary.json')));
  await assert.rejects(compareEvaluations(cut, join(folder, 'whole')), new RegExp(`to be finished, got ${kept.length} of 12 questions`));
  // A line that was cut off in its middle is no line.
  appendFileSync(file, '{"index":11,"question":"say');

  asked.length = 0;
  const rest = await evaluate(slowEvaluation(model, cut), quiet);
  assert.deepEqual([...new Set(asked)].sort((a, b) => a - b), whole.records.map(({ index }) => index).filter((index) => !kept.includes(index)));
  assert.deepEqual(rest.records, whole.records);
  assert.ok(readFileSync(file, 'utf8').split('\n').every((line) => line.split('"index":').length <= 2), 'one record a line');
  assert.deepEqual({ ...rest.summary, folder: '' }, { ...whole.summary, folder: '' });

  asked.length = 0;
  assert.deepEqual((await evaluate(slowEvaluation(model, cut), quiet)).records, whole.records);
  assert.deepEqual(asked, []);
});

test('ended by a signal, it says why, and goes on with the same call', async () => {
  const whole = await evaluate(slowEvaluation(model, join(folder, 'whole')), quiet);
  const abort = new AbortController();
  const ended = evaluate(slowEvaluation(model, join(folder, 'ended')), { signal: abort.signal, stream: { write: (line) => void (line.startsWith('2 of') && abort.abort(new Error('enough'))) } });
  await assert.rejects(ended, /^Error: enough$/);
  assert.equal(linesOf('ended').length, 2);
  assert.deepEqual((await evaluate(slowEvaluation(model, join(folder, 'ended')), quiet)).records, whole.records);
});

test('Ctrl-C ends tsrl eval with 130, and the same command goes on', async () => {
  writeFileSync(join(folder, 'slow.ts'), 'export default async () => { await new Promise((resolve) => setTimeout(resolve, 60)); return 1; };\n');
  writeFileSync(join(folder, 'questions.jsonl'), questions.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const args = ['eval', '--model', './model', '--dataset', 'questions.jsonl', '--temperature', '0', '--max-completion-length', '4', '--reward', 'slow.ts', '--reward-concurrency', '1', '--threads', '1', '--output-dir', 'signalled'];
  const program = `const { main } = await import(${JSON.stringify(new URL('../src/cli/main.ts', import.meta.url).href)}); process.exitCode = await main(${JSON.stringify(args)});`;
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', program], { cwd: folder });
  let [said, interrupted] = ['', false];
  child.stderr.on('data', (data: Buffer) => {
    said += data.toString();
    // Once: a second Ctrl-C would end it at once.
    if (!interrupted && said.includes('2 of 6 questions')) interrupted = child.kill('SIGINT');
  });
  assert.equal(await new Promise((resolve) => child.once('exit', resolve)), 130, said);
  assert.match(said, /Interrupted; finished questions are kept/);
  const kept = linesOf('signalled').length;
  assert.ok(kept >= 2 && kept < 6, `${kept}`);
  const { code, out, err } = await tsrl(...args);
  assert.equal(code, 0, err);
  assert.match(err, new RegExp(`${kept} of 6 questions are answered already`));
  assert.match(out, /^\| rewards\/slow +\| +1 \|/m);
});

test('an adapter is evaluated as it is, and another one is another model', async () => {
  const train = (name: string, seed: number) => grpo(toyOptions(model, join(folder, name), { maxSteps: 2, lora: { r: 4, targetModules: 'all-linear' }, learningRate: 0.3, seed }), silent).run();
  const [first, second] = [(await train('adapter-1', 1)).model!, (await train('adapter-2', 2)).model!];
  const evaluated = await evaluate(options('of-adapter', { model: first }), quiet);
  const loaded = await loadModel(first, { dtype: 'float32' });
  for (const { question, completions } of evaluated.records) {
    assert.equal(completions[0]!.text, (await loaded.generate(question as string, { temperature: 0, maxNewTokens: 12 })).completions[0]!.text);
  }
  loaded.dispose();
  assert.notDeepEqual(evaluated.records, (await evaluate(options('of-base'), quiet)).records);
  const weightsOf = (name: string) => (JSON.parse(readFileSync(join(folder, name, 'evaluation.json'), 'utf8')) as { model: { weights: string } }).model.weights;
  await evaluate(options('of-other-adapter', { model: second }), quiet);
  assert.equal(new Set(['of-adapter', 'of-base', 'of-other-adapter'].map(weightsOf)).size, 3);
  await assert.rejects(evaluate(options('of-adapter', { model: first, base: model, maxConcurrentRollouts: 1 }), quiet), /`model\.base` was nothing/);
});

test('other settings are refused with what differs, and leave what is there; overwrite begins anew', async () => {
  const first = await evaluate(options('settings', { answer: 'answer' }), quiet);
  const refused = (more: Partial<EvaluationOptions>, difference: RegExp) => assert.rejects(evaluate(options('settings', { answer: 'answer', ...more }), quiet), difference);
  await refused({ maxCompletionLength: 10 }, /holds another: `sampling\.maxCompletionLength` was 12 and is 10; choose another folder/);
  await refused({ dataset: [...questions.slice(0, 5), { prompt: 'say 5', answer: '6' }] }, /`questions\.sha256` was/);
  await refused({ dataset: questions.slice(0, 5) }, /`questions\.count` was 6 and is 5/);
  await refused({ prompt: ({ prompt }) => `${String(prompt)}?` }, /`questions\.sha256` was/);
  await refused({ extract: ['boxed'] }, /`extract\.answer` was "answer" and is nothing; `extract\.boxed` was nothing and is "boxed"/);
  await refused({ rewards: { letter: ({ completion }) => letters(completion.text) } }, /`rewards\.letter` was nothing/);
  const retrained = await writeTinyModel(join(folder, 'retrained'), { seed: 1 });
  await refused({ model: retrained }, /`model\.reference` was .*`model\.weights` was/);
  assert.deepEqual(linesOf('settings').toSorted((a, b) => a.index - b.index), first.records);
  // Where and how fast it runs is no setting.
  assert.deepEqual((await evaluate(options('settings', { answer: 'answer', maxConcurrentRollouts: 1, rewardConcurrency: 2 }), quiet)).records, first.records);
  const anew = await evaluate(options('settings', { answer: 'answer', maxCompletionLength: 10, overwrite: true }), quiet);
  assert.ok(anew.records.every(({ completions }) => completions[0]!.tokens <= 10));
});

test('a folder with other files of these names is left alone', async () => {
  mkdirSync(join(folder, 'foreign'));
  writeFileSync(join(folder, 'foreign', 'summary.json'), 'mine');
  await assert.rejects(evaluate(options('foreign', { overwrite: true }), quiet), /to be a new folder, got .*foreign, which holds summary\.json but no evaluation\.json/);
  assert.equal(readFileSync(join(folder, 'foreign', 'summary.json'), 'utf8'), 'mine');
});

test('what is not given comes from the generation config of the model', async () => {
  const loaded = await loadModel(model, { dtype: 'float32' });
  const said: string[] = [];
  const { temperature: _, maxCompletionLength: __, ...rest } = options('by-model');
  const own = { reference: model, decoder: loaded.decoder, tokenizer: loaded.tokenizer, config: loaded.config, quantised: null, generationConfig: { do_sample: false, repetition_penalty: 1.3, max_new_tokens: 5, eos_token_id: 258 } };
  const { records } = await evaluate({ ...rest, model: own }, { stream: { write: (text) => said.push(text) } });
  assert.ok(records.every(({ completions }) => completions[0]!.tokens <= 5) && records.some(({ completions }) => completions[0]!.tokens === 5));
  assert.ok(said.includes("from the model's generation_config.json: temperature 0 (do_sample false), repetitionPenalty 1.3, maxNewTokens 5\n"), said.join(''));
  const { sampling } = JSON.parse(readFileSync(join(folder, 'by-model', 'evaluation.json'), 'utf8')) as { sampling: Record<string, number> };
  assert.deepEqual([sampling['temperature'], sampling['repetitionPenalty'], sampling['maxCompletionLength']], [0, 1.3, 5]);
  // The caller's model is still his.
  assert.equal((await loaded.generate('say 1', { temperature: 0, maxNewTokens: 3 })).completions.length, 1);
  loaded.dispose();
});

test('a reward that fails is an error and no 0; one that always does ends the evaluation with its name', async () => {
  const failing = ({ row }: { row: Record<string, unknown> }) => {
    if (row['answer'] === '2') throw new Error('no such answer');
    return 1;
  };
  const { summary, records } = await evaluate(options('failing', { rewards: { failing } }), quiet);
  assert.deepEqual([summary.rewards.failing!.mean!.value, summary.rewards.failing!.scored, summary.rewards.failing!.errors], [1, 5, 1]);
  assert.deepEqual([records[2]!.completions[0]!.reward, records[2]!.completions[0]!.failed], [null, { failing: 'error' }]);
  const always = (): number => {
    throw new Error('out of order');
  };
  await assert.rejects(evaluate(options('always', { dataset: Array.from({ length: 30 }, (_, i) => ({ prompt: `say ${i}` })), rewards: { always }, maxCompletionLength: 2 }), quiet), /mend reward `always`.*out of order/s);
});

test('two models are compared question by question', async () => {
  const other = await writeTinyModel(join(folder, 'other'), { seed: 3 });
  const judged = { answer: 'answer', extract: { even: (text: string) => [...text].length % 2 === 0 } };
  const a = await evaluate(options('compare-a', judged), quiet);
  const b = await evaluate(options('compare-b', { ...judged, model: other }), quiet);
  const comparison = await compareEvaluations(a.folder, b.folder);
  assert.deepEqual([comparison.first.model, comparison.second.model, comparison.questions], [model, other, 6]);
  assert.equal(comparison.modes.even!.first, a.summary.modes.even!.accuracy.value);
  assert.equal(comparison.modes.even!.second, b.summary.modes.even!.accuracy.value);
  assert.ok(Math.abs(comparison.means.characters!.difference - (b.summary.characters.value - a.summary.characters.value)) < 1e-9);
  assert.deepEqual(comparison.rows.map(({ second }) => second.characters), b.records.map(({ completions }) => completions[0]!.characters));
  assert.deepEqual(comparison.differences, []);
  const sampled = await evaluate(options('compare-sampled', { ...judged, temperature: 0.7 }), quiet);
  assert.deepEqual((await compareEvaluations(a.folder, sampled.folder)).differences, [{ path: 'sampling.temperature', first: 0, second: 0.7 }]);
  await assert.rejects(compareEvaluations(a.folder, folder), /to be the folder of an evaluation, got one without evaluation\.json/);
});

async function tsrl(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const code = await main(args, { out: (text) => (out += text), err: (text) => (err += text), readAll: async () => '', lines: async function* () {}, cwd: folder });
  return { code, out, err };
}

test('tsrl eval: the table, a question whole, the JSON; with two models their comparison', async () => {
  writeFileSync(join(folder, 'questions.jsonl'), questions.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const common = ['--dataset', 'questions.jsonl', '--answer', 'answer', '--extract', 'whole', '--extract', 'lastNumber:number', '--temperature', '0', '--max-completion-length', '12', '--threads', '1', '--reward', 'length:20'];
  const { code, out, err } = await tsrl('eval', '--model', './model', ...common, '--output-dir', 'cli', '--show', '1');
  assert.equal(code, 0, err);
  assert.match(out, /6 questions, 1 completion each/);
  for (const row of ['whole', 'lastNumber:number', 'any', 'rewards/length', 'characters']) assert.match(out, new RegExp(`^\\| ${row} +\\|`, 'm'));
  assert.match(out, /^=== row 0, right answer: 0\nsay 0\n--- completion 1 of 1: whole ✗/m);
  assert.match(out, /cli\n$/);
  assert.match(err, /6 of 6 questions/);
  const json = await tsrl('eval', '--model', './model', ...common, '--output-dir', 'cli', '--json');
  assert.match(json.err, /6 of 6 questions are answered already/);
  assert.equal((JSON.parse(json.out) as { questions: number }).questions, 6);

  await writeTinyModel(join(folder, 'second'), { seed: 5 });
  const two = await tsrl('eval', '--model', './model', '--model', './second', ...common, '--output-dir', 'two');
  assert.equal(two.code, 0, two.err);
  assert.match(two.out, /^second {2}.*second \(.*model-2\)$/m);
  const compared = await tsrl('eval', '--compare', 'two/model-1', 'two/model-2', '--show', '2');
  assert.match(compared.out, /\(the first 2 of 6\)\n$/);
  assert.deepEqual((JSON.parse((await tsrl('eval', '--compare', 'two/model-1', 'two/model-2', '--json')).out) as { rows: unknown[] }).rows.length, 6);
});

test('tsrl eval with the recipe of a run asks and scores as it does, without its sampling', async () => {
  writeFileSync(
    join(folder, 'recipe.ts'),
    `export default {
      model: './model', dataset: './questions.jsonl', prompt: (row) => [{ role: 'user', content: 'Please ' + row.prompt }],
      rewards: { mine: ({ completion, row }) => completion.text.length + Number(row.answer) }, temperature: 1.3, numGenerations: 4, maxCompletionLength: 6, lora: { r: 4 },
    };\n`,
  );
  const { code, out, err } = await tsrl('eval', 'recipe.ts', '--temperature', '0', '--threads', '1', '--output-dir', 'by-recipe', '--json');
  assert.equal(code, 0, err);
  const { rewards, numGenerations } = JSON.parse(out) as { rewards: Record<string, unknown>; numGenerations: number };
  assert.deepEqual([Object.keys(rewards), numGenerations], [['mine'], 1]);
  const [first] = linesOf('by-recipe').toSorted((a, b) => a.index - b.index);
  assert.equal(first!.prompt, '<|im_start|>user\nPlease say 0<|im_end|>\n<|im_start|>assistant\n');
  assert.ok(linesOf('by-recipe').every(({ completions }) => completions[0]!.tokens <= 6));
});

const misuses: [string[], RegExp][] = [
  [['--dataset', 'questions.jsonl'], /Expected one model or two, got 0/],
  [['--model', './model'], /Expected `--dataset` to be given/],
  [['--model', './model', '--model', './model', '--dataset', 'questions.jsonl'], /Expected `--output-dir` with two models/],
  [['--model', './model', '--dataset', 'questions.jsonl', '--temperature', '0', '--num-generations', '2'], /Expected `temperature` to be above 0 with `numGenerations` 2/],
  [['--model', './model', '--dataset', 'questions.jsonl', '--extract', 'boxed'], /Expected `answer` to name the column/],
  [['--model', './model', '--dataset', 'questions.jsonl', '--answer', 'answer', '--extract', 'bxed'], /Expected `extract` to be written/],
  [['--model', './model', '--dataset', 'questions.jsonl', '--num-generation', '2'], /did you mean `--num-generations`/],
  [['--compare', 'a'], /Expected two folders, got 1/],
  [['--compare', 'a', 'b', '--temperature', '1'], /alone, got `--temperature` too/],
];
for (const [args, message] of misuses) {
  test(`wrong usage: tsrl eval ${args.join(' ')}`, async () => {
    const { code, out, err } = await tsrl('eval', ...args);
    assert.deepEqual([code, out], [2, '']);
    assert.match(err, message);
  });
}
