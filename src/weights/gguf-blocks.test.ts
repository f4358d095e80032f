import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { BLOCK_FORMATS } from './gguf-blocks.ts';

const formats = new Map([...BLOCK_FORMATS.values()].map((format) => [format.name, format]));

/** Dequantises by name; the bytes lie in a buffer of their own, as they come from a file. */
function dequantise(name: string, bytes: ArrayLike<number>): Float32Array {
  return formats.get(name)!.dequantise(Uint8Array.from(bytes));
}

const ONE_AND_A_HALF = [0x00, 0x3e]; // float16 0x3e00
const MINUS_TWO = [0x00, 0xc0]; // float16 0xc000

test('Q8_0: scale times signed byte', () => {
  const out = dequantise('Q8_0', [...ONE_AND_A_HALF, 0, 1, 127, 128, 255, ...new Uint8Array(27).fill(2)]);
  assert.deepEqual([...out.subarray(0, 6)], [0, 1.5, 190.5, -192, -1.5, 3]);
  assert.equal(out.length, 32);
});

test('Q4_0: low halves first, eight is zero', () => {
  const out = dequantise('Q4_0', [...ONE_AND_A_HALF, 0xf0, 0x18, ...new Uint8Array(14).fill(0x88)]);
  assert.deepEqual([out[0], out[1], out[2], out[16], out[17], out[18]], [-12, 0, 0, 10.5, -10.5, 0]);
});

test('Q4_1: scale times nibble plus minimum', () => {
  const out = dequantise('Q4_1', [...ONE_AND_A_HALF, ...MINUS_TWO, 0xf0, 0x21, ...new Uint8Array(14).fill(0)]);
  assert.deepEqual([out[0], out[1], out[2], out[16], out[17], out[18]], [-2, -0.5, -2, 20.5, 1, -2]);
});

test('float16: signs, subnormals, infinities, NaN', () => {
  const halves = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x8000, 0x03ff, 0x7bff, 0x7c00, 0xfc00, 0x7e00);
  const out = dequantise('F16', new Uint8Array(halves.buffer));
  assert.deepEqual([...out], [1, -2, 2 ** -24, -0, 1023 * 2 ** -24, 65504, Infinity, -Infinity, NaN]);
});

test('bfloat16 is the upper half of a float32', () => {
  const out = dequantise('BF16', new Uint8Array(Uint16Array.of(0x3f80, 0xc040, 0x0000).buffer));
  assert.deepEqual([...out], [1, -3, 0]);
});

const cases = JSON.parse(fs.readFileSync(new URL('../../test/fixtures/gguf/blocks.json', import.meta.url), 'utf8')) as { type: string; blocks: string; values: string }[];
for (const { type, blocks, values } of cases) {
  test(`${type} equals Python's gguf bit for bit`, () => {
    const bytes = Buffer.from(blocks, 'base64');
    const format = formats.get(type)!;
    assert.equal(bytes.length % format.bytesPerBlock, 0);
    const out = dequantise(type, bytes);
    assert.equal(out.length, (bytes.length / format.bytesPerBlock) * format.blockSize);
    assert.equal(Buffer.from(out.buffer, out.byteOffset, out.byteLength).toString('base64'), values);
  });
}

test('the fixture covers every format', () => {
  assert.deepEqual(cases.map(({ type }) => type).sort(), [...formats.keys()].sort());
});
