import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { writeTinyModel } from '../../scripts/tiny-model.ts';
import { native } from '../tensor/binding.ts';
import { liveTensors } from '../tensor/scope.ts';
import { stopIds } from '../text/stop-ids.ts';
import { bytesPerNumber, chooseDevice, chooseDType, disposeModel, loadNetwork, openModel, savedBytes, saveModel } from './load.ts';
import { valuesOf } from './weight.ts';

// The network is too small for a second thread.
native().setThreads(1);

let root: string;
let folder: string;
before(async () => {
  root = mkdtempSync(join(tmpdir(), 'tsrl-load-'));
  folder = await writeTinyModel(join(root, 'tiny'));
});
after(() => rmSync(root, { recursive: true }));

const json = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;

test('a folder becomes a network with its tokenizer, and says what it computes in', async () => {
  const live = liveTensors();
  const lines: string[] = [];
  const model = await loadNetwork(folder, { onMessage: (line) => lines.push(line) });
  assert.deepEqual([model.reference, model.decoder.dtype, model.decoder.attention, model.tokenizer.eosId], [folder, 'float32', 'sdpa', 258]);
  assert.equal(model.decoder.head, model.decoder.embedding);
  assert.ok(lines.some((line) => line.startsWith('computing in float32 on the CPU')), lines.join());
  const eager = await loadNetwork(folder, { attention: 'eager', dtype: 'bfloat16' });
  assert.deepEqual([eager.decoder.attention, eager.decoder.dtype], ['eager', 'bfloat16']);
  disposeModel(model);
  disposeModel(eager);
  assert.equal(liveTensors(), live);
});

test('what is saved is the same model: bits of the weights, tokenizer, config with the dtype of the file', async () => {
  const model = await loadNetwork(folder);
  const saved = join(root, 'saved');
  // transformers 5 writes the dtype as `dtype`, and believes it over `torch_dtype`.
  await saveModel(saved, { ...model, config: { ...model.config, dtype: 'bfloat16' } });
  assert.deepEqual(json(join(saved, 'config.json')), model.config);
  assert.deepEqual(readFileSync(join(saved, 'model.safetensors')), readFileSync(join(folder, 'model.safetensors')));
  for (const name of ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json']) assert.deepEqual(json(join(saved, name)), json(join(folder, name)));

  const half = join(root, 'half');
  await saveModel(half, model, 'bfloat16');
  assert.equal(json(join(half, 'config.json'))['torch_dtype'], 'bfloat16');
  const again = await loadNetwork(half, { dtype: 'bfloat16' });
  const [wide, narrow] = [valuesOf(model.decoder.head).toArray() as Float32Array, valuesOf(again.decoder.head).toArray() as Float32Array];
  assert.ok(wide.every((x, i) => Math.abs(x - narrow[i]!) <= Math.abs(x) / 256));
  assert.ok(wide.some((x, i) => x !== narrow[i]));
  assert.equal(savedBytes(model, null), 2 * savedBytes(model, 'bfloat16'));
  disposeModel(model);
  disposeModel(again);
});

test('what is saved carries the stop ids, also where the base had no generation config', async () => {
  const chat = await writeTinyModel(join(root, 'chat'));
  // The model ends its turn with another id than its tokenizer's 258.
  writeFileSync(join(chat, 'config.json'), JSON.stringify({ ...json(join(chat, 'config.json')), eos_token_id: 256 }));
  writeFileSync(join(chat, 'generation_config.json'), JSON.stringify({ top_p: 0.9, eos_token_id: [257, 256] }));
  const bare = await writeTinyModel(join(root, 'bare'));
  rmSync(join(bare, 'generation_config.json'));
  for (const [from, wanted] of [
    [chat, { top_p: 0.9, eos_token_id: [257, 256, 258] }],
    [bare, { bos_token_id: 257, eos_token_id: 258, pad_token_id: 256 }],
  ] as const) {
    const model = await loadNetwork(from);
    await saveModel(join(from, 'saved'), model);
    assert.deepEqual(json(join(from, 'saved', 'generation_config.json')), wanted);
    const again = await loadNetwork(join(from, 'saved'));
    assert.deepEqual(stopIds(again), stopIds(model));
    disposeModel(model);
    disposeModel(again);
  }
});

test('what is wrong with a config is found before weights are read', async () => {
  const broken = await writeTinyModel(join(root, 'broken'));
  writeFileSync(join(broken, 'config.json'), JSON.stringify({ ...json(join(broken, 'config.json')), model_type: 'rwkv' }));
  await assert.rejects(openModel(broken), { name: 'InputError', message: /one of llama, .*olmo2, got "rwkv"/ });
  writeFileSync(join(broken, 'config.json'), JSON.stringify({ ...json(join(folder, 'config.json')), num_hidden_layers: 3 }));
  const live = liveTensors();
  await assert.rejects(loadNetwork(broken), { name: 'FileFormatError', message: /to hold `model\.layers\.2\.input_layernorm\.weight`, got none/ });
  assert.equal(liveTensors(), live);
});

test('nothing is written where nothing can be', async () => {
  const model = await loadNetwork(folder);
  const file = join(root, 'file');
  writeFileSync(file, '');
  await assert.rejects(saveModel(join(file, 'inside'), model), { name: 'InputError' });
  assert.ok(!existsSync(join(file, 'inside')));
  disposeModel(model);
});

test('devices and dtypes that are not there are refused', () => {
  assert.equal(chooseDevice('auto'), 'cpu');
  assert.throws(() => chooseDevice('cuda'), /'auto' or 'cpu', got "cuda"/);
  assert.deepEqual(chooseDType('bfloat16'), { dtype: 'bfloat16', reason: 'as asked' });
  assert.equal(bytesPerNumber('float16'), 2);
  assert.throws(() => bytesPerNumber('int64'), /to be a floating type, got "int64"/);
});
