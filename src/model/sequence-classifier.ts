/** Sequence classifiers, whatever their family: a reference → files that look right → scores of rows of tokens. */
import { expected, FileFormatError } from '../errors.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import { openCheckpoint, readDescription } from '../weights/checkpoint.ts';
import type { Checkpoint } from '../weights/checkpoint.ts';
import { elementCount } from '../weights/dtype.ts';
import { resolveModel } from '../weights/reference.ts';
import { disposeEncoder, encoderScores, readEncoder } from './encoder.ts';
import { encoderContext, encoderFamilies, encoderShapes } from './encoder-config.ts';
import { decoderConfig, families } from './families.ts';
import { ConfigFields } from './families/config-fields.ts';
import { disposeHeaded, readHeaded, scoreSequences } from './heads.ts';
import type { LoadOptions } from './load.ts';
import { weightShapes } from './weight-names.ts';

/** A classifier that was found and looks right, before its weights are read. */
export interface OpenedClassifier {
  reference: string;
  checkpoint: Checkpoint;
  tokenizer: Tokenizer;
  /** Names of its logits, in order. */
  labels: string[];
  /** Most tokens of a row: what both network and tokenizer allow. */
  limit: number;
}

/** A classifier in memory. */
export interface Classifier {
  /** Logits of each row; all rows go through the network together, and the event loop turns between its layers. */
  scores(rows: readonly (readonly number[])[]): Promise<number[][]>;
  dispose(): void;
}

/**
 * Finds a classifier, and reads its config, tokenizer and header: everything that can be wrong without reading weights.
 *
 * @throws InputError for a `model_type` that is not known
 * @throws FileFormatError for a model without the head of a classifier
 */
export async function openClassifier(reference: string, { cacheDir, onMessage }: Pick<LoadOptions, 'cacheDir' | 'onMessage'> = {}): Promise<OpenedClassifier> {
  const location = await resolveModel(reference, { ...(cacheDir ? { cacheDir } : {}), ...(onMessage ? { onMessage } : {}) });
  const checkpoint = openCheckpoint(location);
  try {
    const { head, context } = shapeOf(checkpoint.config);
    const labels = labelsOf(reference, checkpoint, head);
    const tokenizer = new Tokenizer(checkpoint.tokenizerFiles());
    return { reference, checkpoint, tokenizer, labels, limit: Math.min(context, tokenizerLimit(tokenizer)) };
  } catch (error) {
    checkpoint.close();
    throw error;
  }
}

/** `config.json` of a classifier, whose weights need not be there. */
export async function describeClassifier(reference: string, { cacheDir, onMessage }: Pick<LoadOptions, 'cacheDir' | 'onMessage'> = {}): Promise<Readonly<Record<string, unknown>>> {
  return readDescription(await resolveModel(reference, { weights: false, ...(cacheDir ? { cacheDir } : {}), ...(onMessage ? { onMessage } : {}) })).config;
}

/** What a classifier's trunk takes in memory, in float32; its head is small beside it. */
export function classifierBytes(config: Readonly<Record<string, unknown>>): number {
  const encoder = encoderFamily(config);
  const shapes = encoder ? encoderShapes(encoder, 1) : weightShapes({ ...decoderConfig(config), tiedHead: true });
  return 4 * [...shapes.values()].reduce((sum, shape) => sum + elementCount(shape), 0);
}

/** Reads the weights of an opened classifier, in float32, and closes its files. Free it with `dispose`. */
export async function readClassifier({ checkpoint, tokenizer, labels }: OpenedClassifier): Promise<Classifier> {
  const { config } = checkpoint;
  const family = encoderFamily(config);
  try {
    if (family) {
      const encoder = await readEncoder(family, labels.length, checkpoint, 'float32');
      return { scores: (rows) => encoderScores(encoder, rows), dispose: () => disposeEncoder(encoder) };
    }
    const decoder = await readHeaded('score', config, checkpoint, 'float32');
    // The padding that a tokenizer would put behind a row, not that of config.json, as in TRL: the last token before it is scored.
    const paddingId = tokenizer.padId ?? tokenizer.eosId ?? decoder.trunk.config.paddingId;
    decoder.trunk.config = { ...decoder.trunk.config, paddingId };
    return { scores: (rows) => scoreSequences(decoder, rows), dispose: () => disposeHeaded(decoder) };
  } finally {
    checkpoint.close();
  }
}

function encoderFamily(config: Readonly<Record<string, unknown>>) {
  const type = String(config.model_type);
  return Object.hasOwn(encoderFamilies, type) ? encoderFamilies[type]!(new ConfigFields(config)) : null;
}

/** The name of the head's last map, and how many tokens fit the network. */
function shapeOf(config: Readonly<Record<string, unknown>>): { head: string; context: number } {
  const encoder = encoderFamily(config);
  if (encoder) return { head: encoder.head.output, context: encoderContext(encoder) };
  if (!Object.hasOwn(families, String(config.model_type))) {
    const known = [...Object.keys(encoderFamilies), ...Object.keys(families)].join(', ');
    throw expected('config.json: model_type', `to be one of ${known}`, config.model_type, 'use a classifier of a known family');
  }
  return { head: 'score', context: decoderConfig(config).contextLength };
}

/** As many names as the head has rows; `LABEL_i`, as transformers calls it, where `id2label` names none. */
function labelsOf(reference: string, checkpoint: Checkpoint, head: string): string[] {
  const name = `${head}.weight`;
  if (!checkpoint.names().includes(name)) {
    const got = JSON.stringify(checkpoint.config.architectures ?? null);
    throw new FileFormatError(`Expected ${reference} to hold \`${name}\`, the head of a sequence classifier, got architecture ${got}; name a model whose architecture ends in ForSequenceClassification.`, { reference, name });
  }
  const names = (checkpoint.config.id2label ?? {}) as Readonly<Record<string, unknown>>;
  return Array.from({ length: checkpoint.info(name).shape[0] ?? 0 }, (_, i) => (typeof names[i] === 'string' ? names[i] : `LABEL_${i}`));
}

/** `model_max_length` of tokenizer_config.json; absurdly large where the tokenizer sets none. */
function tokenizerLimit({ files }: Tokenizer): number {
  const length = files.tokenizerConfig['model_max_length'];
  return typeof length === 'number' && length >= 1 ? Math.floor(length) : Infinity;
}
