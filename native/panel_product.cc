// x·wᵀ + b while decoding: few rows against a weight that no cache holds. The weight lies in panels of 32 outputs, [panels,
// in, 32], so that it streams from memory in the order in which it is multiplied, while what was read before is multiplied
// with all rows. A fifth to a half faster than oneDNN's packed product (docs/experiments.md). For float32 on a CPU.
#include "fused.h"
#include "small_product.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>

namespace tsrl {
namespace {

using at::Tensor;

constexpr int64_t kOutputs = 32;
// Inputs that are multiplied in one go: their part of a panel stays in the first caches for all rows.
constexpr int64_t kInputs = 768;

// w [out, in] → [panels, in, 32], zeros behind the last output
Tensor pack_panels(const Tensor& w_) {
  require_floats({&w_});
  require(w_.dim() == 2 && !w_.requires_grad(), "a weight [out, in] without a graph");
  const Tensor w = with_neighbours(w_);
  const int64_t outputs = w.size(0), inputs = w.size(1), stride = w.stride(0), count = (outputs + kOutputs - 1) / kOutputs;
  const Tensor panels = at::empty({count, inputs, kOutputs}, w.options());
  const float* from = w.const_data_ptr<float>();
  float* to = panels.data_ptr<float>();
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t panel = begin; panel < end; panel++) {
      const int64_t first = panel * kOutputs, rows = std::min(kOutputs, outputs - first);
      float* start = to + panel * inputs * kOutputs;
      for (int64_t i = 0; i < inputs; i++) {
        float* line = start + i * kOutputs;
        for (int64_t r = 0; r < rows; r++) line[r] = from[(first + r) * stride + i];
        std::fill(line + rows, line + kOutputs, 0.0f);
      }
    }
  });
  return panels;
}

// x [n, in], panels of a weight [out, in], bias [out] or none → [n, out]
Tensor panel_product(const Tensor& x_, const Tensor& panels, int64_t outputs, const Bias& bias) {
  require_floats({&x_, &panels});
  require(x_.dim() == 2 && panels.dim() == 3 && panels.is_contiguous() && panels.size(1) == x_.size(1) && panels.size(2) == kOutputs, "x [n, in] and panels [panels, in, 32]");
  require(outputs > 0 && (outputs + kOutputs - 1) / kOutputs == panels.size(0), "as many outputs as the panels hold");
  require(!bias || (bias->scalar_type() == at::kFloat && bias->is_contiguous() && bias->numel() == outputs), "a bias for each output");
  const Tensor x = with_neighbours(x_);
  const int64_t rows = x.size(0), inputs = x.size(1);
  const int64_t parts = (inputs + kInputs - 1) / kInputs, together = (inputs + parts - 1) / parts;
  const Tensor y = at::empty({rows, outputs}, x.options());
  const float *left = x.const_data_ptr<float>(), *right = panels.const_data_ptr<float>();
  const float* shift = bias ? bias->const_data_ptr<float>() : nullptr;
  float* to = y.data_ptr<float>();
  at::parallel_for(0, panels.size(0), 1, [&](int64_t begin, int64_t end) {
    for (int64_t panel = begin; panel < end; panel++) {
      const int64_t first = panel * kOutputs, columns = std::min(kOutputs, outputs - first);
      for (int64_t r = 0; r < rows; r++) {
        if (shift) std::copy_n(shift + first, columns, to + r * outputs + first);
        else std::fill_n(to + r * outputs + first, columns, 0.0f);
      }
      for (int64_t from = 0; from < inputs; from += together) {
        const float* part = right + (panel * inputs + from) * kOutputs;
        const int64_t count = std::min(together, inputs - from);
        add_product({left + from, x.stride(0), 1}, rows, RightFactor<float>{part, kOutputs}, count, columns, to + first, outputs, part + count * kOutputs);
      }
    }
  });
  return y;
}

}  // namespace
}  // namespace tsrl

TORCH_LIBRARY_FRAGMENT(tsrl, library) {
  library.def("pack_panels(Tensor weight) -> Tensor");
  library.impl("pack_panels", c10::DispatchKey::CPU, &tsrl::pack_panels);
  library.def("panel_product(Tensor x, Tensor panels, int outputs, Tensor? bias) -> Tensor");
  library.impl("panel_product", c10::DispatchKey::CPU, &tsrl::panel_product);
}
