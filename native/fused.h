// What the fused ops share: float32 on a CPU, one derivative, rows of neighbours.
#pragma once
#include "native.h"

#include <ATen/core/grad_mode.h>

#include <initializer_list>

namespace tsrl {

inline void require_floats(std::initializer_list<const at::Tensor*> tensors) {
  for (const at::Tensor* x : tensors) require(x->device().is_cpu() && x->scalar_type() == at::kFloat, "float32 on a CPU");
}

// The walk back knows its own values only, not their derivatives.
inline void require_first_derivative() { require(!at::GradMode::is_enabled(), "no second derivative of a fused op"); }

inline at::Tensor with_neighbours(const at::Tensor& x) { return x.stride(-1) == 1 ? x : x.contiguous(); }

}  // namespace tsrl
