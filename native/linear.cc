// x·wᵀ + b through oneDNN where that pays: for big float32 products on a CPU it is up to 2.3 times as fast as the BLAS
// behind aten::linear, forward and backward (docs/experiments.md). Everything else goes to aten::linear, its plain twin.
#include "native.h"
#include "transposed_product.h"

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/linear.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/graph_task.h>
#include <torch/library.h>

namespace tsrl {
namespace {

// Multiply-adds from which a product is worth the kernel that oneDNN makes for each new shape.
constexpr int64_t kBig = 1 << 24;

bool is_plain(const at::Tensor& x) {
  return x.dim() == 2 && x.device().is_cpu() && x.layout() == at::kStrided && x.scalar_type() == at::kFloat;
}

bool is_tracked(const at::Tensor& x) { return x.requires_grad() && at::GradMode::is_enabled(); }

bool pays(const at::Tensor& x, const at::Tensor& w, int64_t times) {
  // The kernel has no derivative: where a graph is wanted, as in a second derivative, the twin makes it.
  return is_plain(x) && is_plain(w) && !is_tracked(x) && !is_tracked(w) && at::hasMKLDNN() &&
         at::globalContext().userEnabledMkldnn() && x.size(1) == w.size(1) && times * x.size(0) * w.size(0) * w.size(1) >= kBig;
}

}  // namespace

at::Tensor product(const at::Tensor& x, const at::Tensor& w, const Bias& b, int64_t times) {
  if (!pays(x, w, times)) return at::linear(x, w, b);
  static const auto kernel =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("mkldnn::_linear_pointwise", "")
          .typed<at::Tensor(const at::Tensor&, const at::Tensor&, const Bias&, std::string_view,
                            c10::List<std::optional<at::Scalar>>, std::optional<std::string_view>)>();
  return kernel.call(x, w, b, "none", c10::List<std::optional<at::Scalar>>(), "");
}

namespace {

// Whether this walk back ends in adding the gradient to w.grad; one that was asked for chosen gradients leaves that alone.
bool adds_up(const at::Tensor& w) {
  const auto* chosen = torch::autograd::get_current_graph_task_exec_info();
  return w.is_leaf() && (chosen == nullptr || chosen->empty());
}

}  // namespace

at::Tensor gradient_of_weight(const at::Tensor& w, const at::Tensor& dy, const at::Tensor& x) {
  // The rows of both lie side by side: no copy of dyᵀ, as oneDNN would want.
  if (!pays(dy.t(), x.t(), 1)) return at::linear(dy.t(), x.t());
  at::Tensor sum = w.grad();
  if (!adds_up(w) || !sum.defined() || !is_plain(sum) || !sum.is_contiguous() || is_tracked(sum)) return transposed_product(dy, x);
  add_transposed_product(sum, dy, x);
  return {};
}

namespace {

struct Linear : torch::autograd::Function<Linear> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, const at::Tensor& w,
                            const Bias& b) {
    // A frozen weight has no use for x.
    context->save_for_backward({w.requires_grad() ? x : at::Tensor(), w});
    context->saved_data["bias"] = b.has_value();
    return product(x, w, b);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &w = saved[1], &dy = gradients[0];
    torch::autograd::variable_list result(3);
    if (context->needs_input_grad(0)) result[0] = product(dy, w.t(), {});
    if (context->needs_input_grad(1)) result[1] = gradient_of_weight(w, dy, x);
    if (context->saved_data["bias"].toBool() && context->needs_input_grad(2)) result[2] = dy.sum(0);
    return result;
  }
};

at::Tensor linear(const at::Tensor& x, const at::Tensor& w, const Bias& b) {
  if (!is_plain(x) || !is_plain(w)) return at::linear(x, w, b);
  return Linear::apply(x, w, b);
}

}  // namespace
}  // namespace tsrl

TORCH_LIBRARY_FRAGMENT(tsrl, library) {
  library.def("linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor", &tsrl::linear);
}
