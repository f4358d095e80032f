import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FileFormatError } from '../errors.ts';
import { liveTensors } from '../tensor/scope.ts';
import { openCheckpoint } from '../weights/checkpoint.ts';
import { openAdapter, readAdapter } from './adapter-files.ts';
import { disposeDecoder, readDecoder } from './decoder.ts';
import type { Decoder } from './decoder.ts';

const fixture = fileURLToPath(new URL('../../test/fixtures/lora/plain', import.meta.url));
let folder: string;
let base: Decoder;
before(async () => {
  folder = join(mkdtempSync(join(tmpdir(), 'tsrl-adapter-')), 'adapter');
  cpSync(fixture, folder, { recursive: true });
  const checkpoint = openCheckpoint({ kind: 'folder', path: fileURLToPath(new URL('../../test/fixtures/model/families/llama3', import.meta.url)) });
  base = await readDecoder(checkpoint.config, checkpoint, 'float32');
  checkpoint.close();
});
after(() => {
  disposeDecoder(base);
  rmSync(join(folder, '..'), { recursive: true });
});

/** The adapter with other fields in its config. */
function changed(fields: Record<string, unknown>): ReturnType<typeof openAdapter> {
  const config = JSON.parse(readFileSync(join(fixture, 'adapter_config.json'), 'utf8')) as Record<string, unknown>;
  writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify({ ...config, ...fields }));
  return openAdapter(folder);
}

test('a folder without an adapter gives null', () => assert.equal(openAdapter(join(folder, '..')), null));

test('what would change the numbers and is not read is refused by its name', () => {
  for (const [name, value] of Object.entries({
    peft_type: 'IA3', bias: 'all', rank_pattern: { q_proj: 2 }, alpha_pattern: { q_proj: 2 }, layers_to_transform: [0], fan_in_fan_out: true, lora_bias: true,
    init_lora_weights: 'pissa', r: 0, lora_dropout: 1, lora_alpha: 'x', target_modules: null, modules_to_save: [1], use_qalora: true,
  })) {
    assert.throws(() => changed({ [name]: value }), (error) => error instanceof FileFormatError && error.message.includes(`\`${name}\``) && error.message.endsWith("merge this adapter with Python's peft and load the result."), name);
  }
  assert.equal(changed({})!.base, 'llama3');
  assert.equal(changed({ base_model_name_or_path: '' })!.base, null);
});

test('an adapter that does not fit its config or the network is refused, and leaves nothing behind', () => {
  const live = liveTensors();
  const read = (fields: Record<string, unknown>) => () => readAdapter(changed(fields)!, base, 'llama3');
  assert.throws(read({ r: 5 }), /to have shape \[5, 16\] as the base and adapter_config\.json say, got \[4, 16\]; the adapter belongs to another model/);
  assert.throws(read({ use_dora: true }), /to hold `base_model\.model\.\S+\.lora_magnitude_vector`, got none/);
  assert.throws(read({ target_modules: ['q_proj'] }), /to hold only what its adapter_config\.json names, got `base_model\.model\.\S+`/);
  assert.equal(liveTensors(), live);
});
