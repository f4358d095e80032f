// Attention of one new token per row over keys that lie in two places: those of a prompt, which many rows share, and the
// row's own. One call for all rows; as separate ops the calls cost more than the arithmetic (docs/experiments.md).
#include "native.h"
#include "small_product.h"
#include "softmax.h"

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

// The `queries` heads of one row that share a key head: q and out [queries, d]. While keys are multiplied their values are
// asked for from memory, and meanwhile what `next` points at, the keys of another row.
template <typename T, typename Math>
void attend(const T* q, int64_t queries, int64_t d, const std::vector<Span<T>>& spans, const T* next, Math scale, Math cap, T* out) {
  int64_t count = 0;
  for (const auto& span : spans) count += span.count;
  thread_local std::vector<Math> memory;
  memory.resize(queries * (2 * d + count));
  Math* scaled = memory.data();
  Math* mixed = scaled + queries * d;
  Math* scores = mixed + queries * d;
  for (int64_t i = 0; i < queries * d; i++) scaled[i] = static_cast<Math>(q[i]) * scale;
  std::fill(mixed, scores + queries * count, Math(0));
  int64_t at = 0;
  for (const auto& span : spans) {
    add_product(LeftFactor<Math>{scaled, d, 1}, queries, RightFactor<T>{span.keys, span.stride}, d, span.count, scores + at, count, span.values);
    at += span.count;
  }
  if (cap > 0) {
    for (int64_t n = 0; n < queries * count; n++) scores[n] = cap * std::tanh(scores[n] / cap);
  }
  for (int64_t m = 0; m < queries; m++) softmax(scores + m * count, count);
  at = 0;
  for (const auto& span : spans) {
    add_product(LeftFactor<Math>{scores + at, count, 1}, queries, RightFactor<T>{span.values, d}, span.count, d, mixed, d, at == 0 ? next : nullptr);
    at += span.count;
  }
  for (int64_t i = 0; i < queries * d; i++) out[i] = static_cast<T>(mixed[i]);
}

// Appends k and v as the last token of each row and attends: q [R, heads, d], k and v [R, kv, d]; pages of keys
// [slots, kv, d, page] and of values [slots, kv, page, d], `page` tokens after `page` tokens; rows int64 [R, 3]: slot, tokens
// of its own with the new one, prompt; prompt keys [kv, d, P] and values [kv, P, d] each → [R, heads·d]. A window of 0 and a
// cap of 0 are none.
at::Tensor decode_attention(const at::Tensor& q_, const at::Tensor& k_, const at::Tensor& v_, at::TensorList keys,
                            at::TensorList values, at::TensorList prompt_keys, at::TensorList prompt_values,
                            const at::Tensor& rows_, double scale, int64_t window, double cap) {
  const auto q = q_.contiguous(), k = k_.contiguous(), v = v_.contiguous(), rows = rows_.contiguous();
  const int64_t count = q.size(0), heads = q.size(1), d = q.size(2), kv = k.size(1);
  require(!values.empty() && keys.size() == values.size() && values[0].dim() == 4, "as many pages of keys as of values, one at least");
  const int64_t slots = values[0].size(0), page = values[0].size(2), capacity = page * static_cast<int64_t>(values.size());
  require(k.sizes() == v.sizes() && k.size(0) == count && k.size(2) == d && heads % kv == 0, "k and v [R, key heads, d]");
  require(k.scalar_type() == q.scalar_type() && v.scalar_type() == q.scalar_type(), "one dtype");
  require(rows.scalar_type() == at::kLong && rows.dim() == 2 && rows.size(0) == count && rows.size(1) == 3, "rows int64 [R, 3]");
  require(prompt_keys.size() == prompt_values.size(), "as many prompt values as prompt keys");
  for (size_t p = 0; p < values.size(); p++) {
    require(keys[p].is_contiguous() && keys[p].sizes() == at::IntArrayRef({slots, kv, d, page}), "keys [slots, key heads, d, page] in one piece");
    require(values[p].is_contiguous() && values[p].sizes() == at::IntArrayRef({slots, kv, page, d}), "values [slots, key heads, page, d] in one piece");
    require(keys[p].scalar_type() == q.scalar_type() && values[p].scalar_type() == q.scalar_type(), "one dtype");
  }
  for (size_t p = 0; p < prompt_keys.size(); p++) {
    const auto &pk = prompt_keys[p], &pv = prompt_values[p];
    require(pk.is_contiguous() && pv.is_contiguous() && pv.dim() == 3 && pv.size(0) == kv && pv.size(2) == d, "prompt values [key heads, P, d] in one piece");
    require(pk.sizes() == at::IntArrayRef({kv, d, pv.size(1)}), "prompt keys [key heads, d, P] in one piece");
    require(pk.scalar_type() == q.scalar_type() && pv.scalar_type() == q.scalar_type(), "one dtype");
  }
  const int64_t* places = rows.const_data_ptr<int64_t>();
  for (int64_t r = 0; r < count; r++) {
    const auto [slot, own, prompt] = std::tuple{places[3 * r], places[3 * r + 1], places[3 * r + 2]};
    require(slot >= 0 && slot < slots && own >= 1 && own <= capacity && prompt >= 0 && prompt < static_cast<int64_t>(prompt_keys.size()), "rows within slots, pages and prompts");
  }
  auto result = at::empty({count, heads * d}, q.options());
  const int64_t queries = heads / kv;
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, q.scalar_type(), "decode_attention", [&] {
    using Math = at::opmath_type<scalar_t>;
    const auto *q_data = q.const_data_ptr<scalar_t>(), *k_data = k.const_data_ptr<scalar_t>(), *v_data = v.const_data_ptr<scalar_t>();
    auto* out = result.data_ptr<scalar_t>();
    // Rows of one prompt follow each other, so that its keys stay in the cache from one to the next.
    at::parallel_for(0, kv * count, 1, [&](int64_t begin, int64_t end) {
      std::vector<Span<scalar_t>> spans;
      for (int64_t task = begin; task < end; task++) {
        const int64_t head = task / count, r = task % count;
        const int64_t slot = places[3 * r], own = places[3 * r + 1], prompt = places[3 * r + 2];
        const int64_t block = (slot * kv + head) * d * page;
        scalar_t* newest_keys = keys[(own - 1) / page].data_ptr<scalar_t>() + block + (own - 1) % page;
        for (int64_t i = 0; i < d; i++) newest_keys[i * page] = k_data[(r * kv + head) * d + i];
        std::copy_n(v_data + (r * kv + head) * d, d, values[(own - 1) / page].data_ptr<scalar_t>() + block + (own - 1) % page * d);
        const int64_t length = prompt_values[prompt].size(1);
        const int64_t seen_own = window > 0 ? std::min(own, window) : own;
        const int64_t seen_prompt = window > 0 ? std::min(length, window - seen_own) : length;
        const scalar_t* prompt_key = prompt_keys[prompt].const_data_ptr<scalar_t>() + head * d * length;
        const scalar_t* prompt_value = prompt_values[prompt].const_data_ptr<scalar_t>() + head * length * d;
        spans.clear();
        spans.push_back({prompt_key + length - seen_prompt, length, prompt_value + (length - seen_prompt) * d, seen_prompt});
        for (int64_t first = own - seen_own; first < own; first = first / page * page + page) {
          const int64_t skipped = first % page;
          spans.push_back({keys[first / page].const_data_ptr<scalar_t>() + block + skipped, page,
                           values[first / page].const_data_ptr<scalar_t>() + block + skipped * d, std::min(page - skipped, own - first)});
        }
        const int64_t after = places[3 * ((r + 1) % count) + 2];
        const scalar_t* next = after == prompt ? nullptr : prompt_keys[after].const_data_ptr<scalar_t>() + head * d * prompt_values[after].size(1);
        const int64_t query = (r * heads + head * queries) * d;
        attend<scalar_t, Math>(q_data + query, queries, d, spans, next, static_cast<Math>(scale), static_cast<Math>(cap), out + query);
      }
    });
  });
  return result;
}

}  // namespace
}  // namespace tsrl

TORCH_LIBRARY_FRAGMENT(tsrl, library) {
  library.def(
      "decode_attention(Tensor q, Tensor k, Tensor v, Tensor(a!)[] keys, Tensor(b!)[] values, Tensor[] prompt_keys, "
      "Tensor[] prompt_values, Tensor rows, float scale, int window, float cap) -> Tensor");
  library.impl("decode_attention", c10::DispatchKey::CPU, &tsrl::decode_attention);
}
