#include "small_product.h"

#include "vector.h"

#include <algorithm>
#include <type_traits>

namespace tsrl {
namespace {

// Numbers that one register holds, wherever in memory they begin.
template <typename Math, int64_t N>
struct Lanes {
  typedef Math Type __attribute__((vector_size(N * sizeof(Math)), aligned(alignof(Math))));
};

template <typename Math, int64_t N, typename T>
TSRL_INLINE typename Lanes<Math, N>::Type load(const T* from) {
  using Vector = typename Lanes<Math, N>::Type;
  if constexpr (std::is_same_v<Math, T>) {
    return *reinterpret_cast<const Vector*>(from);
  } else {
    Math wide[N];
#pragma omp simd
    for (int64_t i = 0; i < N; i++) wide[i] = static_cast<Math>(from[i]);
    return *reinterpret_cast<const Vector*>(wide);
  }
}

// Terms from which the sums are fetched while they are still being computed: fewer are over before memory answers.
constexpr int64_t kPrefetched = 128;

// Bytes that memory hands over at a time.
constexpr int64_t kLine = 64;

// What is asked for from memory while something else is computed: so many bytes with each term, unless `from` is null.
struct Ahead {
  const char* from;
  int64_t step;
};

// M rows and W columns of c, in registers of so many bytes: so few sums that they stay in them.
template <int64_t Bytes, int64_t M, int64_t W, typename Math, typename T>
TSRL_INLINE void tile(LeftFactor<Math> a, RightFactor<T> b, int64_t inner, Math* c, int64_t c_row, Ahead ahead) {
  constexpr int64_t N = std::min<int64_t>(W, Bytes / sizeof(Math));
  using Vector = typename Lanes<Math, N>::Type;
  Vector sums[M][W / N] = {};
  for (int64_t m = 0; inner >= kPrefetched && m < M; m++) {
    __builtin_prefetch(c + m * c_row, 1);
    __builtin_prefetch(c + m * c_row + W - 1, 1);
  }
  for (int64_t k = 0; k < inner; k++) {
    for (int64_t i = 0; ahead.from && i < ahead.step; i += kLine) __builtin_prefetch(ahead.from + k * ahead.step + i, 0, 2);
    Vector right[W / N];
#pragma GCC unroll 16
    for (int64_t j = 0; j < W / N; j++) right[j] = load<Math, N>(b.data + k * b.row + j * N);
#pragma GCC unroll 16
    for (int64_t m = 0; m < M; m++) {
      const Math left = a.data[m * a.row + k * a.column];
#pragma GCC unroll 16
      for (int64_t j = 0; j < W / N; j++) sums[m][j] += left * right[j];
    }
  }
#pragma GCC unroll 16
  for (int64_t m = 0; m < M; m++) {
#pragma GCC unroll 16
    for (int64_t j = 0; j < W / N; j++) *reinterpret_cast<Vector*>(c + m * c_row + j * N) += sums[m][j];
  }
}

// A tile of as many rows as there are: M or fewer.
template <int64_t Bytes, int64_t M, int64_t W, typename Math, typename T>
TSRL_INLINE void tile_of(int64_t rows, LeftFactor<Math> a, RightFactor<T> b, int64_t inner, Math* c, int64_t c_row, Ahead ahead) {
  if constexpr (M > 1) {
    if (rows < M) return tile_of<Bytes, M - 1, W>(rows, a, b, inner, c, c_row, ahead);
  }
  tile<Bytes, M, W>(a, b, inner, c, c_row, ahead);
}

// All rows of W columns in the fewest tiles of at most M rows, which registers hold, and about as high each: the few sums of
// a low tile wait for each other. Meanwhile as many bytes as b has are asked for from `ahead` on, by one tile alone as many
// with each term as it reads.
template <int64_t Bytes, int64_t M, int64_t W, typename Math, typename T>
TSRL_INLINE void strip(LeftFactor<Math> a, int64_t rows, RightFactor<T> b, int64_t inner, Math* c, int64_t c_row, const char* ahead = nullptr) {
  constexpr int64_t width = W * static_cast<int64_t>(sizeof(T));
  const int64_t tiles = (rows + M - 1) / M, step = tiles > 1 ? kLine : width;
  int64_t asked = 0;
  for (int64_t t = 0; t < tiles; t++) {
    const int64_t m = rows * t / tiles, height = rows * (t + 1) / tiles - m;
    const Ahead next{ahead && asked < inner * width ? ahead + asked : nullptr, step};
    asked += inner * step;
    tile_of<Bytes, M, W>(height, LeftFactor<Math>{a.data + m * a.row, a.row, a.column}, b, inner, c + m * c_row, c_row, next);
  }
}

// Columns that do not fill a strip: b with zeros behind them, some terms at a time.
template <int64_t Bytes, int64_t M, int64_t W, typename Math, typename T>
TSRL_INLINE void last_columns(LeftFactor<Math> a, int64_t rows, RightFactor<T> b, int64_t inner, int64_t columns, Math* c, int64_t c_row) {
  constexpr int64_t terms = 128;
  T filled[terms * W];
  std::fill_n(filled, std::min(inner, terms) * W, T(0));
  for (int64_t k = 0; k < inner; k += terms) {
    const int64_t count = std::min(terms, inner - k);
    for (int64_t t = 0; t < count; t++) std::copy_n(b.data + (k + t) * b.row, columns, filled + t * W);
    for (int64_t m = 0; m < rows; m += M) {
      const int64_t height = std::min(M, rows - m);
      Math sums[M * W] = {};
      strip<Bytes, M, W>(LeftFactor<Math>{a.data + m * a.row + k * a.column, a.row, a.column}, height, RightFactor<T>{filled, W}, count, sums, W);
      for (int64_t r = 0; r < height; r++) {
        for (int64_t j = 0; j < columns; j++) c[(m + r) * c_row + j] += sums[r * W + j];
      }
    }
  }
}

template <int64_t Bytes, int64_t M, int64_t W, typename Math, typename T>
TSRL_INLINE void multiply(LeftFactor<Math> a, int64_t rows, RightFactor<T> b, int64_t inner, int64_t columns, Math* c, int64_t c_row, const char* ahead) {
  const auto from = [&](int64_t j) { return RightFactor<T>{b.data + j, b.row}; };
  int64_t j = 0;
  for (; j + W <= columns; j += W) strip<Bytes, M, W>(a, rows, from(j), inner, c + j, c_row, ahead ? ahead + j * inner * static_cast<int64_t>(sizeof(T)) : nullptr);
  for (; j + W / 2 <= columns; j += W / 2) strip<Bytes, M, W / 2>(a, rows, from(j), inner, c + j, c_row);
  if (j == columns) return;
  // Filling costs a look at all of b: with few rows that is more than it saves.
  if (rows >= M) return last_columns<Bytes, M, W / 2>(a, rows, from(j), inner, columns - j, c + j, c_row);
  for (; j + 4 <= columns; j += 4) strip<Bytes, M, 4>(a, rows, from(j), inner, c + j, c_row);
  for (; j < columns; j++) strip<Bytes, M, 1>(a, rows, from(j), inner, c + j, c_row);
}

// Templates cannot be built for several processors: a function for each pair of types, and for each processor the tile that
// fills its registers (32 of 64 bytes; 16 of 32).
#define TSRL_PRODUCT(target, Bytes, M, W, Math, T)                                                                                  \
  target void product(LeftFactor<Math> a, int64_t rows, RightFactor<T> b, int64_t inner, int64_t columns, Math* c, int64_t c_row, const char* ahead) { \
    multiply<Bytes, M, W>(a, rows, b, inner, columns, c, c_row, ahead);                                                                               \
  }
#define TSRL_PRODUCTS(target, Bytes, M, W)            \
  TSRL_PRODUCT(target, Bytes, M, W, float, float)     \
  TSRL_PRODUCT(target, Bytes, M, W / 2, double, double) \
  TSRL_PRODUCT(target, Bytes, M, W, float, c10::Half) \
  TSRL_PRODUCT(target, Bytes, M, W, float, c10::BFloat16)

#ifdef TSRL_HAS_TARGETS
TSRL_PRODUCTS(__attribute__((target("arch=x86-64-v4"))), 64, 12, 32)
TSRL_PRODUCTS(__attribute__((target("arch=x86-64-v3"))), 32, 6, 16)
TSRL_PRODUCTS(__attribute__((target("default"))), 16, 3, 8)
#else
TSRL_PRODUCTS(, 16, 4, 16)
#endif

}  // namespace

// Only where all versions of a function can be seen does a call choose among them.
#define TSRL_ADD_PRODUCT(Math, T)                                                                                                      \
  void add_product(LeftFactor<Math> a, int64_t rows, RightFactor<T> b, int64_t inner, int64_t columns, Math* c, int64_t c_row, const void* ahead) { \
    product(a, rows, b, inner, columns, c, c_row, static_cast<const char*>(ahead));                                                                                     \
  }
TSRL_ADD_PRODUCT(float, float)
TSRL_ADD_PRODUCT(double, double)
TSRL_ADD_PRODUCT(float, c10::Half)
TSRL_ADD_PRODUCT(float, c10::BFloat16)

}  // namespace tsrl
