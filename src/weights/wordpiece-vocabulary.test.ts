import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Tokenizer } from '../text/tokenizer.ts';
import { readTokenizerFiles } from './checkpoint.ts';
import { filesToFetch, missingFiles } from './hub-files.ts';
import { bertTokenizerJson } from './wordpiece-vocabulary.ts';

type Json = Record<string, unknown>;

const fixtures = fileURLToPath(new URL('../../test/fixtures/reward-models', import.meta.url));
const json = (path: string) => JSON.parse(readFileSync(join(fixtures, path), 'utf8')) as Json;
const { vocab } = json('bert/tokenizer.json')['model'] as { vocab: Record<string, number> };
const text = Object.keys(vocab).sort((a, b) => vocab[a]! - vocab[b]!).join('\n');

for (const { config, tokenizer } of json('bert-vocabularies.json') as unknown as { config: Json; tokenizer: Json & { model: Json } }[]) {
  test(`gives the tokenizer of transformers: ${JSON.stringify(config)}`, () => {
    for (const written of [`${text}\n`, text, text.replaceAll('\n', '\r\n')]) {
      assert.deepEqual(bertTokenizerJson(written, config), { ...tokenizer, model: { ...tokenizer.model, vocab } });
    }
  });
}

test('names the special token that a vocabulary lacks', () => {
  assert.throws(() => bertTokenizerJson('[PAD]\n[UNK]\n[CLS]\n[SEP]', {}), { name: 'FileFormatError', message: /special token \[MASK\], got 4 others/ });
});

test('a folder with vocab.txt in place of tokenizer.json tokenizes as with it; of other models vocab.txt is not taken', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tsrl-vocabulary-'));
  try {
    cpSync(join(fixtures, 'bert'), folder, { recursive: true });
    const whole = new Tokenizer(readTokenizerFiles(folder));
    rmSync(join(folder, 'tokenizer.json'));
    assert.deepEqual(missingFiles(folder, true), ['tokenizer.json']);
    const config = (settings: Json) => writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(settings));
    writeFileSync(join(folder, 'vocab.txt'), text);
    assert.deepEqual(missingFiles(folder, true), []);
    config({});
    const made = new Tokenizer(readTokenizerFiles(folder));
    for (const said of ['Is Zürich far?', 'the joke [SEP] 中文', '']) assert.deepEqual(made.encode(said), whole.encode(said));
    assert.deepEqual(made.specialIds, whole.specialIds);
    config({ tokenizer_class: 'MPNetTokenizer' });
    assert.throws(() => readTokenizerFiles(folder), { name: 'NotFoundError', message: /to hold tokenizer\.json/ });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('vocab.txt is fetched where there is no tokenizer.json', () => {
  const fetched = (...names: string[]) => filesToFetch(new Set(['config.json', 'tokenizer_config.json', 'model.safetensors', ...names]), { repository: 'org/name', revision: 'main' }, 'https://hub', true).small;
  assert.deepEqual(fetched('vocab.txt'), ['config.json', 'vocab.txt', 'tokenizer_config.json']);
  assert.deepEqual(fetched('vocab.txt', 'tokenizer.json'), ['config.json', 'tokenizer.json', 'tokenizer_config.json']);
  assert.throws(() => fetched(), /tokenizer\.json/);
});
