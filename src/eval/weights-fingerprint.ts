import { createHash } from 'node:crypto';
import type { Decoder } from '../model/decoder.ts';
import type { Weight } from '../model/weight.ts';
import * as ops from '../tensor/ops.ts';
import { scope } from '../tensor/scope.ts';
import { Tensor } from '../tensor/tensor.ts';

/** Values that are looked at in each tensor. Training changes all of them; reading more would take seconds. */
const looked = 256;

/** Names the weights of a network, those of its adapter among them: another training, or another model, has another name. */
export function weightsFingerprint({ weights, trained, dtype }: Pick<Decoder, 'weights' | 'trained' | 'dtype'>): string {
  const hash = createHash('sha256').update(dtype);
  const add = (name: string, weight: Weight) => {
    const numbers = weight instanceof Tensor ? weight : weight.blocks;
    const count = numbers.length;
    hash.update(`${name} ${weight.shape.join('×')}\n`).update(scope(() => ops.narrow(ops.reshape(numbers, [count]), 0, 0, Math.min(looked, count)).toBytes()));
  };
  for (const [name, weight] of weights) add(name, weight);
  for (const [name, weight] of trained) if (weights.get(name) !== weight) add(`adapter ${name}`, weight);
  return hash.digest('hex');
}
