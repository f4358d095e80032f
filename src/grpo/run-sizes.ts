/** What the options say about memory: the sizes of a run, and the bound that it must stay below. */
import type { AttentionKernel } from '../model/attention.ts';
import type { DecoderConfig } from '../model/decoder-config.ts';
import { bytesPerNumber } from '../model/load.ts';
import type { LoraSettings } from '../model/lora.ts';
import type { Quantisation } from '../model/read-weights.ts';
import { machineMemory } from '../run/machine-memory.ts';
import type { MemoryLimit } from '../run/machine-memory.ts';
import type { OptimizerName } from '../training/optimizers/make-optimizer.ts';
import { bytesOf } from './memory-size.ts';
import type { PolicySizes, Storage } from './memory-estimate.ts';
import type { ResolvedOptions } from './options.ts';

/** The model of a run, before its weights are there. */
interface ModelSizes {
  config: DecoderConfig;
  /** The adapter that the model comes with. */
  adapter: LoraSettings | null;
  attention: AttentionKernel;
  /** How the weights of a loaded model lie in memory; null for one that is still to be read, as the options say. */
  storage: Storage | null;
}

/**
 * Bytes of an element by block format. What a file holds is not known before it is read: no held format of whole blocks takes
 * more than eight and a half bits.
 */
export const blockBytes: Readonly<Record<Quantisation, number>> = { q4_0: 18 / 32, q4_1: 20 / 32, q8_0: 34 / 32, asStored: 34 / 32 };

/** `dtype: 'auto'` is planned for as float32, which takes at least as much as 16 bits with an adapter. */
function storageOf({ dtype, quantisation }: ResolvedOptions): Storage {
  return { number: dtype === 'auto' ? 4 : bytesPerNumber(dtype), block: quantisation === null ? null : blockBytes[quantisation] };
}

/** What the memory of a run depends on, but for models among its rewards. */
export function runSizes(options: ResolvedOptions, { config, adapter, attention, storage }: ModelSizes, promptTokens: number): PolicySizes {
  const { lora, beta, iterations, promptsPerStep, numGenerations, stepsPerGeneration, maxCompletionLength, optim } = options;
  // As in `referenceOf`: a new adapter's network without it is the reference, but for the iterations that renew it.
  const shares = lora !== null && iterations === 1;
  return {
    config,
    storage: storage ?? storageOf(options),
    lora: lora ?? adapter,
    attention,
    reference: beta === 0 ? 'none' : shares ? 'shared' : 'copy',
    optim: typeof optim === 'string' ? (optim as OptimizerName) : null,
    optimizerSettings: options,
    step: { prompts: promptsPerStep, generations: numGenerations, promptTokens, newTokens: maxCompletionLength },
    completions: promptsPerStep * stepsPerGeneration * numGenerations,
  };
}

/** The kernel that `attention` stands for where a network is read. */
export function kernelOf(attention: ResolvedOptions['attention']): AttentionKernel {
  return attention === 'auto' ? 'sdpa' : attention;
}

/** The narrower of `maxMemory` and what the machine can give. */
export function memoryLimit({ maxMemory }: Pick<ResolvedOptions, 'maxMemory'>, machine: MemoryLimit = machineMemory()): MemoryLimit {
  if (maxMemory === null) return machine;
  const asked = { bytes: bytesOf(maxMemory), source: '`maxMemory`' };
  return asked.bytes < machine.bytes ? asked : machine;
}
