#include "small_product.h"

#include "vector.h"

namespace tsrl {
namespace {

// M rows and W columns of c: so few sums that they stay in registers.
template <int64_t M, int64_t W, typename Math, typename T>
TSRL_INLINE void tile(LeftFactor<Math> a, RightFactor<T> b, int64_t inner, Math* c, int64_t c_row) {
  Math sums[M][W] = {};
  for (int64_t k = 0; k < inner; k++) {
    for (int64_t m = 0; m < M; m++) {
      const Math left = a.data[m * a.row + k * a.column];
#pragma omp simd
      for (int64_t j = 0; j < W; j++) sums[m][j] += left * static_cast<Math>(b.data[k * b.row + j]);
    }
  }
  for (int64_t m = 0; m < M; m++) {
#pragma omp simd
    for (int64_t j = 0; j < W; j++) c[m * c_row + j] += sums[m][j];
  }
}

// All rows of W columns: as many at once as there are registers for, then three (query heads often share a key head by
// three), then one.
template <int64_t M, int64_t W, typename Math, typename T>
TSRL_INLINE void strip(LeftFactor<Math> a, int64_t rows, RightFactor<T> b, int64_t inner, Math* c, int64_t c_row) {
  const auto below = [&](int64_t m) { return LeftFactor<Math>{a.data + m * a.row, a.row, a.column}; };
  int64_t m = 0;
  for (; m + M <= rows; m += M) tile<M, W>(below(m), b, inner, c + m * c_row, c_row);
  for (; m + 3 <= rows; m += 3) tile<3, W>(below(m), b, inner, c + m * c_row, c_row);
  for (; m < rows; m++) tile<1, W>(below(m), b, inner, c + m * c_row, c_row);
}

template <int64_t M, int64_t W, typename Math, typename T>
TSRL_INLINE void multiply(LeftFactor<Math> a, int64_t rows, RightFactor<T> b, int64_t inner, int64_t columns, Math* c, int64_t c_row) {
  const auto from = [&](int64_t j) { return RightFactor<T>{b.data + j, b.row}; };
  int64_t j = 0;
  for (; j + W <= columns; j += W) strip<M, W>(a, rows, from(j), inner, c + j, c_row);
  for (; j + 8 <= columns; j += 8) strip<M, 8>(a, rows, from(j), inner, c + j, c_row);
  for (; j < columns; j++) strip<M, 1>(a, rows, from(j), inner, c + j, c_row);
}

// Templates cannot be built for several processors: a function for each pair of types, and for each processor the tile that
// fills its registers (32 of 16 numbers; 16 of 8).
#define TSRL_PRODUCT(target, M, W, Math, T)                                                                                         \
  target void product(LeftFactor<Math> a, int64_t rows, RightFactor<T> b, int64_t inner, int64_t columns, Math* c, int64_t c_row) { \
    multiply<M, W>(a, rows, b, inner, columns, c, c_row);                                                                           \
  }
#define TSRL_PRODUCTS(target, M, W)            \
  TSRL_PRODUCT(target, M, W, float, float)     \
  TSRL_PRODUCT(target, M, W, double, double)   \
  TSRL_PRODUCT(target, M, W, float, c10::Half) \
  TSRL_PRODUCT(target, M, W, float, c10::BFloat16)

#ifdef TSRL_HAS_TARGETS
TSRL_PRODUCTS(__attribute__((target("arch=x86-64-v4"))), 8, 32)
TSRL_PRODUCTS(__attribute__((target("arch=x86-64-v3"))), 6, 16)
TSRL_PRODUCTS(__attribute__((target("default"))), 3, 8)
#else
TSRL_PRODUCTS(, 4, 16)
#endif

}  // namespace

// Only where all versions of a function can be seen does a call choose among them.
#define TSRL_ADD_PRODUCT(Math, T)                                                                                                      \
  void add_product(LeftFactor<Math> a, int64_t rows, RightFactor<T> b, int64_t inner, int64_t columns, Math* c, int64_t c_row) { \
    product(a, rows, b, inner, columns, c, c_row);                                                                                     \
  }
TSRL_ADD_PRODUCT(float, float)
TSRL_ADD_PRODUCT(double, double)
TSRL_ADD_PRODUCT(float, c10::Half)
TSRL_ADD_PRODUCT(float, c10::BFloat16)

}  // namespace tsrl
