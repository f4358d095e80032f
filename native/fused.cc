// The pieces between a decoder layer's products, one pass over memory each, forward and back: as separate ops they take a
// third as long as the products themselves (docs/experiments.md). For float32 on a CPU; src/model/layers.ts and rope.ts
// have the plain twins, which everything else takes.
#include "fused.h"
#include "vector.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <cmath>

namespace tsrl {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// [.., d] as rows of neighbours, a copy only if they are not.
Tensor as_rows(const Tensor& x) { return x.contiguous().view({-1, x.size(-1)}); }

// ---- x/√(mean x² + ε)·w

TSRL_VECTORISED float norm_row(const float* x, const float* w, int64_t d, float epsilon, float* y) {
  float squares = 0;
#pragma omp simd reduction(+ : squares)
  for (int64_t i = 0; i < d; i++) squares += x[i] * x[i];
  const float scale = 1.0f / std::sqrt(squares / static_cast<float>(d) + epsilon);
#pragma omp simd
  for (int64_t i = 0; i < d; i++) y[i] = w[i] * (x[i] * scale);
  return scale;
}

// dx = scale·(w·dy − x·scale²·mean(w·dy·x)), and dw += dy·x·scale.
TSRL_VECTORISED void norm_row_back(const float* x, const float* w, const float* dy, int64_t d, float scale, float* dx, float* dw) {
  float dot = 0;
#pragma omp simd reduction(+ : dot)
  for (int64_t i = 0; i < d; i++) dot += w[i] * dy[i] * x[i];
  const float mean = dot / static_cast<float>(d) * scale * scale;
#pragma omp simd
  for (int64_t i = 0; i < d; i++) {
    dx[i] = scale * (w[i] * dy[i] - x[i] * mean);
    dw[i] += dy[i] * x[i] * scale;
  }
}

// Rows whose weight gradients are added up together: fixed, so that the sum does not depend on the threads.
constexpr int64_t kNormBlock = 64;

struct RmsNorm : torch::autograd::Function<RmsNorm> {
  static Tensor forward(AutogradContext* context, const Tensor& x_, const Tensor& w_, double epsilon) {
    const Tensor x = as_rows(x_), w = w_.contiguous();
    const int64_t rows = x.size(0), d = x.size(1);
    require(w.dim() == 1 && w.size(0) == d, "a weight for each element of the last axis");
    const Tensor y = at::empty({rows, d}, x.options()), scales = at::empty({rows}, x.options());
    const float *from = x.const_data_ptr<float>(), *weight = w.const_data_ptr<float>();
    float *to = y.data_ptr<float>(), *scale = scales.data_ptr<float>();
    over_rows(rows, d, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++) scale[r] = norm_row(from + r * d, weight, d, static_cast<float>(epsilon), to + r * d);
    });
    context->save_for_backward({x, w, scales});
    return y.view(x_.sizes());
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    require_first_derivative();
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &w = saved[1], &scales = saved[2], dy = as_rows(gradients[0]);
    const int64_t rows = x.size(0), d = x.size(1), blocks = (rows + kNormBlock - 1) / kNormBlock;
    const Tensor dx = at::empty_like(x), dw = at::zeros({blocks, d}, x.options());
    const float *from = x.const_data_ptr<float>(), *weight = w.const_data_ptr<float>(), *scale = scales.const_data_ptr<float>();
    const float* above = dy.const_data_ptr<float>();
    float *to = dx.data_ptr<float>(), *weights = dw.data_ptr<float>();
    over_rows(blocks, kNormBlock * d, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin * kNormBlock; r < std::min(rows, end * kNormBlock); r++) {
        norm_row_back(from + r * d, weight, above + r * d, d, scale[r], to + r * d, weights + r / kNormBlock * d);
      }
    });
    return {dx.view(gradients[0].sizes()), dw.sum(0), Tensor()};
  }
};

// ---- silu(gate)·up, or the tanh form of gelu

TSRL_INLINE float sigmoid(float x) {
  const float e = exponential(-std::abs(x));
  return (x >= 0 ? 1.0f : e) / (1.0f + e);
}

// An activation and its derivative.
struct Slope {
  float value, derivative;
};

struct Silu {
  static TSRL_INLINE Slope at(float x) {
    const float s = sigmoid(x);
    return {x * s, s * (1.0f + x * (1.0f - s))};
  }
};

struct GeluTanh {
  static TSRL_INLINE Slope at(float x) {
    constexpr float a = 0.79788456080286536f, b = 0.044715f;  // √(2/π), and Hendrycks & Gimpel 2016
    // (1 + tanh u)/2 = sigmoid(2u)
    const float s = sigmoid(2.0f * a * (x + b * x * x * x));
    return {x * s, s + x * s * (1.0f - s) * 2.0f * a * (1.0f + 3.0f * b * x * x)};
  }
};

template <typename Activation>
TSRL_INLINE void gate(const float* g, const float* u, int64_t n, float* y) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) y[i] = Activation::at(g[i]).value * u[i];
}

// With `Again` the unit itself as well, in y.
template <typename Activation, bool Again>
TSRL_INLINE void gate_back(const float* g, const float* u, const float* dy, int64_t n, float* dg, float* du, float* y) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const Slope slope = Activation::at(g[i]);
    dg[i] = dy[i] * u[i] * slope.derivative;
    du[i] = dy[i] * slope.value;
    if (Again) y[i] = slope.value * u[i];
  }
}

TSRL_VECTORISED void gate_row(bool gelu, const float* g, const float* u, int64_t n, float* y) {
  if (gelu) gate<GeluTanh>(g, u, n, y);
  else gate<Silu>(g, u, n, y);
}

TSRL_VECTORISED void gate_row_back(bool gelu, const float* g, const float* u, const float* dy, int64_t n, float* dg, float* du, float* y) {
  if (gelu && y) gate_back<GeluTanh, true>(g, u, dy, n, dg, du, y);
  else if (gelu) gate_back<GeluTanh, false>(g, u, dy, n, dg, du, y);
  else if (y) gate_back<Silu, true>(g, u, dy, n, dg, du, y);
  else gate_back<Silu, false>(g, u, dy, n, dg, du, y);
}

// gate and up [N, F], rows of neighbours.
Tensor unit_of(const Tensor& g, const Tensor& u, bool gelu) {
  const Tensor y = at::empty({g.size(0), g.size(1)}, g.options());
  const int64_t width = g.size(1), gs = g.stride(0), us = u.stride(0);
  const float *from = g.const_data_ptr<float>(), *up = u.const_data_ptr<float>();
  float* to = y.data_ptr<float>();
  over_rows(g.size(0), width, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) gate_row(gelu, from + r * gs, up + r * us, width, to + r * width);
  });
  return y;
}

struct UnitGradients {
  Tensor gate, up;
  Tensor unit;  // where it is wanted
};

UnitGradients unit_back(const Tensor& g, const Tensor& u, const Tensor& gradient, bool gelu, bool again) {
  const Tensor dy = gradient.contiguous();
  const int64_t width = g.size(1), gs = g.stride(0), us = u.stride(0);
  UnitGradients result{at::empty_like(dy), at::empty_like(dy), again ? at::empty_like(dy) : Tensor()};
  const float *from = g.const_data_ptr<float>(), *up = u.const_data_ptr<float>(), *above = dy.const_data_ptr<float>();
  float *to_gate = result.gate.data_ptr<float>(), *to_up = result.up.data_ptr<float>(), *unit = again ? result.unit.data_ptr<float>() : nullptr;
  over_rows(g.size(0), width, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) {
      const int64_t at = r * width;
      gate_row_back(gelu, from + r * gs, up + r * us, above + at, width, to_gate + at, to_up + at, unit ? unit + at : nullptr);
    }
  });
  return result;
}

struct Gated : torch::autograd::Function<Gated> {
  static Tensor forward(AutogradContext* context, const Tensor& gate, const Tensor& up, bool gelu) {
    const Tensor g = with_neighbours(gate), u = with_neighbours(up);
    context->save_for_backward({g, u});
    context->saved_data["gelu"] = gelu;
    return unit_of(g, u, gelu);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    require_first_derivative();
    const auto saved = context->get_saved_variables();
    const auto back = unit_back(saved[0], saved[1], gradients[0], context->saved_data["gelu"].toBool(), false);
    return {back.gate, back.up, Tensor()};
  }
};

// The product behind the unit as well: what lies between them is made again on the way back, not kept.
struct GatedLinear : torch::autograd::Function<GatedLinear> {
  static Tensor forward(AutogradContext* context, const Tensor& gate, const Tensor& up, const Tensor& w, const Bias& b, bool gelu) {
    const Tensor g = with_neighbours(gate), u = with_neighbours(up);
    context->save_for_backward({g, u, w});
    context->saved_data["gelu"] = gelu;
    context->saved_data["bias"] = b.has_value();
    return product(unit_of(g, u, gelu), w, b);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    require_first_derivative();
    const auto saved = context->get_saved_variables();
    const Tensor &w = saved[2], &dy = gradients[0];
    const bool weighs = context->needs_input_grad(2);
    const auto back = unit_back(saved[0], saved[1], product(dy, w.t(), {}), context->saved_data["gelu"].toBool(), weighs);
    variable_list result{back.gate, back.up, Tensor(), Tensor(), Tensor()};
    if (weighs) result[2] = gradient_of_weight(w, dy, back.unit);
    if (context->saved_data["bias"].toBool() && context->needs_input_grad(3)) result[3] = dy.sum(0);
    return result;
  }
};

// ---- each pair (xᵢ, xᵢ₊ₕ) of a head turned by its angle

// `sign` is −1 on the way back: the inverse of a turn is its transpose.
TSRL_VECTORISED void turn_head(const float* x, const float* cos, const float* sin, float sign, int64_t half, int64_t d, float* y) {
#pragma omp simd
  for (int64_t i = 0; i < half; i++) {
    const float a = x[i], b = x[half + i], c = cos[i], s = sign * sin[i];
    y[i] = a * c - b * s;
    y[half + i] = b * c + a * s;
  }
  std::copy(x + 2 * half, x + d, y + 2 * half);
}

Tensor turned(const Tensor& x_, const Tensor& cos, const Tensor& sin, float sign) {
  const Tensor x = with_neighbours(x_);
  const int64_t tokens = x.size(0), heads = x.size(1), d = x.size(2), half = cos.size(-1);
  const Tensor y = at::empty({tokens, heads, d}, x.options());
  const int64_t of_token = x.stride(0), of_head = x.stride(1);
  const float *from = x.const_data_ptr<float>(), *c = cos.const_data_ptr<float>(), *s = sin.const_data_ptr<float>();
  float* to = y.data_ptr<float>();
  over_rows(tokens, heads * d, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; n++) {
      for (int64_t h = 0; h < heads; h++) {
        turn_head(from + n * of_token + h * of_head, c + n * half, s + n * half, sign, half, d, to + (n * heads + h) * d);
      }
    }
  });
  return y;
}

struct Rotate : torch::autograd::Function<Rotate> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& cos, const Tensor& sin) {
    context->save_for_backward({cos, sin});
    return turned(x, cos, sin, 1.0f);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    require_first_derivative();
    const auto saved = context->get_saved_variables();
    return {turned(gradients[0], saved[0], saved[1], -1.0f), Tensor(), Tensor()};
  }
};

// x [.., d], w [d] → [.., d]
Tensor rms_norm(const Tensor& x, const Tensor& w, double epsilon) {
  require_floats({&x, &w});
  return RmsNorm::apply(x, w, epsilon);
}

void require_unit(const Tensor& gate, const Tensor& up) {
  require_floats({&gate, &up});
  require(gate.dim() == 2 && gate.sizes() == up.sizes(), "gate and up [N, F]");
}

// gate and up [N, F] → [N, F]
Tensor gated(const Tensor& gate, const Tensor& up, bool gelu) {
  require_unit(gate, up);
  return Gated::apply(gate, up, gelu);
}

// gate and up [N, F], w [H, F], b [H] → [N, H]
Tensor gated_linear(const Tensor& gate, const Tensor& up, const Tensor& w, const Bias& b, bool gelu) {
  require_unit(gate, up);
  require_floats({&w});
  require(w.dim() == 2 && w.size(1) == gate.size(1), "a weight [H, F]");
  return GatedLinear::apply(gate, up, w, b, gelu);
}

// x [N, heads, d], cos and sin [N, 1, width/2] → [N, heads, d]
Tensor rotate(const Tensor& x, const Tensor& cos, const Tensor& sin) {
  require_floats({&x, &cos, &sin});
  require(x.dim() == 3 && cos.dim() == 3 && cos.size(0) == x.size(0) && cos.size(1) == 1 && 2 * cos.size(2) <= x.size(2) && cos.sizes() == sin.sizes(), "x [N, heads, d], cos and sin [N, 1, width/2]");
  return Rotate::apply(x, cos.contiguous(), sin.contiguous());
}

}  // namespace
}  // namespace tsrl

TORCH_LIBRARY_FRAGMENT(tsrl, library) {
  library.def("rms_norm(Tensor x, Tensor weight, float epsilon) -> Tensor", &tsrl::rms_norm);
  library.def("gated(Tensor gate, Tensor up, bool gelu) -> Tensor", &tsrl::gated);
  library.def("gated_linear(Tensor gate, Tensor up, Tensor weight, Tensor? bias, bool gelu) -> Tensor", &tsrl::gated_linear);
  library.def("rotate(Tensor x, Tensor cos, Tensor sin) -> Tensor", &tsrl::rotate);
}
