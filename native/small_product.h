// Products of small matrices that lie in the first caches already, built for the vector units of several processors: the
// tiles of attention, where a call into a BLAS would cost more than its arithmetic.
#pragma once
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <cstdint>

namespace tsrl {

// The left factor: element (m, k) is data[m·row + k·column].
template <typename Math>
struct LeftFactor {
  const Math* data;
  int64_t row;
  int64_t column;
};

// The right factor: element (k, j) is data[k·row + j].
template <typename T>
struct RightFactor {
  const T* data;
  int64_t row;
};

// c[m·c_row + j] += Σₖ a(m, k)·b(k, j) for m < rows, k < inner, j < columns. `ahead`: what the caller reads next, as long as
// b, fetched from memory meanwhile.
void add_product(LeftFactor<float> a, int64_t rows, RightFactor<float> b, int64_t inner, int64_t columns, float* c, int64_t c_row, const void* ahead = nullptr);
void add_product(LeftFactor<double> a, int64_t rows, RightFactor<double> b, int64_t inner, int64_t columns, double* c, int64_t c_row, const void* ahead = nullptr);
void add_product(LeftFactor<float> a, int64_t rows, RightFactor<c10::Half> b, int64_t inner, int64_t columns, float* c, int64_t c_row, const void* ahead = nullptr);
void add_product(LeftFactor<float> a, int64_t rows, RightFactor<c10::BFloat16> b, int64_t inner, int64_t columns, float* c, int64_t c_row, const void* ahead = nullptr);

}  // namespace tsrl
