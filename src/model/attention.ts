/** Attention itself: its two kernels, the masks, and what may differ from layer to layer. */
import * as ops from '../tensor/ops.ts';
import { scope } from '../tensor/scope.ts';
import type { DType, Tensor } from '../tensor/tensor.ts';
import type { DecoderConfig } from './decoder-config.ts';

/** How attention is computed: plain operations, or libtorch's fused kernel. Same numbers to rounding. */
export type AttentionKernel = 'eager' | 'sdpa';

/** What a layer's attention computes: softmax(cap·tanh(q·kᵀ·scale/cap) + mask)·v. */
export interface AttentionSettings {
  kernel: AttentionKernel;
  scale: number;
  /** Null: no cap. */
  cap: number | null;
  /** Tokens that a token sees, itself included; null: all before it. */
  window: number | null;
}

/** The attention of each layer. */
export function attentionSettings({ config, attention }: { config: DecoderConfig; attention: AttentionKernel }): AttentionSettings[] {
  return config.windows.map((window) => ({
    // The fused kernel knows no cap.
    kernel: config.attentionCap === null ? attention : 'eager',
    scale: config.attentionScale,
    cap: config.attentionCap,
    window,
  }));
}

/** Attention over q [B, heads, n, d], k and v [B, heads, m, d] → [B, heads, n, d]; `causal` needs n = m. */
export function attend(q: Tensor, k: Tensor, v: Tensor, settings: AttentionSettings, { mask = null, causal = false }: { mask?: Tensor | null; causal?: boolean }): Tensor {
  const { kernel, scale, cap } = settings;
  if (kernel === 'sdpa') return ops.scaledDotProductAttention(q, k, v, { mask, causal, scale });
  // The softmax of 16 bits is taken in float32, as the fused kernel does.
  const scores = capped(ops.mulScalar(ops.widened(ops.matmul(q, ops.transpose(k, -2, -1))), scale), cap);
  const bias = causal ? causalMask({ before: 0, length: q.size(-2), window: null }, q.dtype) : mask;
  return ops.matmul(ops.to(ops.softmax(bias ? ops.add(scores, bias) : scores, -1), v.dtype), v);
}

/** cap·tanh(x/cap), or x itself without a cap. */
export function capped(x: Tensor, cap: number | null): Tensor {
  return cap === null ? x : ops.mulScalar(ops.tanh(ops.divScalar(x, cap)), cap);
}

/** Which keys the last `length` tokens of a row see: the `before` keys before them, and their own. */
export interface MaskShape {
  before: number;
  length: number;
  window: number | null;
}

/** 0 where a token may look, −∞ elsewhere: not ahead, and no further back than the window. [length, before + length] */
export function causalMask({ before, length, window }: MaskShape, dtype: DType): Tensor {
  return scope(() => {
    const query = ops.view(ops.arange(0, length), [length, 1]);
    const key = ops.view(ops.arange(-before, length), [1, before + length]);
    const mask = ops.maskedFill_(ops.zeros([length, before + length], dtype), ops.lessTensor(query, key), -Infinity);
    if (window === null) return mask;
    return ops.maskedFill_(mask, ops.greaterEqual(ops.sub(query, key), ops.full([], window, 'int64')), -Infinity);
  });
}
