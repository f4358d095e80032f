// Handles, their lifetime, and bytes in and out.
#include "native.h"

#include <ATen/Functions.h>

#include <array>
#include <utility>
#include <vector>

namespace tsrl {
namespace {

constexpr int64_t kSlotBits = 24;
constexpr int64_t kSlotMask = (int64_t{1} << kSlotBits) - 1;
// A JavaScript number holds 53 bits exactly; a slot that was reused this often starts over.
constexpr int64_t kLastGeneration = (int64_t{1} << (53 - kSlotBits)) - 1;

struct Slot {
  at::Tensor tensor;
  int64_t generation = 1;
};

// Every JavaScript thread has its own handles.
thread_local std::vector<Slot> slots;
thread_local std::vector<int64_t> free_slots;

Slot& slot_of(double handle) {
  const auto bits = static_cast<int64_t>(handle);
  const auto index = bits & kSlotMask;
  if (index >= static_cast<int64_t>(slots.size()) || slots[index].generation != bits >> kSlotBits) {
    throw std::runtime_error("stale tensor handle: the tensor was disposed");
  }
  return slots[index];
}

constexpr std::array<std::pair<const char*, at::ScalarType>, 8> kDtypes{{
    {"float32", at::kFloat},
    {"float64", at::kDouble},
    {"bfloat16", at::kBFloat16},
    {"float16", at::kHalf},
    {"int64", at::kLong},
    {"int32", at::kInt},
    {"uint8", at::kByte},
    {"bool", at::kBool},
}};

std::vector<int64_t> shape_from(const Napi::Value& value) {
  const auto list = value.As<Napi::Array>();
  std::vector<int64_t> shape(list.Length());
  for (uint32_t i = 0; i < list.Length(); i++) shape[i] = list.Get(i).As<Napi::Number>().Int64Value();
  return shape;
}

}  // namespace

double keep(at::Tensor tensor) {
  int64_t index;
  if (free_slots.empty()) {
    index = static_cast<int64_t>(slots.size());
    if (index > kSlotMask) throw std::runtime_error("more than 16,777,216 live tensors: a scope is missing");
    slots.emplace_back();
  } else {
    index = free_slots.back();
    free_slots.pop_back();
  }
  slots[index].tensor = std::move(tensor);
  return static_cast<double>((slots[index].generation << kSlotBits) | index);
}

const at::Tensor& get(double handle) { return slot_of(handle).tensor; }

void release(double handle) {
  auto& slot = slot_of(handle);
  slot.tensor.reset();
  slot.generation = slot.generation % kLastGeneration + 1;
  free_slots.push_back(static_cast<int64_t>(handle) & kSlotMask);
}

int64_t live_handles() { return static_cast<int64_t>(slots.size() - free_slots.size()); }

at::ScalarType dtype_from_name(const std::string& name) {
  for (const auto& [known, dtype] : kDtypes) {
    if (name == known) return dtype;
  }
  std::string names;
  for (const auto& [known, dtype] : kDtypes) names += (names.empty() ? "" : ", ") + std::string(known);
  throw std::runtime_error("expected a dtype of " + names + ", got \"" + name + "\"");
}

const char* dtype_name(at::ScalarType dtype) {
  for (const auto& [name, known] : kDtypes) {
    if (dtype == known) return name;
  }
  return c10::toString(dtype);
}

// (bytes: Uint8Array, shape: number[], stored: string, dtype: string) => handle. Copies, and casts when the two differ.
Napi::Value from_bytes(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto bytes = info[0].As<Napi::Uint8Array>();
    const auto shape = shape_from(info[1]);
    const auto stored = dtype_from_name(info[2].As<Napi::String>());
    auto tensor = at::empty(shape, at::TensorOptions().dtype(stored));
    if (tensor.nbytes() != bytes.ByteLength()) {
      throw std::runtime_error("shape needs " + std::to_string(tensor.nbytes()) + " bytes, got " +
                               std::to_string(bytes.ByteLength()));
    }
    if (tensor.nbytes() > 0) std::memcpy(tensor.mutable_data_ptr(), bytes.Data(), bytes.ByteLength());
    return Napi::Number::New(info.Env(), keep(tensor.to(dtype_from_name(info[3].As<Napi::String>()))));
  });
}

// (handle, dtype: string) => ArrayBuffer with the elements, cast to the dtype, in row-major order.
Napi::Value to_bytes(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto dtype = dtype_from_name(info[1].As<Napi::String>());
    const auto tensor = get(info[0].As<Napi::Number>().DoubleValue()).detach().to(at::kCPU, dtype).contiguous();
    auto buffer = Napi::ArrayBuffer::New(info.Env(), tensor.nbytes());
    if (tensor.nbytes() > 0) std::memcpy(buffer.Data(), tensor.const_data_ptr(), tensor.nbytes());
    return buffer;
  });
}

// (handle) => [dtype, device, ...shape]
Napi::Value describe(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto& tensor = get(info[0].As<Napi::Number>().DoubleValue());
    auto facts = Napi::Array::New(info.Env(), 2 + tensor.dim());
    facts.Set(0u, dtype_name(tensor.scalar_type()));
    facts.Set(1u, tensor.device().str());
    for (int64_t i = 0; i < tensor.dim(); i++) facts.Set(2 + i, static_cast<double>(tensor.size(i)));
    return facts;
  });
}

// (handles: Float64Array, count) => void
Napi::Value release_all(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto handles = info[0].As<Napi::Float64Array>();
    const auto count = info[1].As<Napi::Number>().Uint32Value();
    for (uint32_t i = 0; i < count; i++) release(handles[i]);
    return info.Env().Undefined();
  });
}

// () => number of live tensors
Napi::Value handle_count(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(live_handles()));
}

}  // namespace tsrl
