// c += aᵀ·b for float32 on a CPU: the gradient of a weight from those of its outputs and from its inputs. The BLAS behind
// aten::addmm_ is half as fast on some processors, and oneDNN wants aᵀ as a copy (docs/experiments.md).
#include "transposed_product.h"

#include "fused.h"
#include "small_product.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>
#include <memory>

namespace tsrl {
namespace {

// A block of c, and of its sums the terms that are added up in one go: their part of b stays in the first caches.
constexpr int64_t kRows = 96;
constexpr int64_t kColumns = 192;
constexpr int64_t kTerms = 256;
// Terms of a's part that are laid side by side for all blocks of the same rows: they stay in the second cache.
constexpr int64_t kPacked = 2 * kTerms;

// c [m, n] = aᵀ·b with a [k, m] and b [k, n], or added to what c holds
void multiply(at::Tensor& c, const at::Tensor& a_, const at::Tensor& b_, bool added) {
  const at::Tensor a = with_neighbours(a_), b = with_neighbours(b_);
  require_floats({&c, &a, &b});
  require(c.dim() == 2 && c.is_contiguous() && a.dim() == 2 && b.dim() == 2, "matrices, c in one piece");
  require(a.size(0) == b.size(0) && a.size(1) == c.size(0) && b.size(1) == c.size(1), "a [k, m], b [k, n] and c [m, n]");
  require(!(at::GradMode::is_enabled() && (a.requires_grad() || b.requires_grad() || c.requires_grad())), "no graph");
  const int64_t m = c.size(0), n = c.size(1), k = a.size(0), a_row = a.stride(0), b_row = b.stride(0);
  const float *left = a.const_data_ptr<float>(), *right = b.const_data_ptr<float>();
  float* sums = c.data_ptr<float>();
  const int64_t across = (n + kColumns - 1) / kColumns;
  at::parallel_for(0, (m + kRows - 1) / kRows * across, 1, [&](int64_t begin, int64_t end) {
    const std::unique_ptr<float[]> packed(new float[kPacked * kRows]);
    for (int64_t from = 0; from < k; from += kPacked) {
      const int64_t terms = std::min(kPacked, k - from);
      for (int64_t block = begin; block < end; block++) {
        const int64_t row = block / across * kRows, rows = std::min(kRows, m - row);
        const int64_t column = block % across * kColumns, columns = std::min(kColumns, n - column);
        if (block == begin || column == 0) {
          for (int64_t t = 0; t < terms; t++) std::copy_n(left + (from + t) * a_row + row, rows, packed.get() + t * rows);
        }
        float* to = sums + row * n + column;
        for (int64_t r = 0; from == 0 && !added && r < rows; r++) std::fill_n(to + r * n, columns, 0.0f);
        for (int64_t t = 0; t < terms; t += kTerms) {
          add_product({packed.get() + t * rows, 1, rows}, rows, RightFactor<float>{right + (from + t) * b_row + column, b_row}, std::min(kTerms, terms - t), columns, to, n);
        }
      }
    }
  });
}

}  // namespace

at::Tensor transposed_product(const at::Tensor& a, const at::Tensor& b) {
  at::Tensor c = at::empty({a.size(1), b.size(1)}, a.options());
  multiply(c, a, b, false);
  return c;
}

at::Tensor& add_transposed_product(at::Tensor& c, const at::Tensor& a, const at::Tensor& b) {
  multiply(c, a, b, true);
  return c;
}

}  // namespace tsrl

TORCH_LIBRARY_FRAGMENT(tsrl, library) {
  library.def("add_transposed_product_(Tensor(a!) c, Tensor a, Tensor b) -> Tensor(a!)");
  library.impl("add_transposed_product_", c10::DispatchKey::CPU, &tsrl::add_transposed_product);
}
