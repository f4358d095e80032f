/** The `config.json` and `generation_config.json` that follow from a GGUF file's metadata. */
import { FETCH_AGAIN } from './file-bytes.ts';
import type { GgufFile } from './gguf.ts';
import type { ArchitectureFile, GgufArchitecture } from './gguf-architectures.ts';
import { GGUF_ARCHITECTURES } from './gguf-architectures.ts';
import type { MetadataReader } from './gguf-metadata.ts';
import { metadataReader } from './gguf-metadata.ts';
import { ropeScaling } from './gguf-rotary.ts';
import { USE_FOLDER } from './gguf-vocabulary.ts';
import type { JsonObject } from './json-file.ts';

/** The record of the file's architecture, and its `config.json`. */
export interface GgufModel {
  architecture: GgufArchitecture;
  config: JsonObject;
}

/** Keys that change what a network computes, and the values that change nothing. One that no record has read is refused. */
const NEUTRAL: Readonly<Record<string, (file: ArchitectureFile) => number | undefined>> = {
  'attention.value_length': ({ headDim }) => headDim,
  'rope.dimension_count': ({ headDim }) => headDim,
  'rope.freq_base_swa': (file) => file.number('rope.freq_base'),
  ...Object.fromEntries(
    ['attention.sliding_window', 'attn_logit_softcapping', 'final_logit_softcapping', 'attention.scale', 'attention.clamp_kqv', 'attention.max_alibi_bias', 'logit_scale', 'residual_scale', 'embedding_scale'].map(
      (key) => [key, () => 0],
    ),
  ),
};

/**
 * Reads the metadata by the record of their architecture.
 *
 * @throws FileFormatError when the architecture is unknown, with the list of known ones, or the file uses what its family
 *   does not compute
 */
export function ggufModel(gguf: GgufFile): GgufModel {
  const read = metadataReader(gguf);
  const name = read.string('general.architecture');
  const architecture = Object.hasOwn(GGUF_ARCHITECTURES, name) ? GGUF_ARCHITECTURES[name] : undefined;
  if (!architecture) throw read.fault(`an architecture out of ${Object.keys(GGUF_ARCHITECTURES).join(', ')}`, name, USE_FOLDER);
  if ((read.maybeNumber(`${name}.expert_count`) ?? 0) > 0) throw read.fault('a dense model', 'experts', USE_FOLDER);

  const known = new Set<string>();
  const size = (key: string): number => wholeNumber(`${name}.${key}`, read.number(`${name}.${key}`), read);
  const layers = size('block_count');
  const heads = size('attention.head_count');
  const hidden = size('embedding_length');
  const headDim = read.maybeNumber(`${name}.attention.key_length`) ?? hidden / heads;
  // A list for each layer is made below; a layer without tensors is none.
  if (layers > gguf.tensors.size) throw read.fault(`as many layers as its ${gguf.tensors.size} tensors can be`, String(layers), USE_FOLDER);
  if (!Number.isInteger(headDim / 2) || headDim < 2) throw read.fault('heads of an even width', String(headDim), USE_FOLDER);
  const number = (key: string): number | undefined => {
    known.add(key);
    return read.maybeDecimal(`${name}.${key}`);
  };
  const file: ArchitectureFile = { hidden, layers, heads, headDim, number };
  const fields = architecture.fields(file);
  refuseUnread(file, known, read, name);

  // 10,000 is what ggml assumes where the key is missing.
  const theta = number('rope.freq_base') ?? 10_000;
  const scaling = ropeScaling(gguf, read, name, { theta, width: number('rope.dimension_count') ?? headDim });
  const config: JsonObject = {
    architectures: [architecture.className],
    model_type: architecture.modelType,
    hidden_size: hidden,
    intermediate_size: size('feed_forward_length'),
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: wholeNumber(`${name}.attention.head_count_kv`, read.maybeNumber(`${name}.attention.head_count_kv`) ?? heads, read),
    head_dim: headDim,
    rms_norm_eps: number('attention.layer_norm_rms_epsilon') ?? read.number(`${name}.attention.layer_norm_rms_epsilon`),
    rope_theta: theta,
    ...(scaling === null ? {} : { rope_scaling: scaling }),
    max_position_embeddings: size('context_length'),
    vocab_size: read.maybeNumber(`${name}.vocab_size`) ?? gguf.tensors.get('token_embd.weight')?.shape[0],
    ...biasFields(gguf, architecture),
    tie_word_embeddings: !gguf.tensors.has('output.weight'),
    torch_dtype: 'float32',
    ...fields,
    ...tokenIds(read),
  };
  // A family's default would stand for a token that the file does not name.
  return { architecture, config: { ...config, pad_token_id: config.pad_token_id ?? null } };
}

function wholeNumber(key: string, value: number, read: MetadataReader): number {
  if (Number.isInteger(value) && value > 0) return value;
  throw read.fault(`a whole number, 1 or more, for \`${key}\``, String(value), FETCH_AGAIN);
}

function refuseUnread(file: ArchitectureFile, known: ReadonlySet<string>, read: MetadataReader, name: string): void {
  for (const [key, neutral] of Object.entries(NEUTRAL)) {
    if (known.has(key)) continue;
    const [value, wanted] = [read.maybeDecimal(`${name}.${key}`), neutral(file)];
    if (value !== undefined && value !== wanted) throw read.fault(`\`${name}.${key}\` to be ${wanted ?? 'left out'}`, String(value), USE_FOLDER);
  }
}

/** The switches for biases, by the tensors of the first layer. */
function biasFields(gguf: GgufFile, { biases }: GgufArchitecture): JsonObject {
  return Object.fromEntries(biases.flatMap(({ names, field }) => (field === undefined ? [] : [[field, names.some((name) => gguf.tensors.has(`blk.0.${name}.bias`))]])));
}

/** Every end-of-turn id ends a completion. */
export function ggufGenerationConfig(gguf: GgufFile): JsonObject {
  const read = metadataReader(gguf);
  const ids = tokenIds(read);
  const ends = new Set<number>();
  for (const id of [ids.eos_token_id, read.maybeNumber('tokenizer.ggml.eot_token_id'), read.maybeNumber('tokenizer.ggml.eom_token_id')]) {
    if (id !== undefined) ends.add(id);
  }
  const eos = ends.size > 1 ? [...ends] : [...ends][0];
  return eos === undefined ? ids : { ...ids, eos_token_id: eos };
}

/** The ids that the file names. */
function tokenIds(read: MetadataReader): { bos_token_id?: number; eos_token_id?: number; pad_token_id?: number } {
  const ids = {
    bos_token_id: read.maybeNumber('tokenizer.ggml.bos_token_id'),
    eos_token_id: read.maybeNumber('tokenizer.ggml.eos_token_id'),
    pad_token_id: read.maybeNumber('tokenizer.ggml.padding_token_id'),
  };
  return Object.fromEntries(Object.entries(ids).filter(([, id]) => id !== undefined));
}
