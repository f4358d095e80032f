// What libtorch did and when: every op, forward and backward, with the bytes it allocated. Off, it costs nothing.
#include "native.h"

#include <ATen/record_function.h>
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace tsrl {
namespace {

struct Event {
  uint32_t name;
  double start;  // microseconds since `profile_start`
  double duration;
  double inside;  // of it, in ops that this one called
  double bytes;  // allocated, without what those ops allocated
  uint32_t depth;
};

// One op in flight on a thread.
struct Open {
  double start;
  double inside = 0;
  double bytes = 0;
};

struct Profile {
  std::mutex mutex;
  std::chrono::steady_clock::time_point origin;
  std::vector<Event> events;
  std::vector<std::string> names;
  std::unordered_map<std::string, uint32_t> numbers;
  double allocated = 0;
  double peak = 0;
};

Profile profile;
thread_local std::vector<Open> open;
std::optional<at::CallbackHandle> callback;

double now() {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - profile.origin).count();
}

std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction&) {
  open.push_back({now()});
  return nullptr;
}

void end(const at::RecordFunction& function, at::ObserverContext*) {
  if (open.empty()) return;
  const Open mine = open.back();
  open.pop_back();
  const double duration = now() - mine.start;
  if (!open.empty()) open.back().inside += duration;
  const std::lock_guard<std::mutex> lock(profile.mutex);
  const auto [found, fresh] = profile.numbers.try_emplace(function.name(), static_cast<uint32_t>(profile.names.size()));
  if (fresh) profile.names.emplace_back(function.name());
  profile.events.push_back({found->second, mine.start, duration, mine.inside, mine.bytes, static_cast<uint32_t>(open.size())});
}

class MemoryObserver : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, int64_t size, size_t, size_t, c10::Device) override {
    if (size > 0 && !open.empty()) open.back().bytes += static_cast<double>(size);
    const std::lock_guard<std::mutex> lock(profile.mutex);
    profile.allocated += static_cast<double>(size);
    profile.peak = std::max(profile.peak, profile.allocated);
  }
  bool memoryProfilingEnabled() const override { return true; }
};

}  // namespace

// () => void
Napi::Value profile_start(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    if (callback) throw std::runtime_error("expected no profile to be under way, got one; stop it first");
    profile.origin = std::chrono::steady_clock::now();
    profile.allocated = profile.peak = 0;
    callback = at::addGlobalCallback(at::RecordFunctionCallback(begin, end).scopes(
        {at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION}));
    c10::ThreadLocalDebugInfo::_push(c10::DebugInfoKind::PROFILER_STATE, std::make_shared<MemoryObserver>());
    return info.Env().Undefined();
  });
}

// () => { names: string[], events: Float64Array of [name, start µs, duration µs, inside µs, bytes, depth], peakBytes }:
// what has ended since the last call, in the order of its end. The peak is of tensors made since `profileStart`.
Napi::Value profile_take(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto env = info.Env();
    const std::lock_guard<std::mutex> lock(profile.mutex);
    auto names = Napi::Array::New(env, profile.names.size());
    for (size_t i = 0; i < profile.names.size(); i++) names.Set(i, profile.names[i]);
    auto events = Napi::Float64Array::New(env, profile.events.size() * 6);
    double* place = events.Data();
    for (const auto& event : profile.events) {
      *place++ = event.name;
      *place++ = event.start;
      *place++ = event.duration;
      *place++ = event.inside;
      *place++ = event.bytes;
      *place++ = event.depth;
    }
    auto result = Napi::Object::New(env);
    result.Set("names", names);
    result.Set("events", events);
    result.Set("peakBytes", profile.peak);
    profile.events.clear();
    profile.peak = profile.allocated;
    return result;
  });
}

// () => void
Napi::Value profile_stop(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    if (!callback) return info.Env().Undefined();
    at::removeCallback(*callback);
    callback.reset();
    c10::ThreadLocalDebugInfo::_pop(c10::DebugInfoKind::PROFILER_STATE);
    const std::lock_guard<std::mutex> lock(profile.mutex);
    profile.events = {};
    profile.names.clear();
    profile.numbers.clear();
    return info.Env().Undefined();
  });
}

}  // namespace tsrl
