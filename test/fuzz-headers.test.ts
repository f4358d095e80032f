/** Weight files come from strangers: whatever is done to one, it opens or is refused by name. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { FORMATS, fuzzWeightFiles } from './fuzz/weight-files.ts';
import { ownFolder } from './toy.ts';

const folder = ownFolder();
const mutations = 3_000;

for (const format of FORMATS) {
  test(`${mutations} damaged ${format} files open or are refused`, async () => {
    const { opened, refused, missing, sentences, faults } = await fuzzWeightFiles(format, mutations, join(folder, format));
    assert.deepEqual(faults, []);
    assert.equal(opened + refused + missing, mutations);
    // Damage that is all refused for one reason, or not at all, would test nothing.
    assert.ok(opened > mutations / 100, `only ${opened} opened`);
    assert.ok(refused > mutations / 3, `only ${refused} were refused`);
    assert.ok(sentences >= 15, `only ${sentences} different refusals`);
  });
}
