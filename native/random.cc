// Random zeros and words that depend on nothing but names: row i is a function of keys[i], whatever stands beside it, so a
// batch may be cut, packed and computed again without changing what is drawn. Counter-based: no state, no order.
#include "fused.h"
#include "vector.h"

#include <ATen/ops/empty.h>
#include <torch/library.h>

namespace tsrl {
namespace {

// The finaliser of SplitMix64 (Steele, Lea & Flood, "Fast splittable pseudorandom number generators", 2014).
TSRL_INLINE uint64_t mixed(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

constexpr uint64_t kStep = 0x9e3779b97f4a7c15u;

// kept where a uniform number of 32 bits lies below the limit, else 0.
TSRL_VECTORISED void mask_row(uint64_t state, int64_t columns, uint64_t limit, float kept, float* to) {
#pragma omp simd
  for (int64_t j = 0; j < columns; j++) to[j] = (mixed(state + static_cast<uint64_t>(j + 1) * kStep) >> 32) < limit ? kept : 0.0f;
}

TSRL_VECTORISED void word_row(uint64_t state, int64_t columns, int32_t* to) {
#pragma omp simd
  for (int64_t j = 0; j < columns; j++) to[j] = static_cast<int32_t>(mixed(state + static_cast<uint64_t>(j + 1) * kStep) >> 32);
}

// Calls row(state, i) for every key; the state is that of the key in the stream.
template <typename Row>
void for_each_key(const at::Tensor& keys, int64_t columns, int64_t seed, int64_t stream, Row row) {
  const auto* key = keys.const_data_ptr<int64_t>();
  const uint64_t start = mixed(mixed(static_cast<uint64_t>(seed) + kStep) + static_cast<uint64_t>(stream));
  over_rows(keys.size(0), columns, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) row(mixed(start ^ mixed(static_cast<uint64_t>(key[i]))), i);
  });
}

at::Tensor checked_keys(const at::Tensor& keys, int64_t columns) {
  require(keys.dim() == 1 && keys.scalar_type() == at::kLong && keys.device().is_cpu(), "a list of int64 keys on a CPU");
  require(columns >= 0, "0 columns or more");
  return keys.contiguous();
}

// 1/keep with probability keep, else 0: [rows, columns]. One mask for each pair of seed and stream.
at::Tensor random_mask(const at::Tensor& keys, int64_t columns, int64_t seed, int64_t stream, double keep) {
  require(keep > 0 && keep <= 1, "a share above 0 and at most 1");
  const at::Tensor names = checked_keys(keys, columns);
  const at::Tensor mask = at::empty({names.size(0), columns}, names.options().dtype(at::kFloat));
  float* to = mask.data_ptr<float>();
  const auto limit = static_cast<uint64_t>(keep * 4294967296.0);
  for_each_key(names, columns, seed, stream, [&](uint64_t state, int64_t i) { mask_row(state, columns, limit, static_cast<float>(1 / keep), to + i * columns); });
  return mask;
}

// Words of 32 random bits: int32 [rows, columns]. They are the numbers that a mask of the same names compares.
at::Tensor random_words(const at::Tensor& keys, int64_t columns, int64_t seed, int64_t stream) {
  const at::Tensor names = checked_keys(keys, columns);
  const at::Tensor words = at::empty({names.size(0), columns}, names.options().dtype(at::kInt));
  int32_t* to = words.data_ptr<int32_t>();
  for_each_key(names, columns, seed, stream, [&](uint64_t state, int64_t i) { word_row(state, columns, to + i * columns); });
  return words;
}

}  // namespace
}  // namespace tsrl

TORCH_LIBRARY_FRAGMENT(tsrl, library) {
  library.def("random_mask(Tensor keys, int columns, int seed, int stream, float keep) -> Tensor", &tsrl::random_mask);
  library.def("random_words(Tensor keys, int columns, int seed, int stream) -> Tensor", &tsrl::random_words);
}
