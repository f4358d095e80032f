// Softmax of one row that lies in the first caches: the scores of attention.
#pragma once
#include <cstdint>

namespace tsrl {

// Scores to weights that sum to 1, in place; returns the logarithm of the sum of their exponentials.
float softmax(float* x, int64_t count);
double softmax(double* x, int64_t count);

}  // namespace tsrl
