// Matrices held in blocks: each row is whole blocks, and a block some numbers of few bits with their scales, laid out as in
// ggml. A product turns a tile of rows into floats, small enough to stay in the processor's cache, and multiplies it as
// any other matrix: the whole never exists in floats. src/weights/gguf-blocks.ts has the plain twins of the formats.
#include "fused.h"
#include "vector.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Half.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <cmath>
#include <cstring>

namespace tsrl {
namespace {

using at::Tensor;

TSRL_INLINE float half_at(const uint8_t* from) {
  uint16_t bits;
  std::memcpy(&bits, from, 2);
  return static_cast<float>(c10::Half(bits, c10::Half::from_bits()));
}

TSRL_INLINE void put_half(float value, uint8_t* to) {
  const uint16_t bits = c10::Half(value).x;
  std::memcpy(to, &bits, 2);
}

// ---- blocks to floats: `count` blocks from `b` to `to`

TSRL_VECTORISED void f16(const uint8_t* b, int64_t count, float* to) {
  for (int64_t i = 0; i < count; i++) to[i] = half_at(b + 2 * i);
}

TSRL_VECTORISED void bf16(const uint8_t* __restrict b, int64_t count, float* __restrict to) {
#pragma omp simd
  for (int64_t i = 0; i < count; i++) to[i] = std::bit_cast<float>(static_cast<uint32_t>(b[2 * i] | (b[2 * i + 1] << 8)) << 16);
}

TSRL_VECTORISED void q8_0(const uint8_t* __restrict b, int64_t count, float* __restrict to) {
  for (; count > 0; count--, b += 34, to += 32) {
    const float d = half_at(b);
#pragma omp simd
    for (int i = 0; i < 32; i++) to[i] = d * static_cast<float>(static_cast<int8_t>(b[2 + i]));
  }
}

// Of 16 bytes the low half of byte i belongs to element i, the high half to element i + 16: x = d·(q − zero) + m. An m of −0
// leaves even the sign of a zero.
TSRL_INLINE void halves(const uint8_t* __restrict pairs, float d, int zero, float m, float* __restrict to) {
#pragma omp simd
  for (int i = 0; i < 16; i++) to[i] = d * static_cast<float>((pairs[i] & 15) - zero) + m;
#pragma omp simd
  for (int i = 0; i < 16; i++) to[16 + i] = d * static_cast<float>((pairs[i] >> 4) - zero) + m;
}

TSRL_VECTORISED void q4_0(const uint8_t* b, int64_t count, float* to) {
  for (; count > 0; count--, b += 18, to += 32) halves(b + 2, half_at(b), 8, -0.0f, to);
}

TSRL_VECTORISED void q4_1(const uint8_t* b, int64_t count, float* to) {
  for (; count > 0; count--, b += 20, to += 32) halves(b + 4, half_at(b), 0, half_at(b + 2), to);
}

// As `halves`, with a fifth bit for each element.
TSRL_INLINE void fifths(const uint8_t* __restrict pairs, const uint8_t* bits, float d, int zero, float m, float* __restrict to) {
  int fifth;
  std::memcpy(&fifth, bits, 4);
#pragma omp simd
  for (int i = 0; i < 16; i++) to[i] = d * static_cast<float>(((pairs[i] & 15) | (fifth >> i & 1) << 4) - zero) + m;
#pragma omp simd
  for (int i = 0; i < 16; i++) to[16 + i] = d * static_cast<float>(((pairs[i] >> 4) | (fifth >> (i + 16) & 1) << 4) - zero) + m;
}

TSRL_VECTORISED void q5_0(const uint8_t* b, int64_t count, float* to) {
  for (; count > 0; count--, b += 22, to += 32) fifths(b + 6, b + 2, half_at(b), 16, -0.0f, to);
}

TSRL_VECTORISED void q5_1(const uint8_t* b, int64_t count, float* to) {
  for (; count > 0; count--, b += 24, to += 32) fifths(b + 8, b + 4, half_at(b), 0, half_at(b + 2), to);
}

// Scale and minimum of one of eight runs, six bits each: of the first four whole in bytes 0-7, of the others four bits in
// bytes 8-11 and two in what bytes 0-7 have left.
TSRL_INLINE void six_bits(const uint8_t* b, int run, float& scale, float& minimum) {
  const uint8_t* high = b + run - 4;
  scale = static_cast<float>(run < 4 ? b[run] & 63 : (b[run + 4] & 15) | (high[0] >> 6) << 4);
  minimum = static_cast<float>(run < 4 ? b[run + 4] & 63 : b[run + 4] >> 4 | (b[run] >> 6) << 4);
}

// 256 elements in eight runs of 32, two of which share 32 bytes; `fifth` bits of byte i belong to element i of each run.
TSRL_INLINE void runs(const uint8_t* __restrict b, const uint8_t* pairs, const uint8_t* __restrict fifth, float* __restrict to) {
  const float d = half_at(b), m = half_at(b + 2);
  for (int run = 0; run < 8; run++, to += 32) {
    float scale, minimum;
    six_bits(b + 4, run, scale, minimum);
    scale *= d;
    minimum *= m;
    const uint8_t* __restrict from = pairs + (run >> 1) * 32;
    const int shift = (run & 1) * 4;
#pragma omp simd
    for (int i = 0; i < 32; i++) {
      const int q = ((from[i] >> shift) & 15) | (fifth ? (fifth[i] >> run & 1) << 4 : 0);
      to[i] = scale * static_cast<float>(q) - minimum;
    }
  }
}

TSRL_VECTORISED void q4_k(const uint8_t* b, int64_t count, float* to) {
  for (; count > 0; count--, b += 144, to += 256) runs(b, b + 16, nullptr, to);
}

TSRL_VECTORISED void q5_k(const uint8_t* b, int64_t count, float* to) {
  for (; count > 0; count--, b += 176, to += 256) runs(b, b + 48, b + 16, to);
}

TSRL_VECTORISED void q6_k(const uint8_t* __restrict b, int64_t count, float* __restrict to) {
  for (; count > 0; count--, b += 210) {
    const float d = half_at(b + 208);
    for (int group = 0; group < 16; group++, to += 16) {
      const float scale = d * static_cast<float>(static_cast<int8_t>(b[192 + group]));
      const int run = group >> 1, within = (group & 1) * 16;
      const uint8_t* low = b + (run >> 2) * 64 + (run & 1) * 32 + within;
      const uint8_t* high = b + 128 + (run >> 2) * 32 + within;
      const int low_shift = (run >> 1 & 1) * 4, high_shift = (run & 3) * 2;
#pragma omp simd
      for (int i = 0; i < 16; i++) {
        const int q = ((low[i] >> low_shift) & 15) | ((high[i] >> high_shift) & 3) << 4;
        to[i] = scale * static_cast<float>(q - 32);
      }
    }
  }
}

// ---- floats to blocks, bit for bit as Python's gguf (built without fused multiply-adds, which round once less)

TSRL_INLINE float inverse(float d) { return d == 0 ? 0 : 1 / d; }

void to_q8_0(const float* x, int64_t count, uint8_t* b) {
  for (; count > 0; count--, x += 32, b += 34) {
    float most = 0;
    for (int i = 0; i < 32; i++) most = std::max(most, std::fabs(x[i]));
    const float d = most / 127, id = inverse(d);
    put_half(d, b);
    for (int i = 0; i < 32; i++) b[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(std::round(x[i] * id)));
  }
}

template <typename Level>
void put_halves(uint8_t* pairs, const Level& level) {
  for (int i = 0; i < 16; i++) pairs[i] = static_cast<uint8_t>(level(i) | level(i + 16) << 4);
}

void to_q4_0(const float* x, int64_t count, uint8_t* b) {
  for (; count > 0; count--, x += 32, b += 18) {
    float far = x[0];
    for (int i = 1; i < 32; i++) far = std::fabs(x[i]) > std::fabs(far) ? x[i] : far;
    const float d = far / -8, id = inverse(d);
    put_half(d, b);
    put_halves(b + 2, [&](int i) { return std::min(15, static_cast<int>(x[i] * id + 8.5f)); });
  }
}

void to_q4_1(const float* x, int64_t count, uint8_t* b) {
  for (; count > 0; count--, x += 32, b += 20) {
    const auto [low, high] = std::minmax_element(x, x + 32);
    const float m = *low, d = (*high - m) / 15, id = inverse(d);
    put_half(d, b);
    put_half(m, b + 2);
    put_halves(b + 4, [&](int i) { return std::min(15, static_cast<int>((x[i] - m) * id + 0.5f)); });
  }
}

struct Format {
  std::string_view name;
  int64_t elements, bytes;
  void (*unpack)(const uint8_t*, int64_t, float*);
  void (*pack)(const float*, int64_t, uint8_t*);
};

constexpr Format kFormats[] = {
    {"F16", 1, 2, f16, nullptr},       {"BF16", 1, 2, bf16, nullptr},     {"Q4_0", 32, 18, q4_0, to_q4_0},
    {"Q4_1", 32, 20, q4_1, to_q4_1},   {"Q5_0", 32, 22, q5_0, nullptr},   {"Q5_1", 32, 24, q5_1, nullptr},
    {"Q8_0", 32, 34, q8_0, to_q8_0},   {"Q4_K", 256, 144, q4_k, nullptr}, {"Q5_K", 256, 176, q5_k, nullptr},
    {"Q6_K", 256, 210, q6_k, nullptr},
};

const Format& format_of(std::string_view name) {
  for (const Format& format : kFormats) if (format.name == name) return format;
  throw std::runtime_error("expected a format of blocks that is known here, got " + std::string(name));
}

int64_t columns_of(const Tensor& blocks, const Format& format) {
  require(blocks.dim() == 2 && blocks.scalar_type() == at::kByte && blocks.device().is_cpu() && blocks.is_contiguous(), "rows of bytes, contiguous on a CPU");
  require(blocks.size(1) % format.bytes == 0, "whole blocks in each row");
  return blocks.size(1) / format.bytes * format.elements;
}

void require_rows(const Tensor& x, int64_t columns, const char* what) {
  require(x.dim() == 2 && x.device().is_cpu() && x.scalar_type() == at::kFloat && x.size(1) == columns, what);
}

void unpack_rows(const Tensor& blocks, const Format& format, int64_t start, int64_t rows, float* to) {
  const int64_t row = blocks.size(1), columns = columns_of(blocks, format);
  const uint8_t* from = blocks.const_data_ptr<uint8_t>() + start * row;
  over_rows(rows, columns, [&](int64_t begin, int64_t end) { format.unpack(from + begin * row, (end - begin) * (row / format.bytes), to + begin * columns); });
}

// Floats of a tile: 512 KiB.
constexpr int64_t kTile = 1 << 17;

// Calls body(tile [count, columns], start, count) for one tile of rows after the other.
template <typename Body>
void over_tiles(const Tensor& blocks, const Format& format, const Body& body) {
  const int64_t rows = blocks.size(0), columns = columns_of(blocks, format);
  const int64_t most = std::min(rows, std::max<int64_t>(1, kTile / std::max<int64_t>(columns, 1)));
  const Tensor scratch = at::empty({most, columns}, blocks.options().dtype(at::kFloat));
  for (int64_t start = 0; start < rows; start += most) {
    const int64_t count = std::min(most, rows - start);
    unpack_rows(blocks, format, start, count, scratch.data_ptr<float>());
    body(scratch.narrow(0, 0, count), start, count);
  }
}

// y [n, rows] times the matrix: [n, columns]. No derivative.
Tensor block_product(const Tensor& y, const Tensor& blocks, std::string_view name) {
  const Format& format = format_of(name);
  const int64_t columns = columns_of(blocks, format);
  require_rows(y, blocks.size(0), "float32 rows on a CPU, as long as the matrix has rows");
  require(!(y.requires_grad() && at::GradMode::is_enabled()), "no derivative of this product");
  const Tensor out = at::zeros({y.size(0), columns}, y.options());
  if (y.size(0) == 0) return out;
  over_tiles(blocks, format, [&](const Tensor& tile, int64_t start, int64_t count) { out.add_(product(y.narrow(1, start, count), tile.t(), {}, blocks.size(0) / count)); });
  return out;
}

struct BlockLinear : torch::autograd::Function<BlockLinear> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, const Tensor& blocks, const std::string& name) {
    const Format& format = format_of(name);
    require_rows(x, columns_of(blocks, format), "float32 rows on a CPU, as long as those of the matrix");
    context->save_for_backward({blocks});
    context->saved_data["format"] = name;
    const Tensor out = at::empty({x.size(0), blocks.size(0)}, x.options());
    if (x.size(0) == 0) return out;
    over_tiles(blocks, format, [&](const Tensor& tile, int64_t start, int64_t count) { out.narrow(1, start, count).copy_(product(x, tile, {}, blocks.size(0) / count)); });
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
    return {block_product(gradients[0], context->get_saved_variables()[0], context->saved_data["format"].toStringRef()), {}, {}};
  }
};

// x [n, columns] times the transposed matrix: [n, rows], differentiable in x.
Tensor block_linear(const Tensor& x, const Tensor& blocks, std::string_view name) { return BlockLinear::apply(x, blocks, std::string(name)); }

// The numbers that blocks stand for: [rows, columns].
Tensor block_values(const Tensor& blocks, std::string_view name) {
  const Format& format = format_of(name);
  const Tensor out = at::empty({blocks.size(0), columns_of(blocks, format)}, blocks.options().dtype(at::kFloat));
  unpack_rows(blocks, format, 0, blocks.size(0), out.data_ptr<float>());
  return out;
}

// Numbers [rows, columns] as blocks: [rows, bytes].
Tensor to_blocks(const Tensor& values, std::string_view name) {
  const Format& format = format_of(name);
  require(format.pack != nullptr, "a format that numbers can be put into: Q4_0, Q4_1 or Q8_0");
  require(values.dim() == 2 && values.size(1) % format.elements == 0, "rows of whole blocks");
  require_rows(values, values.size(1), "float32 rows on a CPU");
  const Tensor from = values.contiguous();
  const int64_t columns = from.size(1), blocks = columns / format.elements, row = blocks * format.bytes;
  const Tensor out = at::empty({from.size(0), row}, from.options().dtype(at::kByte));
  const float* x = from.const_data_ptr<float>();
  uint8_t* to = out.data_ptr<uint8_t>();
  over_rows(from.size(0), columns, [&](int64_t begin, int64_t end) { format.pack(x + begin * columns, (end - begin) * blocks, to + begin * row); });
  return out;
}

}  // namespace
}  // namespace tsrl

TORCH_LIBRARY_FRAGMENT(tsrl, library) {
  library.def("block_linear(Tensor x, Tensor blocks, str format) -> Tensor", &tsrl::block_linear);
  library.def("block_product(Tensor y, Tensor blocks, str format) -> Tensor", &tsrl::block_product);
  library.def("block_values(Tensor blocks, str format) -> Tensor", &tsrl::block_values);
  library.def("to_blocks(Tensor values, str format) -> Tensor", &tsrl::to_blocks);
}
