import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { all, bytesSource } from '../../test/bytes-source.ts';
import { FileFormatError, InputError } from '../errors.ts';
import { fileSource } from './byte-source.ts';
import { converterOf } from './parquet-values.ts';
import { parquetRows } from './parquet.ts';
import { originOf } from './row.ts';
import type { Row } from './row.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../../test/fixtures/parquet/${name}`, import.meta.url));
const written = (name: string): Row[] => JSON.parse(readFileSync(fixture(`${name}.json`), 'utf8')) as Row[];

async function read(name: string, columns?: readonly string[]): Promise<Row[]> {
  const source = await fileSource(fixture(`${name}.parquet`));
  try {
    return await all(parquetRows(source, columns));
  } finally {
    await source.close();
  }
}

/** Bytes as the list of numbers that JSON has of them. */
function asJson(rows: readonly Row[]): Row[] {
  return rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value instanceof Uint8Array ? [...value] : value])));
}

for (const name of ['none', 'snappy', 'gzip', 'brotli', 'zstd', 'lz4', 'plain', 'page-v2', 'small-pages']) {
  test(`messages, lists, nulls, dictionaries, several row groups as Python wrote them: ${name}`, async () => {
    assert.deepEqual(await read(name), written('questions'));
  });
}

for (const name of ['delta', 'nulls', 'kinds', 'kinds-old', 'map-keys', 'pandas']) {
  test(`every kind of value and encoding as Python reads it: ${name}`, async () => {
    assert.deepEqual(asJson(await read(name)), written(name));
  });
}

test('timestamps of 96 bits', async () => {
  assert.deepEqual(await read('int96'), [{ when: '2024-02-29T23:59:59.000007' }, { when: null }]);
});

test('the columns that are asked for, in that order, and rows know their place in the file', async () => {
  const rows = await read('snappy', ['loss', 'id']);
  assert.deepEqual(rows, written('questions').map(({ id, loss }) => ({ loss, id })));
  assert.deepEqual(Object.keys(rows[0]!), ['loss', 'id']);
  assert.deepEqual(originOf(rows[41]!), { file: fixture('snappy.parquet'), unit: 'row', number: 41 });
  await assert.rejects(read('snappy', ['question']), (error: unknown) => error instanceof InputError && /column `question`, got \["id","prompt","subject"/.test(error.message));
});

test('of columns that are not asked for nothing is read', async () => {
  const bytes = new Uint8Array(readFileSync(fixture('plain.parquet')));
  const readBytes = async (columns: readonly string[] | null): Promise<number> => {
    const reads: [number, number][] = [];
    await all(parquetRows(bytesSource(bytes, 'f', reads), columns));
    return reads.slice(1).reduce((sum, [start, end]) => sum + end - start, 0);
  };
  assert.ok((await readBytes(['id'])) < 1000);
  assert.ok((await readBytes(null)) > 8000);
});

test('a whole number that no JavaScript number holds is refused with its column and row; the rows before it are given', async () => {
  const source = await fileSource(fixture('beyond-safe.parquet'));
  const rows = parquetRows(source);
  assert.deepEqual((await rows.next()).value, { ok: 'a', big: 1 });
  assert.deepEqual((await rows.next()).value, { ok: 'b', big: 2 });
  await assert.rejects(rows.next(), (error: unknown) => {
    assert.ok(error instanceof FileFormatError);
    assert.match(error.message, /^Expected `.*beyond-safe\.parquet` to hold values that fit a row, got the whole number 9007199254740992, .* \(column `big`, row 2\); write the column as text/);
    assert.deepEqual([error.data['column'], error.data['row']], ['big', 2]);
    return true;
  });
  await source.close();
  assert.deepEqual(await read('beyond-safe', ['ok']), [{ ok: 'a' }, { ok: 'b' }, { ok: 'c' }]);
});

test('text that is not UTF-8 is refused, not mended', async () => {
  await assert.rejects(read('not-utf8'), { name: 'FileFormatError', message: /not UTF-8 \(column `text`, row 1\)/ });
});

const refusals: [name: string, got: RegExp, rest: boolean][] = [
  ['same-names', /got two columns of that name \(column `a`\); write the file anew with names of their own/, true],
  ['same-fields', /got two parts called s\.a \(column `s`\)/, true],
  ['same-paths', /got two parts called s\.a\.b \(column `s`\)/, true],
  ['proto', /got a part called __proto__ \(column `__proto__`\)/, true],
  ['map-of-bytes', /got a map whose keys are bytes \(column `m`, row 0\)/, true],
  ['encrypted-column', /to be readable without a key, got encryption of the column `a`; write it without, or choose the other columns/, true],
  ['encrypted-footer', /to be readable without a key, got encryption of its footer; write it without\.$/, false],
  ['no-columns', /to have columns, got none; write it with at least one\.$/, false],
];
for (const [name, got, rest] of refusals) {
  test(`refused, and not read wrongly: ${name}`, async () => {
    await assert.rejects(read(name), (error: unknown) => error instanceof FileFormatError && got.test(error.message));
    if (rest) assert.deepEqual(await read(name, ['b']), [{ b: 'c' }]);
  });
}

// gzip has a checksum of its own.
for (const name of ['checksums', 'gzip']) {
  test(`where there are checksums, a flipped bit in a page is refused or changes nothing: ${name}`, async () => {
    const whole = new Uint8Array(readFileSync(fixture(`${name}.parquet`)));
    const rows = await read(name);
    const footer = whole.length - 8 - new DataView(whole.buffer).getUint32(whole.length - 8, true);
    let refused = 0;
    for (let i = 4; i < footer; i += 7) {
      const bytes = whole.slice();
      bytes[i]! ^= 1 << (i % 8);
      const got = await all(parquetRows(bytesSource(bytes))).catch((error: unknown) => {
        assert.ok(error instanceof FileFormatError, String(error));
        return null;
      });
      if (got === null) refused += 1;
      else assert.deepEqual(got, rows, `bit ${i % 8} of byte ${i}`);
    }
    assert.ok(refused > footer / 14, `${refused} of ${footer / 7}`);
  });
}

test('a page that refers to more values than there are is refused, not filled with null', () => {
  const element = { name: 'a', type: 'INT32', repetition_type: 'OPTIONAL' } as const;
  const convert = converterOf({ count: 1, element, children: [], path: ['a'] });
  assert.equal(convert(null), null);
  assert.throws(() => convert(undefined), /fewer values/);
});

test('a damaged file is refused or read, and never ends in another error', async () => {
  const whole = new Uint8Array(readFileSync(fixture('small-pages.parquet')));
  const damaged = [new Uint8Array(0), whole.slice(0, 3), whole.slice(0, -1), whole.slice(100), Uint8Array.from([...whole.slice(0, 50), ...whole.slice(51)])];
  for (let i = 0; i < 400; i++) {
    const bytes = whole.slice();
    bytes[(i * 7919) % bytes.length]! ^= 1 << (i % 8);
    damaged.push(bytes);
  }
  // Faults in two columns at once: each must be heard of.
  const zstd = new Uint8Array(readFileSync(fixture('zstd.parquet')));
  for (const [place, byte] of [[3247, 119], [9318, 140], [5930, 109]] as const) zstd[place] = byte;
  damaged.push(zstd);
  let refused = 0;
  for (const bytes of damaged) {
    try {
      const rows = await all(parquetRows(bytesSource(bytes)));
      for (const row of rows) assert.equal(Object.keys(row).length, 7);
    } catch (error) {
      assert.ok(error instanceof FileFormatError, String((error as Error).stack));
      assert.match(error.message, /^Expected `f` .*, got .*; .*\.$/s);
      refused += 1;
    }
  }
  assert.ok(refused > 100, String(refused));
});

test('memory stays flat over 200 row groups of 1 MB', async () => {
  const source = await fileSource(fixture('many-groups.parquet'));
  assert.ok(source.size < 100_000);
  global.gc?.();
  let [count, characters, most] = [0, 0, 0];
  const before = process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
  for await (const row of parquetRows(source)) {
    assert.equal(row['i'], count++);
    characters += (row['text'] as string).length;
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    most = Math.max(most, heapUsed + arrayBuffers - before);
  }
  await source.close();
  assert.equal(count, 2000);
  assert.ok(characters > 200e6);
  // What is not yet collected counts as well; all rows together would be 200 MB.
  assert.ok(most < 100e6, `${(most / 1e6).toFixed(0)} MB`);
});
