import assert from 'node:assert/strict';
import { test } from 'node:test';
import { distance, takeGradients } from '../../test/fixtures/model/gradients.ts';
import { tinyDecoder } from '../../test/fixtures/model/tiny-decoder.ts';
import { grad, noGrad } from '../tensor/autograd.ts';
import * as ops from '../tensor/ops.ts';
import { normals } from '../tensor/random.ts';
import { keep, liveTensors, scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { disposeDecoder } from './decoder.ts';
import { entropyOf, headGradient, logitsGradient_, temperedLogprobs, tokenLogprobs } from './token-logprobs.ts';
import { valuesOf } from './weight.ts';

const rows = 7;

function inputs() {
  return {
    hidden: tensor(normals(rows * 24, 1, 5, 0), [rows, 24]),
    targets: tensor([0, 36, 5, 5, 12, 1, 20], [rows], 'int64'),
    gradLogprobs: tensor(normals(rows, 1, 5, 1), [rows]),
    gradEntropy: tensor(normals(rows, 1, 5, 2), [rows]),
  };
}

function close(got: Tensor, wanted: Tensor, tolerance = 2e-6): void {
  const [a, b] = [Array.from(got.toArray(), Number), Array.from(wanted.toArray(), Number)];
  assert.equal(a.length, b.length);
  a.forEach((value, i) => assert.ok(value === b[i] || Math.abs(value - b[i]!) <= tolerance * Math.max(1, Math.abs(b[i]!)), `at ${i}: ${value} is not ${b[i]}`));
}

test('by hand: logits 0 and log 3 at temperature 1 and 2', () => {
  scope(() => {
    const logits = tensor([0, Math.log(3)], [1, 2]);
    close(temperedLogprobs(logits, 1), tensor([Math.log(1 / 4), Math.log(3 / 4)]));
    const third = 1 / (1 + Math.sqrt(3));
    close(temperedLogprobs(logits, 2), tensor([Math.log(third), Math.log(1 - third)]));
    close(entropyOf(temperedLogprobs(logits, 1)), tensor([-(Math.log(1 / 4) / 4) - (3 / 4) * Math.log(3 / 4)]));
  });
});

/** Seven tokens cut into parts, and how many may go through the head in one piece: parts longer than that go twice, in chunks. */
const cuts: Record<string, { parts: number[]; rows: number; chunk: number }> = {
  'in one piece': { parts: [rows], rows, chunk: rows },
  'part by part, some empty': { parts: [0, 3, 0, 4], rows: 4, chunk: 2 },
  'twice, in chunks of 1': { parts: [rows], rows: 6, chunk: 1 },
  'a short part, and a long one twice': { parts: [2, 5], rows: 4, chunk: 3 },
};

for (const temperature of [0.5, 1, 1.3]) {
  for (const [name, { parts, rows: most, chunk }] of Object.entries(cuts)) {
    for (const withEntropy of [true, false]) {
      for (const tied of [true, false]) {
        // A cap of 1.5 bends logits that reach 5.
        const logitCap = tied === withEntropy ? null : 1.5;
        test(`the head and its way back against autograd: temperature ${temperature}, ${name}, ${withEntropy ? 'with' : 'without'} entropy, ${tied ? 'tied' : 'untied'}, cap ${logitCap}`, async () => {
          const before = liveTensors();
          const decoder = tinyDecoder({ trained: true, tied });
          decoder.config = { ...decoder.config, logitCap };
          const { hidden, targets, gradLogprobs, gradEntropy } = inputs();
          const scored = await tokenLogprobs(decoder, hidden, targets, temperature, { chunk });
          const seen: number[] = [];
          const starts = parts.map((_, i) => parts.slice(0, i).reduce((sum, length) => sum + length, 0));
          const gradHidden = await headGradient(decoder, hidden, targets, temperature, parts, (logprobs, entropy, i) => {
            seen.push(i);
            const cut = (x: Tensor) => ops.clone(ops.narrow(x, 0, starts[i]!, parts[i]!));
            scope(() => {
              close(logprobs, cut(scored.logprobs));
              close(entropy, cut(scored.entropy));
            });
            return scope(() => ({ logprobs: cut(gradLogprobs), entropy: withEntropy ? cut(gradEntropy) : null }));
          }, { rows: most, chunk });
          assert.deepEqual(seen, parts.map((_, i) => i));
          const headGradients = takeGradients(decoder);
          assert.deepEqual([...headGradients.keys()], [tied ? 'model.embed_tokens.weight' : 'lm_head.weight']);
          scope(() => {
            const leaf = ops.detach(hidden).requiresGrad_();
            const raw = ops.linear(leaf, valuesOf(decoder.head));
            const logits = logitCap === null ? raw : ops.mulScalar(ops.tanh(ops.divScalar(raw, logitCap)), logitCap);
            const every = ops.logSoftmax(ops.divScalar(logits, temperature), -1);
            const logprobs = ops.squeeze(ops.gather(every, 1, ops.unsqueeze(targets, 1)), 1);
            const entropy = ops.neg(ops.sumOver(ops.mul(ops.exp(every), every), [-1]));
            close(scored.logprobs, logprobs);
            close(scored.entropy, entropy);
            const outputs = withEntropy ? [logprobs, entropy] : [logprobs];
            const [ofHidden, ofHead] = grad(outputs, [leaf, valuesOf(decoder.head)], [gradLogprobs, gradEntropy].slice(0, outputs.length));
            close(gradHidden, ofHidden!, 5e-6);
            const wanted = new Map([[[...headGradients.keys()][0]!, ofHead!.toArray() as Float32Array]]);
            assert.ok(distance(wanted, headGradients) < 5e-6);
          });
          for (const part of [hidden, targets, gradLogprobs, gradEntropy, scored.logprobs, scored.entropy, gradHidden]) part.dispose();
          disposeDecoder(decoder);
          assert.equal(liveTensors(), before);
        });
      }
    }
  }
}

for (const dtype of ['bfloat16', 'float16'] as const) {
  test(`${dtype}: logits, log-probabilities, entropies and the gradient of the head are those of float32 over the same numbers`, async () => {
    // So wide that the head is widened in two parts.
    const vocabSize = 180_000;
    const decoder = tinyDecoder({ trained: true, tied: true, vocabSize, dtype });
    (decoder.head as Tensor).gradIn_('float32');
    const twin = tinyDecoder({ trained: true, tied: true, vocabSize });
    noGrad(() => scope(() => void ops.copy_(valuesOf(twin.head), valuesOf(decoder.head))));
    const { hidden: exact, gradLogprobs, gradEntropy } = inputs();
    const targets = tensor([0, 36, 5, 179_999, 175_000, 1, 20], [rows], 'int64');
    const hidden = keep(scope(() => ops.to(exact, dtype)));
    const wide = keep(scope(() => ops.to(hidden, 'float32')));
    const [found, wanted] = [await tokenLogprobs(decoder, hidden, targets, 0.7), await tokenLogprobs(twin, wide, targets, 0.7)];
    close(found.logprobs, wanted.logprobs);
    close(found.entropy, wanted.entropy, 1e-5);
    const given = () => ({ logprobs: ops.clone(gradLogprobs), entropy: ops.clone(gradEntropy) });
    const exactBack = await headGradient(twin, wide, targets, 0.7, [rows], given);
    const wantedGradients = takeGradients(twin);
    // In one piece, and in chunks.
    for (const most of [rows, 2]) {
      const back = await headGradient(decoder, hidden, targets, 0.7, [rows], given, { rows: most, chunk: 2 });
      assert.equal(back.dtype, dtype);
      // Products in 16 bits: 2⁻⁸ and 2⁻¹¹ of a sum of terms of size 1.
      close(back, exactBack, dtype === 'bfloat16' ? 2e-2 : 3e-3);
      assert.ok(distance(wantedGradients, takeGradients(decoder)) < 5e-6);
      back.dispose();
    }
    for (const part of [exact, hidden, wide, targets, gradLogprobs, gradEntropy, exactBack, ...Object.values(found), ...Object.values(wanted)]) part.dispose();
    disposeDecoder(decoder);
    disposeDecoder(twin);
  });
}

test('log-softmax in place is its plain twin in float64, and keeps what is ruled out', () => {
  scope(() => {
    for (const [temperature, size] of [[1, 3], [0.7, 40], [1.3, 3]] as const) {
      const logits = tensor(normals(5 * 9001, size, 1, 0), [5, 9001]);
      const wanted = temperedLogprobs(ops.to(logits, 'float64'), temperature);
      const got = ops.rowLogSoftmax_(logits, temperature);
      assert.equal(got.toArray()[0], logits.toArray()[0]);
      close(got, wanted);
    }
    // One token that is nearly certain, and 49,151 that together hold 5·10⁻⁴ of the probability: not one of them may be lost.
    const tail = Array.from({ length: 49_152 }, (_, i) => (i === 0 ? 0 : -18.4));
    const got = ops.rowLogSoftmax_(tensor(tail, [1, tail.length]), 1).toArray();
    assert.ok(Math.abs(Number(got[0]) + Math.log1p(49_151 * Math.exp(-18.4))) < 2e-8, `${got[0]}`);
    close(ops.rowLogSoftmax_(tensor([5, -Infinity, 5], [1, 3]), 1), tensor([Math.log(0.5), -Infinity, Math.log(0.5)], [1, 3]));
  });
});

test('the fused entropy is its plain twin in float64, for a vocabulary that no vector divides and for what is ruled out', () => {
  scope(() => {
    const logprobs = ops.logSoftmax(tensor(normals(5 * 1003, 3, 1, 0), [5, 1003]), -1);
    close(entropyOf(logprobs), entropyOf(ops.to(logprobs, 'float64')));
    close(entropyOf(tensor([0, -Infinity, Math.log(0.5), Math.log(0.5)], [2, 2])), tensor([0, Math.log(2)]));
    const tracked = ops.detach(logprobs).requiresGrad_();
    const [slope] = grad([ops.sum(entropyOf(tracked))], [tracked]);
    assert.equal(slope!.shape.join(), '5,1003');
  });
});

test('the fused way back to the logits is its plain twin in float64, and refuses what is outside the vocabulary', () => {
  scope(() => {
    const targets = tensor([0, 1002, 7], [3], 'int64');
    for (const temperature of [1, 0.7]) {
      const logprobs = temperedLogprobs(tensor(normals(3 * 1003, 3, 1, 0), [3, 1003]), temperature);
      const gradients = { logprobs: tensor([0.5, -2, 0], [3]), entropy: tensor([0.1, 0, -3], [3]) };
      for (const entropy of [null, gradients.entropy]) {
        const wanted = logitsGradient_(ops.to(logprobs, 'float64'), targets, temperature, { logprobs: ops.to(gradients.logprobs, 'float64'), entropy: entropy && ops.to(entropy, 'float64') });
        const all = ops.clone(logprobs);
        const got = logitsGradient_(all, targets, temperature, { ...gradients, entropy });
        close(got, wanted);
        assert.deepEqual(all.toArray(), got.toArray());
      }
    }
    // Two equal tokens, and one ruled out: g·(1 − p), −g·p, and nothing.
    close(logitsGradient_(tensor([Math.log(0.5), -Infinity, Math.log(0.5)], [1, 3]), tensor([2], [1], 'int64'), 1, { logprobs: tensor([4]), entropy: tensor([0]) }), tensor([-2, 0, 2], [1, 3]));
    for (const id of [3, -1]) assert.throws(() => ops.rowLogitsGradient_(ops.zeros([1, 3]), tensor([id], [1], 'int64'), tensor([1]), null, 1), /targets within the vocabulary/);
  });
});

test('a frozen head gets no gradient, and gradients add up', async () => {
  const decoder = tinyDecoder({ trained: true });
  const { hidden, targets, gradLogprobs, gradEntropy } = inputs();
  const given = () => ({ logprobs: ops.clone(gradLogprobs), entropy: ops.clone(gradEntropy) });
  const back = async () => (await headGradient(decoder, hidden, targets, 1, [rows], given)).dispose();
  await back();
  const once = takeGradients(decoder).get('lm_head.weight')!;
  await back();
  await back();
  const twice = takeGradients(decoder).get('lm_head.weight')!;
  assert.ok(distance(new Map([['head', once.map((x) => 2 * x)]]), new Map([['head', twice]])) < 1e-6);
  valuesOf(decoder.head).requiresGrad_(false);
  await back();
  assert.equal(valuesOf(decoder.head).grad, null);
  for (const part of [hidden, targets, gradLogprobs, gradEntropy]) part.dispose();
  disposeDecoder(decoder);
});

test('a target beyond the vocabulary fails and leaves nothing behind', async () => {
  const decoder = tinyDecoder();
  const { hidden, targets, gradLogprobs, gradEntropy } = inputs();
  const beyond = tensor(BigInt64Array.from([0, 1, 2, 3, 4, 5, 37].map(BigInt)), [rows]);
  const before = liveTensors();
  await assert.rejects(tokenLogprobs(decoder, hidden, beyond, 1, { chunk: 2 }), { name: 'TensorError' });
  const given = () => ({ logprobs: ops.clone(gradLogprobs), entropy: null });
  for (const most of [rows, 2]) await assert.rejects(headGradient(decoder, hidden, beyond, 1, [rows], given, { rows: most, chunk: 2 }), { name: 'TensorError' });
  const broken = () => { throw new Error('no loss'); };
  for (const most of [rows, 2]) await assert.rejects(headGradient(decoder, hidden, targets, 1, [rows], broken, { rows: most, chunk: 2 }), { message: 'no loss' });
  assert.equal(liveTensors(), before);
  for (const part of [hidden, targets, beyond, gradLogprobs, gradEntropy]) part.dispose();
  disposeDecoder(decoder);
});
