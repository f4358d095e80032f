/** Each optimizer against the steps of another implementation, and by hand. AdamW's tests stand in adamw.test.ts. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { scope } from '../../tensor/scope.ts';
import { tensor } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { Adafactor } from './adafactor.ts';
import { AdamW8bit } from './adamw-8bit.ts';
import { Lion } from './lion.ts';
import { Muon, orthogonalised } from './muon.ts';
import type { Optimizer } from './optimizer.ts';
import { Sgd } from './sgd.ts';

interface Case {
  name: keyof typeof made;
  settings: Record<string, number>;
  shapes: number[][];
  start: number[][];
  steps: { learningRate: number; gradients: (number[] | null)[]; parameters: number[][] }[];
  /** Parameters after each step of the reference as it is, where `steps` has it without its cast to bfloat16. */
  casted?: number[][][];
}

const cases = JSON.parse(readFileSync(new URL('../../../test/fixtures/torch/optimizers.json', import.meta.url), 'utf8')) as Case[];

const made = {
  sgd: (parameters: Tensor[], settings: object) => new Sgd(parameters, settings),
  lion: (parameters: Tensor[], settings: object) => new Lion(parameters, settings),
  adafactor: (parameters: Tensor[], settings: object) => new Adafactor(parameters, settings),
  muon: (parameters: Tensor[], settings: object) => new Muon(parameters, settings),
};

const numbers = (x: Tensor): number[] => [...x.toArray()].map(Number);

/** Largest difference after each step from what is wanted. */
async function distances({ name, settings, shapes, start, steps }: Case, more: object, wanted: (step: number) => number[][], dtype: 'float64' | 'float32' = 'float64'): Promise<number[]> {
  const parameters = start.map((values, p) => tensor(values, shapes[p], dtype).requiresGrad_());
  const optimizer = made[name](parameters, { ...settings, ...more });
  const found: number[] = [];
  for (const [i, { learningRate, gradients }] of steps.entries()) {
    gradients.forEach((gradient, p) => (parameters[p]!.grad = gradient && tensor(gradient, shapes[p], dtype)));
    await optimizer.step(learningRate);
    const differences = parameters.flatMap((parameter, p) => numbers(parameter).map((value, j) => Math.abs(value - wanted(i)[p]![j]!)));
    found.push(differences.reduce((most, difference) => Math.max(most, difference), 0));
  }
  optimizer.dispose();
  return found;
}

describe('steps of the reference', () => {
  for (const one of cases) {
    const what = `${one.name} ${JSON.stringify(one.settings)}`;
    const wanted = (step: number) => one.steps[step]!.parameters;
    // Whole tensors, pieces of several, and pieces smaller than a row.
    for (const more of one.name === 'muon' ? [{}] : [{}, { sliceElements: 7 }, { sliceElements: 1 }]) {
      test(`${what} ${JSON.stringify(more)}: six steps to 1e-12`, async () => {
        const found = await distances(one, more, wanted);
        assert.equal(found.length, 6);
        assert.ok(found.every((distance) => distance < 1e-12), String(found));
      });
    }
    test(`${what}: in float32`, async () => {
      const found = await distances(one, {}, wanted, 'float32');
      assert.ok(found.every((distance) => distance < 1e-5), String(found));
    });
  }

  for (const one of cases.filter(({ casted }) => casted)) {
    test(`muon ${JSON.stringify(one.settings)}: torch's own steps, to the bits of bfloat16`, async () => {
      const found = await distances(one, {}, (step) => one.casted![step]!);
      // 0.4 % of an entry of about 1, five times over, times rate · 0.2 · √6 and six steps.
      assert.ok(found.every((distance) => distance < 2e-3), String(found));
    });
  }
});

describe('by hand', () => {
  const step = async (make: (parameters: Tensor[]) => Optimizer, shape: number[], values: number[], gradients: number[][], rate: number): Promise<number[]> => {
    const parameter = tensor(values, shape, 'float64').requiresGrad_();
    const optimizer = make([parameter]);
    for (const gradient of gradients) {
      parameter.grad = tensor(gradient, shape, 'float64');
      await optimizer.step(rate);
    }
    optimizer.dispose();
    return numbers(parameter);
  };
  const near = (got: number[], wanted: number[]) => wanted.forEach((value, i) => assert.ok(Math.abs(got[i]! - value) < 1e-12, `${got} is not ${wanted}`));

  test('sgd: the second step goes on in the direction of the first', async () => {
    // 1 − 0.1·2 = 0.8; the momentum is then 0.5·2 + 4 = 5: 0.8 − 0.1·5 = 0.3.
    near(await step((p) => new Sgd(p, { momentum: 0.5 }), [1], [1], [[2], [4]], 0.1), [0.3]);
    // The gradient of a matrix is 2 + 0.5·1 with its decay.
    near(await step((p) => new Sgd(p, { momentum: 0, weightDecay: 0.5 }), [1, 1], [1], [[2]], 0.1), [0.75]);
  });

  test('lion: steps of one size; a zero gradient without momentum moves nothing', async () => {
    near(await step((p) => new Lion(p), [3], [1, 2, 3], [[5, -1e-3, 0]], 0.1), [0.9, 2.1, 3]);
    // Momentum 0.01·1 after the first; 0.9·0.01 + 0.1·(−0.05) is still above 0, and would not be with the shares swapped.
    near(await step((p) => new Lion(p), [1], [0], [[1], [-0.05]], 0.1), [-0.2]);
    near(await step((p) => new Lion(p, { weightDecay: 0.5 }), [1, 1], [2], [[1]], 0.1), [1.8]);
  });

  test('adafactor: the first step of a vector is its sign, that of a matrix of rank one too', async () => {
    near(await step((p) => new Adafactor(p), [2], [1, 1], [[3, -0.2]], 0.1), [0.9, 1.1]);
    near(await step((p) => new Adafactor(p), [2, 2], [1, 1, 1, 1], [[1, 2, -2, -4]], 0.1), [0.9, 0.9, 1.1, 1.1]);
    // 2^−0.8 of the second squared gradient: u = 10/√(1 + 99·2^−0.8) is above 1, so the step is clipped to 1.
    near(await step((p) => new Adafactor(p), [1], [1], [[1], [10]], 0.1), [0.8]);
    // Below 1 it is not: u = 0.1/√(1 − 0.99·2^−0.8).
    near(await step((p) => new Adafactor(p), [1], [1], [[1], [0.1]], 0.1), [0.9 - 0.01 / Math.sqrt(1 - 0.99 * 2 ** -0.8)]);
  });

  test('muon: all directions of a matrix become about as long', () => {
    // Orthogonal rows of lengths 10 and 1, tall and wide: the lengths after it are those of the scalar iteration.
    const iterate = (value: number) => Array.from({ length: 5 }).reduce<number>((x) => 3.4445 * x - 4.775 * x ** 3 + 2.0315 * x ** 5, value);
    const [long, short] = [iterate(10 / Math.sqrt(101)), iterate(1 / Math.sqrt(101))];
    near(scope(() => numbers(orthogonalised(tensor([6, 8, 0, 0, 0, 1], [2, 3], 'float64')))), [0.6 * long, 0.8 * long, 0, 0, 0, short]);
    near(scope(() => numbers(orthogonalised(tensor([6, 0, 8, 0, 0, 1], [3, 2], 'float64')))), [0.6 * long, 0, 0.8 * long, 0, 0, short]);
    assert.ok(long > 0.68 && long < 1.13 && short > 0.68 && short < 1.13, `${long} and ${short}`);
  });

  test('muon: a step at rate 1 is as large as AdamW\'s, 0.2 per element', async () => {
    const gradient = Array.from({ length: 64 }, (_, i) => Math.sin(i * i + 1));
    const moved = await step((p) => new Muon(p), [4, 16], gradient.map(() => 0), [gradient], 1);
    const size = Math.sqrt(moved.reduce((total, value) => total + value * value, 0) / moved.length);
    assert.ok(size > 0.2 * 0.68 && size < 0.2 * 1.14, String(size));
  });
});

describe('behaviour', () => {
  for (const [name, make] of Object.entries({ ...made, adamw8bit: (parameters: Tensor[], options: object) => new AdamW8bit(parameters, { minElements: 1, ...options }) })) {
    if (name === 'muon') continue;
    test(`${name}: the event loop turns between slices`, async () => {
      const parameter = tensor(new Float32Array(600), [600]).requiresGrad_();
      parameter.grad = tensor(new Float32Array(600).fill(1), [600]);
      let turned = false;
      setImmediate(() => (turned = true));
      await make([parameter], { sliceElements: 300 }).step(0.1);
      assert.ok(turned);
    });
  }

  test('muon: the event loop turns between matrices', async () => {
    const parameters = [1, 2].map(() => tensor([1, 2], [1, 2]).requiresGrad_());
    for (const parameter of parameters) parameter.grad = tensor([1, 1], [1, 2]);
    let turned = false;
    setImmediate(() => (turned = true));
    await new Muon(parameters).step(0.1);
    assert.ok(turned);
  });

  test('refused: settings outside their range, and a vector for Muon', () => {
    const wrong: [() => Optimizer, string][] = [
      [() => new Sgd([], { momentum: 1 }), 'momentum'],
      [() => new Sgd([], { weightDecay: -1 }), 'weightDecay'],
      [() => new Lion([], { beta1: 1 }), 'beta1'],
      [() => new Lion([], { sliceElements: 0 }), 'sliceElements'],
      [() => new Adafactor([], { weightDecay: Number.NaN }), 'weightDecay'],
      [() => new AdamW8bit([], { beta2: 2 }), 'beta2'],
      [() => new Muon([], { momentum: -1 }), 'momentum'],
      [() => new Muon([tensor([1, 2])]), 'matrices'],
    ];
    for (const [make, name] of wrong) assert.throws(make, new RegExp(`Expected \`${name}\` to`));
  });
});
