import fs from 'node:fs/promises';
import path from 'node:path';
import { InputError, ResourceError } from '../errors.ts';
import type { TokenizerFiles } from '../text/tokenizer-files.ts';
import { append, writeAtomically } from './atomic-file.ts';
import { configText } from './config-text.ts';
import type { TensorEntry } from './dtype.ts';
import type { JsonObject } from './json-file.ts';
import { SINGLE_FILE } from './safetensors.ts';
import { safetensorsSize, writeSafetensors } from './write-safetensors.ts';

/** A model to be written in the Hugging Face layout. */
export interface CheckpointToSave {
  config: JsonObject;
  generationConfig: JsonObject | null;
  tokenizerFiles: TokenizerFiles;
  /** Under their Hugging Face names; a tied head is left out, as transformers leaves it out. */
  tensors: Iterable<TensorEntry>;
  /** What the files are called; left out, as a model's are. */
  names?: { weights: string; config: string };
}

const MODEL_NAMES = { weights: SINGLE_FILE, config: 'config.json' };

/**
 * Writes a folder that Python's transformers and this library load: weights first, the config last, each file whole
 * or not there. Free disk is checked before the first byte.
 *
 * @throws ResourceError when the disk has too little room (`data.needed`, `data.free` in bytes)
 * @throws InputError when the folder cannot be written, or the tensors contradict themselves
 */
export async function saveCheckpoint(folder: string, checkpoint: CheckpointToSave): Promise<void> {
  const tensors = [...checkpoint.tensors];
  const texts = textFiles(checkpoint);
  await makeFolder(folder);
  const textBytes = texts.reduce((total, [, text]) => total + Buffer.byteLength(text), 0);
  await checkFreeDisk(folder, safetensorsSize(tensors) + textBytes);
  await writeSafetensors(path.join(folder, (checkpoint.names ?? MODEL_NAMES).weights), tensors);
  for (const [name, text] of texts) {
    await writeAtomically(path.join(folder, name), (file) => append(file, new TextEncoder().encode(text)));
  }
}

/**
 * Checks that the disk that holds `folder` has room for `needed` more bytes.
 *
 * @throws ResourceError with both figures
 */
export async function checkFreeDisk(folder: string, needed: number): Promise<void> {
  const disk = await fs.statfs(folder);
  const free = disk.bavail * disk.bsize;
  if (free < needed) {
    throw new ResourceError(`Expected ${needed} bytes of free disk for \`${folder}\`, got ${free}; free ${needed - free} bytes or choose another disk.`, { folder, needed, free });
  }
}

/** Names and contents, in the order of writing. */
function textFiles({ config, generationConfig, tokenizerFiles, names = MODEL_NAMES }: CheckpointToSave): [string, string][] {
  const { tokenizerJson, tokenizerConfig, specialTokensMap, chatTemplate } = tokenizerFiles;
  const files: [string, string][] = [
    ['tokenizer.json', json(tokenizerJson)],
    ['tokenizer_config.json', json(tokenizerConfig)],
  ];
  if (specialTokensMap) files.push(['special_tokens_map.json', json(specialTokensMap)]);
  if (chatTemplate !== undefined) files.push(['chat_template.jinja', chatTemplate]);
  if (generationConfig) files.push(['generation_config.json', json(generationConfig)]);
  files.push([names.config, configText(config)]);
  return files;
}

function json(value: JsonObject): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await fs.mkdir(folder, { recursive: true });
    await fs.access(folder, fs.constants.W_OK);
  } catch (cause) {
    throw new InputError(`Expected \`${folder}\` to be a folder that can be written, got ${(cause as Error).message}; choose another folder.`, { folder }, { cause });
  }
}
