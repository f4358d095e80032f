/** From a model reference to a network in memory with its tokenizer, and back to a folder that Python loads unchanged. */
import { expected, InputError } from '../errors.ts';
import { generationConfigToSave } from '../text/stop-ids.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import type { DType, Tensor } from '../tensor/tensor.ts';
import * as ops from '../tensor/ops.ts';
import { scope } from '../tensor/scope.ts';
import { openCheckpoint } from '../weights/checkpoint.ts';
import type { Checkpoint } from '../weights/checkpoint.ts';
import { resolveModel } from '../weights/reference.ts';
import { saveCheckpoint } from '../weights/save.ts';
import type { AttentionKernel } from './attention.ts';
import type { Decoder } from './decoder.ts';
import { disposeDecoder, readDecoder } from './decoder.ts';
import { decoderConfig } from './families.ts';

/** A network with everything that belongs to it. */
export interface LoadedModel {
  /** As the user named it. */
  reference: string;
  decoder: Decoder;
  tokenizer: Tokenizer;
  /** `config.json` as it was read. */
  config: Readonly<Record<string, unknown>>;
  generationConfig: Readonly<Record<string, unknown>> | null;
}

/** Where and how a model is loaded. */
export interface LoadOptions {
  /** `'auto'`: what the device computes fast. */
  dtype?: DType | 'auto';
  device?: string;
  attention?: AttentionKernel | 'auto';
  cacheDir?: string | null;
  /** Told what is being fetched or chosen, a line at a time. */
  onMessage?: (line: string) => void;
}

/** A checkpoint that was found and looks right, before its weights are read. */
export interface OpenedModel {
  reference: string;
  checkpoint: Checkpoint;
  tokenizer: Tokenizer;
}

/** Finds a model, and reads its config, tokenizer and header: everything that can be wrong without reading weights. */
export async function openModel(reference: string, { cacheDir, onMessage }: Pick<LoadOptions, 'cacheDir' | 'onMessage'> = {}): Promise<OpenedModel> {
  const location = await resolveModel(reference, { ...(cacheDir ? { cacheDir } : {}), ...(onMessage ? { onMessage } : {}) });
  const checkpoint = openCheckpoint(location);
  try {
    decoderConfig(checkpoint.config);
    return { reference, checkpoint, tokenizer: new Tokenizer(checkpoint.tokenizerFiles()) };
  } catch (error) {
    checkpoint.close();
    throw error;
  }
}

/** Reads the weights of an opened model and closes its files. */
export async function readModel({ reference, checkpoint, tokenizer }: OpenedModel, options: LoadOptions = {}): Promise<LoadedModel> {
  try {
    chooseDevice(options.device ?? 'auto');
    const { dtype, reason } = chooseDType(options.dtype ?? 'auto');
    const attention = options.attention ?? 'auto';
    options.onMessage?.(`computing in ${dtype} on the CPU (${reason})`);
    const decoder = await readDecoder(checkpoint.config, checkpoint, dtype, attention === 'auto' ? 'sdpa' : attention);
    return { reference, decoder, tokenizer, config: checkpoint.config, generationConfig: checkpoint.generationConfig };
  } finally {
    checkpoint.close();
  }
}

/** `openModel` and `readModel` in one. */
export async function loadNetwork(reference: string, options: LoadOptions = {}): Promise<LoadedModel> {
  return readModel(await openModel(reference, options), options);
}

/** What the device computes fast, and why. */
export function chooseDType(wanted: DType | 'auto'): { dtype: DType; reason: string } {
  if (wanted !== 'auto') return { dtype: wanted, reason: 'as asked' };
  return { dtype: 'float32', reason: 'every CPU computes it fast, and most have no units for bfloat16' };
}

/** The device to compute on. */
export function chooseDevice(wanted: string): string {
  if (wanted === 'auto' || wanted === 'cpu') return 'cpu';
  throw new InputError(`Expected \`device\` to be 'auto' or 'cpu', got "${wanted}"; computing on a GPU is not part of this version yet.`, { name: 'device', got: wanted });
}

/** Number of bytes that `saveModel` writes for the weights. */
export function savedBytes({ decoder }: LoadedModel, dtype: DType | null): number {
  const perNumber = bytesPerNumber(dtype ?? decoder.dtype);
  return [...decoder.weights.values()].reduce((total, weight) => total + weight.length * perNumber, 0);
}

/** Writes a Hugging Face folder: config, generation config with the stop ids, weights, tokenizer. `dtype` null keeps the dtype in memory. */
export async function saveModel(folder: string, model: LoadedModel, dtype: DType | null = null): Promise<void> {
  const { decoder, config, tokenizer } = model;
  const saved = dtype ?? decoder.dtype;
  // transformers 5 writes `dtype`, reads both names, and believes `dtype`.
  const { dtype: _, ...withoutDtype } = config;
  await saveCheckpoint(folder, {
    config: { ...withoutDtype, torch_dtype: saved },
    generationConfig: generationConfigToSave(model),
    tokenizerFiles: tokenizer.files,
    tensors: [...decoder.weights].map(([name, weight]) => ({ name, dtype: saved, shape: weight.shape, bytes: () => bytesOf(weight, saved) })),
  });
}

/** Frees the network's tensors. */
export function disposeModel({ decoder }: LoadedModel): void {
  disposeDecoder(decoder);
}

function bytesOf(weight: Tensor, dtype: DType): Uint8Array {
  return scope(() => ops.to(weight, dtype).toBytes());
}

/** Size of one number of a floating dtype. */
export function bytesPerNumber(dtype: DType): number {
  const sizes: Partial<Record<DType, number>> = { float64: 8, float32: 4, bfloat16: 2, float16: 2 };
  const size = sizes[dtype];
  if (size === undefined) throw expected('dtype', 'to be a floating type', dtype, "use 'float32'");
  return size;
}
