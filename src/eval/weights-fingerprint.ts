import { createHash } from 'node:crypto';
import type { Decoder } from '../model/decoder.ts';
import * as ops from '../tensor/ops.ts';
import { scope } from '../tensor/scope.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Values that are looked at in each tensor. Training changes all of them; reading more would take seconds. */
const looked = 256;

/** Names the weights of a network, those of its adapter among them: another training, or another model, has another name. */
export function weightsFingerprint({ weights, trained, dtype }: Pick<Decoder, 'weights' | 'trained' | 'dtype'>): string {
  const hash = createHash('sha256').update(dtype);
  const add = (name: string, weight: Tensor) => {
    const count = weight.shape.reduce((product, size) => product * size, 1);
    hash.update(`${name} ${weight.shape.join('×')}\n`).update(scope(() => ops.narrow(ops.reshape(weight, [count]), 0, 0, Math.min(looked, count)).toBytes()));
  };
  for (const [name, weight] of weights) add(name, weight);
  for (const [name, weight] of trained) if (weights.get(name) !== weight) add(`adapter ${name}`, weight);
  return hash.digest('hex');
}
