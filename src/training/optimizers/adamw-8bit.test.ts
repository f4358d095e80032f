/** 8-bit moments against bitsandbytes (test/fixtures/torch/adamw_8bit.py), and by hand. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { zeros } from '../../tensor/ops.ts';
import { scope } from '../../tensor/scope.ts';
import { tensor } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { AdamW8bit } from './adamw-8bit.ts';
import { AdamW } from './adamw.ts';
import { BLOCK, codebook, dequantise, dynamicMap, quantise_ } from './dynamic-map.ts';
import type { Quantised } from './dynamic-map.ts';

interface Codes {
  codes: number[];
  scales: number[];
}

const bitsandbytes = JSON.parse(readFileSync(new URL('../../../test/fixtures/torch/adamw-8bit.json', import.meta.url), 'utf8')) as {
  maps: { signed: number[]; unsigned: number[] };
  quantisation: { values: number[]; signed: Codes; unsigned: Codes };
  settings: { beta1: number; beta2: number; epsilon: number };
  shapes: number[][];
  every: number;
  runs: { weightDecay: number; steps: { learningRate: number; parameters: number[][] }[] }[];
};

const numbers = (x: Tensor): number[] => [...x.toArray()].map(Number);
const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** The generator of the script. */
function gradient(shape: readonly number[], seed: number): Tensor {
  let state = seed;
  const draw = () => (state = (state * 16807) % 2147483647) / 2147483647;
  return tensor(Float32Array.from({ length: sizeOf(shape) }, (_, i) => {
    const [size, side] = [0.01 + draw(), draw()];
    return (size * (side < 0.5 ? 1 : -1) * (1 + Math.floor(i / BLOCK))) / 8;
  }), shape);
}

/** Codes and scales of values, and what they stand for. */
function roundTrip(values: readonly number[], signed: boolean): Codes & { back: number[] } {
  return scope(() => {
    const blocks = Math.ceil(values.length / BLOCK);
    const book = codebook(signed, 'float32');
    const quantised: Quantised = { codes: zeros([blocks, BLOCK], 'uint8'), scales: zeros([blocks, 1]) };
    quantise_(quantised, tensor([...values, ...Array<number>(blocks * BLOCK - values.length).fill(0)]), book);
    const back = numbers(dequantise(quantised, book));
    return { codes: numbers(quantised.codes).slice(0, values.length), scales: numbers(quantised.scales), back: back.slice(0, values.length) };
  });
}

for (const kind of ['signed', 'unsigned'] as const) {
  test(`the ${kind} table is that of bitsandbytes`, () => {
    const map = dynamicMap(kind === 'signed');
    assert.equal(map.length, 256);
    // theirs is computed in float32
    bitsandbytes.maps[kind].forEach((wanted, i) => assert.ok(Math.abs(map[i]! - wanted) <= 3e-7 * Math.abs(wanted), `${i}: ${map[i]} is not ${wanted}`));
  });

  test(`${kind} codes and scales are those of bitsandbytes, over all powers of ten`, () => {
    const { values } = bitsandbytes.quantisation;
    const { codes, scales } = roundTrip(kind === 'signed' ? values : values.map(Math.abs), kind === 'signed');
    assert.deepEqual(codes, bitsandbytes.quantisation[kind].codes);
    scales.forEach((scale, i) => assert.equal(scale, bitsandbytes.quantisation[kind].scales[i]));
  });
}

test('by hand: a power of ten, then bins of which the middle counts', () => {
  const signed = dynamicMap(true);
  // At 10⁻⁶ one bin, whose middle is 0.55; at 10⁰ 64 bins of 0.9/64.
  assert.deepEqual(signed.slice(126, 129).map((value) => value.toPrecision(6)), ['-5.50000e-7', '0.00000', '5.50000e-7']);
  assert.ok(Math.abs(signed[254]! - (1 - 0.45 / 64)) < 1e-12 && signed[255] === 1);
  const unsigned = dynamicMap(false);
  assert.deepEqual(unsigned.slice(0, 3).map((value) => value.toPrecision(4)), ['0.000', '3.250e-7', '7.750e-7']);
});

test('zeros stay zeros, and a second moment above 0 never becomes 0', () => {
  assert.deepEqual(roundTrip([0, 0], false).back, [0, 0]);
  assert.deepEqual(roundTrip([0, -0, 0], true).back, [0, 0, 0]);
  const { back } = roundTrip([4, 1e-9, 0], false);
  assert.equal(back[0], 4);
  assert.ok(Math.abs(back[1]! - 4 * 3.25e-7) < 1e-12, String(back[1]));
  assert.equal(back[2], 0);
  assert.equal(roundTrip([4, 1e-9], true).back[1], 0);
});

test('a gradient that ends moves its weight no further than a step', async () => {
  const parameter = tensor([0, 0]).requiresGrad_();
  const optimizer = new AdamW8bit([parameter], { minElements: 1 });
  parameter.grad = tensor([1, 3e-4]);
  await optimizer.step(1);
  const [, before] = numbers(parameter);
  parameter.grad = tensor([0, 0]);
  await optimizer.step(1);
  // With a second moment of 0 it would move by the first moment over epsilon: thousands.
  assert.ok(Math.abs(numbers(parameter)[1]! - before!) < 1, String(numbers(parameter)));
  optimizer.dispose();
});

for (const { weightDecay, steps } of bitsandbytes.runs) {
  for (const sliceElements of [1 << 20, 1000]) {
    test(`six steps of AdamW8bit of bitsandbytes, weight decay ${weightDecay}, slices of ${sliceElements}`, async () => {
      const { shapes, every, settings } = bitsandbytes;
      const parameters = shapes.map((shape, i) => gradient(shape, 1 + i).requiresGrad_());
      const optimizer = new AdamW8bit(parameters, { ...settings, weightDecay, sliceElements });
      for (const [i, step] of steps.entries()) {
        parameters.forEach((parameter, j) => (parameter.grad = i === 2 && j === 1 ? null : gradient(parameter.shape, 100 + 10 * i + j)));
        await optimizer.step(step.learningRate);
        const differences = step.parameters.flatMap((wanted, p) => {
          const values = numbers(parameters[p]!).filter((_, at) => at % every === 0);
          assert.equal(values.length, wanted.length);
          return values.map((value, at) => Math.abs(value - wanted[at]!));
        });
        // Another CPU may round a moment to the next code.
        const far = differences.filter((difference) => difference > 1e-6);
        assert.ok(far.length <= 1 && far.every((difference) => difference < step.learningRate / 10), `step ${i}: ${far}`);
      }
      optimizer.dispose();
    });
  }
}

test('2 bytes and 8/256 per element; small tensors keep their moments in full, and step as AdamW', async () => {
  const [large, small] = [zeros([128, 64]).requiresGrad_(), tensor([1, 2, 3, 4], [2, 2]).requiresGrad_()];
  const twin = tensor([1, 2, 3, 4], [2, 2]).requiresGrad_();
  const [optimizer, full] = [new AdamW8bit([large, small]), new AdamW([twin])];
  assert.equal(optimizer.stateBytes, 8192 * (2 + 8 / 256) + 4 * 8);
  for (let i = 0; i < 5; i++) {
    for (const parameter of [small, twin]) parameter.grad = tensor([i, -1, 0.1, 3], [2, 2]);
    await optimizer.step(0.1);
    await full.step(0.1);
  }
  assert.deepEqual(numbers(small), numbers(twin));
  optimizer.dispose();
});

test('in float64 too, near AdamW for a while', async () => {
  const shape = [40, 30];
  const [parameter, twin] = [0, 1].map(() => tensor(Float64Array.from(gradient(shape, 3).toArray(), Number), shape).requiresGrad_()) as [Tensor, Tensor];
  const [optimizer, full] = [new AdamW8bit([parameter], { minElements: 1 }), new AdamW([twin])];
  for (let i = 0; i < 10; i++) {
    for (const one of [parameter, twin]) one.grad = tensor(Float64Array.from(gradient(shape, 10 + i).toArray(), Number), shape);
    await optimizer.step(0.01);
    await full.step(0.01);
  }
  const theirs = numbers(twin);
  const distance = Math.sqrt(numbers(parameter).reduce((total, value, i) => total + (value - theirs[i]!) ** 2, 0) / theirs.length);
  // A step moves an element by about 0.01, ten by up to 0.1.
  assert.ok(distance > 0 && distance < 2e-3, String(distance));
});
