#pragma once
#include <ATen/core/Tensor.h>

namespace tsrl {

// aᵀ·b for float32 on a CPU, a [k, m] and b [k, n]: [m, n]
at::Tensor transposed_product(const at::Tensor& a, const at::Tensor& b);

// c += aᵀ·b with c [m, n] in one piece
at::Tensor& add_transposed_product(at::Tensor& c, const at::Tensor& a, const at::Tensor& b);

}  // namespace tsrl
