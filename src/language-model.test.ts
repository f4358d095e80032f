import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { writeTinyModel } from '../scripts/tiny-model.ts';
import { LanguageModel, loadModel } from './language-model.ts';
import type { GenerateOptions } from './language-model.ts';
import { liveTensors } from './tensor/scope.ts';

let root: string;
let folder: string;
let model: LanguageModel;
const messages: string[] = [];
before(async () => {
  root = mkdtempSync(join(tmpdir(), 'tsrl-language-model-'));
  folder = await writeTinyModel(join(root, 'tiny'), { std: 0.15 });
  model = await loadModel(folder, { threads: 1, onMessage: (line) => messages.push(line) });
});
after(() => {
  model.dispose();
  rmSync(root, { recursive: true });
});

test('the same prompt as text, as ids and within a chat template', async () => {
  const options: GenerateOptions = { maxNewTokens: 8, temperature: 0 };
  const fromText = await model.generate('Hi!', options);
  const fromIds = await model.generate([72, 105, 33].map((byte) => model.tokenizer.encode(String.fromCodePoint(byte))[0]!), options);
  assert.deepEqual(fromText, fromIds);
  assert.equal(fromText.prompt, 'Hi!');
  const chat = await model.generate([{ role: 'user', content: 'Hi!' }], options);
  assert.equal(chat.prompt, '<|im_start|>user\nHi!<|im_end|>\n<|im_start|>assistant\n');
  const [completion] = chat.completions;
  assert.equal(completion!.text, model.tokenizer.decode(completion!.ids));
  assert.equal(completion!.logprobs.length, completion!.ids.length);
});

test('completions are as many as asked for and differ by seed', async () => {
  const some = await model.generate('a', { numReturnSequences: 3, maxNewTokens: 10, seed: 1 });
  assert.equal(some.completions.length, 3);
  assert.deepEqual(await model.generate('a', { numReturnSequences: 3, maxNewTokens: 10, seed: 1 }), some);
  assert.notDeepEqual(await model.generate('a', { numReturnSequences: 3, maxNewTokens: 10, seed: 2 }), some);
});

test('the pieces of onText together are the text, half characters and stop strings included', async () => {
  const free = await model.generate('a', { numReturnSequences: 6, maxNewTokens: 40 });
  assert.ok(free.completions.some(({ text }) => text.endsWith('\uFFFD')), 'a completion ends within a character');
  const stop = free.completions[0]!.text.slice(5, 7);
  for (const stopStrings of [[], [stop], [stop, free.completions[1]!.text.slice(3, 6)]]) {
    const heard = Array.from({ length: 6 }, () => '');
    const { completions } = await model.generate('a', {
      numReturnSequences: 6,
      maxNewTokens: 40,
      stopStrings,
      onText: (piece, sample) => {
        assert.notEqual(piece, '');
        heard[sample] += piece;
      },
    });
    assert.deepEqual(heard, completions.map(({ text }) => text));
    const [first] = completions;
    assert.equal(first!.finishReason, stopStrings.length > 0 ? 'stopString' : free.completions[0]!.finishReason);
    for (const stopString of stopStrings) assert.ok(completions.every(({ text }) => !text.includes(stopString)));
  }
});

test('what is not given comes from generation_config.json, and is said; what is given stands', async () => {
  const own = { ...model, reference: 'own', generationConfig: { temperature: 0.6, top_k: 2, max_new_tokens: 5, num_return_sequences: 2, do_sample: true, eos_token_id: 258 } };
  const said: string[] = [];
  const configured = new LanguageModel({ ...own, decoder: model.decoder, tokenizer: model.tokenizer, config: model.config }, (line) => said.push(line));
  const taken = await configured.generate('a');
  assert.deepEqual(said, ["from the model's generation_config.json: temperature 0.6, topK 2, maxNewTokens 5, numReturnSequences 2"]);
  assert.deepEqual(taken, await model.generate('a', { temperature: 0.6, topK: 2, maxNewTokens: 5, numReturnSequences: 2 }));
  said.splice(0);
  await configured.generate('a', { temperature: 1, topK: 0, maxNewTokens: 2, numReturnSequences: 1 });
  assert.equal(said.length, 0);

  const greedy = new LanguageModel({ ...own, decoder: model.decoder, tokenizer: model.tokenizer, config: model.config, generationConfig: { do_sample: false, temperature: 0.6 } }, (line) => said.push(line));
  assert.deepEqual(await greedy.generate('a', { maxNewTokens: 6 }), await model.generate('a', { maxNewTokens: 6, temperature: 0 }));
  assert.deepEqual(said, ["from the model's generation_config.json: temperature 0 (do_sample false)"]);

  const wrong = new LanguageModel({ ...own, decoder: model.decoder, tokenizer: model.tokenizer, config: model.config, generationConfig: { top_p: 3 } });
  await assert.rejects(wrong.generate('a'), /`topP` to be above 0 and at most 1, got 3/);
});

const refused: [string, Record<string, unknown>, RegExp][] = [
  ['a negative temperature', { temperature: -1 }, /`temperature` to be 0 or more, got -1/],
  ['an infinite temperature', { temperature: Infinity }, /`temperature`/],
  ['a temperature in words', { temperature: '1' }, /`temperature` to be 0 or more, got "1"/],
  ['topP 0', { topP: 0 }, /`topP`/],
  ['half a topK', { topK: 1.5 }, /`topK`/],
  ['minP above 1', { minP: 1.1 }, /`minP`/],
  ['a penalty of 0', { repetitionPenalty: 0 }, /`repetitionPenalty`/],
  ['no new tokens', { maxNewTokens: 0 }, /`maxNewTokens`/],
  ['no sequences', { numReturnSequences: 0 }, /`numReturnSequences`/],
  ['a seed that is no number', { seed: 'x' }, /`seed` to be a whole number, got "x"/],
  ['an empty stop string', { stopStrings: ['a', ''] }, /`stopStrings` to be texts that are not empty/],
  ['an option of another library', { maxTokens: 5 }, /to be among .*maxNewTokens.*, got `maxTokens`/],
];

for (const [what, options, message] of refused) {
  test(`generate refuses ${what}`, async () => {
    await assert.rejects(model.generate('a', options as GenerateOptions), { name: 'InputError', message });
  });
}

test('an empty prompt is refused', async () => {
  await assert.rejects(model.generate(''), { name: 'InputError', message: /`prompt` to have 1 to 1023 tokens/ });
});

test('log-probabilities of what was generated, as [B, T] with a mask', async () => {
  const prompts = ['a', 'some longer prompt'].map((text) => model.tokenizer.encode(text));
  const generated: { ids: number[]; logprobs: Float32Array }[] = [];
  for (const [i, prompt] of prompts.entries()) generated.push((await model.generate(prompt, { maxNewTokens: 4 + 5 * i, minNewTokens: 4 + 5 * i, temperature: 0.7 })).completions[0]!);
  const live = liveTensors();
  const scored = await model.logprobs(prompts, generated.map(({ ids }) => ids), { temperature: 0.7 });
  for (const part of [scored.logprobs, scored.entropy, scored.mask]) assert.deepEqual(part.shape, [2, 9]);
  assert.deepEqual([...scored.mask.toArray()], [1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
  const wanted = [...generated[0]!.logprobs, 0, 0, 0, 0, 0, ...generated[1]!.logprobs];
  scored.logprobs.toArray().forEach((value, i) => assert.ok(Math.abs(Number(value) - wanted[i]!) < 1e-5, `at ${i}: ${value} is not ${wanted[i]}`));
  const entropies = [...scored.entropy.toArray()].map(Number);
  assert.ok(entropies.every((x, i) => (i > 3 && i < 9 ? x === 0 : x > 0 && x <= Math.log(259))));
  for (const part of Object.values(scored)) part.dispose();
  assert.equal(liveTensors(), live);
});

test('many rows are scored as few are, and none as none', async () => {
  const prompts = Array.from({ length: 30 }, (_, i) => Array.from({ length: 100 }, (_, t) => (i + t) % 250));
  const completions = prompts.map((_, i) => Array.from({ length: i % 5 }, (_, t) => (7 * i + t) % 250));
  const together = await model.logprobs(prompts, completions);
  assert.deepEqual(together.logprobs.shape, [30, 4]);
  const last = await model.logprobs(prompts.slice(29), completions.slice(29));
  const [all, alone] = [together.logprobs.toArray().slice(29 * 4), last.logprobs.toArray()];
  alone.forEach((value, i) => assert.ok(Math.abs(Number(value) - Number(all[i])) < 1e-5));
  const none = await model.logprobs([], []);
  assert.deepEqual(none.mask.shape, [0, 0]);
  for (const part of [together, last, none].flatMap((scored) => Object.values(scored))) part.dispose();
});

test('logprobs refuses lists that do not match, an empty prompt and temperature 0', async () => {
  await assert.rejects(model.logprobs([[1]], []), /one entry per prompt \(1\), got 0/);
  await assert.rejects(model.logprobs([[]], [[1]]), /to have at least one token/);
  await assert.rejects(model.logprobs([[1]], [[1]], { temperature: 0 }), /`temperature` to be a number above 0, got 0/);
});

test('save writes a folder that loads as the same model', async () => {
  const saved = join(root, 'saved');
  await model.save(saved);
  assert.deepEqual(readFileSync(join(saved, 'model.safetensors')), readFileSync(join(folder, 'model.safetensors')));
  const again = await loadModel(saved, { threads: 1 });
  assert.deepEqual(await again.generate('x', { maxNewTokens: 6 }), await model.generate('x', { maxNewTokens: 6 }));
  again.dispose();
  const live = liveTensors();
  writeFileSync(join(saved, 'config.json'), '{');
  await assert.rejects(loadModel(saved, { threads: 1 }), { name: 'FileFormatError' });
  assert.equal(liveTensors(), live);
});
