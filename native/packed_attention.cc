// Attention over packed tokens, forward and back, without padding, masks or repeated keys: a segment of tokens sees the
// tokens of one earlier run that it shares with others, and its own up to itself. For float32 on a CPU;
// src/model/tree-attention.ts has the plain twin, which everything else takes.
#include "fused.h"
#include "small_product.h"
#include "softmax.h"
#include "vector.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace tsrl {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Queries taken together, and keys taken together on the way back: their tiles of scores stay in the first cache.
constexpr int64_t kQueries = 48;
constexpr int64_t kKeys = 96;

// `count` tokens from `first` on that see `shared` tokens from the start of their tree on, and their own.
struct Segment {
  int64_t first, count, shared;
};

// Neighbouring segments that share keys.
struct Tree {
  int64_t first, count;
  std::vector<Segment> segments;
};

// Rows [first, count, shared]; a segment that shares nothing begins a tree.
std::vector<Tree> trees_of(const Tensor& segments_, int64_t tokens) {
  const Tensor segments = segments_.contiguous();
  require(segments.scalar_type() == at::kLong && segments.dim() == 2 && segments.size(1) == 3, "segments int64 [S, 3]");
  const int64_t* row = segments.const_data_ptr<int64_t>();
  std::vector<Tree> trees;
  int64_t next = 0;
  for (int64_t s = 0; s < segments.size(0); s++, row += 3) {
    const Segment segment{row[0], row[1], row[2]};
    require(segment.first == next && segment.count >= 0 && segment.shared >= 0, "segments one behind the other");
    if (segment.shared == 0) trees.push_back({segment.first, 0, {}});
    require(!trees.empty() && segment.shared <= segment.first - trees.back().first, "shared tokens before the segment, in its tree");
    trees.back().segments.push_back(segment);
    trees.back().count += segment.count;
    next += segment.count;
  }
  require(next == tokens, "segments that hold every token");
  return trees;
}

// One head of all tokens: row t is data + t·row.
template <typename T>
struct Head {
  T* data;
  int64_t row;
  T* at(int64_t token) const { return data + token * row; }
};

template <typename T>
Head<T> head_of(const Tensor& x, T* data, int64_t head) { return {data + head * x.stride(1), x.stride(0)}; }

void copy_rows(Head<const float> x, int64_t first, int64_t count, int64_t d, float scale, float* to) {
  for (int64_t t = 0; t < count; t++) {
    const float* from = x.at(first + t);
    for (int64_t i = 0; i < d; i++) to[t * d + i] = from[i] * scale;
  }
}

// [count, d] → [d, count]
void transpose_rows(Head<const float> x, int64_t first, int64_t count, int64_t d, float* to) {
  constexpr int64_t block = 16;
  for (int64_t t = 0; t < count; t += block) {
    const int64_t end = std::min(count, t + block);
    for (int64_t i = 0; i < d; i++) {
      for (int64_t n = t; n < end; n++) to[i * count + n] = x.at(first + n)[i];
    }
  }
}

// Keys in the order in which a segment sees them, the shared ones and then its own: where they lie in the tree.
struct Seen {
  int64_t shared, own;  // the number of shared keys, and the place of its own first one
  // Calls body(place in the tree, index among the seen, count) for the runs of seen keys from `from` to `to`.
  template <typename Body>
  void runs(int64_t from, int64_t to, const Body& body) const {
    if (from < shared) body(from, from, std::min(to, shared) - from);
    if (to > shared) body(own + std::max<int64_t>(from - shared, 0), std::max(from, shared), to - std::max(from, shared));
  }
};

// The block of queries [from, from + rows) of a segment, and the keys its first and last query see.
struct Block {
  int64_t from, rows, lowest, end;
  Seen seen;
  int64_t window;
  int64_t begin_of(int64_t row) const { return window > 0 ? std::max<int64_t>(0, end_of(row) - window) : 0; }
  int64_t end_of(int64_t row) const { return seen.shared + from + row + 1; }
};

template <typename Body>
void over_blocks(const Tree& tree, int64_t window, const Body& body) {
  for (const Segment& segment : tree.segments) {
    for (int64_t from = 0; from < segment.count; from += kQueries) {
      Block block{from, std::min(kQueries, segment.count - from), 0, 0, {segment.shared, segment.first - tree.first}, window};
      block.lowest = block.begin_of(0);
      block.end = block.end_of(block.rows - 1);
      body(segment.first + from, block);
    }
  }
}

// Scores to weights by the known logarithm, and their gradients to those of the scores: w·(dw − Σ w·dw).
TSRL_VECTORISED void softmax_back(float* scores, float* gradients, int64_t count, float log_total, float mean) {
#pragma omp simd
  for (int64_t i = 0; i < count; i++) {
    scores[i] = exponential(scores[i] - log_total);
    gradients[i] = scores[i] * (gradients[i] - mean);
  }
}

TSRL_VECTORISED float dot(const float* a, const float* b, int64_t count) {
  float total = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t i = 0; i < count; i++) total += a[i] * b[i];
  return total;
}

// Memory of one thread, taken piece by piece. What it holds at first means nothing.
class Scratch {
 public:
  explicit Scratch(int64_t floats) : memory_(new float[floats]) {}
  float* take(int64_t floats) {
    float* piece = memory_.get() + taken_;
    taken_ += floats;
    return piece;
  }

 private:
  std::unique_ptr<float[]> memory_;
  int64_t taken_ = 0;
};

int64_t longest(const std::vector<Tree>& trees) {
  int64_t count = 0;
  for (const Tree& tree : trees) count = std::max(count, tree.count);
  return count;
}

// Calls body(tree, head, its key head, whether that is new to the pieces) for every pair, in parallel; `Pieces` is the memory
// of a thread.
template <typename Pieces, typename Body>
void over_heads(const std::vector<Tree>& trees, int64_t heads, int64_t repeats, int64_t d, const Body& body) {
  at::parallel_for(0, static_cast<int64_t>(trees.size()) * heads, 1, [&](int64_t begin, int64_t end) {
    Pieces pieces(longest(trees), d);
    for (int64_t task = begin; task < end; task++) {
      body(pieces, trees[task / heads], task % heads, task % heads / repeats, task == begin || task % heads % repeats == 0);
    }
  });
}

// What a thread needs for the way forward, with trees of up to `most` tokens.
struct Forward {
  Forward(int64_t most, int64_t d)
      : memory(2 * most * d + 2 * kQueries * d + kQueries * most), keys(memory.take(most * d)), values(memory.take(most * d)),
        scaled(memory.take(kQueries * d)), mixed(memory.take(kQueries * d)), scores(memory.take(kQueries * most)) {}
  Scratch memory;
  float *keys;    // [d, tree]
  float *values;  // [tree, d]
  float *scaled, *mixed, *scores;
};

// And for the way back.
struct Backward {
  Backward(int64_t most, int64_t d)
      : memory(5 * most * d + 3 * kQueries * d + 2 * kQueries * kKeys), keys(memory.take(most * d)), keys_across(memory.take(most * d)),
        values_across(memory.take(most * d)), key_sums(memory.take(most * d)), value_sums(memory.take(most * d)), scaled(memory.take(kQueries * d)),
        upper(memory.take(kQueries * d)), query_sums(memory.take(kQueries * d)), weights(memory.take(kQueries * kKeys)), slopes(memory.take(kQueries * kKeys)) {}
  Scratch memory;
  float *keys;                         // [tree, d]
  float *keys_across, *values_across;  // [d, tree]
  float *key_sums, *value_sums;        // [tree, d]
  float *scaled, *upper, *query_sums, *weights, *slopes;
};

struct PackedAttention : torch::autograd::Function<PackedAttention> {
  static Tensor forward(AutogradContext* context, const Tensor& q_, const Tensor& k_, const Tensor& v_, const Tensor& segments, double scale, int64_t window) {
    const Tensor q = with_neighbours(q_), k = with_neighbours(k_), v = with_neighbours(v_);
    const int64_t tokens = q.size(0), heads = q.size(1), d = q.size(2), repeats = heads / k.size(1);
    const std::vector<Tree> trees = trees_of(segments, tokens);
    const Tensor out = at::empty({tokens, heads, d}, q.options()), log_totals = at::empty({heads, tokens}, q.options());
    const float *q_data = q.const_data_ptr<float>(), *k_data = k.const_data_ptr<float>(), *v_data = v.const_data_ptr<float>();
    float *out_data = out.data_ptr<float>(), *logs = log_totals.data_ptr<float>();
    over_heads<Forward>(trees, heads, repeats, d, [&](Forward& pieces, const Tree& tree, int64_t head, int64_t key_head, bool is_new) {
      const auto queries = head_of(q, q_data, head);
      const auto to = head_of(out, out_data, head);
      const auto& [memory, keys, values, scaled, mixed, scores] = pieces;
      if (is_new) {
        transpose_rows(head_of(k, k_data, key_head), tree.first, tree.count, d, keys);
        copy_rows(head_of(v, v_data, key_head), tree.first, tree.count, d, 1, values);
      }
      over_blocks(tree, window, [&](int64_t first, const Block& block) {
        const int64_t width = block.end - block.lowest;
        copy_rows(queries, first, block.rows, d, static_cast<float>(scale), scaled);
        std::fill_n(scores, block.rows * width, 0.0f);
        std::fill_n(mixed, block.rows * d, 0.0f);
        block.seen.runs(block.lowest, block.end, [&](int64_t place, int64_t index, int64_t count) {
          add_product({scaled, d, 1}, block.rows, RightFactor<float>{keys + place, tree.count}, d, count, scores + index - block.lowest, width);
        });
        for (int64_t r = 0; r < block.rows; r++) {
          float* row = scores + r * width;
          const int64_t begin = block.begin_of(r) - block.lowest, end = block.end_of(r) - block.lowest;
          logs[head * tokens + first + r] = softmax(row + begin, end - begin);
          std::fill(row, row + begin, 0.0f);
          std::fill(row + end, row + width, 0.0f);
        }
        block.seen.runs(block.lowest, block.end, [&](int64_t place, int64_t index, int64_t count) {
          add_product({scores + index - block.lowest, width, 1}, block.rows, RightFactor<float>{values + place * d, d}, count, d, mixed, d);
        });
        for (int64_t r = 0; r < block.rows; r++) std::copy_n(mixed + r * d, d, to.at(first + r));
      });
    });
    context->save_for_backward({q, k, v, out, log_totals, segments});
    context->saved_data["scale"] = scale;
    context->saved_data["window"] = window;
    return out.view({tokens, heads * d});
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    require_first_derivative();
    const auto saved = context->get_saved_variables();
    const Tensor &q = saved[0], &k = saved[1], &v = saved[2], &out = saved[3], &log_totals = saved[4];
    const float scale = static_cast<float>(context->saved_data["scale"].toDouble());
    const int64_t window = context->saved_data["window"].toInt();
    const int64_t tokens = q.size(0), heads = q.size(1), d = q.size(2), repeats = heads / k.size(1);
    const std::vector<Tree> trees = trees_of(saved[5], tokens);
    const Tensor above = gradients[0].contiguous().view({tokens, heads, d});
    const Tensor dq = at::empty({tokens, heads, d}, q.options()), dk = at::empty({tokens, heads, d}, q.options()), dv = at::empty({tokens, heads, d}, q.options());
    const float *q_data = q.const_data_ptr<float>(), *k_data = k.const_data_ptr<float>(), *v_data = v.const_data_ptr<float>();
    const float *out_data = out.const_data_ptr<float>(), *above_data = above.const_data_ptr<float>(), *logs = log_totals.const_data_ptr<float>();
    float *dq_data = dq.data_ptr<float>(), *dk_data = dk.data_ptr<float>(), *dv_data = dv.data_ptr<float>();
    over_heads<Backward>(trees, heads, repeats, d, [&](Backward& pieces, const Tree& tree, int64_t head, int64_t key_head, bool is_new) {
      const auto queries = head_of(q, q_data, head), outputs = head_of(out, out_data, head), upper = head_of(above, above_data, head);
      const auto keys_in = head_of(k, k_data, key_head), values_in = head_of(v, v_data, key_head);
      const auto to_queries = head_of(dq, dq_data, head), to_keys = head_of(dk, dk_data, head), to_values = head_of(dv, dv_data, head);
      const int64_t n = tree.count;
      const auto& [memory, keys, keys_across, values_across, key_sums, value_sums, scaled, upper_rows, query_sums, weights, slopes] = pieces;
      if (is_new) {
        copy_rows(keys_in, tree.first, n, d, 1, keys);
        transpose_rows(keys_in, tree.first, n, d, keys_across);
        transpose_rows(values_in, tree.first, n, d, values_across);
      }
      std::fill_n(key_sums, n * d, 0.0f);
      std::fill_n(value_sums, n * d, 0.0f);
      over_blocks(tree, window, [&](int64_t first, const Block& block) {
        copy_rows(queries, first, block.rows, d, scale, scaled);
        copy_rows(upper, first, block.rows, d, 1, upper_rows);
        std::fill_n(query_sums, block.rows * d, 0.0f);
        float means[kQueries];
        for (int64_t r = 0; r < block.rows; r++) means[r] = dot(upper_rows + r * d, outputs.at(first + r), d);
        const auto tile = [&](int64_t place, int64_t index, int64_t count) {
          std::fill_n(weights, block.rows * count, 0.0f);
          std::fill_n(slopes, block.rows * count, 0.0f);
          add_product({scaled, d, 1}, block.rows, RightFactor<float>{keys_across + place, n}, d, count, weights, count);
          add_product({upper_rows, d, 1}, block.rows, RightFactor<float>{values_across + place, n}, d, count, slopes, count);
          for (int64_t r = 0; r < block.rows; r++) {
            float *weight = weights + r * count, *slope = slopes + r * count;
            const int64_t begin = std::clamp<int64_t>(block.begin_of(r) - index, 0, count), end = std::clamp<int64_t>(block.end_of(r) - index, begin, count);
            softmax_back(weight + begin, slope + begin, end - begin, logs[head * tokens + first + r], means[r]);
            for (float* row : {weight, slope}) {
              std::fill(row, row + begin, 0.0f);
              std::fill(row + end, row + count, 0.0f);
            }
          }
          add_product({weights, 1, count}, count, RightFactor<float>{upper_rows, d}, block.rows, d, value_sums + place * d, d);
          add_product({slopes, 1, count}, count, RightFactor<float>{scaled, d}, block.rows, d, key_sums + place * d, d);
          add_product({slopes, count, 1}, block.rows, RightFactor<float>{keys + place * d, d}, count, d, query_sums, d);
        };
        block.seen.runs(block.lowest, block.end, [&](int64_t place, int64_t index, int64_t count) {
          for (int64_t done = 0; done < count; done += kKeys) tile(place + done, index + done, std::min(kKeys, count - done));
        });
        for (int64_t r = 0; r < block.rows; r++) {
          for (int64_t i = 0; i < d; i++) to_queries.at(first + r)[i] = query_sums[r * d + i] * scale;
        }
      });
      for (int64_t t = 0; t < n; t++) {
        std::copy_n(key_sums + t * d, d, to_keys.at(tree.first + t));
        std::copy_n(value_sums + t * d, d, to_values.at(tree.first + t));
      }
    });
    // The heads that share a key head, added up in their order, whatever the threads did.
    const auto shared = [&](const Tensor& x) { return repeats == 1 ? x : x.view({tokens, heads / repeats, repeats, d}).sum(2); };
    return {dq, shared(dk), shared(dv), Tensor(), Tensor(), Tensor()};
  }
};

// q [N, heads, d], k and v [N, key heads, d] → [N, heads·d]. segments int64 [S, 3]: first token, count, and how many tokens
// from the start of its tree on it sees before its own; one that sees none begins a tree. A token sees no more than
// `window` tokens, itself included; 0 is no window.
Tensor packed_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& segments, double scale, int64_t window) {
  require_floats({&q, &k, &v});
  require(q.dim() == 3 && k.dim() == 3 && k.sizes() == v.sizes() && k.size(0) == q.size(0) && k.size(2) == q.size(2), "q [N, heads, d], k and v [N, key heads, d]");
  require(k.size(1) > 0 && q.size(1) % k.size(1) == 0, "a whole number of heads for each key head");
  require(window >= 0, "a window of 0 or more");
  return PackedAttention::apply(q, k, v, segments, scale, window);
}

}  // namespace
}  // namespace tsrl

TORCH_LIBRARY_FRAGMENT(tsrl, library) {
  library.def("packed_attention(Tensor q, Tensor k, Tensor v, Tensor segments, float scale, int window) -> Tensor", &tsrl::packed_attention);
}
