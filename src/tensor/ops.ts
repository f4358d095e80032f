/** The ops this project uses, one typed line each, under the names of ATen. A new op costs a line here and no C++. */
import { dispatch, op } from './dispatch.ts';
import { halves } from './encode.ts';
import type { DType, Device, Tensor } from './tensor.ts';

type Unary = (x: Tensor) => Tensor;
type Binary = (a: Tensor, b: Tensor) => Tensor;
type ByScalar = (a: Tensor, b: number) => Tensor;

// Making
export const zeros = (shape: readonly number[], dtype: DType = 'float32', device: Device = 'cpu'): Tensor =>
  dispatch('aten::zeros', [shape, dtype, null, device]) as Tensor;
export const full = (shape: readonly number[], value: number, dtype: DType = 'float32', device: Device = 'cpu'): Tensor =>
  dispatch('aten::full', [shape, value, dtype, null, device]) as Tensor;
export const empty = (shape: readonly number[], dtype: DType = 'float32', device: Device = 'cpu'): Tensor =>
  dispatch('aten::empty.memory_format', [shape, dtype, null, device]) as Tensor;
export const arange = (start: number, end: number, dtype: DType = 'int64', device: Device = 'cpu'): Tensor =>
  dispatch('aten::arange.start', [start, end, dtype, null, device]) as Tensor;
export const zerosLike = op<Unary>('aten::zeros_like');
export const clone = op<Unary>('aten::clone');
export const detach = op<Unary>('aten::detach');
export const contiguous = op<Unary>('aten::contiguous');
/** Casts; the same tensor when it already has the dtype. */
export const to = op<(x: Tensor, dtype: DType) => Tensor>('aten::to.dtype');
/** Floats of 16 bits as float32; any other tensor as it is. */
export const widened = (x: Tensor): Tensor => (halves.has(x.dtype) ? to(x, 'float32') : x);
/** A copy on a device, in a dtype; the same tensor when it is there and has it. */
export const toDevice = op<(x: Tensor, device: Device, dtype: DType) => Tensor>('aten::to.device');
/** The same bits as elements of another dtype of the same size. */
export const viewAs = op<(x: Tensor, dtype: DType) => Tensor>('aten::view.dtype');

// Shape
export const view = op<(x: Tensor, shape: readonly number[]) => Tensor>('aten::view');
export const reshape = op<(x: Tensor, shape: readonly number[]) => Tensor>('aten::reshape');
export const permute = op<(x: Tensor, axes: readonly number[]) => Tensor>('aten::permute');
export const transpose = op<(x: Tensor, a: number, b: number) => Tensor>('aten::transpose.int');
export const unsqueeze = op<(x: Tensor, axis: number) => Tensor>('aten::unsqueeze');
export const squeeze = op<(x: Tensor, axis: number) => Tensor>('aten::squeeze.dim');
export const expand = op<(x: Tensor, shape: readonly number[]) => Tensor>('aten::expand');
export const narrow = op<(x: Tensor, axis: number, start: number, length: number) => Tensor>('aten::narrow');
export const cat = op<(parts: readonly Tensor[], axis: number) => Tensor>('aten::cat');
export const stack = op<(parts: readonly Tensor[], axis: number) => Tensor>('aten::stack');
export const split = op<(x: Tensor, sizes: readonly number[], axis: number) => Tensor[]>('aten::split_with_sizes');
export const repeatInterleave = op<(x: Tensor, repeats: number, axis: number) => Tensor>('aten::repeat_interleave.self_int');

// Picking
export const indexSelect = op<(x: Tensor, axis: number, index: Tensor) => Tensor>('aten::index_select');
export const gather = op<(x: Tensor, axis: number, index: Tensor) => Tensor>('aten::gather');
export const embedding = op<(weight: Tensor, ids: Tensor) => Tensor>('aten::embedding');
/** `source` at the places that `index` names along an axis. */
export const scatter = op<(x: Tensor, axis: number, index: Tensor, source: Tensor) => Tensor>('aten::scatter.src');
export const where = op<(condition: Tensor, a: Tensor, b: Tensor) => Tensor>('aten::where.self');
export const maskedFill = op<(x: Tensor, mask: Tensor, value: number) => Tensor>('aten::masked_fill.Scalar');

// Arithmetic
export const add = op<(a: Tensor, b: Tensor, alpha?: number) => Tensor>('aten::add.Tensor');
export const addScalar = op<ByScalar>('aten::add.Scalar');
export const sub = op<Binary>('aten::sub.Tensor');
export const mul = op<Binary>('aten::mul.Tensor');
export const mulScalar = op<ByScalar>('aten::mul.Scalar');
export const div = op<Binary>('aten::div.Tensor');
export const divScalar = op<ByScalar>('aten::div.Scalar');
export const neg = op<Unary>('aten::neg');
export const abs = op<Unary>('aten::abs');
export const exp = op<Unary>('aten::exp');
export const log = op<Unary>('aten::log');
export const square = op<Unary>('aten::square');
export const rsqrt = op<Unary>('aten::rsqrt');
export const cos = op<Unary>('aten::cos');
export const sin = op<Unary>('aten::sin');
export const silu = op<Unary>('aten::silu');
/** GELU by the tanh approximation (Hendrycks & Gimpel 2016). */
export const geluTanh = (x: Tensor): Tensor => dispatch('aten::gelu', [x, 'tanh']) as Tensor;
/** x·Φ(x), exactly. */
export const gelu = (x: Tensor): Tensor => dispatch('aten::gelu', [x, 'none']) as Tensor;
export const relu = op<Unary>('aten::relu');
export const sigmoid = op<Unary>('aten::sigmoid');
export const tanh = op<Unary>('aten::tanh');
/** a + share·(b − a). */
export const lerp = op<(a: Tensor, b: Tensor, share: number) => Tensor>('aten::lerp.Scalar');
export const minimum = op<Binary>('aten::minimum');
export const maximum = op<Binary>('aten::maximum');
export const clamp = op<(x: Tensor, min: number | null, max: number | null) => Tensor>('aten::clamp');

// Comparing
export const greater = op<ByScalar>('aten::gt.Scalar');
export const less = op<ByScalar>('aten::lt.Scalar');
export const notEqual = op<ByScalar>('aten::ne.Scalar');
export const greaterEqual = op<Binary>('aten::ge.Tensor');
export const lessTensor = op<Binary>('aten::lt.Tensor');
export const logicalAnd = op<Binary>('aten::logical_and');
export const logicalOr = op<Binary>('aten::logical_or');
export const logicalNot = op<Unary>('aten::logical_not');
export const isNaN = op<Unary>('aten::isnan');

// Reducing
export const sum = op<Unary>('aten::sum');
export const sumOver = op<(x: Tensor, axes: readonly number[], keepAxis?: boolean) => Tensor>('aten::sum.dim_IntList');
export const mean = op<(x: Tensor, axes: readonly number[], keepAxis?: boolean) => Tensor>('aten::mean.dim');
export const amax = op<(x: Tensor, axes: readonly number[], keepAxis?: boolean) => Tensor>('aten::amax');
export const amin = op<(x: Tensor, axes: readonly number[], keepAxis?: boolean) => Tensor>('aten::amin');
export const argmax = op<(x: Tensor, axis: number) => Tensor>('aten::argmax');
export const logsumexp = op<(x: Tensor, axes: readonly number[], keepAxis?: boolean) => Tensor>('aten::logsumexp');
export const softmax = op<(x: Tensor, axis: number) => Tensor>('aten::softmax.int');
export const logSoftmax = op<(x: Tensor, axis: number) => Tensor>('aten::log_softmax.int');
export const cumsum = op<(x: Tensor, axis: number) => Tensor>('aten::cumsum');
/** (x − mean)/√(var + ε)·w + b over the last axis, in which w and b lie (Ba et al. 2016). */
export const layerNorm = (x: Tensor, weight: Tensor, bias: Tensor, epsilon: number): Tensor =>
  dispatch('aten::layer_norm', [x, weight.shape, weight, bias, epsilon, false]) as Tensor;
/** Euclidean norm of all elements. */
export const norm = op<Unary>('aten::linalg_vector_norm');
/** Euclidean norm of each row: [n, m] → [n]. */
export const rowNorms = (x: Tensor): Tensor => dispatch('aten::linalg_vector_norm', [x, 2, [1]]) as Tensor;
/** The norm of all elements, accumulated and given in `dtype`, for elements that are narrower. */
export const normIn = (x: Tensor, dtype: DType): Tensor => dispatch('aten::linalg_vector_norm', [x, 2, null, false, dtype]) as Tensor;
export const sort = (x: Tensor, axis: number, descending: boolean): [values: Tensor, indices: Tensor] =>
  dispatch('aten::sort', [x, axis, descending]) as [Tensor, Tensor];
/** First position whose entry exceeds the value, along the last axis. */
export const searchsorted = (sorted: Tensor, values: Tensor): Tensor => dispatch('aten::searchsorted.Tensor', [sorted, values, false, true]) as Tensor;
/** How many of the sorted boundaries lie below each value, in int32. */
export const bucketize = (values: Tensor, boundaries: Tensor): Tensor => dispatch('aten::bucketize.Tensor', [values, boundaries, true, false]) as Tensor;

// Products
export const matmul = op<Binary>('aten::matmul');
/** beta·x + alpha·a·b for matrices. */
export const addmm = op<(x: Tensor, a: Tensor, b: Tensor, beta: number, alpha: number) => Tensor>('aten::addmm');
export const bmm = op<Binary>('aten::bmm');
export const linear = op<(x: Tensor, weight: Tensor, bias?: Tensor | null) => Tensor>('tsrl::linear');
/** x times a transposed matrix in blocks (native/blocks.cc), differentiable once in x: x [n, in], blocks uint8 [out, bytes of a row] → [n, out] */
export const blockLinear = op<(x: Tensor, blocks: Tensor, format: string) => Tensor>('tsrl::block_linear');
/** y times a matrix in blocks, without a derivative: [n, out] → [n, in] */
export const blockProduct = op<(y: Tensor, blocks: Tensor, format: string) => Tensor>('tsrl::block_product');
/** What blocks stand for, in float32: [out, in] */
export const blockValues = op<(blocks: Tensor, format: string) => Tensor>('tsrl::block_values');
/** Float32 numbers [out, in] as blocks of Q4_0, Q4_1 or Q8_0. */
export const toBlocks = op<(values: Tensor, format: string) => Tensor>('tsrl::to_blocks');
export const scaledDotProductAttention = (
  query: Tensor,
  key: Tensor,
  value: Tensor,
  { mask = null, causal = false, scale }: { mask?: Tensor | null; causal?: boolean; scale: number },
): Tensor => dispatch('aten::scaled_dot_product_attention', [query, key, value, mask, 0, causal, scale, false]) as Tensor;

/** Whether the five ops below take a tensor; each is differentiable once (native/fused.cc, native/packed_attention.cc). */
export const isFused = (x: Tensor): boolean => x.dtype === 'float32' && x.device === 'cpu';
/** x/√(mean x² + ε)·w over the last axis. */
export const rmsNorm = op<(x: Tensor, weight: Tensor, epsilon: number) => Tensor>('tsrl::rms_norm');
/** silu(gate)·up, or with gelu's tanh form; [N, F] each. */
export const gated = op<(gate: Tensor, up: Tensor, gelu: boolean) => Tensor>('tsrl::gated');
/** The same times Wᵀ (+ b), [N, F] → [N, H]; what lies between is not kept for the way back, only made again. */
export const gatedLinear = op<(gate: Tensor, up: Tensor, weight: Tensor, bias: Tensor | null, gelu: boolean) => Tensor>('tsrl::gated_linear');
/** Pairs (x_i, x_{i + width/2}) of each head turned: x [N, heads, d], cos and sin [N, 1, width/2]. */
export const rotate = op<(x: Tensor, cos: Tensor, sin: Tensor) => Tensor>('tsrl::rotate');

/** Logits [n, V] become log-softmax(logits/τ), in place; without a derivative, for tensors that `isFused` takes. */
export const rowLogSoftmax_ = op<(logits: Tensor, temperature: number) => Tensor>('tsrl::row_log_softmax_');
/** −Σ p·log p of each row of log-probabilities [n, V] → [n]; without a derivative, for tensors that `isFused` takes. */
export const rowEntropy = op<Unary>('tsrl::row_entropy');
/** A token of each row of log-probabilities [n, V] by inverse CDF of a uniform number [n], int64 [n], and the probabilities' sums [n]; for tensors that `isFused` takes. */
export const rowDraw = op<(logprobs: Tensor, uniforms: Tensor) => [Tensor, Tensor]>('tsrl::row_draw');
/**
 * Log-probabilities [n, V] = log-softmax(logits/τ) become d(loss)/d(logits), in place, by d(loss)/d(log-probability) of the
 * targets [n] and, unless null, d(loss)/d(entropy) [n]; without a derivative, for tensors that `isFused` takes.
 */
export const rowLogitsGradient_ = op<(logprobs: Tensor, targets: Tensor, gradients: Tensor, entropyGradients: Tensor | null, temperature: number) => Tensor>('tsrl::row_logits_gradient_');
/**
 * Attention over packed tokens: q [N, heads, d], k and v [N, keyHeads, d] → [N, heads·d]. segments int64 [S, 3]: first token,
 * count, and how many tokens from the start of its tree on a segment sees before its own. A window of 0 is none.
 */
export const packedAttention = op<(q: Tensor, k: Tensor, v: Tensor, segments: Tensor, scale: number, window: number) => Tensor>('tsrl::packed_attention');

/** 1/keep with probability `keep`, else 0, a row for each key [n, columns]; a function of its arguments alone (native/random.cc). */
export const randomMask = op<(keys: Tensor, columns: number, seed: number, stream: number, keep: number) => Tensor>('tsrl::random_mask');
/** 32 random bits for each place [n, columns], int32; the numbers behind the mask of the same names. */
export const randomWords = op<(keys: Tensor, columns: number, seed: number, stream: number) => Tensor>('tsrl::random_words');

/** Attention of one new token per row, over a shared prompt and the row's own tokens; native/decode_attention.cc says what goes in. */
export const decodeAttention = op<
  (q: Tensor, k: Tensor, v: Tensor, keys: Tensor[], values: Tensor[], promptKeys: Tensor[], promptValues: Tensor[], rows: Tensor, scale: number, window: number, cap: number) => Tensor
>('tsrl::decode_attention');
// oneDNN's linear with a weight reordered once: what rollouts on a CPU use (docs/experiments.md)
export const packLinearWeight = op<(weight: Tensor, rows: number | null) => Tensor>('mkldnn::_reorder_linear_weight');
export const packedLinear = (x: Tensor, packed: Tensor, bias: Tensor | null): Tensor =>
  dispatch('mkldnn::_linear_pointwise', [x, packed, bias, 'none', [], '']) as Tensor;
/** A weight [out, in] in the order in which `panelProduct` reads it (native/panel_product.cc). */
export const packPanels = op<(weight: Tensor) => Tensor>('tsrl::pack_panels');
/** x·wᵀ + b for a weight from `packPanels`: [n, in] → [n, outputs]. */
export const panelProduct = op<(x: Tensor, panels: Tensor, outputs: number, bias: Tensor | null) => Tensor>('tsrl::panel_product');

// In place
export const bitwiseAndScalar_ = op<ByScalar>('aten::bitwise_and_.Scalar');
export const add_ = op<(a: Tensor, b: Tensor, alpha?: number) => Tensor>('aten::add_.Tensor');
export const mulScalar_ = op<ByScalar>('aten::mul_.Scalar');
export const mul_ = op<Binary>('aten::mul_.Tensor');
export const sub_ = op<Binary>('aten::sub_.Tensor');
export const divScalar_ = op<ByScalar>('aten::div_.Scalar');
export const exp_ = op<Unary>('aten::exp_');
export const sign_ = op<Unary>('aten::sign_');
export const copy_ = op<Binary>('aten::copy_');
/** x ← x + share·(target − x). */
export const lerp_ = op<(x: Tensor, target: Tensor, share: number) => Tensor>('aten::lerp_.Scalar');
export const zero_ = op<Unary>('aten::zero_');
export const maskedFill_ = op<(x: Tensor, mask: Tensor, value: number) => Tensor>('aten::masked_fill_.Scalar');
export const indexAdd_ = op<(x: Tensor, axis: number, index: Tensor, source: Tensor) => Tensor>('aten::index_add_');
export const scatter_ = op<(x: Tensor, axis: number, index: Tensor, source: Tensor) => Tensor>('aten::scatter_.src');
export const scatterAdd_ = op<(x: Tensor, axis: number, index: Tensor, source: Tensor) => Tensor>('aten::scatter_add_');
/** x ← x + a·b for matrices, without a temporary. */
export const addmm_ = op<(x: Tensor, a: Tensor, b: Tensor) => Tensor>('aten::addmm_');

/** c ← c + aᵀ·b for matrices that `isFused` takes, c in one piece; without a derivative (native/transposed_product.cc). */
export const addTransposedProduct_ = op<(c: Tensor, a: Tensor, b: Tensor) => Tensor>('tsrl::add_transposed_product_');

/** One AdamW step over lists of tensors (decoupled weight decay, Loshchilov & Hutter 2019); updates all lists in place. */
export const fusedAdamW_ = (
  parameters: readonly Tensor[],
  gradients: readonly Tensor[],
  firstMoments: readonly Tensor[],
  secondMoments: readonly Tensor[],
  steps: readonly Tensor[],
  { learningRate, beta1, beta2, weightDecay, epsilon }: { learningRate: number; beta1: number; beta2: number; weightDecay: number; epsilon: number },
): void => {
  dispatch('aten::_fused_adamw_', [parameters, gradients, firstMoments, secondMoments, [], steps, learningRate, beta1, beta2, weightDecay, epsilon, false, false]);
};

/** One step of SGD over lists of tensors, with the decay added to the gradient; updates parameters and momenta in place. */
export const fusedSgd_ = (
  parameters: readonly Tensor[],
  gradients: readonly Tensor[],
  /** Empty without momentum. */
  momenta: readonly Tensor[],
  { learningRate, momentum, weightDecay }: { learningRate: number; momentum: number; weightDecay: number },
): void => {
  dispatch('aten::_fused_sgd_', [parameters, gradients, momenta, weightDecay, momentum, learningRate, 0, false, false, false]);
};
