import assert from 'node:assert/strict';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { batch, batchFunction } from '../rewards/reward.ts';
import type { RewardFunction } from '../rewards/reward.ts';
import { loadDefault, loadRecipe, loadRewardFiles, rewardsFromFlags } from './module-file.ts';

/** Stands for the running package: what a file imports must be this very object. */
const marker = { id: 7 };
const thisPackage = async (): Promise<object> => ({ marker, recipe: (options: object) => options });

let folder: string;
const file = (name: string): string => join(folder, name);
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tsrl-recipe-'));
  await mkdir(file('rewards'));
  await writeFile(file('recipe.ts'), `import { marker, recipe } from 'tsrl';
import type { Message } from 'tsrl';
import { short } from './rewards/short';
const seed: number = 3;
const none: Message | null = null;
export default recipe({ model: './m', dataset: { path: 'posts.jsonl' }, rewards: { short }, seed, outputDir: 'out', marker, none });
`);
  await writeFile(file('rewards/short.ts'), `import { marker } from 'tsrl';\nexport const short = (): number => marker.id;\n`);
  await writeFile(file('arrow.ts'), `import { marker } from 'tsrl';\nexport default (): number => marker.id;\n`);
  await writeFile(file('waits.mjs'), `import { marker } from 'tsrl';\nawait null;\nexport default function named() { return marker.id + 1; }\n`);
  await writeFile(file('number.ts'), 'export default 3;\n');
  await writeFile(file('nothing.ts'), 'export const x = 1;\n');
  await writeFile(file('broken.ts'), 'export default {;\n');
  await writeFile(file('throws.ts'), `throw new Error('no luck');\n`);
});
after(() => rm(folder, { recursive: true }));

test('a recipe outside any package imports the running package, also through its own files', async () => {
  const recipe = (await loadRecipe(file('recipe.ts'), thisPackage)) as Record<string, unknown>;
  assert.equal(recipe.marker, marker);
  assert.equal((recipe.rewards as { short: () => number }).short(), 7);
  assert.deepEqual([recipe.model, recipe.dataset, recipe.outputDir, recipe.seed], [file('m'), { path: file('posts.jsonl') }, file('out'), 3]);
});

const own = (): number => 0;

test('reward files are replaced by their default export, other entries stay', async () => {
  const given = { own, builtin: 'length:50', file: './arrow.ts', settings: { fn: 'waits.mjs', weight: 2 } };
  const { rewards, files } = await loadRewardFiles(given, folder, false, thisPackage);
  const loaded = rewards as { own: unknown; builtin: unknown; file: () => number; settings: { fn: () => number; weight: number } };
  assert.equal(loaded.own, own);
  assert.equal(loaded.builtin, 'length:50');
  assert.equal(loaded.file(), 7);
  assert.equal(loaded.settings.fn(), 8);
  assert.equal(loaded.settings.weight, 2);
  assert.deepEqual(files, [file('arrow.ts'), file('waits.mjs')]);
});

test('an isolated reward keeps its path, made absolute, and is not loaded here', async () => {
  const given = { own, said: { file: './throws.ts', isolate: true, processes: 2 }, byOption: 'throws.ts', not: { fn: './arrow.ts', isolate: false }, builtin: 'length:50' };
  const { rewards, files } = await loadRewardFiles(given, folder, true, thisPackage);
  const { said, byOption, not, ...rest } = rewards as Record<string, { fn: unknown }>;
  assert.deepEqual([said, byOption], [{ fn: file('throws.ts'), isolate: true, processes: 2 }, { fn: file('throws.ts') }]);
  assert.equal((not!.fn as () => number)(), 7);
  assert.deepEqual(rest, { own, builtin: 'length:50' });
  assert.deepEqual(files, [file('throws.ts'), file('throws.ts'), file('arrow.ts')]);
});

test('a file may hold a batch reward', async () => {
  await writeFile(file('batch.ts'), `import { batch } from 'tsrl';\nexport default batch((samples) => samples.map(() => 1));\n`);
  const { rewards } = await loadRewardFiles({ all: 'batch.ts' }, folder, false, async () => ({ batch }));
  assert.ok(batchFunction((rewards as { all: unknown }).all));
});

test('in a list, a reward without a name takes that of its file', async () => {
  const { rewards } = await loadRewardFiles(['arrow.ts', 'waits.mjs'], folder, false, thisPackage);
  assert.deepEqual((rewards as RewardFunction[]).map(({ name }) => name), ['arrow', 'named']);
});

test('what cannot be loaded says why', async () => {
  const load = (name: string): Promise<unknown> => loadDefault(file(name), 'recipe', thisPackage);
  await assert.rejects(load('missing.ts'), { name: 'NotFoundError', message: /to be a file, got nothing/ });
  await assert.rejects(load('rewards'), { name: 'NotFoundError', message: /got a folder/ });
  await assert.rejects(load('nothing.ts'), { name: 'InputError', message: /default export, got none/ });
  await assert.rejects(load('broken.ts'), { name: 'InputError', message: /to load, got an error/ });
  await assert.rejects(load('throws.ts'), { name: 'InputError', message: /no luck/ });
  await assert.rejects(loadRecipe(file('number.ts'), thisPackage), { name: 'InputError', message: /a plain description/ });
  await assert.rejects(loadRewardFiles({ n: './number.ts' }, folder, false, thisPackage), { name: 'InputError', message: /a reward function as its default export, got 3/ });
});

test('paths of reward models are read from the folder, and references stay', async () => {
  const given = { text: './rm:sign=-1', entry: { model: '../rm', weight: 2 }, settings: { fn: './rm', weight: 3 }, hub: 'org/name@main:logit=1' };
  const { rewards, files } = await loadRewardFiles(given, folder, false, thisPackage);
  assert.deepEqual(rewards, {
    text: `${file('rm')}:sign=-1`,
    entry: { model: join(folder, '..', 'rm'), weight: 2 },
    settings: { fn: file('rm'), weight: 3 },
    hub: 'org/name@main:logit=1',
  });
  assert.deepEqual(files, []);
});

test('rewards of the command line are named by file, model or built-in', () => {
  assert.deepEqual(rewardsFromFlags(['org/name@main:label=toxic', './models/rm']), { name: 'org/name@main:label=toxic', rm: './models/rm' });
  assert.deepEqual(rewardsFromFlags(['length:50', './my/short.ts']), { length: 'length:50', short: './my/short.ts' });
  assert.throws(() => rewardsFromFlags(['length:50', 'length.ts']), { name: 'InputError', message: /a name of its own/ });
});
