/** A low-rank adapter over a network: which maps it changes, how it begins, and the network that has it. Numbers and names are those of Python's peft. */
import { expected } from '../errors.ts';
import { noGrad } from '../tensor/autograd.ts';
import { halves } from '../tensor/encode.ts';
import * as ops from '../tensor/ops.ts';
import { normals, uniforms } from '../tensor/random.ts';
import { keep, scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import type { DType, Tensor } from '../tensor/tensor.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { layersOf } from './decoder.ts';
import type { Decoder } from './decoder.ts';
import { rowLengths } from './linear.ts';
import type { Drop, LinearAdapter } from './linear.ts';
import { weightShapes } from './weight-names.ts';
import { valuesOf } from './weight.ts';

/** What a user asks of an adapter. */
export interface LoraSettings {
  /** Rank of the change. */
  r: number;
  /** The change is multiplied by alpha/r. */
  alpha: number;
  /** Share of the inputs that an adapter does not see while training. */
  dropout: number;
  /** `'all-linear'`: every linear map of the layers; a list: maps whose name is or ends in one of these; a text: a pattern for whole names; null: queries and values. */
  targetModules: string | readonly string[] | null;
  /** Modules that are trained whole, such as `lm_head`. */
  modulesToSave: readonly string[];
  /** alpha/√r in place of alpha/r (Kalajdzievski 2023, arXiv 2312.03732). */
  useRslora: boolean;
  /** Lengths of the rows are trained beside their directions (Liu et al. 2024, arXiv 2402.09353). */
  useDora: boolean;
  /** How A begins; B begins at 0, so that nothing changes at first. */
  initLoraWeights: 'kaiming' | 'gaussian';
}

/** An adapter in memory. */
export interface Adapter {
  settings: LoraSettings;
  /** The network under it, whose weights it shares. */
  base: Decoder;
  /** The base as the user named it. */
  baseReference: string;
  /** By the names of their maps, such as `model.layers.0.self_attn.q_proj`. */
  maps: ReadonlyMap<string, LinearAdapter>;
  /** Weights that are trained whole, in place of the base's. */
  saved: ReadonlyMap<string, Tensor>;
}

/** A network with an adapter over another's weights. What both share belongs to the base. */
export function adaptDecoder(adapter: Adapter): Decoder {
  const { base, maps, saved } = adapter;
  const weights = new Map([...base.weights, ...saved]);
  return {
    ...base,
    weights,
    trained: new Map([...adapterTensors(maps), ...saved]),
    adapter,
    layers: layersOf(base.config, weights, maps),
    embedding: weights.get('model.embed_tokens.weight')!,
    finalNorm: weights.get('model.norm.weight') as Tensor,
    // As in peft, a tied head stays what it was when the embedding is trained, unless it is trained itself.
    head: saved.get('lm_head.weight') ?? base.head,
  };
}

/** A new adapter that changes nothing yet. The caller disposes its tensors, through the network that gets it. */
export function createAdapter(base: Decoder, baseReference: string, settings: LoraSettings, seed: number): Adapter {
  const targets = targetMaps(base.config, settings);
  const maps = new Map(targets.map((name, index) => [name, newMap(base, name, settings, index, seed)]));
  const saved = new Map(savedNames(base.config, settings).map((name) => [name, noGrad(() => keep(scope(() => ops.clone(valuesOf(base.weights.get(name) ?? base.head)))))]));
  return { settings, base, baseReference, maps, saved };
}

function newMap(base: Decoder, name: string, settings: LoraSettings, index: number, seed: number): LinearAdapter {
  const weight = base.weights.get(`${name}.weight`)!;
  const [out, input] = weight.shape as [number, number];
  const shape: [number, number] = [settings.r, input];
  const a = keep(scope(() => ops.to(tensor(firstA(shape, settings, seed, index), shape), adapterDType(base))));
  const b = keep(ops.zeros([out, settings.r], adapterDType(base)));
  const map = { a, b, scale: scaleOf(settings), index, magnitude: null };
  return settings.useDora ? { ...map, magnitude: keep(rowLengths(weight, map)) } : map;
}

/** The dtype of A, B and lengths: float32 over a network of 16 bits, which has not the bits for their steps; else that of the network. */
export function adapterDType({ dtype }: Pick<Decoder, 'dtype'>): DType {
  return halves.has(dtype) ? 'float32' : dtype;
}

/** A of one map, as peft's `reset_lora_parameters`: uniform within ±1/√in, or normal with deviation 1/r. */
function firstA([r, input]: [number, number], { initLoraWeights }: LoraSettings, seed: number, stream: number): Float32Array {
  if (initLoraWeights === 'gaussian') return normals(r * input, 1 / r, seed, stream);
  const bound = 1 / Math.sqrt(input);
  return uniforms(r * input, seed, stream).map((u) => bound * (2 * u - 1));
}

/** What B·A·x is multiplied by. */
export function scaleOf({ r, alpha, useRslora }: Pick<LoraSettings, 'r' | 'alpha' | 'useRslora'>): number {
  return alpha / (useRslora ? Math.sqrt(r) : r);
}

/** Which inputs of an adapter are dropped in one update. */
export interface Dropout {
  /** A number for each packed token, the same wherever the token stands. [N] */
  keys: Tensor;
  seed: number;
  /** Optimizer update. */
  step: number;
}

/** The dropout of a network's adapter in one batch, or null where it has none. */
export function dropOf({ adapter }: Decoder, dropout: Dropout | null): Drop | null {
  if (!adapter || adapter.settings.dropout === 0 || !dropout) return null;
  const { keys, seed, step } = dropout;
  const keep = 1 - adapter.settings.dropout;
  return (x, { index }) => ops.mul(x, ops.to(ops.randomMask(keys, x.size(1), seed, step * adapter.maps.size + index, keep), x.dtype));
}

/** A frozen copy over the same base. */
export function copyAdapter({ maps, saved, ...shared }: Adapter): Adapter {
  const copy = (x: Tensor) => noGrad(() => keep(ops.clone(x)));
  return {
    ...shared,
    maps: new Map([...maps].map(([name, map]) => [name, { ...map, a: copy(map.a), b: copy(map.b), magnitude: map.magnitude && copy(map.magnitude) }])),
    saved: new Map([...saved].map(([name, weight]) => [name, copy(weight)])),
  };
}

/** The tensors of adapted maps under peft's names, without its prefix. */
function adapterTensors(maps: ReadonlyMap<string, LinearAdapter>): [string, Tensor][] {
  return [...maps].flatMap(([name, { a, b, magnitude }]): [string, Tensor][] => [
    [`${name}.lora_A.weight`, a],
    [`${name}.lora_B.weight`, b],
    ...(magnitude ? [[`${name}.lora_magnitude_vector`, magnitude] as [string, Tensor]] : []),
  ]);
}

/** Names of the maps that are adapted, in the order of the network. */
export function targetMaps(config: DecoderConfig, { targetModules, modulesToSave }: Pick<LoraSettings, 'targetModules' | 'modulesToSave'>): string[] {
  const all = linearMaps(config).filter((name) => !modulesToSave.some((module) => isModule(name, module)));
  const wanted = targetModules ?? (config.fusedProjections ? ['qkv_proj'] : ['q_proj', 'v_proj']);
  if (wanted === 'all-linear') return all;
  const known = [...new Set(all.map((name) => name.split('.').at(-1)))].join(', ');
  const refuse = () => expected('lora.targetModules', `to name linear maps of the layers (${known})`, wanted, "correct the name, or use 'all-linear'");
  if (typeof wanted === 'string') {
    const pattern = patternOf(wanted);
    const found = all.filter((name) => pattern.test(name));
    if (found.length === 0) throw refuse();
    return found;
  }
  if (wanted.length === 0 || wanted.some((module) => !all.some((name) => isModule(name, module)))) throw refuse();
  return all.filter((name) => wanted.some((module) => isModule(name, module)));
}

function patternOf(text: string): RegExp {
  try {
    return new RegExp(`^(?:${text})$`);
  } catch {
    throw expected('lora.targetModules', 'to be a regular expression for whole names', text, 'correct it, or give a list of names');
  }
}

/** Weights and biases of the modules that are trained whole. */
export function savedNames(config: DecoderConfig, { modulesToSave }: Pick<LoraSettings, 'modulesToSave'>): string[] {
  const names = [...networkShapes(config).keys()];
  const saved = modulesToSave.flatMap((module) => {
    // peft's rule: `norm` is every module whose name ends so, `input_layernorm` among them.
    const found = names.filter((name) => name.replace(/\.[^.]+$/, '').endsWith(module));
    if (found.length === 0) throw expected('lora.modulesToSave', 'to name modules of the network', module, 'name such as `lm_head`, `embed_tokens` or `norm`');
    return found;
  });
  return [...new Set(saved)];
}

/** Names and shapes of all tensors of an adapter, without peft's prefix. */
export function adapterShapes(config: DecoderConfig, settings: LoraSettings): Map<string, number[]> {
  const weights = networkShapes(config);
  const { r, useDora } = settings;
  return new Map([
    ...targetMaps(config, settings).flatMap((name): [string, number[]][] => {
      const [out, input] = weights.get(`${name}.weight`) as [number, number];
      const magnitude: [string, number[]][] = useDora ? [[`${name}.lora_magnitude_vector`, [out]]] : [];
      return [[`${name}.lora_A.weight`, [r, input]], [`${name}.lora_B.weight`, [out, r]], ...magnitude];
    }),
    ...savedNames(config, settings).map((name): [string, number[]] => [name, weights.get(name)!]),
  ]);
}

/** Names and shapes of all weights; a tied head is no weight of its own, but can become one. */
function networkShapes(config: DecoderConfig): Map<string, number[]> {
  return new Map([['lm_head.weight', [config.vocabSize, config.hiddenSize]], ...weightShapes(config)]);
}

/** Names of the linear maps of all layers. */
function linearMaps(config: DecoderConfig): string[] {
  return [...weightShapes(config)].filter(([name, shape]) => shape.length === 2 && name.startsWith('model.layers.')).map(([name]) => name.slice(0, -'.weight'.length));
}

/** peft's rule: the whole name, or its end. */
function isModule(name: string, module: string): boolean {
  return name === module || name.endsWith(`.${module}`);
}
