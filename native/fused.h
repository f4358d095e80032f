// What ops over rows share: float32 on a CPU, one derivative, rows of neighbours, parts of them in parallel.
#pragma once
#include "native.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <initializer_list>

namespace tsrl {

inline void require_floats(std::initializer_list<const at::Tensor*> tensors) {
  for (const at::Tensor* x : tensors) require(x->device().is_cpu() && x->scalar_type() == at::kFloat, "float32 on a CPU");
}

// The walk back knows its own values only, not their derivatives.
inline void require_first_derivative() { require(!at::GradMode::is_enabled(), "no second derivative of a fused op"); }

inline at::Tensor with_neighbours(const at::Tensor& x) { return x.stride(-1) == 1 ? x : x.contiguous(); }

// Calls body(first, last) for parts of the rows, in parallel where there is enough to do.
template <typename Body>
void over_rows(int64_t rows, int64_t width, const Body& body) {
  at::parallel_for(0, rows, std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(width, 1)), body);
}

}  // namespace tsrl
