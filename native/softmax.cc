#include "softmax.h"

#include "vector.h"

#include <algorithm>
#include <cmath>

namespace tsrl {
namespace {

TSRL_VECTORISED float in_floats(float* x, int64_t count) {
  float top = x[0], total = 0;
#pragma omp simd reduction(max : top)
  for (int64_t i = 0; i < count; i++) top = x[i] > top ? x[i] : top;
#pragma omp simd reduction(+ : total)
  for (int64_t i = 0; i < count; i++) {
    x[i] = exponential(x[i] - top);
    total += x[i];
  }
  const float share = 1.0f / total;
#pragma omp simd
  for (int64_t i = 0; i < count; i++) x[i] *= share;
  return top + std::log(total);
}

}  // namespace

// The versions for several processors are called from this file, where all of them are seen.
float softmax(float* x, int64_t count) { return in_floats(x, count); }

double softmax(double* x, int64_t count) {
  const double top = *std::max_element(x, x + count);
  double total = 0;
  for (int64_t i = 0; i < count; i++) total += x[i] = std::exp(x[i] - top);
  for (int64_t i = 0; i < count; i++) x[i] /= total;
  return top + std::log(total);
}

}  // namespace tsrl
