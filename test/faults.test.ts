/** Bad input: a clear message before anything heavy starts, and nothing half-written. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cp, mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { GrpoOptions } from '../src/grpo/option-schema.ts';
import { grpo } from '../src/grpo/trainer.ts';
import type { GrpoTrainer } from '../src/grpo/trainer.ts';
import { batch } from '../src/rewards/reward.ts';
import { liveTensors } from '../src/tensor/scope.ts';
import { capture, letters, ownFolder, rows, silent, toyModel, toyOptions } from './toy.ts';

const folder = ownFolder();
const tsrl = fileURLToPath(new URL('../bin/tsrl.js', import.meta.url));
let model: string;
let number = 0;
before(async () => {
  model = await toyModel(folder);
});

const freshFolder = () => join(folder, `run-${++number}`);

/** Runs with bad input; checks that it fails with such a message, before any tensor was made and with no folder left. */
async function refused(more: Partial<GrpoOptions>, message: RegExp): Promise<void> {
  const outputDir = freshFolder();
  const alive = liveTensors();
  await assert.rejects(async () => grpo(toyOptions(model, outputDir, { maxSteps: 2, ...more }), silent).run(), { message });
  assert.equal(liveTensors(), alive);
  assert.ok(!existsSync(outputDir), 'no run folder is left behind');
}

describe('options and data', () => {
  test('a misspelt option names the right one', () => refused({ numGeneration: 4 } as Partial<GrpoOptions>, /`numGeneration`; did you mean `numGenerations`/));
  test('a group of one', () => refused({ numGenerations: 1 }, /Expected `numGenerations` to be 2 or more, got 1; a group needs two/));
  test('a missing column', () => refused({ prompt: 'question' }, /Expected `dataset` to have the column `question`, got \["prompt","id"\]/));
  test('an empty dataset', () => refused({ dataset: [] }, /Expected `dataset` to hold at least one row/));
  test('a dataset file that is not there', () => refused({ dataset: './nowhere.jsonl' }, /Expected `dataset` to be a path that exists, got "\.\/nowhere\.jsonl"/));
  test('a round bigger than the dataset', () => refused({ dataset: rows.slice(0, 3) }, /Expected `dataset` to hold at least one round .*got 3; lower them/));
  test('no rewards', () => refused({ rewards: {} }, /Expected `rewards` to hold at least one reward/));
  test('weights that do not match', () => refused({ rewardWeights: [1, 2] }, /Expected `rewardWeights` to have one weight per reward/));

  const long = [...rows.slice(0, 8), { prompt: 'x'.repeat(80), id: 99 }];
  test('a prompt that is too long', () => refused({ dataset: long, maxPromptLength: 20 }, /Expected `prompt` to have at most 20 tokens, got "80 tokens in row 8"; raise `maxPromptLength`, or set `promptTooLong`/));

  test('promptTooLong skip leaves it out and says so', async () => {
    const { stream, text } = capture();
    const prompts = new Set<string>();
    const options = toyOptions(model, freshFolder(), { dataset: long, maxPromptLength: 20, promptTooLong: 'skip', maxSteps: 4 });
    for await (const { groups } of grpo(options, { stream })) for (const { prompt } of groups) prompts.add(prompt.text);
    assert.equal(prompts.size, 8);
    assert.match(text(), /1 prompts of more than 20 tokens are left out/);
  });

  test('promptTooLong truncateLeft keeps the last tokens', async () => {
    const lengths: number[] = [];
    const options = toyOptions(model, freshFolder(), { dataset: long.slice(5), maxPromptLength: 20, promptTooLong: 'truncateLeft', maxSteps: 1 });
    for await (const { groups } of grpo(options, silent)) for (const { prompt } of groups) lengths.push(prompt.ids.length);
    assert.equal(Math.max(...lengths), 20);
  });
});

describe('model files', () => {
  /** A copy of the tiny model that `damage` has worked on. */
  async function damaged(name: string, damage: (copy: string) => Promise<void>): Promise<string> {
    const copy = join(folder, name);
    await cp(model, copy, { recursive: true });
    await damage(copy);
    return copy;
  }

  /** The safetensors file with its header replaced. */
  async function withHeader(copy: string, change: (header: Record<string, { data_offsets: [number, number] }>) => void): Promise<void> {
    const file = join(copy, 'model.safetensors');
    const bytes = await readFile(file);
    const length = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<string, { data_offsets: [number, number] }>;
    change(header);
    const text = Buffer.from(JSON.stringify(header).padEnd(length));
    assert.equal(text.length, length);
    await writeFile(file, Buffer.concat([bytes.subarray(0, 8), text, bytes.subarray(8 + length)]));
  }

  test('a truncated safetensors file', async () => {
    const bad = await damaged('truncated', (copy) => truncate(join(copy, 'model.safetensors'), 50_000));
    await refused({ model: bad }, /Expected .*model\.safetensors/);
  });

  test('overlapping offsets', async () => {
    const bad = await damaged('overlapping', (copy) =>
      withHeader(copy, (header) => {
        const [first, second] = Object.keys(header).filter((name) => name.includes('q_proj'));
        header[second!]!.data_offsets = header[first!]!.data_offsets;
      }),
    );
    await refused({ model: bad }, /Expected .*model\.safetensors/);
  });

  test('an absurd header length', async () => {
    const bad = await damaged('absurd', async (copy) => {
      const file = join(copy, 'model.safetensors');
      const bytes = await readFile(file);
      bytes.writeBigUInt64LE(2n ** 60n, 0);
      await writeFile(file, bytes);
    });
    await refused({ model: bad }, /Expected .*model\.safetensors/);
  });

  for (const [name, bytes] of Object.entries({
    'a GGUF file that is cut off': Buffer.concat([Buffer.from('GGUF'), Buffer.from([3, 0, 0, 0])]),
    'a GGUF file with an absurd count': Buffer.concat([Buffer.from('GGUF'), Buffer.from([3, 0, 0, 0]), Buffer.alloc(16, 0xff), Buffer.alloc(64)]),
    'a file that is no GGUF': Buffer.from('hello, this is text'),
  })) {
    test(name, async () => {
      const file = join(folder, `${name.replaceAll(' ', '-')}.gguf`);
      await writeFile(file, bytes);
      await refused({ model: file }, /Expected .*\.gguf/);
    });
  }

  test('an unknown family lists the known ones', async () => {
    const bad = await damaged('family', async (copy) => {
      const file = join(copy, 'config.json');
      await writeFile(file, (await readFile(file, 'utf8')).replace('"llama"', '"mamba"'));
    });
    await refused({ model: bad }, /`model_type` to be one of .*llama.*got "mamba"/);
  });

  test('a folder that is not there', () => refused({ model: './no-such-model' }, /no-such-model/));
});

describe('the run folder', () => {
  test('one that cannot be written', async () => {
    const file = join(folder, 'a-file');
    await writeFile(file, '');
    await assert.rejects(async () => grpo(toyOptions(model, join(file, 'run')), silent).run(), { message: /to be a folder that can be written/ });
  });

  test('one that another run has used, which is left as it was', async () => {
    const outputDir = freshFolder();
    await grpo(toyOptions(model, outputDir, { maxSteps: 1 }), silent).run();
    const before = readdirSync(outputDir).map((name) => [name, readFileSync(join(outputDir, 'metrics.jsonl'), 'utf8')]);
    await assert.rejects(async () => grpo(toyOptions(model, outputDir, { maxSteps: 1 }), silent).run(), { message: /holds another run; choose another folder, or pass `overwrite`/ });
    assert.deepEqual(readdirSync(outputDir).map((name) => [name, readFileSync(join(outputDir, 'metrics.jsonl'), 'utf8')]), before);
  });
});

describe('rewards that fail', () => {
  const failing: Record<string, [GrpoOptions['rewards'], RegExp]> = {
    'one that throws': [{ bad: () => { throw new Error('no such column'); } }, /reward `bad`.*no such column/s],
    'one that returns NaN': [{ bad: () => Number.NaN }, /Expected reward `bad` to return a finite number or null, got NaN/],
    'one that returns nothing': [{ bad: (() => undefined) as unknown as () => number }, /Expected reward `bad` to return a finite number or null, got nothing/],
    'a batch of the wrong length': [{ bad: batch((samples) => samples.slice(1).map(() => 0)) }, /Expected batch reward `bad` to return 8 values, one per sample, got 7/],
    'one that never answers': [{ bad: { fn: () => new Promise<number>(() => {}), timeoutMs: 30 } }, /Reward `bad` took longer than 30 ms/],
  };
  for (const [name, [rewards, message]] of Object.entries(failing)) {
    test(`${name} stops the run, which says why and keeps what is whole`, async () => {
      const outputDir = freshFolder();
      const alive = liveTensors();
      await assert.rejects(async () => grpo(toyOptions(model, outputDir, { rewards, maxSteps: 2 }), silent).run(), { name: 'RewardError', message });
      const state = JSON.parse(readFileSync(join(outputDir, 'state.json'), 'utf8')) as { status: string; reason: string };
      assert.equal(state.status, 'failed');
      assert.match(state.reason, /maxRewardErrorRate/);
      assert.ok(!existsSync(join(outputDir, 'final')));
      assert.equal(liveTensors(), alive);
    });
  }

  test('a rare failure is counted, unscored, and does not stop the run', async () => {
    let calls = 0;
    const rewards = { letter: ({ completion }: { completion: { text: string } }) => { if (++calls % 20 === 0) throw new Error('now and then'); return letters(completion.text); } };
    const { stream, text } = capture();
    let errors = 0;
    for await (const { metrics } of grpo(toyOptions(model, freshFolder(), { rewards, maxSteps: 5 }), { stream })) errors += metrics.reward_errors!;
    assert.equal(errors, 8);
    assert.match(text(), /reward `letter` failed on sample 19: now and then/);
  });
});

describe('a gradient that is not finite', () => {
  /** From the second step on the rewards are so far apart that the gradient's norm overflows. */
  async function poisoned(onNonFinite: 'stop' | 'skip'): Promise<{ trainer: GrpoTrainer; outputDir: string }> {
    const outputDir = freshFolder();
    let scored = 0;
    const rewards = { huge: () => (++scored > 32 ? (scored % 2) * 1e38 : scored % 2) };
    return { trainer: grpo(toyOptions(model, outputDir, { rewards, scaleRewards: 'none', onNonFinite, maxSteps: 12 }), silent), outputDir };
  }

  test('stops the run, with the weights of the last good update and the rows', async () => {
    const { trainer, outputDir } = await poisoned('stop');
    await assert.rejects(async () => trainer.run(), { name: 'NonFiniteError', message: /Expected a finite loss and gradient.*last good update are saved/s });
    const names = readdirSync(outputDir);
    assert.ok(names.some((name) => /^non-finite-step-\d+\.jsonl$/.test(name)), String(names));
    assert.equal(readdirSync(join(outputDir, 'checkpoints')).length, 1);
    assert.equal((JSON.parse(readFileSync(join(outputDir, 'state.json'), 'utf8')) as { status: string }).status, 'failed');
  });

  test('with skip the updates are dropped and counted, and five in a row end the run', async () => {
    const { trainer } = await poisoned('skip');
    const skipped: number[] = [];
    await assert.rejects(async () => { for await (const { metrics } of trainer) skipped.push(metrics.update_skipped ?? 0); }, { name: 'NonFiniteError' });
    assert.deepEqual(skipped, [0, 1, 1, 1, 1]);
  });
});

describe('the command line', () => {
  const call = (...args: string[]) => spawnSync(process.execPath, [tsrl, ...args], { encoding: 'utf8', cwd: folder });

  test('wrong usage ends with 2, a failure with 1; standard output stays empty', () => {
    const cases: [string[], number, RegExp][] = [
      [['runn'], 2, /runn/],
      [['grpo', '--model', './x', '--dataset', './y.jsonl', '--reward', 'length:50', '--num-generation', '4'], 2, /num-generations/],
      [['generate', '--model', './x'], 2, /--prompt/],
      [['generate', '--model', './x', '--prompt', 'hi'], 1, /Expected .*\.\/x|x/],
      [['run', './no-recipe.ts'], 1, /no-recipe/],
    ];
    for (const [args, status, message] of cases) {
      const result = call(...args);
      assert.equal(result.status, status, `${args.join(' ')}: ${result.stderr}`);
      assert.match(result.stderr, message);
      assert.equal(result.stdout, '');
    }
  });

  test('a recipe with a bad option fails before anything is made', async () => {
    await mkdir(join(folder, 'recipes'), { recursive: true });
    await writeFile(join(folder, 'recipes', 'bad.ts'), `import { recipe } from 'tsrl';\nexport default recipe({ model: ${JSON.stringify(model)}, dataset: [{ prompt: 'a' }], rewards: { r: () => 0 }, numGenerations: 1 });\n`);
    const result = call('run', 'recipes/bad.ts');
    assert.equal(result.status, 1, result.stderr);
    assert.match(result.stderr, /Expected `numGenerations` to be 2 or more, got 1/);
    assert.ok(!existsSync(join(folder, 'runs')));
  });
});
