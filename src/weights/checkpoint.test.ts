import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { FileFormatError, InputError, NotFoundError, ResourceError } from '../errors.ts';
import { openCheckpoint, readTokenizerFiles } from './checkpoint.ts';
import type { TensorEntry } from './dtype.ts';
import { checkFreeDisk, saveCheckpoint } from './save.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tsrl-checkpoint-'));
after(() => fs.rmSync(folder, { recursive: true }));

const tokenizerFiles = readTokenizerFiles(new URL('../../test/fixtures/tokenizer/', import.meta.url).pathname);
const config = { model_type: 'llama', hidden_size: 8 };
const generationConfig = { eos_token_id: [1, 2] };
const tensors: TensorEntry[] = [
  { name: 'model.embed_tokens.weight', dtype: 'bfloat16', shape: [2, 2], bytes: () => Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
  { name: 'model.norm.weight', dtype: 'float32', shape: [1], bytes: () => Uint8Array.of(9, 9, 9, 9) },
];
const saved = async (name: string): Promise<string> => {
  const at = path.join(folder, name);
  await saveCheckpoint(at, { config, generationConfig, tokenizerFiles, tensors });
  return at;
};

test('what is saved is opened again, all of it', async () => {
  const at = path.join(folder, 'deep', 'round');
  const files = { ...tokenizerFiles, specialTokensMap: { eos_token: '<|im_end|>' }, chatTemplate: '{{ messages }}' };
  await saveCheckpoint(at, { config, generationConfig, tokenizerFiles: files, tensors });
  const checkpoint = openCheckpoint({ kind: 'folder', path: at });
  assert.deepEqual(checkpoint.config, config);
  assert.deepEqual(checkpoint.generationConfig, generationConfig);
  assert.deepEqual(checkpoint.tokenizerFiles(), files);
  assert.deepEqual(checkpoint.names().sort(), tensors.map(({ name }) => name));
  for (const { name, dtype, shape, bytes } of tensors) assert.deepEqual(checkpoint.read(name), { dtype, shape, bytes: bytes() });
  checkpoint.close();
  assert.deepEqual(fs.readdirSync(at).sort(), ['chat_template.jinja', 'config.json', 'generation_config.json', 'model.safetensors', 'special_tokens_map.json', 'tokenizer.json', 'tokenizer_config.json']);
});

test('no file is written that there was none of', async () => {
  const at = path.join(folder, 'few');
  await saveCheckpoint(at, { config, generationConfig: null, tokenizerFiles, tensors });
  assert.deepEqual(fs.readdirSync(at).sort(), ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json']);
  const checkpoint = openCheckpoint({ kind: 'folder', path: at });
  assert.equal(checkpoint.generationConfig, null);
  checkpoint.close();
});

test('a save that fails in the weights leaves no config.json, so the folder is not taken for a model', async () => {
  const at = path.join(folder, 'broken');
  const broken = [{ ...tensors[0]!, bytes: () => new Uint8Array(1) }];
  await assert.rejects(saveCheckpoint(at, { config, generationConfig, tokenizerFiles, tensors: broken }), InputError);
  assert.deepEqual(fs.readdirSync(at), []);
});

test('a folder that cannot be made is refused before anything is written', async () => {
  fs.writeFileSync(path.join(folder, 'file'), '');
  await assert.rejects(saveCheckpoint(path.join(folder, 'file', 'in'), { config, generationConfig, tokenizerFiles, tensors }), (error: unknown) => error instanceof InputError && /choose another folder/.test(error.message));
});

test('too little disk is said in bytes', async () => {
  await checkFreeDisk(folder, 1);
  await assert.rejects(checkFreeDisk(folder, Number.MAX_SAFE_INTEGER), (error: unknown) => {
    assert.ok(error instanceof ResourceError);
    assert.equal(error.data['needed'], Number.MAX_SAFE_INTEGER);
    assert.ok((error.data['free'] as number) > 0);
    return true;
  });
});

const faults: [string, string, (at: string) => void, new (...args: never[]) => Error, RegExp][] = [
  ['no config', 'no-config', (at) => fs.rmSync(path.join(at, 'config.json')), NotFoundError, /hold config\.json, got none; name the folder/],
  ['a GGUF in the folder', 'with-gguf', (at) => fs.renameSync(path.join(at, 'config.json'), path.join(at, 'm.gguf')), NotFoundError, /name the GGUF file itself: .*m\.gguf/],
  ['only pickled weights', 'pickled', (at) => fs.renameSync(path.join(at, 'model.safetensors'), path.join(at, 'pytorch_model.bin')), NotFoundError, /got only pytorch_model\.bin; convert it: python3 -c .*architectures\[0\]/],
  ['no weights', 'no-weights', (at) => fs.rmSync(path.join(at, 'model.safetensors')), NotFoundError, /got neither/],
  ['a broken config', 'broken-config', (at) => fs.writeFileSync(path.join(at, 'config.json'), '{'), FileFormatError, /config\.json.*not JSON/],
  ['a config that is a list', 'list-config', (at) => fs.writeFileSync(path.join(at, 'config.json'), '[]'), FileFormatError, /got an array/],
];
for (const [what, name, breakIt, kind, message] of faults) {
  test(`refuses a folder with ${what}`, async () => {
    const at = await saved(name);
    breakIt(at);
    assert.throws(() => openCheckpoint({ kind: 'folder', path: at }), (error: unknown) => error instanceof kind && message.test(error.message));
  });
}

test('a missing tokenizer is said when it is asked for', async () => {
  const at = await saved('no-tokenizer');
  fs.rmSync(path.join(at, 'tokenizer.json'));
  const checkpoint = openCheckpoint({ kind: 'folder', path: at });
  assert.throws(() => checkpoint.tokenizerFiles(), /hold tokenizer\.json, got none; make it: python3 -c "import transformers as t; t\.AutoTokenizer\.from_pretrained/);
  checkpoint.close();
});

test('a file that is no GGUF is refused', () => {
  const at = path.join(folder, 'not.gguf');
  fs.writeFileSync(at, 'this is not a model at all, is it?');
  assert.throws(() => openCheckpoint({ kind: 'gguf', path: at }), FileFormatError);
});
