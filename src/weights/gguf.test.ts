import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import type { GgufParts } from '../../test/fixtures/gguf/build-gguf.ts';
import { buildGguf, u64 } from '../../test/fixtures/gguf/build-gguf.ts';
import { FileFormatError, NotFoundError } from '../errors.ts';
import { openGguf } from './gguf.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tsrl-gguf-'));
after(() => fs.rmSync(folder, { recursive: true }));

let count = 0;
function file(bytes: Uint8Array): string {
  const at = path.join(folder, `${count++}.gguf`);
  fs.writeFileSync(at, bytes);
  return at;
}

const whole: GgufParts = {
  metadata: {
    'general.architecture': { string: 'llama' },
    'a.number': { u32: 7 },
    'a.float': { f32: 0.5 },
    'a.flag': { bool: true },
    'a.list': { i32s: [-1, 2] },
    'some.texts': { strings: ['x', 'é'] },
    'a.long': { raw: { type: 10, bytes: u64(2n ** 60n) } },
    'a.nested': { raw: { type: 9, bytes: Buffer.concat([Uint8Array.of(9, 0, 0, 0), u64(1n), Uint8Array.of(0, 0, 0, 0), u64(2n), Uint8Array.of(5, 6)]) } },
  },
  tensors: [
    { name: 'second', dimensions: [32], type: 8, offset: 32 },
    { name: 'first', dimensions: [2, 3], type: 0, offset: 0 },
  ],
  data: Uint8Array.from({ length: 32 + 34 }, (_, i) => i),
};

test('reads metadata and tensors', () => {
  // `first` takes 24 of the 32 bytes before `second`: padding up to the alignment is no fault.
  const gguf = openGguf(file(buildGguf(whole)));
  assert.equal(gguf.metadata.get('general.architecture'), 'llama');
  assert.equal(gguf.metadata.get('a.number'), 7);
  assert.equal(gguf.metadata.get('a.float'), 0.5);
  assert.equal(gguf.metadata.get('a.flag'), true);
  assert.deepEqual(gguf.metadata.get('a.list'), Int32Array.of(-1, 2));
  assert.deepEqual(gguf.metadata.get('some.texts'), ['x', 'é']);
  assert.equal(gguf.metadata.get('a.long'), 2n ** 60n);
  assert.deepEqual(gguf.metadata.get('a.nested'), [Uint8Array.of(5, 6)]);
  assert.deepEqual(gguf.tensors.get('first')?.shape, [3, 2]);
  assert.equal(gguf.tensors.get('first')?.format.name, 'F32');
  assert.deepEqual([...gguf.readBlocks('first')], Array.from({ length: 24 }, (_, i) => i));
  assert.deepEqual([...gguf.readBlocks('second')], Array.from({ length: 34 }, (_, i) => 32 + i));
  assert.throws(() => gguf.readBlocks('third'), NotFoundError);
  gguf.close();
});

test('reads a header longer than one window', () => {
  const texts = Array.from({ length: 40_000 }, (_, i) => `token number ${i} ${'é'.repeat(i % 20)}`);
  const long = 'x'.repeat(1_500_000);
  const gguf = openGguf(file(buildGguf({ metadata: { texts: { strings: texts }, long: { string: long } } })));
  assert.deepEqual(gguf.metadata.get('texts'), texts);
  assert.equal(gguf.metadata.get('long'), long);
  gguf.close();
});

test('every truncation of a file is refused', () => {
  const bytes = buildGguf(whole);
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => openGguf(file(bytes.subarray(0, length))), FileFormatError, `cut at ${length}`);
  }
});

const huge = 2n ** 62n;
const tensor = { name: 't', dimensions: [4], type: 0, offset: 0 };
const data = new Uint8Array(64);
const array = (type: number, elements: bigint): GgufParts => ({ metadata: { key: { raw: { type: 9, bytes: Buffer.concat([Uint8Array.of(type, 0, 0, 0), u64(elements)]) } } } });
let nested: Uint8Array = Uint8Array.of(0, 0, 0, 0, ...u64(0n));
for (let depth = 0; depth < 5; depth++) nested = Buffer.concat([Uint8Array.of(9, 0, 0, 0), u64(1n), nested]);

const faults: [string, GgufParts, RegExp][] = [
  ['another magic', { magic: 'GGML' }, /letters GGUF/],
  ['version 1', { version: 1 }, /version 2 or 3/],
  ['a big-endian file', { version: 0x03000000 }, /little-endian/],
  ['an absurd tensor count', { tensorCount: huge }, /tensor count that fits/],
  ['an absurd metadata count', { metadataCount: huge }, /metadata count that fits/],
  ['an absurd text length', { metadata: { key: { raw: { type: 8, bytes: u64(huge) } } } }, /length of `key` that fits/],
  ['an absurd list of numbers', array(10, huge), /number of elements of `key`/],
  ['an absurd list of texts', array(8, 2n ** 61n), /number of elements of `key`/],
  ['a list of an unknown type', array(77, 1n), /known type for the elements/],
  ['lists nested without end', { metadata: { key: { raw: { type: 9, bytes: nested } } } }, /nested at most 4/],
  ['an unknown value type', { metadata: { key: { raw: { type: 13, bytes: data } } } }, /known metadata type/],
  ['a truth value of 2', { metadata: { key: { raw: { type: 7, bytes: Uint8Array.of(2) } } } }, /true or false/],
  ['text that is not UTF-8', { metadata: { key: { raw: { type: 8, bytes: Buffer.concat([u64(1n), Uint8Array.of(0xff)]) } } } }, /UTF-8/],
  ['an alignment of 3', { metadata: { 'general.alignment': { u32: 3 } } }, /power of two/],
  ['an alignment of 0', { metadata: { 'general.alignment': { u32: 0 } } }, /power of two/],
  ['no dimensions', { tensors: [{ ...tensor, dimensions: [] }], data }, /1 to 4 dimensions/],
  ['five dimensions', { tensors: [{ ...tensor, dimensions: [1, 1, 1, 1, 1] }], data }, /1 to 4 dimensions/],
  ['a size of 0', { tensors: [{ ...tensor, dimensions: [0] }], data }, /sizes of 1 and more/],
  ['a size past all numbers', { tensors: [{ ...tensor, dimensions: [huge] }], data }, /sizes of 1 and more/],
  ['sizes whose product is absurd', { tensors: [{ ...tensor, dimensions: [2n ** 50n, 2n ** 50n] }], data }, /inside its/],
  ['a quantised type that is not read', { tensors: [{ ...tensor, type: 16 }], data }, /got IQ2_XXS \(16\) for `t`/],
  ['an unknown type', { tensors: [{ ...tensor, type: 999 }], data }, /an unknown type \(999\)/],
  ['rows of broken blocks', { tensors: [{ ...tensor, type: 8, dimensions: [33] }], data }, /whole Q8_0 blocks/],
  ['an offset out of the file', { tensors: [{ ...tensor, offset: 4096 }], data }, /inside its|up to byte/],
  ['an absurd offset', { tensors: [{ ...tensor, offset: huge }], data }, /inside its/],
  ['an offset that is not aligned', { tensors: [{ ...tensor, offset: 4 }], data }, /multiple of 32/],
  ['overlapping tensors', { tensors: [{ ...tensor, dimensions: [9] }, { ...tensor, name: 'u', offset: 32 }], data }, /tensor `u` after `t`, got an overlap/],
  ['two tensors in one place', { tensors: [tensor, { ...tensor, name: 'u' }], data }, /overlap/],
  ['a tensor name twice', { tensors: [tensor, { ...tensor, offset: 32 }], data }, /`t` twice/],
];
for (const [what, parts, message] of faults) {
  test(`refuses ${what}`, () => {
    const at = file(buildGguf(parts));
    assert.throws(() => openGguf(at), (error: unknown) => {
      assert.ok(error instanceof FileFormatError, String(error));
      assert.match(error.message, message);
      assert.equal(error.data['file'], at);
      return true;
    });
  });
}
