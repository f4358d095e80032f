// The export table. Each function carries its JavaScript signature where it is defined; src/tensor/binding.ts is the
// typed face of this list.
#include "native.h"

#include <ATen/Parallel.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <torch/version.h>

#include <cstdlib>

namespace {

// Freed blocks stay in the heap: handing them back to the system after every op makes the next op pay for fresh pages
// (elementwise ops become 10 to 30 times slower). See docs/experiments.md.
void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 2000 << 20);
  mallopt(M_TOP_PAD, 64 << 20);
#endif
}

// Matrix products over each new number of tokens leave a kernel of a quarter megabyte in two caches of 1,024 entries each:
// over many steps of ragged batches half a gigabyte, which cannot be told from a leak. One micro-batch needs about 20.
void keep_few_kernels() {
  setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64", 0);
  setenv("LRU_CACHE_CAPACITY", "64", 0);
}

// (count: number) => void
Napi::Value set_threads(const Napi::CallbackInfo& info) {
  return tsrl::guarded(info.Env(), [&] {
    at::set_num_threads(info[0].As<Napi::Number>().Int32Value());
    return info.Env().Undefined();
  });
}

// () => number
Napi::Value get_threads(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), at::get_num_threads());
}

// () => void: hands the heap's unused tail and holes back to the system
Napi::Value trim_memory(const Napi::CallbackInfo& info) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
  return info.Env().Undefined();
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  keep_freed_memory();
  keep_few_kernels();
  const auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("lookup", tsrl::lookup);
  add("call", tsrl::call);
  add("fromBytes", tsrl::from_bytes);
  add("toBytes", tsrl::to_bytes);
  add("describe", tsrl::describe);
  add("releaseAll", tsrl::release_all);
  add("handleCount", tsrl::handle_count);
  add("lend", tsrl::lend);
  add("borrow", tsrl::borrow);
  add("leave", tsrl::leave);
  add("backward", tsrl::backward);
  add("gradients", tsrl::gradients);
  add("getGrad", tsrl::get_grad);
  add("setGrad", tsrl::set_grad);
  add("gradDtype", tsrl::grad_dtype);
  add("setGradDtype", tsrl::set_grad_dtype);
  add("setGradMode", tsrl::set_grad_mode);
  add("requiresGrad", tsrl::requires_grad);
  add("profileStart", tsrl::profile_start);
  add("profileTake", tsrl::profile_take);
  add("profileStop", tsrl::profile_stop);
  add("setThreads", set_threads);
  add("getThreads", get_threads);
  add("trimMemory", trim_memory);
  exports.Set("torchVersion", TORCH_VERSION);
  return exports;
}

}  // namespace

NODE_API_MODULE(tsrl, initialise)
