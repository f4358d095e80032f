// backward, grad, grad mode.
#include "native.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <vector>

namespace tsrl {
namespace {

std::vector<at::Tensor> tensors_from(const Napi::Value& value) {
  const auto list = value.As<Napi::Array>();
  std::vector<at::Tensor> tensors;
  tensors.reserve(list.Length());
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Napi::Value item = list.Get(i);
    tensors.push_back(item.IsNumber() ? get(item.As<Napi::Number>().DoubleValue()) : at::Tensor());
  }
  return tensors;
}

Napi::Value handle_or_null(Napi::Env env, at::Tensor tensor) {
  if (!tensor.defined()) return env.Null();
  return Napi::Number::New(env, keep(std::move(tensor)));
}

}  // namespace

// (outputs: handle[], gradients: (handle | null)[], retainGraph: boolean) => void
Napi::Value backward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    torch::autograd::backward(tensors_from(info[0]), tensors_from(info[1]), info[2].ToBoolean().Value());
    return info.Env().Undefined();
  });
}

// (outputs: handle[], inputs: handle[], gradients: (handle | null)[], retainGraph, createGraph) => (handle | null)[]
Napi::Value gradients(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto results = torch::autograd::grad(tensors_from(info[0]), tensors_from(info[1]), tensors_from(info[2]),
                                         info[3].ToBoolean().Value(), info[4].ToBoolean().Value(), true);
    auto list = Napi::Array::New(info.Env(), results.size());
    for (size_t i = 0; i < results.size(); i++) list.Set(i, handle_or_null(info.Env(), std::move(results[i])));
    return list;
  });
}

// (handle) => handle | null
Napi::Value get_grad(const Napi::CallbackInfo& info) {
  return guarded(info.Env(),
                 [&] { return handle_or_null(info.Env(), get(info[0].As<Napi::Number>().DoubleValue()).grad()); });
}

// (handle, gradient: handle | null) => void
Napi::Value set_grad(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto& tensor = get(info[0].As<Napi::Number>().DoubleValue());
    tensor.mutable_grad() = info[1].IsNumber() ? get(info[1].As<Napi::Number>().DoubleValue()) : at::Tensor();
    return info.Env().Undefined();
  });
}

// (handle) => string, the dtype in which gradients of a leaf are added up: its own, unless set_grad_dtype said otherwise
Napi::Value grad_dtype(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto& tensor = get(info[0].As<Napi::Number>().DoubleValue());
    return Napi::String::New(info.Env(), dtype_name(tensor.grad_dtype().value_or(tensor.scalar_type())));
  });
}

// (handle, dtype: string) => void. Only of a leaf without a gradient that is in no graph.
Napi::Value set_grad_dtype(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto& tensor = get(info[0].As<Napi::Number>().DoubleValue());
    require(tensor.is_leaf() && !tensor.grad().defined(), "a leaf without a gradient");
    tensor.set_grad_dtype(dtype_from_name(info[1].As<Napi::String>()));
    return info.Env().Undefined();
  });
}

// (enabled: boolean) => boolean, the mode before
Napi::Value set_grad_mode(const Napi::CallbackInfo& info) {
  const bool before = at::GradMode::is_enabled();
  at::GradMode::set_enabled(info[0].ToBoolean().Value());
  return Napi::Boolean::New(info.Env(), before);
}

// (handle) => boolean
Napi::Value requires_grad(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return Napi::Boolean::New(info.Env(), get(info[0].As<Napi::Number>().DoubleValue()).requires_grad());
  });
}

}  // namespace tsrl
