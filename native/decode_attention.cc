// Attention of one new token per row over keys that lie in two places: those of a prompt, which many rows share, and the
// row's own. One call for all rows; as separate ops the calls cost more than the arithmetic (docs/experiments.md).
#include "native.h"
#include "vector.h"

#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace tsrl {
namespace {

// Keys [d, stride] with tokens side by side, and values [tokens, d], of one head; the first `count` tokens are meant.
template <typename T>
struct Span {
  const T* keys;
  int64_t stride;
  const T* values;
  int64_t count;
};

// c[M, W] += a[M, inner]·b[inner, W]: so few sums that they stay in registers.
template <int64_t M, int64_t W, typename Math, typename T>
TSRL_INLINE void block(const Math* a, int64_t a_stride, const T* b, int64_t b_stride, int64_t inner, Math* c, int64_t c_stride) {
  Math sums[M][W] = {};
  for (int64_t k = 0; k < inner; k++) {
    for (int64_t m = 0; m < M; m++) {
#pragma omp simd
      for (int64_t j = 0; j < W; j++) sums[m][j] += a[m * a_stride + k] * static_cast<Math>(b[k * b_stride + j]);
    }
  }
  for (int64_t m = 0; m < M; m++) {
    for (int64_t j = 0; j < W; j++) c[m * c_stride + j] += sums[m][j];
  }
}

template <int64_t W, typename Math, typename T>
TSRL_INLINE void columns_of(const Math* a, int64_t a_stride, int64_t rows, const T* b, int64_t b_stride, int64_t inner, Math* c, int64_t c_stride) {
  int64_t m = 0;
  for (; m + 3 <= rows; m += 3) block<3, W>(a + m * a_stride, a_stride, b, b_stride, inner, c + m * c_stride, c_stride);
  for (; m < rows; m++) block<1, W>(a + m * a_stride, a_stride, b, b_stride, inner, c + m * c_stride, c_stride);
}

template <typename Math, typename T>
TSRL_INLINE void multiply(const Math* a, int64_t a_stride, int64_t rows, const T* b, int64_t b_stride, int64_t inner, int64_t columns, Math* c, int64_t c_stride) {
  int64_t j = 0;
  for (; j + 32 <= columns; j += 32) columns_of<32>(a, a_stride, rows, b + j, b_stride, inner, c + j, c_stride);
  for (; j + 8 <= columns; j += 8) columns_of<8>(a, a_stride, rows, b + j, b_stride, inner, c + j, c_stride);
  for (; j < columns; j++) columns_of<1>(a, a_stride, rows, b + j, b_stride, inner, c + j, c_stride);
}

// c += a·b, one function per type, because templates cannot be built for several processors.
#define TSRL_PRODUCT(Math, T)                                                                                              \
  TSRL_VECTORISED void product(const Math* a, int64_t a_stride, int64_t rows, const T* b, int64_t b_stride, int64_t inner, \
                               int64_t columns, Math* c, int64_t c_stride) {                                               \
    multiply(a, a_stride, rows, b, b_stride, inner, columns, c, c_stride);                                                 \
  }
TSRL_PRODUCT(float, float)
TSRL_PRODUCT(double, double)
TSRL_PRODUCT(float, at::Half)
TSRL_PRODUCT(float, at::BFloat16)

// x[i] = exp(x[i] − top), none of which is above 0.
TSRL_VECTORISED void exponentials(float* x, int64_t count, float top) {
#pragma omp simd
  for (int64_t i = 0; i < count; i++) x[i] = exponential(x[i] - top);
}

void exponentials(double* x, int64_t count, double top) {
  for (int64_t i = 0; i < count; i++) x[i] = std::exp(x[i] - top);
}

template <typename Math>
void softmax(Math* scores, int64_t count, Math cap) {
  if (cap > 0) {
    for (int64_t n = 0; n < count; n++) scores[n] = cap * std::tanh(scores[n] / cap);
  }
  exponentials(scores, count, *std::max_element(scores, scores + count));
  Math total = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t n = 0; n < count; n++) total += scores[n];
  for (int64_t n = 0; n < count; n++) scores[n] /= total;
}

// The `queries` heads of one row that share a key head: q and out [queries, d].
template <typename T, typename Math>
void attend(const T* q, int64_t queries, int64_t d, const Span<T>& prompt, const Span<T>& own, Math scale, Math cap, T* out) {
  const int64_t count = prompt.count + own.count;
  thread_local std::vector<Math> memory;
  memory.resize(queries * (2 * d + count));
  Math* scaled = memory.data();
  Math* mixed = scaled + queries * d;
  Math* scores = mixed + queries * d;
  for (int64_t i = 0; i < queries * d; i++) scaled[i] = static_cast<Math>(q[i]) * scale;
  std::fill(mixed, scores + queries * count, Math(0));
  product(scaled, d, queries, prompt.keys, prompt.stride, d, prompt.count, scores, count);
  product(scaled, d, queries, own.keys, own.stride, d, own.count, scores + prompt.count, count);
  for (int64_t m = 0; m < queries; m++) softmax(scores + m * count, count, cap);
  product(scores, count, queries, prompt.values, d, prompt.count, d, mixed, d);
  product(scores + prompt.count, count, queries, own.values, d, own.count, d, mixed, d);
  for (int64_t i = 0; i < queries * d; i++) out[i] = static_cast<T>(mixed[i]);
}

void require(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(std::string("expected ") + what);
}

// Appends k and v as the last token of each row and attends: q [R, heads, d], k and v [R, kv, d], keys
// [slots, kv, d, capacity], values [slots, kv, capacity, d], rows int64 [R, 3]: slot, tokens of its own with the new one,
// prompt; prompt keys [kv, d, P] and values [kv, P, d] each → [R, heads·d]. A window of 0 and a cap of 0 are none.
at::Tensor decode_attention(const at::Tensor& q_, const at::Tensor& k_, const at::Tensor& v_, const at::Tensor& keys,
                            const at::Tensor& values, at::TensorList prompt_keys, at::TensorList prompt_values,
                            const at::Tensor& rows_, double scale, int64_t window, double cap) {
  const auto q = q_.contiguous(), k = k_.contiguous(), v = v_.contiguous(), rows = rows_.contiguous();
  const int64_t count = q.size(0), heads = q.size(1), d = q.size(2), kv = k.size(1), capacity = values.size(2);
  require(keys.is_contiguous() && values.is_contiguous(), "keys and values that lie in one piece");
  const int64_t slots = values.size(0);
  require(keys.sizes() == at::IntArrayRef({slots, kv, d, capacity}), "keys [slots, key heads, d, capacity]");
  require(values.sizes() == at::IntArrayRef({slots, kv, capacity, d}), "values [slots, key heads, capacity, d]");
  require(k.sizes() == v.sizes() && k.size(0) == count && k.size(2) == d && heads % kv == 0, "k and v [R, key heads, d]");
  require(rows.scalar_type() == at::kLong && rows.dim() == 2 && rows.size(0) == count && rows.size(1) == 3, "rows int64 [R, 3]");
  require(prompt_keys.size() == prompt_values.size(), "as many prompt values as prompt keys");
  for (const auto& part : {k, v, keys, values}) require(part.scalar_type() == q.scalar_type(), "one dtype");
  for (size_t p = 0; p < prompt_keys.size(); p++) {
    const auto &pk = prompt_keys[p], &pv = prompt_values[p];
    require(pk.is_contiguous() && pv.is_contiguous() && pv.dim() == 3 && pv.size(0) == kv && pv.size(2) == d, "prompt values [key heads, P, d] in one piece");
    require(pk.sizes() == at::IntArrayRef({kv, d, pv.size(1)}), "prompt keys [key heads, d, P] in one piece");
    require(pk.scalar_type() == q.scalar_type() && pv.scalar_type() == q.scalar_type(), "one dtype");
  }
  const int64_t* places = rows.const_data_ptr<int64_t>();
  for (int64_t r = 0; r < count; r++) {
    const auto [slot, own, prompt] = std::tuple{places[3 * r], places[3 * r + 1], places[3 * r + 2]};
    require(slot >= 0 && slot < slots && own >= 1 && own <= capacity && prompt >= 0 && prompt < static_cast<int64_t>(prompt_keys.size()), "rows within slots, capacity and prompts");
  }
  auto result = at::empty({count, heads * d}, q.options());
  const int64_t queries = heads / kv;
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, q.scalar_type(), "decode_attention", [&] {
    using Math = at::opmath_type<scalar_t>;
    const auto *q_data = q.const_data_ptr<scalar_t>(), *k_data = k.const_data_ptr<scalar_t>(), *v_data = v.const_data_ptr<scalar_t>();
    auto *key_data = keys.data_ptr<scalar_t>(), *value_data = values.data_ptr<scalar_t>(), *out = result.data_ptr<scalar_t>();
    // Rows of one prompt follow each other, so that its keys stay in the cache from one to the next.
    at::parallel_for(0, kv * count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; task++) {
        const int64_t head = task / count, r = task % count;
        const int64_t slot = places[3 * r], own = places[3 * r + 1], prompt = places[3 * r + 2];
        scalar_t* own_keys = key_data + (slot * kv + head) * d * capacity;
        scalar_t* own_values = value_data + (slot * kv + head) * capacity * d;
        for (int64_t i = 0; i < d; i++) own_keys[i * capacity + own - 1] = k_data[(r * kv + head) * d + i];
        std::copy_n(v_data + (r * kv + head) * d, d, own_values + (own - 1) * d);
        const int64_t length = prompt_values[prompt].size(1);
        const int64_t seen_own = window > 0 ? std::min(own, window) : own;
        const int64_t seen_prompt = window > 0 ? std::min(length, window - seen_own) : length;
        const scalar_t* prompt_key = prompt_keys[prompt].const_data_ptr<scalar_t>() + head * d * length;
        const scalar_t* prompt_value = prompt_values[prompt].const_data_ptr<scalar_t>() + head * length * d;
        attend<scalar_t, Math>(q_data + (r * heads + head * queries) * d, queries, d,
                               {prompt_key + length - seen_prompt, length, prompt_value + (length - seen_prompt) * d, seen_prompt},
                               {own_keys + own - seen_own, capacity, own_values + (own - seen_own) * d, seen_own},
                               static_cast<Math>(scale), static_cast<Math>(cap), out + (r * heads + head * queries) * d);
      }
    });
  });
  return result;
}

}  // namespace
}  // namespace tsrl

TORCH_LIBRARY_FRAGMENT(tsrl, library) {
  library.def(
      "decode_attention(Tensor q, Tensor k, Tensor v, Tensor(a!) keys, Tensor(b!) values, Tensor[] prompt_keys, "
      "Tensor[] prompt_values, Tensor rows, float scale, int window, float cap) -> Tensor");
  library.impl("decode_attention", c10::DispatchKey::CPU, &tsrl::decode_attention);
}
