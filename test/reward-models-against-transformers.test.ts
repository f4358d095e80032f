/**
 * Tiny classifiers with their tokenizers, and what transformers and TRL compute with them in float64
 * (fixtures/reward-models/make.py): the same texts become the same ids and the same logits.
 */
import assert from 'node:assert/strict';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openClassifier, readClassifier } from '../src/model/sequence-classifier.ts';
import { modelInput } from '../src/rewards/model-input.ts';
import { modelBehind } from '../src/rewards/model-reward.ts';
import { namedRewards } from '../src/rewards/named-rewards.ts';
import { batches, openRewardModels, rewardModelBytes } from '../src/rewards/reward-models.ts';
import type { RewardModelOptions } from '../src/rewards/reward-models.ts';
import type { RewardEntry, RewardSample } from '../src/rewards/reward.ts';
import { scoreGroup } from '../src/rewards/score.ts';
import type { UnscoredSample } from '../src/rewards/reward-call.ts';
import { native } from '../src/tensor/binding.ts';
import { liveTensors } from '../src/tensor/scope.ts';
import { ownFolder } from './toy.ts';

const fixtures = fileURLToPath(new URL('./fixtures/reward-models', import.meta.url));

type Key = 'plain' | 'chat' | 'completion';

const cases = JSON.parse(readFileSync(join(fixtures, 'cases.json'), 'utf8')) as {
  prompts: string[];
  completions: string[];
  models: Record<string, Partial<Record<Key, { ids: number[][]; logits: number[][] }>>>;
};

// The networks are too small for a second thread.
native().setThreads(1);

const at = (name: string) => join(fixtures, name);

/** The samples of one batch: messages for `chat`, strings else. The encoders read the last two alone as `plain`. */
function samplesOf(key: Key, count: number): UnscoredSample[] {
  return cases.prompts.slice(-count).map((prompt, i) => {
    const text = cases.completions.slice(-count)[i]!;
    const messages = key === 'chat' ? { messages: [{ role: 'assistant', content: text }] } : {};
    return { prompt: key === 'chat' ? [{ role: 'user', content: prompt }] : prompt, completion: { text, ids: [], finishReason: 'stop', ...messages }, row: {}, step: 1, progress: 0 };
  });
}

async function scored(entries: readonly RewardEntry[], samples: readonly UnscoredSample[], options: Partial<RewardModelOptions> = {}) {
  const specs = namedRewards(entries);
  const models = await openRewardModels(specs, { conversational: null, ...options });
  await models.read();
  try {
    return { specs, ...(await scoreGroup(specs, samples)) };
  } finally {
    models.dispose();
  }
}

const values = (group: Awaited<ReturnType<typeof scored>>, name: string) =>
  group.samples.map(({ results }) => {
    const result = results[name]!;
    assert.notEqual(result.kind, 'error', result.kind === 'error' ? result.message : '');
    return result.kind === 'score' ? result.value : null;
  });

function close(got: readonly (number | null)[], wanted: readonly number[], tolerance: number): void {
  assert.equal(got.length, wanted.length);
  got.forEach((value, i) => assert.ok(value !== null && Math.abs(value - wanted[i]!) < tolerance, `at ${i}: ${value} is not ${wanted[i]}`));
}

for (const [name, batchesOf] of Object.entries(cases.models)) {
  for (const [key, { ids, logits }] of Object.entries(batchesOf) as [Key, { ids: number[][]; logits: number[][] }][]) {
    const input = key === 'completion' ? 'completion' : 'conversation';
    const samples = samplesOf(key, ids.length);

    test(`${name}, ${key}: the ids of TRL, and every logit to 1e-5`, async () => {
      const before = liveTensors();
      const opened = await openClassifier(at(name));
      opened.checkpoint.close();
      const rule = { ...opened, input, specialTokens: null, chatTemplateKwargs: {} } as const;
      assert.deepEqual(samples.map((sample) => modelInput(sample as RewardSample, rule).ids), ids);
      assert.equal(opened.labels.length, logits[0]!.length);
      for (const [logit, label] of opened.labels.entries()) {
        for (const which of [{ logit }, { label }]) {
          const group = await scored([{ model: at(name), input, ...which }], samples);
          close(values(group, name), logits.map((row) => row[logit]!), 1e-5);
        }
      }
      assert.equal(liveTensors(), before);
    });
  }
}

test('what a network will take in memory is what its file holds, the head but for one row aside', async () => {
  for (const name of ['gemma', 'qwen2', 'bert', 'roberta']) {
    const { checkpoint, labels } = await openClassifier(at(name));
    const numbers = checkpoint.names().reduce((sum, weight) => sum + checkpoint.info(weight).shape.reduce((product, size) => product * size, 1), 0);
    checkpoint.close();
    const bytes = await rewardModelBytes(namedRewards({ one: { model: at(name), logit: 0 }, same: { model: at(name), logit: 0, sign: -1 } }), {});
    // Rows of 16 weights; encoders have a bias too, and count one label of theirs.
    const head = name === 'bert' || name === 'roberta' ? (labels.length - 1) * 17 : labels.length * 16;
    assert.equal(bytes, 4 * (numbers - head), name);
  }
});

test('labels by name, transforms and signs, and several rewards on one network', async () => {
  const wanted = cases.models['bert']!.completion!.logits;
  const model = at('bert');
  const specs: Record<string, RewardEntry> = {
    harmless: { model, input: 'completion', label: 'toxic', transform: 'sigmoid', sign: -1 },
    insult: `${model}:label=insult:input=completion:transform=logSigmoid`,
    share: { fn: `${model}:{"logit":1,"input":"completion","transform":"softmax"}`, weight: 3 },
  };
  const named = namedRewards(specs);
  assert.deepEqual(named.map(({ name, weight }) => [name, weight]), [['harmless', 1], ['insult', 1], ['share', 3]]);
  const models = await openRewardModels(named, { conversational: true });
  const before = liveTensors();
  await models.read();
  const held = liveTensors() - before;
  const group = { specs: named, ...(await scoreGroup(named, samplesOf('completion', 4))) };
  close(values(group, 'harmless'), wanted.map(([toxic]) => -1 / (1 + Math.exp(-toxic!))), 1e-5);
  close(values(group, 'insult'), wanted.map((row) => Math.log(1 / (1 + Math.exp(-row[2]!)))), 1e-5);
  close(values(group, 'share'), wanted.map((row) => Math.exp(row[1]!) / row.reduce((sum, logit) => sum + Math.exp(logit), 0)), 1e-5);
  models.dispose();
  assert.equal(liveTensors(), before);
  // 5 tensors of embeddings, 16 in each of 2 layers, 4 of the head: the network is there once.
  assert.equal(held, 5 + 2 * 16 + 4);
});

test('an input that is too long is cut, counted and told of once', async () => {
  const said: string[] = [];
  const [, , , empty] = samplesOf('plain', 4);
  const long: UnscoredSample = { ...empty!, prompt: 'the train takes an hour '.repeat(20), completion: { ...empty!.completion, text: 'near' } };
  const longer: UnscoredSample = { ...long, prompt: `again ${long.prompt as string}` };
  const short: UnscoredSample = { ...empty!, prompt: 'is it ', completion: { ...empty!.completion, text: 'near' } };
  const group = await scored([{ model: at('bert'), logit: 0 }], [long, longer, short], { onMessage: (line) => said.push(line) });
  assert.deepEqual(group.samples.map(({ logged }) => logged), [{ 'truncated/bert': 1 }, { 'truncated/bert': 1 }, { 'truncated/bert': 0 }]);
  // The beginning goes, so that both read the same.
  const [first, second, third] = values(group, 'bert');
  assert.equal(first, second);
  assert.notEqual(first, third);
  assert.deepEqual(said.filter((line) => line.includes('is cut')).length, 1);
  assert.match(said.join('\n'), /an input of \d+ tokens is cut to the 24 that .*bert reads/);
});

test('special tokens stay where a text is cut', async () => {
  const { checkpoint, ...opened } = await openClassifier(at('bert'));
  checkpoint.close();
  const [cls, sep] = ['[CLS]', '[SEP]'].map((token) => opened.tokenizer.tokenToId(token)!);
  const text = 'one two three four five six seven eight nine ten eleven twelve';
  const sample = { prompt: text, completion: { text, ids: [], finishReason: 'stop' as const } };
  const own = opened.tokenizer.encode(text, { addSpecialTokens: false });
  const rule = { ...opened, limit: 8, chatTemplateKwargs: {} };
  assert.deepEqual(modelInput(sample, { ...rule, input: 'completion', specialTokens: null }), { ids: [cls, ...own.slice(0, 6), sep], cut: own.length - 6 });
  assert.deepEqual(modelInput(sample, { ...rule, input: 'completion', specialTokens: false }).ids, own.slice(0, 8));
  assert.deepEqual(modelInput(sample, { ...rule, input: 'conversation', specialTokens: true }).ids, [cls, ...own.slice(-6), sep]);
  assert.deepEqual(modelInput(sample, { ...rule, input: 'conversation', specialTokens: null }).ids, own.slice(-8));
});

test('a row without tokens does not apply, and the others are scored', async () => {
  const [one, empty] = samplesOf('plain', 2);
  const group = await scored([{ model: at('qwen3'), input: 'completion', specialTokens: false }], [one!, { ...empty!, completion: { ...empty!.completion, text: '' } }]);
  const [first, second] = values(group, 'qwen3');
  assert.ok(Number.isFinite(first));
  assert.equal(second, null);
});

test('many groups at once: each gets its own scores', async () => {
  const wanted = cases.models['gemma']!.chat!.logits.flat();
  const specs = namedRewards([at('gemma')]);
  const models = await openRewardModels(specs, { conversational: true });
  await models.read();
  const groups = await Promise.all([0, 1, 2, 3].map((i) => scoreGroup(specs, samplesOf('chat', 4).slice(i))));
  groups.forEach((group, i) => close(values({ specs, ...group }, 'gemma'), wanted.slice(i), 1e-5));
  models.dispose();
  const [late] = (await scoreGroup(specs, samplesOf('chat', 1))).samples;
  const result = late!.results['gemma']!;
  assert.ok(result.kind === 'error' && /not in memory/.test(result.message));
});

test('an aborted group is not scored, and the next one is', async () => {
  const specs = namedRewards([at('llama')]);
  const models = await openRewardModels(specs, { conversational: true });
  await models.read();
  const behind = modelBehind(specs[0]!.fn)!;
  const sample = (signal: AbortSignal) => ({ ...samplesOf('plain', 1)[0]!, signal, log: () => {} });
  const aborted = behind.score!([sample(AbortSignal.abort(new Error('enough')))]);
  const next = behind.score!([sample(new AbortController().signal)]);
  await assert.rejects(aborted, /enough/);
  close(await next, cases.models['llama']!.plain!.logits.at(-1)!, 1e-5);
  models.dispose();
});

test('rows of like length go together, within 512 tokens', () => {
  assert.deepEqual(batches([100, 300, 1, 200, 2000, 100]), [[2, 0, 5], [3], [1], [4]]);
  assert.deepEqual(batches([]), []);
});

const refused: [string, RewardEntry, Partial<RewardModelOptions>, RegExp][] = [
  ['a label that is not there', { model: at('bert'), label: 'rude' }, {}, /`rewards\.bert\.label` to be a label of the model, got "rude"; its labels are 0 "toxic", 1 "severe_toxic", 2 "insult"/],
  ['no label where there are several', at('roberta'), {}, /choose one of the model's 2 logits.*give `label` or `logit`; its labels are 0 "hate", 1 "nothate"/],
  ['a logit too many', { model: at('qwen2'), logit: 3 }, {}, /below the model's 3 logits, got 3; its labels are 0 "LABEL_0"/],
  ['label and logit', { model: at('bert'), label: 'toxic', logit: 0 }, {}, /`label` or `logit`, got "both"/],
  ['the softmax of one logit', { model: at('gemma'), transform: 'softmax' }, {}, /always 1; use 'sigmoid'/],
  ['messages without a template', { model: at('bert'), label: 'toxic' }, { conversational: true }, /chat template.*set its `input` to 'completion'/],
  ['a model without a head', fileURLToPath(new URL('./fixtures/model/tied', import.meta.url)), {}, /to hold `score\.weight`, the head of a sequence classifier, got architecture/],
  ['no model', './nowhere/at-all', {}, /names? a folder or file that exists/],
];
for (const [what, entry, options, message] of refused) {
  test(`refuses ${what}`, async () => {
    const before = liveTensors();
    await assert.rejects(openRewardModels(namedRewards([entry]), { conversational: false, ...options }), { message });
    assert.equal(liveTensors(), before);
  });
}

test('what is wrong with weights leaves nothing behind, and names the weight', async () => {
  const folder = join(ownFolder(), 'model');
  cpSync(at('bert'), folder, { recursive: true });
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Record<string, unknown>;
  const opened = async (changes: Record<string, unknown>) => {
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, ...changes }));
    return openClassifier(folder);
  };
  const before = liveTensors();
  await assert.rejects(async () => readClassifier(await opened({ intermediate_size: 25 })), /`bert\.encoder\.layer\.0\.intermediate\.dense\.weight` to have shape \[25, 16\]/);
  const models = await openRewardModels(namedRewards({ whole: at('gemma'), damaged: `${folder}:logit=0` }), { conversational: false });
  await assert.rejects(models.read(), /intermediate\.dense\.weight` to have shape/);
  models.dispose();
  await assert.rejects(opened({ model_type: 'bart' }), /`config\.json: model_type` to be one of bert, roberta, llama/);
  await assert.rejects(opened({ position_embedding_type: 'relative_key' }), /position_embedding_type` to be "absolute"/);
  await assert.rejects(opened({ hidden_act: 'mish' }), /hidden_act` to be "gelu" or/);
  await assert.rejects(opened({ num_attention_heads: 3 }), /num_attention_heads` to divide hidden_size 16/);
  assert.equal(liveTensors(), before);
  rmSync(folder, { recursive: true });
});
