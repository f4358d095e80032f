import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOf, gigabytes, memorySize } from './memory-size.ts';

test('sizes of memory', () => {
  assert.deepEqual(['8GB', '7.5 GiB', '900mb', '3kB', '1TB', 5].map(bytesOf), [8e9, 8_053_063_680, 9e8, 3000, 1e12, 5]);
  for (const wrong of ['8', 'GB', '-1GB', '8 gigs', '8GBs', '']) assert.doesNotMatch(wrong, memorySize);
  assert.deepEqual([3.2491e9, 1.2e8, 128e9, 9e14].map(gigabytes), ['3.25 GB', '0.120 GB', '128 GB', '900000 GB']);
});
