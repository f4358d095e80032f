import fs from 'node:fs';
import path from 'node:path';
import { NotFoundError } from '../errors.ts';
import type { TokenizerFiles } from '../text/tokenizer-files.ts';
import { openGguf } from './gguf.ts';
import type { GgufFile } from './gguf.ts';
import { ggufGenerationConfig, ggufModel } from './gguf-config.ts';
import { ggufTensors } from './gguf-tensors.ts';
import { ggufTokenizerFiles } from './gguf-tokenizer.ts';
import type { JsonObject } from './json-file.ts';
import { readJsonIfThere } from './json-file.ts';
import type { ModelLocation } from './reference.ts';
import type { TensorFile } from './safetensors.ts';
import { SINGLE_FILE, holdsWeights, openSafetensors } from './safetensors.ts';
import { bertTokenizerJson, isBertVocabulary, TOKENIZER_FILE, VOCABULARY_FILE } from './wordpiece-vocabulary.ts';

/** What a model is beside its weights. */
export interface Description {
  /** `config.json` */
  config: JsonObject;
  /** `generation_config.json`, or null where there is none. */
  generationConfig: JsonObject | null;
  /** Block formats in which weights are held (`Q4_1`), or null where they are held whole. */
  quantised: string | null;
  /** Reads (or builds, for a GGUF) the tokenizer's files. */
  tokenizerFiles(): TokenizerFiles;
}

/** A model on disk, whatever its files, under Hugging Face names. */
export interface Checkpoint extends TensorFile, Description {}

/**
 * Opens a resolved model. Headers are read and checked; tensors stay on disk until they are read.
 *
 * @throws NotFoundError when a file of the checkpoint is missing
 * @throws FileFormatError when one is damaged
 */
export function openCheckpoint(location: Pick<ModelLocation, 'kind' | 'path'>): Checkpoint {
  return location.kind === 'gguf' ? openGgufCheckpoint(location.path) : openFolder(location.path);
}

/**
 * Reads what a resolved model is beside its weights, which need not be there: of a folder its small files, of a GGUF file
 * its header.
 *
 * @throws NotFoundError when a file is missing
 * @throws FileFormatError when one is damaged
 */
export function readDescription(location: Pick<ModelLocation, 'kind' | 'path'>): Description {
  if (location.kind === 'folder') return describeFolder(location.path);
  const { config, generationConfig, quantised, tokenizerFiles, close } = openGgufCheckpoint(location.path);
  try {
    const files = tokenizerFiles();
    return { config, generationConfig, quantised, tokenizerFiles: () => files };
  } finally {
    close();
  }
}

function openGgufCheckpoint(file: string): Checkpoint {
  const gguf = openGguf(file);
  try {
    const model = ggufModel(gguf);
    return {
      ...ggufTensors(gguf, model),
      config: model.config,
      generationConfig: ggufGenerationConfig(gguf),
      quantised: blockFormats(gguf),
      tokenizerFiles: () => ggufTokenizerFiles(gguf),
    };
  } catch (error) {
    gguf.close();
    throw error;
  }
}

/** The formats of a file whose blocks hold more than one number each. */
function blockFormats(gguf: GgufFile): string | null {
  const names = new Set([...gguf.tensors.values()].filter(({ format }) => format.blockSize > 1).map(({ format }) => format.name));
  return names.size === 0 ? null : [...names].sort().join(', ');
}

function describeFolder(folder: string): Description {
  const config = readJsonIfThere(path.join(folder, 'config.json'));
  if (!config) {
    const ggufs = fs.readdirSync(folder).filter((name) => name.endsWith('.gguf'));
    const mend = ggufs.length > 0 ? `name the GGUF file itself: ${ggufs.map((name) => path.join(folder, name)).join(' or ')}` : 'name the folder that holds config.json and model.safetensors';
    throw missing(folder, 'config.json', 'none', mend);
  }
  return { config, generationConfig: readJsonIfThere(path.join(folder, 'generation_config.json')), quantised: null, tokenizerFiles: () => readTokenizerFiles(folder) };
}

function openFolder(folder: string): Checkpoint {
  const description = describeFolder(folder);
  const pickled = fs.readdirSync(folder).find((name) => /^pytorch_model.*\.bin(\.index\.json)?$/.test(name));
  if (pickled && !holdsWeights(folder)) throw missing(folder, SINGLE_FILE, `only ${pickled}`, `convert it: ${resave('model', folder)}`);
  return { ...openSafetensors(folder), ...description };
}

/** Reads the tokenizer's files out of a folder in the Hugging Face layout. */
export function readTokenizerFiles(folder: string): TokenizerFiles {
  const read = (name: string): JsonObject => {
    const found = readJsonIfThere(path.join(folder, name));
    if (!found) throw missing(folder, name, 'none', `make it: ${resave('tokenizer', folder)}`);
    return found;
  };
  const map = readJsonIfThere(path.join(folder, 'special_tokens_map.json'));
  const files: TokenizerFiles = { tokenizerJson: fromVocabulary(folder, map) ?? read(TOKENIZER_FILE), tokenizerConfig: read('tokenizer_config.json') };
  if (map) files.specialTokensMap = map;
  const template = path.join(folder, 'chat_template.jinja');
  if (fs.existsSync(template)) files.chatTemplate = fs.readFileSync(template, 'utf8');
  return files;
}

/** A `tokenizer.json` made of the `vocab.txt` of a BERT model that has no other; null where there is one, or no such vocabulary. */
function fromVocabulary(folder: string, specialTokensMap: JsonObject | null): TokenizerFiles['tokenizerJson'] | null {
  const [whole, vocabulary] = [TOKENIZER_FILE, VOCABULARY_FILE].map((name) => path.join(folder, name)) as [string, string];
  if (fs.existsSync(whole) || !fs.existsSync(vocabulary)) return null;
  const config = readJsonIfThere(path.join(folder, 'tokenizer_config.json')) ?? {};
  if (!isBertVocabulary(config, readJsonIfThere(path.join(folder, 'config.json'))?.['model_type'])) return null;
  return bertTokenizerJson(fs.readFileSync(vocabulary, 'utf8'), config, specialTokensMap ?? {});
}

/** The command that writes a folder anew with Python's transformers, in the layout we read; a model by the class that its config names. */
function resave(what: 'model' | 'tokenizer', folder: string): string {
  const quoted = folder.replaceAll("'", '');
  const loader = what === 'tokenizer' ? 't.AutoTokenizer' : `getattr(t, t.AutoConfig.from_pretrained('${quoted}').architectures[0])`;
  return `python3 -c "import transformers as t; ${loader}.from_pretrained('${quoted}').save_pretrained('${quoted}')"`;
}

function missing(folder: string, file: string, got: string, mend: string): NotFoundError {
  return new NotFoundError(`Expected \`${folder}\` to hold ${file}, got ${got}; ${mend}.`, { folder, file });
}
