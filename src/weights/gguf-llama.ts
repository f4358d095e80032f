/**
 * A GGUF file of the llama architecture seen as a Hugging Face checkpoint: config, tensor names, row order of the query
 * and key projections, float32 values.
 */
import { NotFoundError } from '../errors.ts';
import type { RawTensor, RowRange, TensorInfo } from './dtype.ts';
import type { GgufFile } from './gguf.ts';
import type { MetadataReader } from './gguf-metadata.ts';
import { metadataReader } from './gguf-metadata.ts';
import type { TensorFile } from './safetensors.ts';

/** The architectures we present, by `general.architecture`. */
const ARCHITECTURES = ['llama'];

/** Names outside the layers: GGUF to Hugging Face. */
const TOP_NAMES: Readonly<Record<string, string>> = {
  'token_embd.weight': 'model.embed_tokens.weight',
  'output_norm.weight': 'model.norm.weight',
  'output.weight': 'lm_head.weight',
};

/** Names inside layer N: `blk.N.<key>` to `model.layers.N.<value>`. */
const LAYER_NAMES: Readonly<Record<string, string>> = {
  'attn_norm.weight': 'input_layernorm.weight',
  'attn_q.weight': 'self_attn.q_proj.weight',
  'attn_k.weight': 'self_attn.k_proj.weight',
  'attn_v.weight': 'self_attn.v_proj.weight',
  'attn_output.weight': 'self_attn.o_proj.weight',
  'ffn_norm.weight': 'post_attention_layernorm.weight',
  'ffn_gate.weight': 'mlp.gate_proj.weight',
  'ffn_up.weight': 'mlp.up_proj.weight',
  'ffn_down.weight': 'mlp.down_proj.weight',
};

const USE_FOLDER = "use the model's Hugging Face folder instead";

/**
 * The `config.json` that LlamaForCausalLM needs, from the file's metadata.
 *
 * @throws FileFormatError when the architecture is another or the file uses what this mapping does not carry over
 *   (experts, scaled rotary embeddings, partial rotary embeddings)
 */
export function llamaConfig(gguf: GgufFile): Record<string, unknown> {
  const read = metadataReader(gguf);
  refuseOthers(gguf, read);
  const heads = read.number('llama.attention.head_count');
  const hidden = read.number('llama.embedding_length');
  const headDim = read.maybeNumber('llama.attention.key_length') ?? hidden / heads;
  const rotary = read.maybeNumber('llama.rope.dimension_count') ?? headDim;
  if (rotary !== headDim || !Number.isInteger(headDim / 2)) throw read.fault(`rotary embeddings over the whole head (${headDim})`, String(rotary), USE_FOLDER);
  const config: Record<string, unknown> = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: hidden,
    intermediate_size: read.number('llama.feed_forward_length'),
    num_hidden_layers: read.number('llama.block_count'),
    num_attention_heads: heads,
    num_key_value_heads: read.maybeNumber('llama.attention.head_count_kv') ?? heads,
    head_dim: headDim,
    hidden_act: 'silu',
    rms_norm_eps: shortest(read.number('llama.attention.layer_norm_rms_epsilon')),
    // 10,000 is what ggml assumes where the key is missing.
    rope_theta: shortest(read.maybeNumber('llama.rope.freq_base') ?? 10_000),
    max_position_embeddings: read.number('llama.context_length'),
    vocab_size: read.maybeNumber('llama.vocab_size') ?? gguf.tensors.get('token_embd.weight')?.shape[0],
    attention_bias: false,
    mlp_bias: false,
    tie_word_embeddings: !gguf.tensors.has('output.weight'),
    torch_dtype: 'float32',
  };
  for (const [key, id] of Object.entries(tokenIds(read))) if (id !== undefined) config[key] = id;
  return config;
}

/** The `generation_config.json` that follows from the metadata: every end-of-turn id ends a completion. */
export function ggufGenerationConfig(gguf: GgufFile): Record<string, unknown> {
  const read = metadataReader(gguf);
  const ids = tokenIds(read);
  const ends = new Set<number>();
  for (const id of [ids.eos_token_id, read.maybeNumber('tokenizer.ggml.eot_token_id'), read.maybeNumber('tokenizer.ggml.eom_token_id')]) {
    if (id !== undefined) ends.add(id);
  }
  const eos = ends.size > 1 ? [...ends] : [...ends][0];
  return Object.fromEntries(Object.entries({ ...ids, eos_token_id: eos }).filter(([, id]) => id !== undefined));
}

function tokenIds(read: MetadataReader): { bos_token_id?: number; eos_token_id?: number; pad_token_id?: number } {
  return {
    bos_token_id: read.maybeNumber('tokenizer.ggml.bos_token_id'),
    eos_token_id: read.maybeNumber('tokenizer.ggml.eos_token_id'),
    pad_token_id: read.maybeNumber('tokenizer.ggml.padding_token_id'),
  };
}

/** The shortest decimal that rounds to this float32: 1e-5 where the metadata's float32 reads 9.999999747378752e-6. */
function shortest(float32: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(float32.toPrecision(digits));
    if (Math.fround(short) === float32) return short;
  }
  return float32;
}

function refuseOthers(gguf: GgufFile, read: MetadataReader): void {
  const architecture = read.string('general.architecture');
  if (!ARCHITECTURES.includes(architecture)) throw read.fault(`an architecture out of ${ARCHITECTURES.join(', ')}`, architecture, USE_FOLDER);
  if ((read.maybeNumber('llama.expert_count') ?? 0) > 0) throw read.fault('a dense model', 'experts', USE_FOLDER);
  const scaling = read.maybeString('llama.rope.scaling.type') ?? 'none';
  if (scaling !== 'none') throw read.fault('plain rotary embeddings', `scaling \`${scaling}\``, USE_FOLDER);
  if (gguf.tensors.has('rope_freqs.weight')) throw read.fault('plain rotary embeddings', 'a table of frequency factors', USE_FOLDER);
}

/**
 * The file's tensors under their Hugging Face names, as float32.
 *
 * @throws FileFormatError when a tensor has no place in a llama checkpoint
 */
export function llamaTensors(gguf: GgufFile): TensorFile {
  const read = metadataReader(gguf);
  const config = llamaConfig(gguf);
  const stored = new Map([...gguf.tensors.keys()].map((name) => [huggingFaceName(name, read), name]));
  const rowHeads: Readonly<Record<string, unknown>> = { q_proj: config['num_attention_heads'], k_proj: config['num_key_value_heads'] };

  const find = (name: string) => {
    const tensor = gguf.tensors.get(stored.get(name) ?? '');
    if (!tensor) throw new NotFoundError(`Expected tensor \`${name}\` in \`${gguf.path}\`, got none; the file holds ${stored.size} others.`, { file: gguf.path, tensor: name });
    return tensor;
  };
  const info = (name: string): TensorInfo => ({ dtype: 'float32', shape: find(name).shape });
  return {
    names: () => [...stored.keys()],
    info,
    read: (name, range): RawTensor => {
      const tensor = find(name);
      const rows = range ?? { start: 0, end: tensor.shape[0]! };
      const heads = rowHeads[/self_attn\.([qk]_proj)\.weight$/.exec(name)?.[1] ?? ''];
      const headRows = config['head_dim'] as number;
      if (typeof heads === 'number' && (tensor.shape.length !== 2 || tensor.shape[0] !== heads * headRows)) {
        throw read.fault(`${heads} heads of ${headRows} rows in \`${tensor.name}\``, `shape [${tensor.shape}]`, USE_FOLDER);
      }
      const blocks = typeof heads === 'number' ? rowsOfHeads(gguf, tensor.name, rows, headRows) : gguf.readBlocks(tensor.name, rows);
      const values = tensor.format.dequantise(blocks);
      return { dtype: 'float32', shape: [rows.end - rows.start, ...tensor.shape.slice(1)], bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
    },
    close: () => gguf.close(),
  };
}

function huggingFaceName(name: string, read: MetadataReader): string {
  const [, layer, rest] = /^blk\.(\d+)\.(.+)$/.exec(name) ?? [];
  const mapped = rest === undefined ? TOP_NAMES[name] : LAYER_NAMES[rest];
  if (mapped === undefined) throw read.fault('only tensors of a plain llama model', `\`${name}\``, USE_FOLDER);
  return layer === undefined ? mapped : `model.layers.${layer}.${mapped}`;
}

/** Rows in the order of Hugging Face: the heads that hold them are read whole, because their rows are mixed. */
function rowsOfHeads(gguf: GgufFile, name: string, { start, end }: RowRange, headRows: number): Uint8Array<ArrayBuffer> {
  const first = Math.floor(start / headRows) * headRows;
  const last = Math.ceil(end / headRows) * headRows;
  const blocks = halvesFromPairs(gguf.readBlocks(name, { start: first, end: last }), last - first, (last - first) / headRows);
  const rowBytes = blocks.length / (last - first);
  return blocks.slice((start - first) * rowBytes, (end - first) * rowBytes);
}

/**
 * Undoes llama.cpp's permutation of query and key rows. It rotates neighbours (2j, 2j+1) of a head, Hugging Face rotates
 * j with j + head/2; so row 2j + i of a head goes back to row i·head/2 + j.
 *
 * @param blocks rows of whole blocks, so that rows move before anything is dequantised
 */
export function halvesFromPairs(blocks: Uint8Array<ArrayBuffer>, rows: number, heads: number): Uint8Array<ArrayBuffer> {
  const rowBytes = blocks.length / rows;
  const headRows = rows / heads;
  const half = headRows / 2;
  const out = new Uint8Array(blocks.length);
  for (let row = 0; row < rows; row++) {
    const within = row % headRows;
    const to = row - within + (within % 2) * half + Math.floor(within / 2);
    out.set(blocks.subarray(row * rowBytes, (row + 1) * rowBytes), to * rowBytes);
  }
  return out;
}
