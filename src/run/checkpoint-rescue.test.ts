import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { tensor } from '../tensor/tensor.ts';
import * as ops from '../tensor/ops.ts';
import { scope } from '../tensor/scope.ts';
import { openSafetensors } from '../weights/safetensors.ts';
import { lendTensors, rescueWeights } from './checkpoint-rescue.ts';

const folder = mkdtempSync(join(tmpdir(), 'tsrl-rescue-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** What a save of two tensors holds besides them. */
function described(loan: number): string {
  return JSON.stringify({ loan, saved: [{ name: 'a', dtype: 'float32' }, { name: 'b', dtype: 'bfloat16' }], config: { model_type: 'llama' }, generationConfig: null, tokenizerFiles: { tokenizerJson: { x: 1 }, tokenizerConfig: {} } });
}

test('lent tensors are saved as they are now, not as they were lent', async () => {
  const [a, b] = [tensor([1, 2, 3]), tensor([4, 5, 6, 7], [2, 2])];
  const other = lendTensors([b, a]);
  const { loan, takeBack } = lendTensors([a, b]);
  scope(() => void ops.add_(a, tensor([10, 10, 10])));
  await rescueWeights(folder, 3, described(loan));
  const file = openSafetensors(join(folder, 'step-000003'));
  // 4, 5, 6 and 7 in bfloat16: the upper halves of their float32.
  const [numbers, halves] = [new Float32Array(new Uint8Array(file.read('a').bytes).buffer), new Uint16Array(new Uint8Array(file.read('b').bytes).buffer)];
  assert.deepEqual([[...numbers], [...halves], file.info('b')], [[11, 12, 13], [0x4080, 0x40a0, 0x40c0, 0x40e0], { dtype: 'bfloat16', shape: [2, 2] }]);
  file.close();
  assert.equal(readFileSync(join(folder, 'step-000003', 'tokenizer.json'), 'utf8'), '{\n  "x": 1\n}\n');
  takeBack();
  await assert.rejects(rescueWeights(folder, 4, described(loan)), /Expected 2 lent tensors, got 0/);
  assert.ok(!existsSync(join(folder, 'step-000004')));
  other.takeBack();
  for (const one of [a, b]) one.dispose();
});

test('before the first update there is nothing to save', async () => {
  await rescueWeights(join(folder, 'none'), 0, described(99));
  assert.ok(!existsSync(join(folder, 'none')));
});
