// The vocabulary shared by the files of native/: handles for tensors, and names for dtypes.
// This layer knows tensors, ops and autograd. It knows no model, file, reward or loss.
#pragma once
#define NAPI_CPP_EXCEPTIONS
#include <napi.h>

#include <ATen/core/Tensor.h>

#include <optional>
#include <stdexcept>
#include <string>

namespace tsrl {

// A handle is a JavaScript number: generation * 2^24 + slot. The generation makes a stale handle detectable.
double keep(at::Tensor tensor);
const at::Tensor& get(double handle);
void release(double handle);
int64_t live_handles();

at::ScalarType dtype_from_name(const std::string& name);
const char* dtype_name(at::ScalarType dtype);

// What an op of ours demands of its inputs.
inline void require(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(std::string("expected ") + what);
}

using Bias = std::optional<at::Tensor>;

// x·wᵀ + b by the faster of two kernels: x [n, in], w [out, in], either of any strides: [n, out]. `times` says how many
// products of these shapes come one after the other. linear.cc
at::Tensor product(const at::Tensor& x, const at::Tensor& w, const Bias& b, int64_t times = 1);

// dyᵀ·x on the way back through x·wᵀ; undefined where it has been added to w.grad already, without a block of its own and a
// second pass over memory. linear.cc
at::Tensor gradient_of_weight(const at::Tensor& w, const at::Tensor& dy, const at::Tensor& x);

// Runs `body` and turns whatever libtorch throws into a JavaScript error with its message, without the C++ backtrace.
template <typename Body>
auto guarded(Napi::Env env, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (const c10::Error& error) {
    throw Napi::Error::New(env, error.what_without_backtrace());
  } catch (const std::exception& error) {
    throw Napi::Error::New(env, error.what());
  }
}

Napi::Value lookup(const Napi::CallbackInfo& info);
Napi::Value call(const Napi::CallbackInfo& info);

Napi::Value from_bytes(const Napi::CallbackInfo& info);
Napi::Value to_bytes(const Napi::CallbackInfo& info);
Napi::Value describe(const Napi::CallbackInfo& info);
Napi::Value release_all(const Napi::CallbackInfo& info);
Napi::Value handle_count(const Napi::CallbackInfo& info);

Napi::Value lend(const Napi::CallbackInfo& info);
Napi::Value borrow(const Napi::CallbackInfo& info);
Napi::Value leave(const Napi::CallbackInfo& info);

Napi::Value backward(const Napi::CallbackInfo& info);
Napi::Value gradients(const Napi::CallbackInfo& info);
Napi::Value get_grad(const Napi::CallbackInfo& info);
Napi::Value set_grad(const Napi::CallbackInfo& info);
Napi::Value grad_dtype(const Napi::CallbackInfo& info);
Napi::Value set_grad_dtype(const Napi::CallbackInfo& info);
Napi::Value set_grad_mode(const Napi::CallbackInfo& info);
Napi::Value requires_grad(const Napi::CallbackInfo& info);

Napi::Value profile_start(const Napi::CallbackInfo& info);
Napi::Value profile_take(const Napi::CallbackInfo& info);
Napi::Value profile_stop(const Napi::CallbackInfo& info);

}  // namespace tsrl
