/** From a model reference to a network in memory with its tokenizer, and back to a folder that Python loads unchanged. */
import { expected, InputError } from '../errors.ts';
import { generationConfigToSave } from '../text/stop-ids.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import type { DType } from '../tensor/tensor.ts';
import * as ops from '../tensor/ops.ts';
import { scope } from '../tensor/scope.ts';
import { openCheckpoint, readDescription } from '../weights/checkpoint.ts';
import type { Checkpoint } from '../weights/checkpoint.ts';
import { resolveModel } from '../weights/reference.ts';
import { ADAPTER, holdsWeights } from '../weights/safetensors.ts';
import { saveCheckpoint } from '../weights/save.ts';
import type { CheckpointToSave } from '../weights/save.ts';
import { adapterConfig, adapterWeights, openAdapter, readAdapter } from './adapter-files.ts';
import type { OpenedAdapter } from './adapter-files.ts';
import type { AttentionKernel } from './attention.ts';
import type { Decoder } from './decoder.ts';
import { disposeDecoder, readDecoder } from './decoder.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { decoderConfig } from './families.ts';
import { adaptDecoder, adapterShapes } from './lora.ts';
import { mergedConfig, mergedWeight, weightsToMerge } from './merge.ts';
import type { LoraSettings } from './lora.ts';
import type { MergeConsent } from './merge.ts';
import { quantisations } from './read-weights.ts';
import type { Quantisation } from './read-weights.ts';
import { dtypeOf, valuesOf } from './weight.ts';
import type { Weight } from './weight.ts';

/** A network with everything that belongs to it. */
export interface LoadedModel {
  /** As the user named it. */
  reference: string;
  decoder: Decoder;
  tokenizer: Tokenizer;
  /** `config.json` as it was read. */
  config: Readonly<Record<string, unknown>>;
  generationConfig: Readonly<Record<string, unknown>> | null;
  /** Formats of the blocks that the base's numbers come from (`Q4_1`), of its file or in memory; null where they were never in blocks. */
  quantised: string | null;
}

/** Where and how a model is loaded. */
export interface LoadOptions {
  /** `'auto'`: float32. */
  dtype?: DType | 'auto';
  device?: string;
  attention?: AttentionKernel | 'auto';
  /** Holds the matrices in blocks of 4 or 8 bits: made of their numbers (`'q4_0'`, `'q4_1'`, `'q8_0'`), or as the file has them (`'asStored'`). Default null: in `dtype`. */
  quantisation?: Quantisation | null;
  cacheDir?: string | null;
  /** For an adapter: the model under it, in place of the one its config names. */
  base?: string | null;
  /** Told what is being fetched or chosen, a line at a time. */
  onMessage?: (line: string) => void;
}

/** A checkpoint that was found and looks right, before its weights are read. */
export interface OpenedModel {
  reference: string;
  /** What adapts the checkpoint, with the name of the checkpoint; null where nothing does. */
  adapter: (OpenedAdapter & { base: string }) | null;
  checkpoint: Checkpoint;
  tokenizer: Tokenizer;
}

/** Finds a model, and reads its config, tokenizer and header: everything that can be wrong without reading weights. */
export async function openModel(reference: string, { cacheDir, base = null, onMessage }: Pick<LoadOptions, 'cacheDir' | 'base' | 'onMessage'> = {}): Promise<OpenedModel> {
  const resolve = (name: string) => resolveModel(name, { ...(cacheDir ? { cacheDir } : {}), ...(onMessage ? { onMessage } : {}) });
  const named = await resolve(reference);
  const found = named.kind === 'gguf' || holdsWeights(named.path) ? null : openAdapter(named.path);
  if (base !== null && !found) throw expected('base', 'to be left out for a model that is no adapter', base, 'name the adapter as the model, or remove `base`');
  const adapter = found && { ...found, base: baseOf(found, base) };
  const location = adapter ? await resolve(adapter.base) : named;
  const checkpoint = openCheckpoint(location);
  try {
    const config = decoderConfig(checkpoint.config);
    if (adapter) adapterShapes(config, adapter.settings);
    return { reference, adapter, checkpoint, tokenizer: new Tokenizer(checkpoint.tokenizerFiles()) };
  } catch (error) {
    checkpoint.close();
    throw error;
  }
}

/** What is known of a model whose weights need not be there. */
export interface DescribedModel {
  config: DecoderConfig;
  tokenizer: Tokenizer;
  /** What adapts it; null where nothing does. */
  adapter: LoraSettings | null;
}

/** Reads config and tokenizer of a model: of a folder its small files, of a GGUF file its header. From the Hub no weights are fetched. */
export async function describeModel(reference: string, { cacheDir, onMessage }: Pick<LoadOptions, 'cacheDir' | 'onMessage'> = {}): Promise<DescribedModel> {
  const resolve = (name: string) => resolveModel(name, { weights: false, ...(cacheDir ? { cacheDir } : {}), ...(onMessage ? { onMessage } : {}) });
  const named = await resolve(reference);
  const adapter = named.kind === 'gguf' || holdsWeights(named.path) ? null : openAdapter(named.path);
  const description = readDescription(adapter ? await resolve(baseOf(adapter, null)) : named);
  return { config: decoderConfig(description.config), tokenizer: new Tokenizer(description.tokenizerFiles()), adapter: adapter?.settings ?? null };
}

/** Reads the weights of an opened model, in a dtype that may have been chosen before, and closes its files. */
export async function readModel(
  { reference, adapter, checkpoint, tokenizer }: OpenedModel,
  options: LoadOptions = {},
  { dtype, reason }: DTypeChoice = chooseDType(options.dtype ?? 'auto'),
): Promise<LoadedModel> {
  try {
    chooseDevice(options.device ?? 'auto');
    const attention = options.attention ?? 'auto';
    const quantisation = options.quantisation ?? null;
    checkQuantisation(quantisation, dtype);
    options.onMessage?.(`computing in ${dtype} on the CPU (${reason})`);
    const base = await readDecoder(checkpoint.config, checkpoint, dtype, attention === 'auto' ? 'sdpa' : attention, quantisation);
    const decoder = adapter ? withAdapter(base, adapter) : base;
    return { reference, decoder, tokenizer, config: checkpoint.config, generationConfig: checkpoint.generationConfig, quantised: blocksUnder(quantisation, checkpoint) };
  } finally {
    checkpoint.close();
  }
}

function checkQuantisation(quantisation: Quantisation | null, dtype: DType): void {
  if (quantisation === null) return;
  if (!quantisations.includes(quantisation)) throw expected('quantisation', `to be one of ${quantisations.map((name) => `'${name}'`).join(', ')}, or null`, quantisation, 'correct the name');
  if (dtype !== 'float32') throw expected('dtype', "to be 'auto' or 'float32' with `quantisation`", dtype, 'blocks are multiplied in float32; leave `dtype` out');
}

/** The formats that stand between the numbers of a network and those it was trained to. */
function blocksUnder(quantisation: Quantisation | null, { quantised }: Checkpoint): string | null {
  return quantisation === null || quantisation === 'asStored' ? quantised : quantisation.toUpperCase();
}

/** The name of the model under an adapter. */
function baseOf({ base, folder }: OpenedAdapter, given: string | null): string {
  const named = given ?? base;
  if (named === null) throw expected('base', `to be given for the adapter ${folder}, whose ${ADAPTER.config} names no model`, given, 'name the model it was trained over');
  return named;
}

function withAdapter(base: Decoder, adapter: NonNullable<OpenedModel['adapter']>): Decoder {
  try {
    return adaptDecoder(readAdapter(adapter, base, adapter.base));
  } catch (error) {
    disposeDecoder(base);
    throw error;
  }
}

/** `openModel` and `readModel` in one. */
export async function loadNetwork(reference: string, options: LoadOptions = {}): Promise<LoadedModel> {
  return readModel(await openModel(reference, options), options);
}

/** The dtype of a network, and why. */
export interface DTypeChoice {
  dtype: DType;
  reason: string;
}

/** The dtype that a model is loaded in where nothing is trained. */
export function chooseDType(wanted: DType | 'auto'): DTypeChoice {
  if (wanted !== 'auto') return { dtype: wanted, reason: 'as asked' };
  return { dtype: 'float32', reason: 'every CPU computes it fast, and its numbers are those of other programs' };
}

/** The device to compute on. */
export function chooseDevice(wanted: string): string {
  if (wanted === 'auto' || wanted === 'cpu') return 'cpu';
  throw new InputError(`Expected \`device\` to be 'auto' or 'cpu', got "${wanted}"; computing on a GPU is not part of this version yet.`, { name: 'device', got: wanted });
}

/** Number of bytes that `saveModel` writes for the weights. */
export function savedBytes({ decoder }: LoadedModel, dtype: DType | null): number {
  const { weights, trained } = decoder;
  return [...(decoder.adapter ? trained : weights).values()].reduce((total, weight) => total + weight.length * bytesPerNumber(dtype ?? dtypeOf(weight)), 0);
}

/** What a save of a model holds: the texts, and the weights under their names in the file. */
export interface ModelToSave extends Omit<CheckpointToSave, 'tensors'> {
  /** With the type that each is saved in. */
  weights: { name: string; weight: Weight; dtype: DType }[];
}

/** What `saveModel` writes. */
export function modelToSave(model: LoadedModel, dtype: DType | null = null): ModelToSave {
  const { decoder, config, tokenizer } = model;
  const { files: tokenizerFiles } = tokenizer;
  const typed = (name: string, weight: Weight) => ({ name, weight, dtype: dtype ?? dtypeOf(weight) });
  if (decoder.adapter) return { tokenizerFiles, names: ADAPTER, config: adapterConfig(decoder.adapter), generationConfig: null, weights: adapterWeights(decoder).map(({ name, weight }) => typed(name, weight)) };
  return { tokenizerFiles, config: configOfType(config, dtype ?? decoder.dtype), generationConfig: generationConfigToSave(model), weights: [...decoder.weights].map(([name, weight]) => typed(name, weight)) };
}

/** Writes a Hugging Face folder (config, generation config with the stop ids, weights, tokenizer), or peft's for a model with an adapter. `dtype` null keeps the dtype in memory. */
export async function saveModel(folder: string, model: LoadedModel, dtype: DType | null = null): Promise<void> {
  const { weights, ...files } = modelToSave(model, dtype);
  await saveCheckpoint(folder, { ...files, tensors: weights.map(({ name, weight, dtype: saved }) => ({ name, dtype: saved, shape: weight.shape, bytes: () => bytesOf(weight, saved) })) });
}

/** Writes a model with an adapter as a whole model, weight by weight: no second network is made. */
export async function saveMerged(folder: string, model: LoadedModel, dtype: DType, consent: MergeConsent = {}): Promise<void> {
  bytesPerNumber(dtype);
  const { decoder, tokenizer } = model;
  const config = mergedConfig(model, consent);
  await saveCheckpoint(folder, {
    config: configOfType(config, dtype),
    generationConfig: generationConfigToSave(model),
    tokenizerFiles: tokenizer.files,
    tensors: [...weightsToMerge(decoder)].map(([name, weight]) => ({ name, dtype, shape: weight.shape, bytes: () => scope(() => mergedWeight(decoder, name, weight, dtype).toBytes()) })),
  });
}

/** transformers 5 writes `dtype`, reads both names, and believes `dtype`. */
function configOfType(config: Readonly<Record<string, unknown>>, saved: DType): Record<string, unknown> {
  const { dtype: _, ...withoutDtype } = config;
  return { ...withoutDtype, torch_dtype: saved };
}

/** Frees the network's tensors, and those of the network under its adapter. */
export function disposeModel({ decoder }: LoadedModel): void {
  disposeDecoder(decoder);
  if (decoder.adapter) disposeDecoder(decoder.adapter.base);
}

function bytesOf(weight: Weight, dtype: DType): Uint8Array {
  return scope(() => ops.to(valuesOf(weight), dtype).toBytes());
}

/** Size of one number of a floating dtype. */
export function bytesPerNumber(dtype: DType): number {
  const sizes: Partial<Record<DType, number>> = { float64: 8, float32: 4, bfloat16: 2, float16: 2 };
  const size = sizes[dtype];
  if (size === undefined) throw expected('dtype', 'to be a floating type', dtype, "use 'float32'");
  return size;
}
