/** Adapters on disk, in the layout of Python's peft: `adapter_config.json` and `adapter_model.safetensors`. */
import path from 'node:path';
import { FileFormatError, show } from '../errors.ts';
import * as ops from '../tensor/ops.ts';
import { keep, scope } from '../tensor/scope.ts';
import { tensorFromBytes } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { readJsonIfThere } from '../weights/json-file.ts';
import type { JsonObject } from '../weights/json-file.ts';
import { absoluteReference } from '../weights/reference.ts';
import { ADAPTER, openSafetensors } from '../weights/safetensors.ts';
import type { TensorFile } from '../weights/safetensors.ts';
import { checkWeights } from './decoder.ts';
import type { Decoder } from './decoder.ts';
import type { LinearAdapter } from './linear.ts';
import { adapterDType, adapterShapes, savedNames, scaleOf, targetMaps } from './lora.ts';
import type { Adapter, LoraSettings } from './lora.ts';

/** What peft puts before the names of a causal language model. */
const PREFIX = 'base_model.model.';

/** An adapter that was found and looks right, before its weights are read. */
export interface OpenedAdapter {
  folder: string;
  settings: LoraSettings;
  /** The model it was trained over, as its config names it; null where it names none. */
  base: string | null;
}

/** Settings of peft that would change the numbers, and are not read. Each must be off. */
const unread = [
  'rank_pattern', 'alpha_pattern', 'layers_to_transform', 'exclude_modules', 'fan_in_fan_out', 'lora_bias', 'target_parameters', 'trainable_token_indices',
  'layer_replication', 'use_qalora', 'alora_invocation_tokens', 'arrow_config', 'megatron_config', 'loftq_config', 'eva_config', 'corda_config', 'lora_ga_config',
] as const;

/**
 * Opens the adapter in a folder, or gives null where there is none.
 *
 * @throws FileFormatError when it is no LoRA, or uses what this library does not read
 */
export function openAdapter(folder: string): OpenedAdapter | null {
  const file = path.join(folder, ADAPTER.config);
  const config = readJsonIfThere(file);
  if (!config) return null;
  const fault = (name: string, wanted: string) =>
    new FileFormatError(`Expected \`${name}\` in \`${file}\` to be ${wanted}, got ${show(config[name])}; merge this adapter with Python's peft and load the result.`, { file, name });
  if (config.peft_type !== 'LORA') throw fault('peft_type', 'LORA');
  if ((config.bias ?? 'none') !== 'none') throw fault('bias', 'none');
  for (const name of unread) if (!isOff(config[name])) throw fault(name, 'off');
  // Other ways to begin change the base as well.
  if (!['true', 'false', 'gaussian'].includes(String(config.init_lora_weights ?? true))) throw fault('init_lora_weights', 'true, false or gaussian');
  const number = (name: string, fits: (value: number) => boolean, wanted: string): number => {
    const value = config[name];
    if (typeof value !== 'number' || !fits(value)) throw fault(name, wanted);
    return value;
  };
  const targets = config.target_modules;
  if (typeof targets !== 'string' && !isTexts(targets)) throw fault('target_modules', 'names or a pattern');
  const toSave = config.modules_to_save ?? [];
  if (!isTexts(toSave)) throw fault('modules_to_save', 'names');
  const settings: LoraSettings = {
    r: number('r', (value) => Number.isInteger(value) && value >= 1, 'a whole number, 1 or more'),
    alpha: number('lora_alpha', (value) => value >= 0, 'a number, 0 or more'),
    dropout: number('lora_dropout', (value) => value >= 0 && value < 1, '0 or more and below 1'),
    targetModules: targets,
    modulesToSave: toSave,
    useRslora: config.use_rslora === true,
    useDora: config.use_dora === true,
    initLoraWeights: config.init_lora_weights === 'gaussian' ? 'gaussian' : 'kaiming',
  };
  const base = config.base_model_name_or_path;
  return { folder, settings, base: typeof base === 'string' && base !== '' ? base : null };
}

function isOff(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0;
  return value === undefined || value === null || value === false;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

/**
 * Reads an adapter's weights for the network it belongs to. The caller disposes them, through the network that gets them.
 *
 * @throws FileFormatError when they do not fit the network or the adapter's own config
 */
export function readAdapter({ folder, settings }: OpenedAdapter, base: Decoder, baseReference: string): Adapter {
  const file = openSafetensors(path.join(folder, ADAPTER.weights));
  const owned: Tensor[] = [];
  try {
    const shapes = adapterShapes(base.config, settings);
    checkNames(file, shapes, folder);
    const read = (name: string, dtype = adapterDType(base)): Tensor => {
      const stored = file.read(PREFIX + name);
      const weight = keep(scope(() => ops.to(tensorFromBytes(stored.bytes, stored.shape, stored.dtype), dtype)));
      owned.push(weight);
      return weight;
    };
    const maps = new Map(
      targetMaps(base.config, settings).map((name, index): [string, LinearAdapter] => {
        const [a, b] = [read(`${name}.lora_A.weight`), read(`${name}.lora_B.weight`)];
        return [name, { a, b, scale: scaleOf(settings), index, magnitude: settings.useDora ? read(`${name}.lora_magnitude_vector`) : null }];
      }),
    );
    return { settings, base, baseReference, maps, saved: new Map(savedNames(base.config, settings).map((name) => [name, read(name, base.dtype)])) };
  } catch (error) {
    for (const weight of owned) weight.dispose();
    throw error;
  } finally {
    file.close();
  }
}

function checkNames(file: TensorFile, shapes: ReadonlyMap<string, readonly number[]>, folder: string): void {
  const mend = 'the adapter belongs to another model, or its files do not belong together';
  const wanted = new Map([...shapes].map(([name, shape]) => [PREFIX + name, shape]));
  checkWeights(file, wanted, { what: `the adapter \`${folder}\``, says: `the base and ${ADAPTER.config} say`, incomplete: mend, foreign: mend });
  const foreign = file.names().find((name) => !wanted.has(name));
  if (foreign) throw new FileFormatError(`Expected the adapter \`${folder}\` to hold only what its ${ADAPTER.config} names, got \`${foreign}\`; ${mend}.`, { folder, name: foreign });
}

/** The tensors of an adapted network as peft stores them. */
export function adapterWeights({ trained }: Decoder): { name: string; weight: Tensor }[] {
  return [...trained].map(([name, weight]) => ({ name: PREFIX + name, weight }));
}

/** `adapter_config.json` as peft 0.21 reads it. */
export function adapterConfig({ settings, base, baseReference }: Adapter): JsonObject {
  const { r, alpha, dropout, targetModules, modulesToSave, useRslora, useDora, initLoraWeights } = settings;
  const names = [...new Set(targetMaps(base.config, settings).map((name) => name.split('.').at(-1)!))];
  const isPattern = typeof targetModules === 'string' && targetModules !== 'all-linear';
  return {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    // A folder is named so that it is found from anywhere.
    base_model_name_or_path: absoluteReference(baseReference),
    r,
    lora_alpha: alpha,
    lora_dropout: dropout,
    target_modules: isPattern || Array.isArray(targetModules) ? targetModules : names,
    modules_to_save: modulesToSave.length > 0 ? modulesToSave : null,
    use_rslora: useRslora,
    use_dora: useDora,
    init_lora_weights: initLoraWeights === 'gaussian' ? 'gaussian' : true,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
  };
}
