import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CARD_MARK, modelCard } from './model-card.ts';
import type { CardFacts, RunFacts } from './model-card.ts';

const metrics = Array.from({ length: 50 }, (_, i) => ({ step: i + 1, reward: i + 1, 'completions/mean_length': 8 }));
const run: RunFacts = {
  name: 'first-try',
  steps: 50,
  configSha256: 'c'.repeat(64),
  files: [{ name: 'recipe.ts', sha256: 'a'.repeat(64) }],
  options: [{ name: 'numGenerations', value: 16 }, { name: 'microBatch', value: { rows: 4 } }, { name: 'lossType', value: 'grpo' }],
  rewards: [{ name: 'length', weight: 1 }, { name: 'a|`b`\n# c', weight: 0.5 }],
  data: 'Rows of `posts.jsonl`.',
  metrics,
  evaluation: null,
};
const facts: CardFacts = { repository: 'org/my_model', kind: 'model', base: { name: 'base/small@v1', repository: 'base/small' }, license: 'apache-2.0', tokenizer: true, chat: true, run, curve: 'reward-curve.svg' };

test('the head of a trained model', () => {
  const [, head] = modelCard(facts).split('---\n');
  assert.equal(head, 'base_model: base/small\nlibrary_name: transformers\nlicense: apache-2.0\npipeline_tag: text-generation\ntags:\n  - grpo\n  - tsrl\n');
  assert.ok(modelCard(facts).startsWith('---\n') && modelCard(facts).includes(`\n---\n${CARD_MARK}\n\n# my\\_model\n`));
});

test('how it was made, from what and how it went', () => {
  const card = modelCard(facts);
  for (const part of [
    'A language model, made from base/small@v1 by reinforcement learning: 50 updates of GRPO with tsrl.',
    '## Base model\n\n[base/small@v1](https://huggingface.co/base/small)',
    '| `numGenerations` | `16` |\n| `microBatch` | `{"rows":4}` |\n| `lossType` | `grpo` |',
    `Every option is in the \`config.json\` of the run \`first-try\` (sha256 \`${'c'.repeat(64)}\`). Recipe and reward files: \`recipe.ts\` (sha256 \`${'a'.repeat(64)}\`).`,
    '| `length` | 1 |\n| ``a\\|`b` # c`` | 0.5 |',
    '## Data\n\nRows of `posts.jsonl`.',
    // Means of 1 to 5 and of 46 to 50.
    '3 in the first tenth (updates 1 to 5), 48 in the last (updates 46 to 50)',
    '![Mean reward of each update](reward-curve.svg)\n\n20 of the 50 updates, each as it was:\n\n| update | mean reward | completion length, tokens |',
  ]) assert.ok(card.includes(part), `${part}\n\nin\n\n${card}`);
  const rows = card.split('\n').filter((line) => /^\| \d+ \| \d+ \| 8 \|$/.test(line));
  assert.deepEqual([rows.length, rows[0], rows.at(-1)], [20, '| 1 | 1 | 8 |', '| 50 | 50 | 8 |']);
  assert.ok(!card.includes('## Evaluation'));
});

test('how to use it: in Python and here', () => {
  const card = modelCard(facts);
  assert.match(card, /from transformers import AutoModelForCausalLM, AutoTokenizer\n/);
  assert.match(card, /AutoModelForCausalLM\.from_pretrained\("org\/my_model"\)\nmessages = /);
  assert.match(card, /\n {4}npx tsrl generate --model org\/my_model --chat --prompt "Hello"\n$/);
  assert.match(modelCard({ ...facts, chat: false }), /inputs = tokenizer\("Hello", return_tensors="pt"\)[^]*--model org\/my_model --prompt/);
});

test('an adapter is loaded with peft, with the tokenizer of its base where it brings none', () => {
  const card = modelCard({ ...facts, kind: 'adapter', tokenizer: false });
  assert.match(card, /\nlibrary_name: peft\n/);
  assert.match(card, /An adapter for a language model/);
  assert.match(card, /AutoTokenizer\.from_pretrained\("base\/small"\)\nmodel = AutoPeftModelForCausalLM\.from_pretrained\("org\/my_model"\)/);
  assert.ok(!card.includes('npx tsrl'));
});

test('what is not known is left out', () => {
  const card = modelCard({ ...facts, base: { name: 'pypi:a==1', repository: null }, license: null, run: null, curve: null });
  assert.ok(card.startsWith('---\nlibrary_name: transformers\npipeline_tag: text-generation\ntags:\n  - tsrl\n---\n'));
  assert.ok(card.includes('A language model, made from `pypi:a==1` with tsrl.'));
  for (const title of ['## Training', '## Rewards', '## Data', '## Results', '## Evaluation', 'svg']) assert.ok(!card.includes(title));
  assert.ok(!modelCard({ ...facts, base: null, run: null }).includes('## Base model'));
});

test('few updates, figures that are missing, an evaluation', () => {
  const rows: Record<string, number | null>[] = [{ step: 1, reward: null }, { step: 2, reward: -0.5, kl: 0.001 }, { step: 3, reward: 1.25, kl: null }];
  const card = modelCard({ ...facts, run: { ...run, metrics: rows, options: [], evaluation: [{ name: 'accuracy', before: 0.1, after: 0.625 }] } });
  assert.ok(card.includes('-0.5 in the first tenth (update 2), 1.25 in the last (update 3)'));
  assert.ok(card.includes('Every update:\n\n| update | mean reward | KL to the reference |\n| --- | --- | --- |\n| 2 | -0.5 | 0.001 |\n| 3 | 1.25 |  |'));
  assert.ok(card.includes('GRPO, with the defaults of tsrl.'));
  assert.ok(card.includes('## Evaluation\n\n| measure | before | after |\n| --- | --- | --- |\n| `accuracy` | 0.1 | 0.625 |'));
  assert.ok(!modelCard({ ...facts, run: { ...run, metrics: [] } }).includes('## Results'));
});
