import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { writeTinyModel } from '../../scripts/tiny-model.ts';
import { main } from './main.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tsrl-cli-'));
  await writeFile(join(folder, 'recipe.ts'), `export default { model: './m', dataset: './d.jsonl', rewards: { r: () => 0 }, numGenerations: 1 };\n`);
  await writeFile(join(folder, 'tiny.gguf'), '');
});
after(() => rm(folder, { recursive: true }));

async function tsrl(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await main(args, { out: (text) => (out += text), err: (text) => (err += text), readAll: async () => '', lines: async function* () {}, cwd: folder });
  return { code, out, err };
}

describe('help goes to standard output, with exit code 0', () => {
  test('of tsrl', async () => {
    for (const args of [['--help'], ['-h'], ['help']]) {
      const { code, out, err } = await tsrl(...args);
      assert.deepEqual([code, err], [0, '']);
      for (const name of ['run', 'grpo', 'generate', 'eval', 'pull', 'push', 'merge', 'init', 'doctor']) assert.match(out, new RegExp(`^ {2}${name} `, 'm'));
    }
  });

  for (const name of ['run', 'grpo', 'generate', 'eval', 'pull', 'push', 'merge', 'init', 'doctor']) {
    test(`of ${name}`, async () => {
      const { code, out, err } = await tsrl(name, '--help');
      assert.deepEqual([code, err], [0, '']);
      assert.ok(out.startsWith(`tsrl ${name}`));
      assert.match(out, /^ {2}--json/m);
    });
  }
});

test('the version', async () => {
  assert.match((await tsrl('--version')).out, /^\d+\.\d+\.\d+\n$/);
});

describe('wrong usage: exit code 2, a sentence and where to look, nothing on standard output', () => {
  const reward = ['--reward', 'length:50'];
  const cases: [string[], RegExp][] = [
    [[], /^tsrl: GRPO/],
    [['grop'], /did you mean `tsrl grpo`\?\nSee `tsrl --help`/],
    [['run'], /Expected a recipe, got nothing.*\nSee `tsrl run --help`/],
    [['run', 'a.ts', 'b.ts'], /one recipe, got a\.ts and b\.ts/],
    [['run', 'recipe.ts', '--learning-rat', '1'], /did you mean `--learning-rate`\?/],
    [['run', 'recipe.ts', '--num-generations', '1'], /`numGenerations` to be 2 or more, got 1/],
    [['run', 'recipe.ts', '--num-generations', '2', '--reward-replay-fraction', '0.5'], /`rewardReplayFraction` is not part of this version yet/],
    [['grpo', 'recipe.ts'], /write `tsrl run recipe\.ts`/],
    [['grpo', '--dataset', 'd', ...reward], /`--model` to be given/],
    [['grpo', '--model', './m', ...reward], /`--dataset` to be given/],
    [['grpo', '--model', './m', '--dataset', 'd'], /`--reward` to be given/],
    [['grpo', '--model', './m', '--dataset', 'd', ...reward, '--temperature', '0'], /`temperature` to be above 0/],
    [['grpo', '--model', './m', '--dataset', 'd', '--reward', 'nothing'], /`reward`/],
    [['generate', '--model', './m'], /`--prompt` to be given/],
    [['generate', '--prompt', 'a'], /`--model` to be given/],
    [['generate', '--model', './m', '--prompt', '-'], /`--prompt` to be text/],
    [['generate', '--model', './m', '--prompt', 'a', '--system', 's'], /`--system` only with `--chat`/],
    [['generate', '--model', './m', '--prompt', 'a', '--temperature', 'hot'], /`--temperature` to be a number/],
    [['pull'], /one model reference, got 0/],
    [['init', '--like', './m'], /one folder to write, got 0/],
    [['init', './new'], /`--like`, got nothing/],
    [['init', './new', '--like', './m', '--hidden', 'wide'], /`--hidden` to be a number/],
    [['doctor', 'x'], /only flags, got `x`/],
  ];
  for (const [args, message] of cases) {
    test(args.join(' ') || '(nothing)', async () => {
      const { code, out, err } = await tsrl(...args);
      assert.deepEqual([code, out], [2, '']);
      assert.match(err, message);
    });
  }
});

describe('failures: exit code 1 and one sentence', () => {
  test('what the recipe itself got wrong', async () => {
    const { code, out, err } = await tsrl('run', 'recipe.ts');
    assert.deepEqual([code, out], [1, '']);
    assert.equal(err, 'tsrl: Expected `numGenerations` to be 2 or more, got 1; a group needs two completions to compare; the default is 8.\n');
  });

  test('a recipe that is not there', async () => {
    const { code, err } = await tsrl('run', 'missing.ts');
    assert.equal(code, 1);
    assert.match(err, /^tsrl: Expected the recipe `.*missing\.ts` to be a file, got nothing; check the path\.\n$/);
  });

  test('a reward file that is not there', async () => {
    const { code, err } = await tsrl('grpo', '--model', './m', '--dataset', 'd.jsonl', '--reward', 'missing.ts');
    assert.equal(code, 1);
    assert.match(err, /Expected the reward/);
  });
});

test('pull finds what is on this machine', async () => {
  const path = join(folder, 'tiny.gguf');
  assert.deepEqual(await tsrl('pull', './tiny.gguf'), { code: 0, out: `${path}\n`, err: '' });
  const { out } = await tsrl('pull', './tiny.gguf', '--json');
  assert.deepEqual(JSON.parse(out), { reference: './tiny.gguf', kind: 'gguf', path });
});

test('init writes a random model like another', async () => {
  await writeTinyModel(join(folder, 'like'));
  const path = join(folder, 'random');
  const { code, out } = await tsrl('init', './random', '--like', './like', '--layers', '1', '--hidden', '16', '--json');
  // 259·16 embeddings; 2 heads of 8 over 1; 4 projections, 3 of the feed-forward part 32 wide, 3 norms
  const parameters = 259 * 16 + 16 * (16 + 8 + 8 + 16) + 3 * 16 * 32 + 3 * 16;
  assert.deepEqual([code, JSON.parse(out)], [0, { folder: path, parameters }]);
  assert.deepEqual(await tsrl('init', './another', '--like', './like', '--layers', '1'), { code: 0, out: `${join(folder, 'another')}\n`, err: '' });
});
