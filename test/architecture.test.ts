/** The rules of the house that can be read off the sources: which room may import which, and what files are called. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Room {
  /** Rooms that its files may import. */
  uses: readonly string[];
  /** Rooms or files of which its files may import types only. */
  types?: readonly string[];
  /** Rooms that files whose path starts so may import beside these. */
  files?: Readonly<Record<string, readonly string[]>>;
}

/** A room is a folder of src/, or a file directly in src/. What is not in the table has no place yet: give it a row. */
const rooms: Readonly<Record<string, Room>> = {
  errors: { uses: [] },
  tensor: { uses: ['errors'] },
  text: { uses: ['errors'] },
  weights: { uses: ['tensor', 'text', 'errors'] },
  model: { uses: ['weights', 'tensor', 'text', 'errors'] },
  generate: { uses: ['model', 'tensor', 'text', 'errors'] },
  training: { uses: ['model', 'tensor', 'errors'] },
  data: { uses: ['text', 'errors'], files: { 'data/hub': ['weights'] } },
  rewards: { uses: ['model', 'weights', 'text', 'errors'], types: ['data'], files: { 'rewards/task': ['data'] } },
  run: { uses: ['errors'], types: ['data', 'text', 'grpo/types.ts'], files: { 'run/checkpoint': ['tensor', 'weights'] } },
  grpo: { uses: ['generate', 'training', 'rewards', 'run', 'data', 'model', 'weights', 'tensor', 'text', 'errors'] },
  eval: { uses: ['grpo', 'generate', 'rewards', 'run', 'data', 'model', 'tensor', 'text', 'errors'] },
  push: { uses: ['grpo', 'run', 'weights', 'errors'] },
  'language-model': { uses: ['push', 'generate', 'training', 'model', 'weights', 'tensor', 'text', 'errors'] },
  index: { uses: ['language-model', 'push', 'eval', 'grpo', 'generate', 'training', 'rewards', 'run', 'data', 'model', 'weights', 'tensor', 'text', 'errors'] },
  'reward-program': { uses: ['cli', 'rewards', 'errors'] },
  cli: { uses: ['index', 'language-model', 'push', 'eval', 'grpo', 'generate', 'training', 'rewards', 'run', 'data', 'model', 'weights', 'tensor', 'text', 'errors'] },
};

interface Import {
  from: string;
  typeOnly: boolean;
  reExport: boolean;
}

/** Comments that start a line, so that an example in them is no import. */
const comments = /^[ \t]*(?:\/\*[\s\S]*?\*\/|\/\/.*$)/gm;

const statement = /^(import|export)\b(\s+type\b)?[^'";]*?\bfrom\s*['"]([^'"]+)['"]/gm;

function importsOf(source: string): Import[] {
  const code = source.replace(comments, '');
  const found: Import[] = [...code.matchAll(statement)].map(([, word, type, from]) => ({ from: from!, typeOnly: type !== undefined, reExport: word === 'export' }));
  for (const [, from] of code.matchAll(/^import\s*['"]([^'"]+)['"]/gm)) found.push({ from: from!, typeOnly: false, reExport: false });
  for (const [, before, from] of code.matchAll(/(typeof\s+)?\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)) found.push({ from: from!, typeOnly: before !== undefined, reExport: false });
  return found;
}

/** The room of a path below src/: its first folder, or its name without `.ts`. */
function roomOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : path.replace(/\.ts$/, '');
}

function mayImport(path: string, target: string, typeOnly: boolean): boolean {
  const [from, to] = [roomOf(path), roomOf(target)];
  if (from === to) return true;
  const { uses = [], types = [], files = {} } = rooms[from] ?? {};
  const more = Object.entries(files).flatMap(([start, extra]) => (path.startsWith(start) ? extra : []));
  return [...uses, ...more].includes(to) || (typeOnly && (types.includes(to) || types.includes(target)));
}

/** What is wrong with a file of src/, one sentence each. */
function faultsOf(path: string, source: string): string[] {
  const faults: string[] = [];
  if (!Object.hasOwn(rooms, roomOf(path))) faults.push(`${path}: the room "${roomOf(path)}" has no row in the table`);
  const imports = importsOf(source);
  for (const { from, typeOnly } of imports) {
    if (!from.startsWith('.')) continue;
    const target = posix.join(posix.dirname(path), from);
    if (target.startsWith('..')) faults.push(`${path}: imports ${from}, outside src/`);
    else if (!mayImport(path, target, typeOnly)) faults.push(`${path}: imports ${target}${typeOnly ? ' (types)' : ''}, against the arrows`);
  }
  const code = source.replace(comments, '');
  if (path !== 'tensor/binding.ts' && /\bcreateRequire\b|\bdlopen\b|\.node['"`]/.test(code)) faults.push(`${path}: loads an addon; only tensor/binding.ts does`);
  const isIndex = posix.basename(path) === 'index.ts';
  if (!isIndex && imports.some(({ reExport }) => reExport)) faults.push(`${path}: re-exports; only index.ts does`);
  if (isIndex && code.replace(statement, '').replace(/[;\s]/g, '') !== '') faults.push(`${path}: does more than re-export`);
  return faults;
}

const meaningless = new Set(['util', 'utils', 'common', 'core', 'helper', 'helpers', 'manager', 'managers', 'misc']);

/** The part of a path that says nothing about what is inside, or null. */
function meaninglessPart(path: string): string | null {
  return path.toLowerCase().split(/[/.\-_]/).find((part) => meaningless.has(part)) ?? null;
}

/** Paths of all files below a folder of the repository, without the folder. */
function filesBelow(folder: string): string[] {
  return readdirSync(posix.join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => posix.relative(posix.join(root, folder), posix.join(entry.parentPath, entry.name)));
}

test('every import in src/ follows the arrows', () => {
  const sources = filesBelow('src').filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'));
  assert.ok(sources.includes('tensor/binding.ts') && sources.includes('errors.ts'));
  assert.deepEqual(sources.flatMap((path) => faultsOf(path, readFileSync(posix.join(root, 'src', path), 'utf8'))), []);
});

test('no file or folder has a name that says nothing', () => {
  const paths = ['src', 'native', 'test', 'bench', 'scripts', 'bin', 'examples', 'docs'].flatMap((folder) => filesBelow(folder).map((path) => `${folder}/${path}`));
  assert.ok(paths.includes('src/errors.ts'));
  assert.deepEqual(paths.filter((path) => meaninglessPart(path) !== null), []);
});

test('the table itself has no circle', () => {
  const below = (room: string, above: readonly string[]): void => {
    assert.ok(!above.includes(room), [...above, room].join(' → '));
    const { uses, files = {} } = rooms[room]!;
    for (const next of [...uses, ...Object.values(files).flat()]) below(next, [...above, room]);
  };
  for (const room of Object.keys(rooms)) below(room, []);
});

const wrong: [path: string, source: string, fault: RegExp][] = [
  ['generate/engine.ts', "import { pack } from '../training/pack.ts';", /imports training\/pack\.ts, against the arrows/],
  ['training/pack.ts', "import {\n  engine,\n  more,\n} from '../generate/engine.ts';", /imports generate\/engine\.ts, against/],
  ['tensor/ops.ts', "import type { Decoder } from '../model/decoder.ts';", /imports model\/decoder\.ts \(types\), against/],
  ['grpo/loss/masks.ts', "import '../../cli/run.ts';", /imports cli\/run\.ts, against/],
  ['data/source.ts', "const load = () => import('../grpo/train.ts');", /imports grpo\/train\.ts, against/],
  ['text/message.ts', "type Prompt = typeof import('../grpo/types.ts');", /imports grpo\/types\.ts \(types\), against/],
  ['run/samples.ts', "import { x } from '../grpo/types.ts';", /imports grpo\/types\.ts, against/],
  ['run/samples.ts', "import type { x } from '../grpo/train.ts';", /imports grpo\/train\.ts \(types\), against/],
  ['run/samples.ts', "import { Tensor } from '../tensor/tensor.ts';", /imports tensor\/tensor\.ts, against/],
  ['rewards/score.ts', "import { rows } from '../data/row.ts';", /imports data\/row\.ts, against/],
  ['data/source.ts', "import { fetchFromHub } from '../weights/hub.ts';", /imports weights\/hub\.ts, against/],
  ['grpo/train.ts', "import { loadModel } from '../language-model.ts';", /imports language-model\.ts, against/],
  ['grpo/trainer.ts', "import { summarise } from '../eval/summary.ts';", /imports eval\/summary\.ts, against/],
  ['errors.ts', "import { show } from './text/message.ts';", /imports text\/message\.ts, against/],
  ['model/load.ts', "import { x } from '../../scripts/place.js';", /outside src\//],
  ['sft/train.ts', "import { pack } from '../training/pack.ts';", /"sft" has no row/],
  ['model/load.ts', "import { createRequire } from 'node:module';", /loads an addon/],
  ['model/load.ts', "process.dlopen(module, 'x');", /loads an addon/],
  ['grpo/options.ts', "export type { Options } from './schema.ts';", /re-exports/],
  ['grpo/options.ts', "export * from './schema.ts';", /re-exports/],
  ['grpo/loss/index.ts', "export { a } from './a.ts';\nexport const b = 1;", /does more than re-export/],
];

for (const [path, source, fault] of wrong) {
  test(`the checker finds: ${path}: ${source.replaceAll('\n', ' ')}`, () => {
    const faults = faultsOf(path, source);
    assert.ok(faults.some((text) => fault.test(text)), JSON.stringify(faults));
  });
}

const right: [path: string, source: string][] = [
  ['grpo/loss/masks.ts', "import { expected } from '../../errors.ts';\nimport { where } from '../../tensor/ops.ts';\nimport { mean } from './aggregate.ts';"],
  ['run/samples.ts', "import type { Group } from '../grpo/types.ts';\nimport type { Row } from '../data/row.ts';"],
  ['data/hub-dataset.ts', "import { fetchFiles } from '../weights/hub-repository.ts';"],
  ['run/checkpoints.ts', "import { toBytes } from '../tensor/tensor.ts';"],
  ['grpo/loss/index.ts', "/** All of it. */\nexport { a } from './a.ts';\nexport type { B } from './b.ts';\n"],
  ['text/message.ts', "/**\n * import { train } from '../grpo/train.ts';\n */\n// import '../cli/run.ts';\nexport const from = 'here';"],
  ['tensor/binding.ts', "import { createRequire } from 'node:module';"],
];

for (const [path, source] of right) {
  test(`the checker lets pass: ${path}: ${source.replaceAll('\n', ' ')}`, () => assert.deepEqual(faultsOf(path, source), []));
}

test('the checker of names finds a part of a name, and only a whole one', () => {
  assert.deepEqual(
    ['src/utils/a.ts', 'src/tensor/core.ts', 'src/run/file-helpers.ts', 'native/common.h', 'src/Manager.ts'].map(meaninglessPart),
    ['utils', 'core', 'helpers', 'common', 'manager'],
  );
  assert.deepEqual(['src/rewards/score.ts', 'src/run/commonplace.ts'].map(meaninglessPart), [null, null]);
});
