import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { FileFormatError, InputError, NotFoundError } from '../errors.ts';
import type { TensorEntry } from './dtype.ts';
import { openSafetensors } from './safetensors.ts';
import { safetensorsSize, writeSafetensors } from './write-safetensors.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tsrl-safetensors-'));
after(() => fs.rmSync(folder, { recursive: true }));

let count = 0;
const fresh = (): string => path.join(folder, `${count++}.safetensors`);

/** A file out of a header (object or text) and data; `length` lies about the header where it is given. */
function file(header: unknown, data: Uint8Array = new Uint8Array(0), length?: bigint): string {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const at = fresh();
  fs.writeFileSync(at, Buffer.concat([new Uint8Array(BigUint64Array.of(length ?? BigInt(json.length)).buffer), json, data]));
  return at;
}

const f32 = (shape: number[], begin: number, end: number) => ({ dtype: 'F32', shape, data_offsets: [begin, end] });

test('reads a hand-made file: names, dtypes, shapes, bytes', () => {
  const data = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  const opened = openSafetensors(file({ __metadata__: { format: 'pt' }, b: f32([1, 2], 0, 8), a: { dtype: 'BOOL', shape: [2], data_offsets: [8, 10] }, none: f32([0, 3], 8, 8) }, data));
  assert.deepEqual(opened.names(), ['b', 'a', 'none']);
  assert.deepEqual(opened.info('b'), { dtype: 'float32', shape: [1, 2] });
  assert.deepEqual([...opened.read('b').bytes], [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.deepEqual(opened.read('a'), { dtype: 'bool', shape: [2], bytes: Uint8Array.of(9, 10) });
  assert.equal(opened.read('none').bytes.length, 0);
  assert.throws(() => opened.read('c'), NotFoundError);
  opened.close();
});

test('reads some rows', () => {
  const opened = openSafetensors(file({ a: { dtype: 'BF16', shape: [3, 2, 1], data_offsets: [0, 12] }, b: { dtype: 'U8', shape: [2], data_offsets: [12, 14] } }, Uint8Array.from({ length: 14 }, (_, i) => i)));
  assert.deepEqual(opened.read('a', { start: 1, end: 3 }), { dtype: 'bfloat16', shape: [2, 2, 1], bytes: Uint8Array.of(4, 5, 6, 7, 8, 9, 10, 11) });
  assert.deepEqual(opened.read('b', { start: 1, end: 2 }), { dtype: 'uint8', shape: [1], bytes: Uint8Array.of(13) });
  for (const [start, end] of [[-1, 1], [2, 4], [2, 2]] as const) assert.throws(() => opened.read('a', { start, end }), InputError);
  opened.close();
});

const eight = new Uint8Array(8);
const faults: [string, () => string, RegExp][] = [
  ['an empty file', () => { const at = fresh(); fs.writeFileSync(at, ''); return at; }, /at least 8 bytes, got 0/],
  ['an absurd header length', () => file({}, eight, 1n << 63n), /at most 100000000 bytes, got a header length of 9223372036854775808/],
  ['a header past the end', () => file({}, eight, 99_999n), /99999-byte header inside the file/],
  ['a header that is not JSON', () => file('{"a":', eight), /not JSON/],
  ['a header that is an array', () => file('[1]', eight), /got an array/],
  ['a header that is not UTF-8', () => { const at = file('{"a": 1}'); const bytes = fs.readFileSync(at); bytes[10] = 0xff; fs.writeFileSync(at, bytes); return at; }, /UTF-8/],
  ['a float of eight bits', () => file({ a: { dtype: 'F8_E4M3', shape: [8], data_offsets: [0, 8] } }, eight), /dtype out of F64.*got "F8_E4M3"; take the model in BF16, F16 or F32/],
  ['an unknown dtype', () => file({ a: { dtype: 'F7', shape: [8], data_offsets: [0, 8] } }, eight), /dtype out of F64.*got "F7"; fetch or convert/],
  ['lists nested without end', () => file(`{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, eight), /an object for tensor `a`, got \[object Array\]/],
  ['a name as long as the file', () => file({ ['a'.repeat(100_000)]: 3 }, eight), /^.{300,800}$/],
  ['a dtype named like a property of objects', () => file({ a: { dtype: 'constructor', shape: [8], data_offsets: [0, 8] } }, eight), /dtype out of/],
  ['a negative size', () => file({ a: f32([-2], 0, 8) }, eight), /shape of whole numbers/],
  ['an entry that is no object', () => file({ a: 3 }, eight), /an object for tensor `a`/],
  ['one offset', () => file({ a: { dtype: 'F32', shape: [2], data_offsets: [8] } }, eight), /two data offsets/],
  ['offsets out of the file', () => file({ a: f32([4], 0, 16) }, eight), /inside the 8 bytes/],
  ['offsets in the wrong order', () => file({ a: f32([0], 8, 0) }, eight), /inside the 8 bytes/],
  ['a shape that does not fit its bytes', () => file({ a: f32([3], 0, 8) }, eight), /12 bytes \(F32 of shape \[3\]\).*got 8/],
  ['overlapping tensors', () => file({ a: f32([2], 0, 8), b: f32([1], 4, 8) }, eight), /tensor `b` at data offset 8, got an overlap/],
  ['a hole', () => file({ a: f32([1], 4, 8) }, eight), /a hole of 4 bytes/],
  ['bytes that belong to no tensor', () => file({ a: f32([1], 0, 4) }, eight), /as its header says/],
  ['a name twice', () => file(`{"a":${JSON.stringify(f32([1], 0, 4))},"a":${JSON.stringify(f32([1], 4, 8))}}`, eight), /`a` twice/],
  ['a name twice in two spellings', () => file(`{"a":${JSON.stringify(f32([1], 0, 4))},"\\u0061":${JSON.stringify(f32([1], 4, 8))}}`, eight), /`a` twice/],
];
for (const [what, make, message] of faults) {
  test(`refuses ${what}`, () => {
    const at = make();
    assert.throws(() => openSafetensors(at), (error: unknown) => {
      assert.ok(error instanceof FileFormatError);
      assert.match(error.message, message);
      assert.equal(error.data['file'], at);
      return true;
    });
  });
}

test('a truncated file is refused when it is opened', async () => {
  const at = fresh();
  await writeSafetensors(at, [entry('a', 'float32', [100])]);
  fs.truncateSync(at, fs.statSync(at).size - 1);
  assert.throws(() => openSafetensors(at), /inside the 399 bytes of data/);
});

function entry(name: string, dtype: TensorEntry['dtype'], shape: number[], seed = 1): TensorEntry {
  const bytes = { float64: 8, float32: 4, bfloat16: 2, float16: 2, int64: 8, int32: 4, uint8: 1, bool: 1 }[dtype];
  const length = shape.reduce((a, b) => a * b, 1) * bytes;
  return { name, dtype, shape, bytes: () => Uint8Array.from({ length }, (_, i) => (i * 7 + seed) & 255) };
}

test('what is written is read back, every dtype aligned to its element', async () => {
  const entries = [entry('odd', 'uint8', [3]), entry('f', 'float32', [2, 3], 2), entry('wide', 'int64', [], 3), entry('h', 'bfloat16', [5], 4), entry('flag', 'bool', [1], 5), entry('d', 'float64', [2]), entry('half', 'float16', [1]), entry('i', 'int32', [1])];
  const at = fresh();
  await writeSafetensors(at, entries);
  const bytes = fs.readFileSync(at);
  assert.equal(bytes.length, safetensorsSize(entries));
  const headerLength = Number(bytes.readBigUInt64LE(0));
  assert.equal(headerLength % 8, 0);
  const header = JSON.parse(bytes.subarray(8, 8 + headerLength).toString()) as Record<string, { data_offsets: number[] }>;
  assert.deepEqual(header['__metadata__'], { format: 'pt' });
  assert.deepEqual(Object.keys(header), ['__metadata__', 'wide', 'd', 'f', 'i', 'h', 'half', 'odd', 'flag']);
  assert.equal(header['f']!.data_offsets[0]! % 4, 0);
  const opened = openSafetensors(at);
  for (const one of entries) assert.deepEqual(opened.read(one.name), { dtype: one.dtype, shape: one.shape, bytes: one.bytes() });
  opened.close();
});

test('a failed write leaves the old file and no other', async () => {
  const at = path.join(fs.mkdtempSync(path.join(folder, 'w-')), 'model.safetensors');
  await writeSafetensors(at, [entry('a', 'uint8', [4])]);
  const before = fs.readFileSync(at);
  await assert.rejects(writeSafetensors(at, [{ ...entry('a', 'float32', [4]), bytes: () => new Uint8Array(3) }]), /give 16 bytes.*got 3/);
  await assert.rejects(writeSafetensors(at, [entry('a', 'uint8', [1]), entry('a', 'uint8', [1])]), InputError);
  assert.deepEqual(fs.readFileSync(at), before);
  assert.deepEqual(fs.readdirSync(path.dirname(at)), ['model.safetensors']);
});

async function sharded(index: unknown): Promise<string> {
  const at = fs.mkdtempSync(path.join(folder, 's-'));
  await writeSafetensors(path.join(at, 'one.safetensors'), [entry('a', 'float32', [2], 1)]);
  await writeSafetensors(path.join(at, 'two.safetensors'), [entry('b', 'float32', [2], 9), entry('extra', 'uint8', [1])]);
  fs.writeFileSync(path.join(at, 'model.safetensors.index.json'), typeof index === 'string' ? index : JSON.stringify(index));
  return at;
}

test('reads shards through their index', async () => {
  const opened = openSafetensors(await sharded({ weight_map: { b: 'two.safetensors', a: 'one.safetensors' } }));
  assert.deepEqual(opened.names(), ['b', 'a']);
  assert.equal(opened.read('b').bytes[0], 9);
  assert.equal(opened.read('a').bytes[0], 1);
  assert.throws(() => opened.info('extra'), NotFoundError);
  opened.close();
});

const indexFaults: [string, unknown, RegExp][] = [
  ['without a map', {}, /an object `weight_map`/],
  ['that is not JSON', '{', /not JSON/],
  ['that names a path outside', { weight_map: { a: '../one.safetensors' } }, /a plain file name/],
  ['that names a missing shard', { weight_map: { a: 'three.safetensors' } }, /three\.safetensors.*ENOENT/],
  ['that names the wrong shard', { weight_map: { a: 'two.safetensors' } }, /tensor `a` in two\.safetensors, got a shard without it/],
  ['with a name twice', '{"weight_map": {"a": "one.safetensors", "a": "two.safetensors"}}', /`a` twice/],
];
for (const [what, index, message] of indexFaults) {
  test(`refuses an index ${what}`, async () => {
    const at = await sharded(index);
    assert.throws(() => openSafetensors(at), message);
  });
}

test('says what is missing', () => {
  assert.throws(() => openSafetensors(folder), /model\.safetensors or model\.safetensors\.index\.json, got neither/);
  assert.throws(() => openSafetensors(path.join(folder, 'nothing.safetensors')), NotFoundError);
});
