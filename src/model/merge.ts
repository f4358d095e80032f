/** An adapter put into the weights: from the base as it is, in float32, then cast. Nothing of the adapted network changes. */
import { createHash } from 'node:crypto';
import { InputError, expected } from '../errors.ts';
import { noGrad } from '../tensor/autograd.ts';
import { breathe } from '../tensor/breathe.ts';
import * as ops from '../tensor/ops.ts';
import { keep, scope } from '../tensor/scope.ts';
import type { DType, Tensor } from '../tensor/tensor.ts';
import { assembleDecoder } from './decoder.ts';
import type { Decoder } from './decoder.ts';
import { adaptedWeight, rowGrowth } from './linear.ts';
import type { LoadedModel } from './load.ts';
import { valuesOf } from './weight.ts';
import type { Weight } from './weight.ts';

/** What must be said before a merge that loses something or looks like a mistake. */
export interface MergeConsent {
  /** The base was quantised: the merged weights are those that its blocks stand for, at full size. */
  fromQuantised?: boolean;
  /** The base holds this very adapter already. */
  again?: boolean;
}

/** Field of a merged model's `config.json`: the adapters that are in its weights, by their hashes. */
const MARK = 'tsrl_merged_adapters';

/**
 * A model with the weights of another and its adapter in them. The caller disposes it.
 *
 * @throws InputError for a model without an adapter, a quantised base, or a base that holds the adapter already
 */
export async function mergeModel(model: LoadedModel, consent: MergeConsent = {}): Promise<LoadedModel> {
  const config = mergedConfig(model, consent);
  const { decoder, tokenizer, generationConfig, reference } = model;
  const weights = new Map<string, Tensor>();
  try {
    for (const [name, weight] of weightsToMerge(decoder)) {
      weights.set(name, noGrad(() => keep(scope(() => mergedWeight(decoder, name, weight, decoder.dtype)))));
      await breathe();
    }
  } catch (error) {
    for (const weight of weights.values()) weight.dispose();
    throw error;
  }
  const merged = assembleDecoder({ ...decoder.config, tiedHead: !weights.has('lm_head.weight') }, weights, decoder.dtype, decoder.attention);
  return { reference, decoder: merged, tokenizer, config, generationConfig, quantised: null };
}

/** The `config.json` of the merged model, after all that can be wrong has been looked at. */
export function mergedConfig({ decoder, config, quantised, reference }: LoadedModel, { fromQuantised = false, again = false }: MergeConsent): Record<string, unknown> {
  if (!decoder.adapter) throw expected('model', 'to have an adapter', `${reference}, which has none`, 'name an adapter; one that was merged is in the weights already');
  if (quantised !== null && !fromQuantised) {
    throw new InputError(
      `Expected the base of ${reference} to hold whole numbers, got blocks of ${quantised}; merge into the unquantised model, named by \`base\` or loaded without \`quantisation\`, or say \`fromQuantised\` to merge into what the blocks stand for, at full size.`,
      { name: 'fromQuantised', quantised },
    );
  }
  const hash = adapterHash(decoder);
  const before = Array.isArray(config[MARK]) ? (config[MARK] as unknown[]) : [];
  if (before.includes(hash) && !again) throw expected('again', `to be said for a base that holds this adapter already (${MARK} of its config.json)`, again, 'merge into the base that the adapter was trained over');
  return { ...config, tie_word_embeddings: decoder.config.tiedHead && decoder.head === decoder.embedding, [MARK]: [...before, hash] };
}

function adapterHash({ trained }: Decoder): string {
  const hash = createHash('sha256');
  for (const [name, weight] of [...trained].sort(([a], [b]) => (a < b ? -1 : 1))) hash.update(name).update(scope(() => ops.to(weight, 'float32').toBytes()));
  return hash.digest('hex');
}

/** The weights of the merged network before the maps of its adapter are added; the head among them where it is tied no more. */
export function weightsToMerge({ weights, config, head, embedding }: Decoder): Map<string, Weight> {
  return new Map(config.tiedHead && head !== embedding ? [...weights, ['lm_head.weight', head]] : weights);
}

/** One weight with what the adapter adds. Call it inside a scope. */
export function mergedWeight({ adapter }: Decoder, name: string, weight: Weight, dtype: DType): Tensor {
  const whole = valuesOf(weight);
  const map = name.endsWith('.weight') ? adapter!.maps.get(name.slice(0, -'.weight'.length)) : undefined;
  if (!map) return ops.clone(ops.to(whole, dtype));
  const exact = whole.dtype === 'float64' ? 'float64' : 'float32';
  const wide = { ...map, a: ops.to(map.a, exact), b: ops.to(map.b, exact), magnitude: map.magnitude && ops.to(map.magnitude, exact) };
  const base = ops.to(whole, exact);
  const sum = adaptedWeight(base, wide);
  const growth = rowGrowth(base, wide);
  return ops.to(growth ? ops.mul(sum, ops.unsqueeze(growth, 1)) : sum, dtype);
}
