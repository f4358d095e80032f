/** The faults of `npm run mutations` still fit the sources; whether tests notice them is for that command to say. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { mutants } from '../scripts/mutants/index.ts';

const path = (file: string) => fileURLToPath(new URL(`../${file}`, import.meta.url));

test('each fault has a place of its own in the sources, a name, and tests of the default suite', () => {
  assert.equal(new Set(mutants.map(({ name }) => name)).size, mutants.length);
  for (const { name, file, find, replace, tests } of mutants) {
    const found = readFileSync(path(file), 'utf8').split(find).length - 1;
    assert.equal(found, 1, `${name}: what it replaces stands ${found} times in ${file}; bring scripts/mutants/ up to date`);
    assert.notEqual(replace, find, name);
    assert.ok(tests.length > 0 && tests.every((test) => !test.startsWith('test/real/') && existsSync(path(test))), name);
  }
});
