/** Opens damaged weight files by the thousand, and keeps count of what came of it. */
import fs from 'node:fs';
import path from 'node:path';
import { FileFormatError, NotFoundError } from '../../src/errors.ts';
import { BYTES_PER_ELEMENT, elementCount } from '../../src/weights/dtype.ts';
import type { DType, TensorEntry } from '../../src/weights/dtype.ts';
import { openCheckpoint } from '../../src/weights/checkpoint.ts';
import { openGguf } from '../../src/weights/gguf.ts';
import { BLOCK_FORMATS } from '../../src/weights/gguf-blocks.ts';
import { INDEX_FILE, SINGLE_FILE, openSafetensors } from '../../src/weights/safetensors.ts';
import { writeSafetensors } from '../../src/weights/write-safetensors.ts';
import { buildGguf } from '../fixtures/gguf/build-gguf.ts';
import type { BuiltTensor, TypedValue } from '../fixtures/gguf/build-gguf.ts';
import { BYTE_MUTATIONS, JSON_MUTATIONS, dice, join } from './mutations.ts';
import type { Dice } from './mutations.ts';

/** A kind of file to damage. */
export const FORMATS = ['safetensors', 'sharded safetensors', 'gguf'] as const;

/** What came of the mutations of one format. */
export interface FuzzResult {
  /** Files that opened and could be read whole. */
  opened: number;
  /** Files that were refused as damaged. */
  refused: number;
  /** Indices that name a shard which is not there. */
  missing: number;
  /** Different sentences of refusal, names and numbers aside. */
  sentences: number;
  /** Anything else, with the seed that repeats it: another error, too much time, too much memory. */
  faults: { seed: number; what: string }[];
  /** Slowest file, in milliseconds. */
  slowest: number;
  /** Most bytes that one file made the process allocate. */
  mostAllocated: number;
}

/** A format's small whole files, and how a reader uses one. */
interface Subject {
  /** Whole files by name, one of which is damaged. `json`: the header that JSON mutations may change. */
  files: Readonly<Record<string, Uint8Array>>;
  json: 'after length' | 'whole' | null;
  target: string;
  /** Opens and reads everything there is. */
  use: (folder: string) => void;
}

/** Time that a file of a few thousand bytes may take, in milliseconds: far above what a busy machine needs. */
const TOO_SLOW = 2_000;

/** A reader may hold the text, the objects and the float32 values of a file, but nothing that a number in it asks for. */
const allowedBytes = (size: number): number => 2_000_000 + 64 * size;

/** Damages files of a format, one by one. `folder` must be new. */
export async function fuzzWeightFiles(format: (typeof FORMATS)[number], mutations: number, folder: string, firstSeed = 0): Promise<FuzzResult> {
  fs.mkdirSync(folder, { recursive: true });
  const subjects = (await makeSubjects[format](folder)).map((subject, i) => ({ ...subject, folder: path.join(folder, String(i)) }));
  for (const subject of subjects) {
    fs.mkdirSync(subject.folder);
    for (const [name, bytes] of Object.entries(subject.files)) fs.writeFileSync(path.join(subject.folder, name), bytes);
  }
  const sentences = new Set<string>();
  const result: FuzzResult = { opened: 0, refused: 0, missing: 0, sentences: 0, faults: [], slowest: 0, mostAllocated: 0 };
  for (let seed = firstSeed; seed < firstSeed + mutations; seed++) {
    const subject = subjects[seed % subjects.length]!;
    const damaged = damage(subject, dice(seed));
    fs.writeFileSync(path.join(subject.folder, subject.target), damaged);
    const { error, milliseconds, allocated } = measure(() => subject.use(subject.folder));
    result.slowest = Math.max(result.slowest, milliseconds);
    result.mostAllocated = Math.max(result.mostAllocated, allocated);
    if (error === null) result.opened++;
    else if (error instanceof FileFormatError) {
      result.refused++;
      sentences.add(error.message.replace(/, got .*/s, '').replaceAll(/`[^`]*`|\[.*\]|\d+/g, ''));
    } else if (error instanceof NotFoundError && subject.target === INDEX_FILE) result.missing++;
    else result.faults.push({ seed, what: error instanceof Error ? (error.stack ?? error.message).slice(0, 1_000) : String(error) });
    if (milliseconds > TOO_SLOW) result.faults.push({ seed, what: `took ${milliseconds} ms` });
    if (allocated > allowedBytes(damaged.length)) result.faults.push({ seed, what: `allocated ${allocated} bytes for a file of ${damaged.length}` });
  }
  return { ...result, sentences: sentences.size };
}

function measure(use: () => void): { error: unknown; milliseconds: number; allocated: number } {
  const before = process.memoryUsage();
  const start = performance.now();
  let error: unknown = null;
  try {
    use();
  } catch (thrown) {
    error = thrown;
  }
  const milliseconds = performance.now() - start;
  const after = process.memoryUsage();
  return { error, milliseconds, allocated: after.heapUsed - before.heapUsed + after.external - before.external };
}

/** One to three mutations, one upon the other. */
function damage(subject: Subject, dice: Dice): Uint8Array {
  let bytes = subject.files[subject.target]!;
  for (let left = 1 + dice.roll(3); left > 0 && bytes.length > 0; left--) {
    const inJson = subject.json !== null && dice.roll(3) > 0;
    bytes = inJson ? damageJson(bytes, subject.json, dice) : dice.pick(Object.values(BYTE_MUTATIONS))(bytes, dice);
  }
  return bytes;
}

function damageJson(bytes: Uint8Array, place: Subject['json'], dice: Dice): Uint8Array {
  const mutate = dice.pick(Object.values(JSON_MUTATIONS));
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
  if (place === 'whole') return encode(mutate(new TextDecoder().decode(bytes), dice));
  if (bytes.length < 8) return bytes;
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (8 + length > bytes.length) return bytes;
  const json = encode(mutate(new TextDecoder().decode(bytes.subarray(8, 8 + length)), dice));
  return join(new Uint8Array(BigUint64Array.of(BigInt(json.length)).buffer), json, bytes.subarray(8 + length));
}

const makeSubjects: Readonly<Record<(typeof FORMATS)[number], (folder: string) => Promise<Subject[]>>> = {
  safetensors: async (folder) => {
    const dtypes: DType[] = ['float64', 'float32', 'bfloat16', 'float16', 'int64', 'int32', 'uint8', 'bool'];
    const whole = await safetensorsBytes(folder, [...dtypes.map((dtype) => entry(`a.${dtype}`, dtype, [2, 3])), entry('one', 'float32', []), entry('none', 'float32', [0, 4])]);
    return [{ files: { [SINGLE_FILE]: whole }, target: SINGLE_FILE, json: 'after length', use: useSafetensors }];
  },
  'sharded safetensors': async (folder) => {
    const [one, two] = ['one.safetensors', 'two.safetensors'];
    const files = {
      [one]: await safetensorsBytes(folder, [entry('a', 'float32', [4, 2]), entry('b', 'bfloat16', [3])]),
      [two]: await safetensorsBytes(folder, [entry('c', 'float16', [2, 2]), entry('beside', 'uint8', [5])]),
      [INDEX_FILE]: new TextEncoder().encode(JSON.stringify({ metadata: { total_size: 46 }, weight_map: { a: one, b: one, c: two } })),
    };
    return [
      { files, target: INDEX_FILE, json: 'whole', use: useSafetensors },
      { files, target: two, json: 'after length', use: useSafetensors },
    ];
  },
  gguf: async () => [
    { files: { 'model.gguf': llamaGguf() }, target: 'model.gguf', json: null, use: useNetwork },
    { files: { 'model.gguf': gemma3Gguf() }, target: 'model.gguf', json: null, use: useNetwork },
    { files: { 'model.gguf': everyBlockFormat() }, target: 'model.gguf', json: null, use: useBlocks },
  ],
};

function useSafetensors(folder: string): void {
  const opened = openSafetensors(folder);
  try {
    for (const name of opened.names()) opened.read(name);
  } finally {
    opened.close();
  }
}

function useNetwork(folder: string): void {
  const opened = openCheckpoint({ kind: 'gguf', path: path.join(folder, 'model.gguf') });
  try {
    opened.tokenizerFiles();
    for (const name of opened.names()) opened.read(name);
  } finally {
    opened.close();
  }
}

function useBlocks(folder: string): void {
  const opened = openGguf(path.join(folder, 'model.gguf'));
  try {
    for (const { name, format } of opened.tensors.values()) format.dequantise(opened.readBlocks(name));
  } finally {
    opened.close();
  }
}

function entry(name: string, dtype: DType, shape: number[]): TensorEntry {
  return { name, dtype, shape, bytes: () => new Uint8Array(elementCount(shape) * BYTES_PER_ELEMENT[dtype]).fill(1) };
}

async function safetensorsBytes(folder: string, entries: TensorEntry[]): Promise<Uint8Array> {
  const at = path.join(folder, 'whole.safetensors');
  await writeSafetensors(at, entries);
  return new Uint8Array(fs.readFileSync(at));
}

/** A llama of one layer, two heads of 16, with a tokenizer of a few tokens. */
function llamaGguf(): Uint8Array {
  const tokens = ['<s>', '</s>', 'a', 'b', 'ab', 'c', 'abc', 'd'];
  const metadata: Record<string, TypedValue> = {
    'general.architecture': { string: 'llama' },
    'general.alignment': { u32: 32 },
    'llama.block_count': { u32: 1 },
    'llama.context_length': { u32: 64 },
    'llama.embedding_length': { u32: 32 },
    'llama.feed_forward_length': { u32: 32 },
    'llama.attention.head_count': { u32: 2 },
    'llama.attention.head_count_kv': { u32: 1 },
    'llama.attention.layer_norm_rms_epsilon': { f32: 1e-5 },
    'llama.rope.freq_base': { f32: 10_000 },
    'tokenizer.ggml.model': { string: 'gpt2' },
    'tokenizer.ggml.pre': { string: 'smollm' },
    'tokenizer.ggml.tokens': { strings: tokens },
    'tokenizer.ggml.token_type': { i32s: [3, 3, 1, 1, 1, 1, 1, 4] },
    'tokenizer.ggml.merges': { strings: ['a b', 'ab c'] },
    'tokenizer.ggml.bos_token_id': { u32: 0 },
    'tokenizer.ggml.eos_token_id': { u32: 1 },
    'tokenizer.ggml.add_bos_token': { bool: true },
    'tokenizer.chat_template': { string: '{{ messages }}' },
  };
  const shapes: [name: string, type: string, rows: number | null][] = [
    ['token_embd', 'Q8_0', tokens.length],
    ['output_norm', 'F32', null],
    ['blk.0.attn_norm', 'F32', null],
    ['blk.0.attn_q', 'Q4_0', 32],
    ['blk.0.attn_k', 'Q4_1', 16],
    ['blk.0.attn_v', 'F16', 16],
    ['blk.0.ffn_down', 'IQ4_NL', 32],
  ];
  return withTensors(metadata, shapes.map(([name, type, rows]) => ({ name: `${name}.weight`, type, dimensions: rows === null ? [32] : [32, rows] })));
}

/** A Gemma 3 of two layers with much of what other architectures have besides: windows, shifted norms, a table of factors. */
function gemma3Gguf(): Uint8Array {
  const sizes = { block_count: 2, context_length: 64, embedding_length: 32, feed_forward_length: 32, 'attention.head_count': 2, 'attention.head_count_kv': 1, 'attention.key_length': 8 };
  const metadata: Record<string, TypedValue> = {
    'general.architecture': { string: 'gemma3' },
    ...Object.fromEntries(Object.entries({ ...sizes, 'attention.sliding_window': 4, 'attention.sliding_window_pattern': 2 }).map(([key, value]) => [`gemma3.${key}`, { u32: value }])),
    'gemma3.attention.layer_norm_rms_epsilon': { f32: 1e-6 },
    'gemma3.rope.freq_base': { f32: 1e6 },
    'gemma3.final_logit_softcapping': { f32: 30 },
    'tokenizer.ggml.model': { string: 'llama' },
    'tokenizer.ggml.tokens': { strings: ['<unk>', '<bos>', '<eos>', 'a', 'b', 'ab', '  '] },
    'tokenizer.ggml.scores': { f32s: [0, 0, 0, -1, -2, -3, -4] },
    'tokenizer.ggml.token_type': { i32s: [2, 3, 3, 1, 1, 1, 4] },
    'tokenizer.ggml.add_space_prefix': { bool: false },
  };
  const names: [name: string, dimensions: number[]][] = [['rope_freqs', [4]], ['token_embd', [32, 7]], ['blk.0.attn_q_norm', [8]], ['blk.1.post_ffw_norm', [32]], ['blk.1.attn_q', [32, 16]]];
  return withTensors(metadata, names.map(([name, dimensions]) => ({ name: `${name}.weight`, type: 'F32', dimensions })));
}

function everyBlockFormat(): Uint8Array {
  const tensors = [...BLOCK_FORMATS.values()].map(({ name, blockSize }) => ({ name: `a.${name}`, type: name, dimensions: [blockSize, 2] }));
  return withTensors({ 'a.number': { u32: 7 }, 'some.numbers': { i32s: [1, 2, 3] }, 'some.texts': { strings: ['x', 'é', ''] }, 'a.flag': { bool: false } }, tensors);
}

function withTensors(metadata: Record<string, TypedValue>, described: { name: string; type: string; dimensions: number[] }[]): Uint8Array {
  let offset = 0;
  const tensors = described.map(({ name, type, dimensions }): BuiltTensor => {
    const [number, format] = [...BLOCK_FORMATS].find(([, { name }]) => name === type)!;
    const built = { name, dimensions, type: number, offset };
    offset += Math.ceil(((elementCount(dimensions) / format.blockSize) * format.bytesPerBlock) / 32) * 32;
    return built;
  });
  return new Uint8Array(buildGguf({ metadata, tensors, data: new Uint8Array(offset).fill(1) }));
}
