/**
 * How llama.cpp writes networks into GGUF files: one record per `general.architecture`, each leading to the `model_type`
 * whose family runs it (docs/families.md). A record says what the tensors are called, how they differ from those of a
 * Hugging Face checkpoint, and which fields of `config.json` follow from the metadata.
 */
import type { JsonObject } from './json-file.ts';

/** What a record reads of a file. */
export interface ArchitectureFile {
  hidden: number;
  layers: number;
  heads: number;
  headDim: number;
  /** A number under the architecture's own prefix, as its shortest decimal. */
  number(key: string): number | undefined;
}

/** One architecture. */
export interface GgufArchitecture {
  modelType: string;
  /** Class of transformers that runs the checkpoint. */
  className: string;
  /** What a layer's tensors are called: `blk.N.<key>` is `model.layers.N.<value>`. */
  layerNames: Readonly<Record<string, string>>;
  /** Projections that may have biases, together or not at all, and the field of `config.json` that says so. */
  biases: readonly { names: readonly string[]; field?: string }[];
  /** Rows of queries and keys lie as neighbours (2j, 2j+1) of a head, where Hugging Face has j and j + head/2. */
  pairedRows: boolean;
  /** Norms hold this much more than those of Hugging Face. */
  normShift: 0 | 1;
  /** Fields of `config.json` beside those that all have. */
  fields: (file: ArchitectureFile) => JsonObject;
}

const ATTENTION = { attn_q: 'self_attn.q_proj', attn_k: 'self_attn.k_proj', attn_v: 'self_attn.v_proj', attn_output: 'self_attn.o_proj' };
const FEED_FORWARD = { ffn_gate: 'mlp.gate_proj', ffn_up: 'mlp.up_proj', ffn_down: 'mlp.down_proj' };
const NORMS_BEFORE = { attn_norm: 'input_layernorm', ffn_norm: 'post_attention_layernorm' };
const NORMS_AROUND = {
  attn_norm: 'input_layernorm',
  post_attention_norm: 'post_attention_layernorm',
  ffn_norm: 'pre_feedforward_layernorm',
  post_ffw_norm: 'post_feedforward_layernorm',
};
const HEAD_NORMS = { attn_q_norm: 'self_attn.q_norm', attn_k_norm: 'self_attn.k_norm' };

const ATTENTION_BIAS = { names: Object.keys(ATTENTION), field: 'attention_bias' };
const FEED_FORWARD_BIAS = { names: Object.keys(FEED_FORWARD), field: 'mlp_bias' };

/** Norm, attention, norm, feed-forward part: most records spread it and change what differs. */
const plain = {
  layerNames: { ...NORMS_BEFORE, ...ATTENTION, ...FEED_FORWARD },
  biases: [],
  pairedRows: false,
  normShift: 0,
  fields: (): JsonObject => ({ hidden_act: 'silu' }),
} as const;

/** The architectures we read. */
export const GGUF_ARCHITECTURES: Readonly<Record<string, GgufArchitecture>> = {
  llama: {
    ...plain,
    modelType: 'llama',
    className: 'LlamaForCausalLM',
    biases: [ATTENTION_BIAS, FEED_FORWARD_BIAS],
    pairedRows: true,
    // Mistral has no architecture of its own.
    fields: (file) => {
      const window = slidingWindow(file);
      return { hidden_act: 'silu', ...(window === null ? {} : { model_type: 'mistral', architectures: ['MistralForCausalLM'], sliding_window: window }) };
    },
  },
  qwen2: { ...plain, modelType: 'qwen2', className: 'Qwen2ForCausalLM', biases: [{ names: ['attn_q', 'attn_k', 'attn_v'] }] },
  qwen3: { ...plain, modelType: 'qwen3', className: 'Qwen3ForCausalLM', layerNames: { ...plain.layerNames, ...HEAD_NORMS }, biases: [ATTENTION_BIAS] },
  gemma: { ...plain, modelType: 'gemma', className: 'GemmaForCausalLM', normShift: 1, fields: () => ({ hidden_act: 'gelu_pytorch_tanh' }) },
  gemma2: {
    ...plain,
    modelType: 'gemma2',
    className: 'Gemma2ForCausalLM',
    layerNames: { ...NORMS_AROUND, ...ATTENTION, ...FEED_FORWARD },
    normShift: 1,
    // What llama.cpp takes for a missing cap or window is what Gemma 2 was published with.
    fields: (file) => ({
      hidden_activation: 'gelu_pytorch_tanh',
      attn_logit_softcapping: cap(file.number('attn_logit_softcapping') ?? 50),
      final_logit_softcapping: cap(file.number('final_logit_softcapping') ?? 30),
      sliding_window: file.number('attention.sliding_window') ?? 4096,
      layer_types: slidingButEvery(file.number('attention.sliding_window_pattern') ?? 2, file.layers),
      query_pre_attn_scalar: queryScalar(file, 46),
    }),
  },
  gemma3: {
    ...plain,
    modelType: 'gemma3_text',
    className: 'Gemma3ForCausalLM',
    layerNames: { ...NORMS_AROUND, ...HEAD_NORMS, ...ATTENTION, ...FEED_FORWARD },
    normShift: 1,
    fields: (file) => {
      const window = slidingWindow(file);
      return {
        hidden_activation: 'gelu_pytorch_tanh',
        final_logit_softcapping: cap(file.number('final_logit_softcapping') ?? 0),
        sliding_window: window,
        layer_types: slidingButEvery(window === null ? 1 : (file.number('attention.sliding_window_pattern') ?? 6), file.layers),
        rope_local_base_freq: file.number('rope.freq_base_swa') ?? 10_000,
        query_pre_attn_scalar: queryScalar(file, 62),
      };
    },
  },
  phi3: {
    ...plain,
    modelType: 'phi3',
    className: 'Phi3ForCausalLM',
    layerNames: { ...NORMS_BEFORE, attn_qkv: 'self_attn.qkv_proj', attn_output: 'self_attn.o_proj', ffn_up: 'mlp.gate_up_proj', ffn_down: 'mlp.down_proj' },
    fields: (file) => ({
      hidden_act: 'silu',
      sliding_window: slidingWindow(file),
      partial_rotary_factor: (file.number('rope.dimension_count') ?? file.headDim) / file.headDim,
    }),
  },
  olmo2: {
    ...plain,
    modelType: 'olmo2',
    className: 'Olmo2ForCausalLM',
    layerNames: { post_attention_norm: 'post_attention_layernorm', post_ffw_norm: 'post_feedforward_layernorm', ...HEAD_NORMS, ...ATTENTION, ...FEED_FORWARD },
    biases: [ATTENTION_BIAS],
  },
  smollm3: {
    ...plain,
    modelType: 'smollm3',
    className: 'SmolLM3ForCausalLM',
    biases: [ATTENTION_BIAS, FEED_FORWARD_BIAS],
    pairedRows: true,
    // The metadata have no key for it; llama.cpp knows the one published pattern.
    fields: () => ({ hidden_act: 'silu', no_rope_layer_interval: 4 }),
  },
};

/** Tokens that a token sees, or null where it sees all. */
function slidingWindow(file: ArchitectureFile): number | null {
  return cap(file.number('attention.sliding_window') ?? 0);
}

/** 0 stands for none. */
function cap(value: number): number | null {
  return value === 0 ? null : value;
}

/** Windows slide in all layers but every `period`th. */
function slidingButEvery(period: number, layers: number): string[] {
  return Array.from({ length: layers }, (_, i) => ((i + 1) % period === 0 ? 'full_attention' : 'sliding_attention'));
}

/**
 * `query_pre_attn_scalar`, which the metadata do not have. As in llama.cpp: the largest model of a generation, known by
 * its number of layers, takes hidden size by heads, all others the width of a head.
 */
function queryScalar({ layers, hidden, heads, headDim }: ArchitectureFile, largest: number): number {
  return layers === largest ? hidden / heads : headDim;
}
