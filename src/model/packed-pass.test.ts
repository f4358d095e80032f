import assert from 'node:assert/strict';
import { test } from 'node:test';
import { distance, takeGradients } from '../../test/fixtures/model/gradients.ts';
import type { Gradients } from '../../test/fixtures/model/gradients.ts';
import { tinyDecoder } from '../../test/fixtures/model/tiny-decoder.ts';
import { grad } from '../tensor/autograd.ts';
import * as ops from '../tensor/ops.ts';
import { normals } from '../tensor/random.ts';
import { liveTensors, scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { disposeDecoder } from './decoder.ts';
import type { Decoder } from './decoder.ts';
import { attentionSettings } from './attention.ts';
import { decoderInputs } from './inputs.ts';
import { decoderLayer, plainProjections, rmsNorm } from './layers.ts';
import { disposeBatch, packTrees } from './packed-batch.ts';
import type { PackedBatch } from './packed-batch.ts';
import { treeAttention } from './tree-attention.ts';
import { hiddenStates, trainingPass } from './packed-pass.ts';
import { valuesOf } from './weight.ts';

const trees = [
  { prompt: [1, 2, 3, 4], completions: [[5, 6], [7], [8, 9, 10, 11]] },
  { prompt: [12, 1], completions: [[1, 2, 3]] },
];

const pack = (decoder: Decoder) => packTrees(trees, decoder.config.contextLength);
const upstream = (batch: PackedBatch) => tensor(normals(batch.predicted * 24, 1, 9, 0), [batch.predicted, 24]);

/** The whole network in one autograd graph, nothing cut. Call it inside a scope. */
function wholeGraph(decoder: Decoder, batch: PackedBatch): Tensor {
  const { config, layers } = decoder;
  const { rotary } = decoderInputs(decoder, batch.ids, batch.positions);
  const attention = attentionSettings(decoder);
  let x = ops.indexSelect(valuesOf(decoder.embedding), 0, batch.ids);
  layers.forEach((layer, i) => {
    x = decoderLayer(x, layer, plainProjections(layer, config), rotary[i]!, treeAttention(batch, attention[i]!), config);
  });
  return rmsNorm(ops.indexSelect(x, 0, batch.predictors), decoder.finalNorm, config.normEpsilon);
}

for (const checkpoint of [false, true]) {
  for (const attention of ['sdpa', 'eager'] as const) {
    test(`layer by layer is the whole graph at once: ${attention}, ${checkpoint ? 'computed again on the way back' : 'kept'}`, async () => {
      const before = liveTensors();
      const decoder = tinyDecoder({ trained: true, attention });
      const batch = pack(decoder);
      const gradient = upstream(batch);
      const pass = await trainingPass(decoder, batch, { checkpoint });
      const hidden = pass.hidden.toArray();
      await pass.backward(gradient);
      const cut = takeGradients(decoder);
      const untouched = await hiddenStates(decoder, batch);
      scope(() => {
        const whole = wholeGraph(decoder, batch);
        assert.deepEqual(hidden, whole.toArray());
        assert.deepEqual(hidden, untouched.toArray());
        const names = [...cut.keys()];
        assert.equal(names.length, decoder.trained.size - 1, 'all weights but the head');
        const wanted: Gradients = new Map();
        grad([whole], names.map((name) => decoder.trained.get(name)!), [gradient]).forEach((g, i) => wanted.set(names[i]!, g!.toArray() as Float32Array));
        const far = distance(wanted, cut);
        assert.ok(far < 5e-6, `${far}`);
      });
      untouched.dispose();
      gradient.dispose();
      disposeBatch(batch);
      disposeDecoder(decoder);
      assert.equal(liveTensors(), before);
    });
  }
}

async function gradientsOf(decoder: Decoder, checkpoint: boolean): Promise<Gradients> {
  const batch = pack(decoder);
  const gradient = upstream(batch);
  const pass = await trainingPass(decoder, batch, { checkpoint });
  await pass.backward(gradient);
  gradient.dispose();
  disposeBatch(batch);
  return takeGradients(decoder);
}

test('checkpointing changes no bit of any gradient', async () => {
  const decoder = tinyDecoder({ trained: true });
  assert.deepEqual(await gradientsOf(decoder, true), await gradientsOf(decoder, false));
  disposeDecoder(decoder);
});

test('gradients of two passes add up, the embedding included', async () => {
  const decoder = tinyDecoder({ trained: true, tied: true });
  const once = await gradientsOf(decoder, false);
  const [batch, ids] = [pack(decoder), 'model.embed_tokens.weight'];
  const gradient = upstream(batch);
  for (let i = 0; i < 2; i++) await (await trainingPass(decoder, batch)).backward(gradient);
  const twice = takeGradients(decoder);
  assert.ok(twice.has(ids));
  assert.ok(distance(new Map([...once].map(([name, values]) => [name, values.map((x) => 2 * x)])), twice) < 1e-6);
  gradient.dispose();
  disposeBatch(batch);
  disposeDecoder(decoder);
});

test('a frozen embedding gets no gradient', async () => {
  const decoder = tinyDecoder({ trained: true });
  valuesOf(decoder.embedding).requiresGrad_(false);
  assert.ok(!(await gradientsOf(decoder, false)).has('model.embed_tokens.weight'));
  disposeDecoder(decoder);
});

test('a pass that is given up leaves nothing behind', async () => {
  const decoder = tinyDecoder({ trained: true });
  const batch = pack(decoder);
  const before = liveTensors();
  for (const checkpoint of [false, true]) {
    const pass = await trainingPass(decoder, batch, { checkpoint });
    pass.dispose();
    pass.dispose();
  }
  assert.equal(liveTensors(), before);
  disposeBatch(batch);
  disposeDecoder(decoder);
});

// A weight that does not fit stops the second layer.
for (const checkpoint of [false, true]) {
  test(`an error midway leaves nothing behind${checkpoint ? ', computing again' : ''}`, async () => {
    const decoder = tinyDecoder({ trained: true });
    const batch = pack(decoder);
    const gradient = upstream(batch);
    const wrong = tensor([1, 2, 3]);
    const [last] = decoder.layers.slice(-1);
    const right = last!.inputNorm!;
    const before = liveTensors();

    last!.inputNorm = wrong;
    await assert.rejects(hiddenStates(decoder, batch), { name: 'TensorError' });
    await assert.rejects(trainingPass(decoder, batch, { checkpoint }), { name: 'TensorError' });
    assert.equal(liveTensors(), before, 'on the way forward');

    last!.inputNorm = right;
    const pass = await trainingPass(decoder, batch, { checkpoint });
    await assert.rejects(pass.backward(wrong), { name: 'TensorError' });
    assert.equal(liveTensors(), before, 'at the first step back');

    if (checkpoint) {
      const second = await trainingPass(decoder, batch, { checkpoint });
      last!.inputNorm = wrong;
      await assert.rejects(second.backward(gradient), { name: 'TensorError' });
      takeGradients(decoder);
      assert.equal(liveTensors(), before, 'at the second step back');
    }
    for (const part of [wrong, gradient, right]) part.dispose();
    disposeBatch(batch);
    disposeDecoder(decoder);
  });
}

test('an id beyond the vocabulary is refused and leaves nothing behind', async () => {
  const decoder = tinyDecoder();
  const batch = packTrees([{ prompt: [1, 37], completions: [[2]] }], 16);
  const before = liveTensors();
  await assert.rejects(hiddenStates(decoder, batch), { name: 'TensorError' });
  assert.equal(liveTensors(), before);
  disposeBatch(batch);
  disposeDecoder(decoder);
});
