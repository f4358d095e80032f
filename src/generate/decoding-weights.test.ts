import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tinyDecoder } from '../../test/fixtures/model/tiny-decoder.ts';
import { disposeDecoder } from '../model/decoder.ts';
import { plainProjections } from '../model/layers.ts';
import { valuesOf } from '../model/weight.ts';
import { noGrad } from '../tensor/autograd.ts';
import * as ops from '../tensor/ops.ts';
import { normals } from '../tensor/random.ts';
import { liveTensors, scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { decodingWeights } from './decoding-weights.ts';

function close(got: Tensor, wanted: Tensor): void {
  assert.deepEqual(got.shape, wanted.shape);
  const [a, b] = [Array.from(got.toArray(), Number), Array.from(wanted.toArray(), Number)];
  a.forEach((value, i) => assert.ok(Math.abs(value - b[i]!) < 5e-6, `at ${i}: ${value} is not ${b[i]}`));
}

for (const bias of [true, false]) {
  for (const rows of [1, 5, 40]) {
    test(`fused and packed is plain: ${bias ? 'with' : 'without'} biases, ${rows} rows`, async () => {
      const before = liveTensors();
      const decoder = tinyDecoder({ bias, trained: true });
      const weights = await decodingWeights(decoder);
      scope(() =>
        noGrad(() => {
          const input = (width: number) => tensor(normals(rows * width, 1, 2, width), [rows, width]);
          decoder.layers.forEach((layer, i) => {
            const [packed, plain] = [weights.layers[i]!, plainProjections(layer, decoder.config)];
            packed.queryKeyValue(input(24)).forEach((part, p) => close(part, plain.queryKeyValue(input(24))[p]!));
            packed.gateUp(input(24)).forEach((part, p) => close(part, plain.gateUp(input(24))[p]!));
            close(packed.output(input(40)), plain.output(input(40)));
            close(packed.down(input(40), input(40)), plain.down(input(40), input(40)));
          });
          close(weights.head(input(24)), ops.linear(input(24), valuesOf(decoder.head)));
        }),
      );
      weights.dispose();
      disposeDecoder(decoder);
      assert.equal(liveTensors(), before);
    });
  }
}

test('half precision is multiplied with the plain weights', async () => {
  const decoder = tinyDecoder();
  const weights = await decodingWeights({ ...decoder, dtype: 'bfloat16' });
  scope(() => {
    const x = tensor(normals(24, 1, 2, 0), [1, 24]);
    assert.deepEqual(weights.head(x).toArray(), ops.linear(x, valuesOf(decoder.head)).toArray());
  });
  weights.dispose();
  disposeDecoder(decoder);
});
