/** Which files of a Hub repository a model needs, and why a repository has none to give. */
import fs from 'node:fs';
import path from 'node:path';
import { NotFoundError } from '../errors.ts';
import { ADAPTER, holdsWeights, INDEX_FILE, readIndex, SINGLE_FILE } from './safetensors.ts';
import { TOKENIZER_FILE, VOCABULARY_FILE } from './wordpiece-vocabulary.ts';

/** What every model has. */
function required(has: (name: string) => boolean): string[] {
  const tokenizer = !has(TOKENIZER_FILE) && has(VOCABULARY_FILE) ? VOCABULARY_FILE : TOKENIZER_FILE;
  return ['config.json', tokenizer, 'tokenizer_config.json'];
}

/** Fetched where they exist. */
export const OPTIONAL = ['generation_config.json', 'special_tokens_map.json', 'chat_template.jinja'];

/** A repository on the Hub at one revision. */
export interface HubReference {
  /** `org/name` */
  repository: string;
  /** Branch, tag or commit. */
  revision: string;
  /** True for a dataset, which has addresses and a cache folder of its own kind. */
  dataset?: boolean;
}

/** Reads `org/name[@revision]`; null where the text is none. The rules are the Hub's, and keep every path inside the cache. */
export function hubReference(text: string): HubReference | null {
  const [, repository, revision = 'main'] = /^(\w[\w.-]*\/\w[\w.-]*)(?:@(\w[\w.+/-]*))?$/.exec(text) ?? [];
  if (!repository || /--|\.\.|[.-](\/|$)|\.git$/.test(repository) || /\.\.|\/\/|\/$/.test(revision)) return null;
  return { repository, revision };
}

/**
 * The files to fetch first, by the repository's list of names: all but the shards, which the index names. `weights` is null
 * where none are wanted.
 *
 * @throws NotFoundError with the way round when the repository holds nothing that can be read
 */
export function filesToFetch(
  names: ReadonlySet<string>,
  reference: HubReference,
  endpoint: string,
  withWeights: boolean,
): { small: string[]; weights: typeof SINGLE_FILE | typeof INDEX_FILE | typeof ADAPTER.weights | null } {
  const ending = (end: RegExp): string[] => [...names].filter((name) => end.test(name));
  const refuse = (wanted: string, got: string, mend: string): NotFoundError =>
    new NotFoundError(`Expected ${at(reference)} to hold ${wanted}, got ${got}; ${mend}.`, { ...reference, reason: 'contents' });
  const ggufs = ending(/\.gguf$/i);
  const weights = [SINGLE_FILE, INDEX_FILE].find((name) => names.has(name)) as typeof SINGLE_FILE | typeof INDEX_FILE | undefined;
  if (!weights && names.has(ADAPTER.config)) {
    if (!names.has(ADAPTER.weights)) throw refuse(ADAPTER.weights, list([...names]), 'save the adapter with a current peft, which writes safetensors');
    return { small: [ADAPTER.config], weights: withWeights ? ADAPTER.weights : null };
  }
  if ((withWeights && !weights) || !names.has('config.json')) {
    if (names.has('config.json') && ending(/^pytorch_model.*\.bin$/).length > 0) {
      throw refuse('safetensors', 'only weights in .bin files, which can run code when they are read', `convert them (${resave(reference)}) and name the folder: ${folderFor(reference)}`);
    }
    if (ggufs.length > 0) {
      // A name with other characters has no place in a command.
      const one = ggufs.find((name) => /^[\w./-]+$/.test(name)) ?? 'FILE.gguf';
      const command = `curl -L -O ${endpoint}/${reference.repository}/resolve/${encodeURIComponent(reference.revision)}/${one}`;
      throw refuse('config.json and safetensors', `only GGUF files: ${list(ggufs)}`, `fetch the one you want (${command}) and name the file: ./${path.posix.basename(one)}`);
    }
    throw refuse(`config.json and ${SINGLE_FILE} (or ${INDEX_FILE})`, list([...names]), 'name a repository that holds a language model');
  }
  const needed = required((name) => names.has(name));
  const missing = needed.filter((name) => !names.has(name));
  if (missing.length > 0) {
    throw refuse(missing.join(' and '), 'none', `write them with Python's transformers (${resave(reference)}) and name the folder: ${folderFor(reference)}`);
  }
  const small = [...needed, ...OPTIONAL.filter((name) => names.has(name))];
  if (!withWeights || !weights) return { small, weights: null };
  return { small: weights === INDEX_FILE ? [...small, INDEX_FILE] : small, weights };
}

/** What a snapshot folder lacks to be a model; empty when it is whole. Files that not every model has are not asked for. */
export function missingFiles(snapshot: string, withWeights: boolean): string[] {
  const has = (name: string): boolean => fs.existsSync(path.join(snapshot, name));
  // The rest of an adapter's model is its base's.
  if (!holdsWeights(snapshot) && has(ADAPTER.config)) return withWeights && !has(ADAPTER.weights) ? [ADAPTER.weights] : [];
  const missing = required(has).filter((name) => !has(name));
  if (!withWeights || has(SINGLE_FILE)) return missing;
  if (!has(INDEX_FILE)) return [...missing, SINGLE_FILE];
  return [...missing, ...shardNames(snapshot).filter((name) => !has(name))];
}

/** The shards that a snapshot's index names. */
export function shardNames(snapshot: string): string[] {
  return [...new Set(readIndex(path.join(snapshot, INDEX_FILE)).values())];
}

/** A reference as the user would write it. */
export function at({ repository, revision, dataset }: HubReference): string {
  return `${dataset ? 'the dataset ' : ''}${revision === 'main' ? repository : `${repository}@${revision}`}`;
}

/** The path of a repository's page, below the Hub's address. */
export function pagePath({ repository, dataset }: HubReference): string {
  return dataset ? `datasets/${repository}` : repository;
}

function folderFor({ repository }: HubReference): string {
  return `./${repository.split('/')[1]}`;
}

/** The command that writes a model anew in the layout we read, by the class that its config names: a classifier keeps its head. */
function resave(reference: HubReference): string {
  const from = `'${reference.repository}'${reference.revision === 'main' ? '' : `, revision='${reference.revision}'`}`;
  return `python3 -c "import transformers as t; model = getattr(t, t.AutoConfig.from_pretrained(${from}).architectures[0]); [c.from_pretrained(${from}).save_pretrained('${folderFor(reference)}') for c in (model, t.AutoTokenizer)]"`;
}

function list(names: readonly string[]): string {
  if (names.length === 0) return 'nothing';
  return names.length > 12 ? `${names.slice(0, 12).join(', ')} and ${names.length - 12} more` : names.join(', ');
}
