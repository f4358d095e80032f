import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configDocument } from './config.ts';

test('everything becomes plain JSON', () => {
  const loop: Record<string, unknown> = {};
  loop.self = loop;
  const document = configDocument(
    { n: 1, off: null, infinite: Infinity, when: new Date(0), re: /x/, big: 3n, loop, ['list']: [1, () => 0], model: new Map() },
    {},
  );
  assert.deepEqual(JSON.parse(JSON.stringify(document)), {
    n: 1,
    off: null,
    infinite: 'Infinity',
    when: '1970-01-01T00:00:00.000Z',
    re: '[RegExp]',
    big: '3',
    loop: { self: '[circular]' },
    list: [1, '[function anonymous]'],
    model: '[Map]',
  });
});

test('a function that says what it was made of is written so', () => {
  const reward = Object.assign(() => 0, { toJSON: () => ({ builtin: 'length', parameters: { target: 50, check: () => true, apiKey: 'x1' } }) });
  assert.deepEqual(configDocument({ reward }, {}), { reward: { builtin: 'length', parameters: { target: 50, check: '[function check]', apiKey: '[redacted]' } } });
});

test('an object that says what it was made of is written so, one whose column has that name is not asked', () => {
  const reward = Object.defineProperty({ name: 'pairs' }, 'toJSON', { value: () => ({ builtin: 'pairs', parameters: { most: 3 } }) });
  assert.deepEqual(configDocument({ reward, row: { toJSON: 'text' } }, {}), { reward: { builtin: 'pairs', parameters: { most: 3 } }, row: { toJSON: 'text' } });
});

test('a long list is its length and a hash that depends on its content', () => {
  const rows = Array.from({ length: 100 }, (_, i) => ({ i }));
  const { dataset } = configDocument({ dataset: rows }, {});
  assert.match(String(dataset), /^\[100 items, sha256 [0-9a-f]{64}\]$/);
  assert.notEqual(configDocument({ dataset: [...rows.slice(1), { i: -1 }] }, {}).dataset, dataset);
  assert.equal(configDocument({ dataset: rows }, {}).dataset, dataset);
});

test('secrets are hidden by key, by shape and by the environment', () => {
  const hub = `hf_${'a'.repeat(34)}`;
  const document = configDocument(
    {
      token: 'x1',
      HF_TOKEN: 'x2',
      hubToken: 'x3',
      apiKey: 'x4',
      'api-key': 'x5',
      nested: [{ clientSecret: 'x6', headers: { Authorization: 'x7' } }],
      note: `use ${hub} here`,
      judge: `sk-${'b'.repeat(20)}`,
      header: 'Bearer abc.def',
      url: 'https://me:pass@host/x?a=1&token=deadbeef&b=2',
      command: 'run --key swordfish99 now',
    },
    { JUDGE_API_KEY: 'swordfish99', PATH: '/bin:/usr/bin', EMPTY_TOKEN: '' },
  );
  const text = JSON.stringify(document);
  for (const secret of ['x1', 'x2', 'x3', 'x4', 'x5', 'x6', 'x7', hub, 'bbbbbbbb', 'abc.def', 'pass@', 'deadbeef', 'swordfish99']) {
    assert.ok(!text.includes(secret), `${secret} in ${text}`);
  }
  assert.equal(document.url, 'https://[redacted]@host/x?a=1&token=[redacted]&b=2');
  assert.equal(document.note, 'use [redacted] here');
});

test('options whose names only look like secrets stay', () => {
  const config = { maxTokens: 5, eosToken: '</s>', padTokenId: 0, addSpecialTokens: true, microBatch: { tokens: 512 }, importanceSampling: 'token', token: null };
  assert.deepEqual(configDocument(config, {}), config);
});
