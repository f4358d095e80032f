// What one JavaScript thread does for another whose thread is stuck: it takes over tensors, and ends the process.
#include "native.h"

#include <unistd.h>

#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace tsrl {
namespace {

std::mutex lent_mutex;
std::map<int64_t, std::vector<at::Tensor>> lent;

}  // namespace

// (key: number, handles: Float64Array) => void. Lends tensors to the other threads, in place of those lent under the key
// before; none takes them back. The memory is shared.
Napi::Value lend(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto key = info[0].As<Napi::Number>().Int64Value();
    const auto handles = info[1].As<Napi::Float64Array>();
    std::vector<at::Tensor> tensors;
    for (size_t i = 0; i < handles.ElementLength(); i++) tensors.push_back(get(handles[i]));
    const std::lock_guard<std::mutex> guard(lent_mutex);
    if (tensors.empty()) {
      lent.erase(key);
    } else {
      lent[key] = std::move(tensors);
    }
    return info.Env().Undefined();
  });
}

// (key: number) => number[]: handles of this thread for the tensors that another has lent under the key, in its order.
Napi::Value borrow(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const std::lock_guard<std::mutex> guard(lent_mutex);
    const auto& tensors = lent[info[0].As<Napi::Number>().Int64Value()];
    auto handles = Napi::Array::New(info.Env(), tensors.size());
    for (size_t i = 0; i < tensors.size(); i++) handles.Set(static_cast<uint32_t>(i), keep(tensors[i]));
    return handles;
  });
}

// (code: number) => never. Ends the whole process at once from any thread: process.exit() in a thread ends that thread alone.
Napi::Value leave(const Napi::CallbackInfo& info) {
  _exit(info[0].As<Napi::Number>().Int32Value());
}

}  // namespace tsrl
