/**
 * Writes a tiny random Llama (2 layers, 32 wide) with a byte-level tokenizer and a chat template, in Hugging Face
 * layout: for tests, and for rehearsing recipes offline.
 *
 * Usage: node --import tsx scripts/tiny-model.ts FOLDER
 */
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decoderConfig } from '../src/model/families.ts';
import { randomWeights } from '../src/model/init.ts';
import { saveCheckpoint } from '../src/weights/save.ts';

/** The special tokens, behind the 256 bytes. */
const special = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'];

const chatTemplate =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/** What may differ from one tiny model to the next. */
export interface TinyModelOptions {
  seed?: number;
  /** Standard deviation of the weights. */
  std?: number;
  tied?: boolean;
  layers?: number;
  hidden?: number;
  /** Another tokenizer than the byte-level one; `eos` is the token that ends a completion. */
  tokenizer?: { json: Record<string, unknown>; eos: string; vocabSize: number };
}

/** Writes the model and returns its folder. */
export async function writeTinyModel(folder: string, { seed = 0, std = 0.08, tied = true, layers = 2, hidden = 32, tokenizer }: TinyModelOptions = {}): Promise<string> {
  const ids = tokenizer ? {} : { bos_token_id: 257, eos_token_id: 258, pad_token_id: 256 };
  const names = tokenizer ? { eos_token: tokenizer.eos } : { bos_token: '<|im_start|>', eos_token: '<|im_end|>', pad_token: '<|endoftext|>' };
  const config = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: hidden,
    intermediate_size: 2 * hidden,
    num_hidden_layers: layers,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: hidden / 4,
    vocab_size: tokenizer?.vocabSize ?? 256 + special.length,
    max_position_embeddings: 1024,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    hidden_act: 'silu',
    tie_word_embeddings: tied,
    ...ids,
    torch_dtype: 'float32',
  };
  await saveCheckpoint(folder, {
    config,
    generationConfig: ids,
    tokenizerFiles: {
      tokenizerJson: tokenizer?.json ?? tokenizerJson(),
      tokenizerConfig: {
        tokenizer_class: 'PreTrainedTokenizerFast',
        ...names,
        model_max_length: 1024,
        clean_up_tokenization_spaces: false,
        chat_template: chatTemplate,
      },
    },
    tensors: randomWeights(decoderConfig(config), { seed, std, dtype: 'float32' }),
  });
  return folder;
}

/** Every byte is a token; nothing is merged. */
function tokenizerJson(): Record<string, unknown> {
  const bytes = byteAlphabet();
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((content, i) => ({ id: 256 + i, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true })),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      vocab: Object.fromEntries([...bytes.map((character, id) => [character, id]), ...special.map((token, i) => [token, 256 + i])]),
      merges: [],
    },
  };
}

/** The printable character that stands for each byte in byte-level BPE (Radford et al. 2019): bytes without one move behind 255. */
function byteAlphabet(): string[] {
  const printable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : next++));
}

const called = process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url);
if (called) {
  const folder = process.argv[2];
  if (!folder) {
    process.stderr.write('Usage: node --import tsx scripts/tiny-model.ts FOLDER\n');
    process.exitCode = 2;
  } else {
    process.stdout.write(`${await writeTinyModel(resolve(folder))}\n`);
  }
}
