// Rows of logits over the vocabulary: their log-softmax, a draw, the entropy, and the way back, one pass over memory or two each.
// For float32 on a CPU; src/model/token-logprobs.ts and src/generate/sampler.ts have the plain twins, which everything else takes.
#include "fused.h"
#include "vector.h"

#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <cmath>
#include <utility>
#include <vector>

namespace tsrl {
namespace {

using at::Tensor;

TSRL_VECTORISED float scale_row(float* x, int64_t n, float temperature) {
  float top = x[0] / temperature;
#pragma omp simd reduction(max : top)
  for (int64_t i = 0; i < n; i++) {
    x[i] /= temperature;
    top = x[i] > top ? x[i] : top;
  }
  return top;
}

// In double precision: beside the likeliest token a float would lose each of the many unlikely ones, and that error is the
// same for the whole row.
TSRL_VECTORISED double exponentials(const float* x, int64_t n, float top) {
  double total = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t i = 0; i < n; i++) total += static_cast<double>(exponential(x[i] - top));
  return total;
}

TSRL_VECTORISED void subtract(float* x, int64_t n, float top, float log_total) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) x[i] = x[i] - top - log_total;
}

void log_softmax_row(float* x, int64_t n, float temperature) {
  const float top = scale_row(x, n, temperature);
  subtract(x, n, top, static_cast<float>(std::log(exponentials(x, n, top))));
}

TSRL_VECTORISED float entropy_row(const float* logs, int64_t n) {
  double total = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t i = 0; i < n; i++) {
    // Below it p·log p is 0 to any digit of a float; and at −∞ it would not be a number.
    const float log = logs[i] < -87.0f ? -87.0f : logs[i];
    total += static_cast<double>(exponential(log) * log);
  }
  return static_cast<float>(-total);
}

// Log-probabilities to d(loss)/d(logits) but for the row's own target: −p·(slope + entropy_slope·(log p + entropy)).
TSRL_VECTORISED void gradient_row(float* x, int64_t n, float slope, float entropy_slope, float entropy) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const float log = x[i] < -87.0f ? -87.0f : x[i];
    x[i] = -exponential(log) * (slope + entropy_slope * (log + entropy));
  }
}

// Tokens whose probabilities are added up in one go.
constexpr int64_t kBlock = 512;

// Of a token that is ruled out, or less likely than any float, exactly 0. As a product: a choice would not be vectorised.
TSRL_INLINE double probability(float log) { return static_cast<double>(exponential(log) * static_cast<float>(log >= -87.0f)); }

TSRL_VECTORISED double probabilities(const float* logs, int64_t n) {
  double total = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t i = 0; i < n; i++) total += probability(logs[i]);
  return total;
}

// The first token at which the cumulated probability exceeds uniform·total, and the total; `sums` has room for each block.
std::pair<int64_t, double> draw_row(const float* logs, int64_t n, double uniform, double* sums) {
  const int64_t blocks = (n + kBlock - 1) / kBlock;
  double total = 0;
  for (int64_t b = 0; b < blocks; b++) total += sums[b] = probabilities(logs + b * kBlock, std::min(kBlock, n - b * kBlock));
  const double wanted = uniform * total;
  double passed = 0;
  int64_t block = 0;
  while (block + 1 < blocks && passed + sums[block] <= wanted) passed += sums[block++];
  // Added up one by one, a block may end a rounding short of its sum: then its last possible token is meant.
  int64_t found = block * kBlock;
  for (int64_t i = found; i < std::min(n, (block + 1) * kBlock) && passed <= wanted; i++) {
    const double share = probability(logs[i]);
    if (share > 0) found = i;
    passed += share;
  }
  return {found, total};
}

// logits [n, V] become log-probabilities at a temperature; has no derivative
Tensor& row_log_softmax(Tensor& logits, double temperature) {
  require_floats({&logits});
  require(logits.dim() == 2 && logits.is_contiguous() && logits.size(1) > 0, "logits [n, V] in one piece");
  require(!(logits.requires_grad() && at::GradMode::is_enabled()), "logits without a graph");
  const int64_t width = logits.size(1);
  float* rows = logits.data_ptr<float>();
  over_rows(logits.size(0), width, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) log_softmax_row(rows + r * width, width, static_cast<float>(temperature));
  });
  return logits;
}

// logs [n, V] → [n]; has no derivative
Tensor row_entropy(const Tensor& logs_) {
  require_floats({&logs_});
  require(logs_.dim() == 2 && !(logs_.requires_grad() && at::GradMode::is_enabled()), "log-probabilities [n, V] without a graph");
  const Tensor logs = logs_.contiguous(), result = at::empty({logs.size(0)}, logs.options());
  const int64_t width = logs.size(1);
  const float* from = logs.const_data_ptr<float>();
  float* to = result.data_ptr<float>();
  over_rows(logs.size(0), width, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) to[r] = entropy_row(from + r * width, width);
  });
  return result;
}

// log-probabilities [n, V] at a temperature become d(loss)/d(logits), by d(loss)/d(log-probability of the target) [n] and,
// where the loss has one, d(loss)/d(entropy) [n]; has no derivative
Tensor& row_logits_gradient(Tensor& logs, const Tensor& targets_, const Tensor& gradients_, const std::optional<Tensor>& of_entropy_, double temperature) {
  require_floats({&logs, &gradients_});
  const int64_t rows = logs.size(0), width = logs.size(1);
  require(logs.dim() == 2 && logs.is_contiguous() && !logs.requires_grad(), "log-probabilities [n, V] in one piece, without a graph");
  require(targets_.scalar_type() == at::kLong && targets_.dim() == 1 && targets_.size(0) == rows, "targets int64 [n]");
  require(gradients_.dim() == 1 && gradients_.size(0) == rows, "gradients [n]");
  require(!of_entropy_ || (of_entropy_->scalar_type() == at::kFloat && of_entropy_->dim() == 1 && of_entropy_->size(0) == rows), "gradients of entropies [n]");
  const Tensor targets = targets_.contiguous(), gradients = gradients_.contiguous();
  const Tensor of_entropy = of_entropy_ ? of_entropy_->contiguous() : Tensor();
  const int64_t* ids = targets.const_data_ptr<int64_t>();
  for (int64_t r = 0; r < rows; r++) require(ids[r] >= 0 && ids[r] < width, "targets within the vocabulary");
  const float *slopes = gradients.const_data_ptr<float>(), *entropy_slopes = of_entropy_ ? of_entropy.const_data_ptr<float>() : nullptr;
  const float share = static_cast<float>(1 / temperature);
  float* data = logs.data_ptr<float>();
  over_rows(rows, width, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) {
      float* row = data + r * width;
      const float slope = slopes[r] * share, entropy_slope = entropy_slopes ? entropy_slopes[r] * share : 0;
      gradient_row(row, width, slope, entropy_slope, entropy_slope == 0 ? 0 : entropy_row(row, width));
      row[ids[r]] += slope;
    }
  });
  return logs;
}

// logs [n, V], uniform numbers [n] in [0, 1) → the token of each row by inverse CDF, int64 [n], and the sum of its
// probabilities [n]; has no derivative
std::tuple<Tensor, Tensor> row_draw(const Tensor& logs_, const Tensor& uniforms_) {
  require_floats({&logs_, &uniforms_});
  require(logs_.dim() == 2 && logs_.size(1) > 0 && uniforms_.dim() == 1 && uniforms_.size(0) == logs_.size(0), "log-probabilities [n, V] and uniform numbers [n]");
  const Tensor logs = logs_.contiguous(), uniforms = uniforms_.contiguous();
  const int64_t width = logs.size(1);
  const Tensor tokens = at::empty({logs.size(0)}, logs.options().dtype(at::kLong)), totals = at::empty({logs.size(0)}, logs.options());
  const float *from = logs.const_data_ptr<float>(), *uniform = uniforms.const_data_ptr<float>();
  int64_t* token = tokens.data_ptr<int64_t>();
  float* total = totals.data_ptr<float>();
  over_rows(logs.size(0), width, [&](int64_t begin, int64_t end) {
    std::vector<double> sums((width + kBlock - 1) / kBlock);
    for (int64_t r = begin; r < end; r++) {
      const auto [drawn, sum] = draw_row(from + r * width, width, uniform[r], sums.data());
      token[r] = drawn;
      total[r] = static_cast<float>(sum);
    }
  });
  return {tokens, totals};
}

}  // namespace
}  // namespace tsrl

TORCH_LIBRARY_FRAGMENT(tsrl, library) {
  library.def("row_log_softmax_(Tensor(a!) logits, float temperature) -> Tensor(a!)");
  library.impl("row_log_softmax_", c10::DispatchKey::CPU, &tsrl::row_log_softmax);
  library.def("row_entropy(Tensor logprobs) -> Tensor", &tsrl::row_entropy);
  library.def("row_draw(Tensor logprobs, Tensor uniforms) -> (Tensor, Tensor)");
  library.impl("row_draw", c10::DispatchKey::CPU, &tsrl::row_draw);
  library.def("row_logits_gradient_(Tensor(a!) logprobs, Tensor targets, Tensor gradients, Tensor? entropy_gradients, float temperature) -> Tensor(a!)");
  library.impl("row_logits_gradient_", c10::DispatchKey::CPU, &tsrl::row_logits_gradient);
}
