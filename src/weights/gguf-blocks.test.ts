import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
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

test('Q5_0: the fifth bit of element i + 16 is bit i + 16', () => {
  const out = dequantise('Q5_0', [...ONE_AND_A_HALF, 0b10, 0, 0b1, 0, 0xf0, 0x18, ...new Uint8Array(14).fill(0)]);
  assert.deepEqual([out[0], out[1], out[16], out[17]], [-24, 12, 22.5, -22.5]);
});

test('Q5_1: scale times five bits plus minimum', () => {
  const out = dequantise('Q5_1', [...ONE_AND_A_HALF, ...MINUS_TWO, 0b10, 0, 0b1, 0, 0xf0, 0x18, ...new Uint8Array(14).fill(0)]);
  assert.deepEqual([out[0], out[1], out[16], out[17]], [-2, 34, 44.5, -0.5]);
});

test('Q4_K: scales and minima of the first and the last four runs', () => {
  // Run 0: scale 2, minimum 3. Run 7: scale 9 + 16·1, minimum 5 + 16·2, their high bits above those of run 3.
  const scales = [2, 0, 0, 0b01_000000, 3, 0, 0, 0b10_000000, 0, 0, 0, 0x59];
  const pairs = new Uint8Array(128);
  pairs[0] = 0x07;
  pairs[127] = 0xb0;
  const out = dequantise('Q4_K', [...ONE_AND_A_HALF, ...MINUS_TWO, ...scales, ...pairs]);
  assert.equal(out.length, 256);
  assert.deepEqual([out[0], out[1], out[32], out[254], out[255]], [1.5 * 2 * 7 + 2 * 3, 6, 0, 2 * 37, 1.5 * 25 * 11 + 2 * 37]);
});

test('Q6_K: high bits over low halves, signed scales', () => {
  const block = new Uint8Array(210);
  block[0] = 0xa5; // element 0 low, element 64 high
  block[128] = 0b00_10_00_01; // 1 for element 0, 2 for element 64
  block.set([3, 0, 0, 0, 0xff], 192); // 3 for elements 0-15, -1 for 64-79
  block.set(ONE_AND_A_HALF, 208);
  const out = dequantise('Q6_K', block);
  assert.deepEqual([out[0], out[1], out[64], out[65]], [1.5 * 3 * (16 + 5 - 32), 1.5 * 3 * -32, -1.5 * (32 + 10 - 32), 1.5 * 32]);
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

const cases = JSON.parse(fs.readFileSync(new URL('../../test/fixtures/gguf/blocks.json', import.meta.url), 'utf8')) as { type: string; blocks: string; values?: string; sha256?: string }[];
for (const { type, blocks, values, sha256 } of cases) {
  test(`${type} equals Python's gguf bit for bit`, () => {
    const bytes = Buffer.from(blocks, 'base64');
    const format = formats.get(type)!;
    assert.equal(bytes.length % format.bytesPerBlock, 0);
    const out = dequantise(type, bytes);
    assert.equal(out.length, (bytes.length / format.bytesPerBlock) * format.blockSize);
    const outBytes = Buffer.from(out.buffer, out.byteOffset, out.byteLength);
    if (values !== undefined) assert.equal(outBytes.toString('base64'), values);
    else assert.equal(createHash('sha256').update(outBytes).digest('hex'), sha256);
  });
}

test('the fixture covers every format', () => {
  assert.deepEqual(cases.map(({ type }) => type).sort(), [...formats.keys()].sort());
});
