// Any ATen op by name, through the dispatcher: arguments and results are converted by the op's schema.
#include "native.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/jit_type.h>

#include <cmath>
#include <vector>

namespace tsrl {
namespace {

thread_local std::vector<c10::OperatorHandle> operators;

bool is_kind(const c10::TypePtr& type, c10::TypeKind kind) { return type->kind() == kind; }

c10::TypePtr element(const c10::TypePtr& type) { return type->containedType(0); }

// One word per type for the TypeScript side, which checks tensors before it calls.
std::string kind_name(const c10::TypePtr& type) {
  switch (type->kind()) {
    case c10::TypeKind::TensorType: return "tensor";
    case c10::TypeKind::OptionalType: return kind_name(element(type)) + "?";
    case c10::TypeKind::ListType: return kind_name(element(type)) + "[]";
    case c10::TypeKind::SymIntType:
    case c10::TypeKind::IntType: return "int";
    case c10::TypeKind::FloatType: return "float";
    case c10::TypeKind::BoolType: return "bool";
    case c10::TypeKind::StringType: return "string";
    case c10::TypeKind::NumberType: return "scalar";
    case c10::TypeKind::ScalarTypeType: return "dtype";
    case c10::TypeKind::DeviceObjType: return "device";
    default: return type->str();
  }
}

[[noreturn]] void refuse(const c10::Argument& argument, const std::string& wanted, const Napi::Value& value) {
  std::string got = "an object";
  if (value.IsUndefined()) got = "nothing";
  else if (value.IsArray()) got = "an array";
  else if (value.IsString()) got = "\"" + value.As<Napi::String>().Utf8Value() + "\"";
  else if (!value.IsObject() && !value.IsSymbol()) got = value.ToString().Utf8Value();
  throw std::runtime_error("expected `" + argument.name() + "` to be " + wanted + ", got " + got);
}

// Above this not every integer is a JavaScript number.
constexpr double kSafeInteger = 9007199254740991.0;

bool is_integer(double number) { return std::trunc(number) == number && std::abs(number) <= kSafeInteger; }

int64_t int_from_bigint(const c10::Argument& argument, const Napi::Value& value) {
  bool lossless = false;
  const int64_t number = value.As<Napi::BigInt>().Int64Value(&lossless);
  if (!lossless) refuse(argument, "an integer of 64 bits", value);
  return number;
}

at::Scalar scalar_from(const c10::Argument& argument, const Napi::Value& value) {
  if (value.IsBoolean()) return at::Scalar(value.As<Napi::Boolean>().Value());
  if (value.IsBigInt()) return at::Scalar(int_from_bigint(argument, value));
  if (!value.IsNumber()) refuse(argument, "a number, a bigint or a boolean", value);
  const double number = value.As<Napi::Number>().DoubleValue();
  // An integral number stays an integer, so that type promotion of integer tensors is what it looks like. -0 has no
  // integer.
  if (is_integer(number) && !(number == 0 && std::signbit(number))) return at::Scalar(static_cast<int64_t>(number));
  return at::Scalar(number);
}

int64_t int_from(const c10::Argument& argument, const Napi::Value& value) {
  if (value.IsBigInt()) return int_from_bigint(argument, value);
  if (!value.IsNumber()) refuse(argument, "an integer", value);
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!is_integer(number)) refuse(argument, "an integer", value);
  return static_cast<int64_t>(number);
}

at::Tensor tensor_from(const c10::Argument& argument, const Napi::Value& value) {
  if (!value.IsNumber()) refuse(argument, "a tensor", value);
  return get(value.As<Napi::Number>().DoubleValue());
}

c10::IValue value_from(const c10::Argument& argument, const c10::TypePtr& type, const Napi::Value& value);

// What a list of `type` is made of at run time: dtypes, layouts and symbolic sizes are plain integers there.
c10::TypePtr runtime_type(const c10::TypePtr& type) {
  switch (type->kind()) {
    case c10::TypeKind::SymIntType:
    case c10::TypeKind::ScalarTypeType:
    case c10::TypeKind::LayoutType:
    case c10::TypeKind::MemoryFormatType: return c10::IntType::get();
    default: return type;
  }
}

c10::IValue list_from(const c10::Argument& argument, const c10::TypePtr& type, const Napi::Value& value) {
  const auto item = element(type);
  c10::impl::GenericList list(runtime_type(item));
  if (value.IsArray()) {
    const auto array = value.As<Napi::Array>();
    list.reserve(array.Length());
    for (uint32_t i = 0; i < array.Length(); i++) list.push_back(value_from(argument, item, array.Get(i)));
  } else if (argument.N()) {
    // `int[2] stride` takes one number for all its places, as in Python.
    list.reserve(*argument.N());
    for (int32_t i = 0; i < *argument.N(); i++) list.push_back(value_from(argument, item, value));
  } else {
    refuse(argument, "an array", value);
  }
  return list;
}

c10::IValue value_from(const c10::Argument& argument, const c10::TypePtr& type, const Napi::Value& value) {
  switch (type->kind()) {
    case c10::TypeKind::TensorType: return tensor_from(argument, value);
    case c10::TypeKind::OptionalType:
      if (value.IsNull() || value.IsUndefined()) return c10::IValue();
      return value_from(argument, element(type), value);
    case c10::TypeKind::ListType: return list_from(argument, type, value);
    case c10::TypeKind::ScalarTypeType:
      if (!value.IsString()) refuse(argument, "the name of a dtype", value);
      return static_cast<int64_t>(dtype_from_name(value.As<Napi::String>()));
    case c10::TypeKind::LayoutType:
    case c10::TypeKind::MemoryFormatType:
    case c10::TypeKind::SymIntType:
    case c10::TypeKind::IntType: return int_from(argument, value);
    case c10::TypeKind::FloatType:
      if (!value.IsNumber()) refuse(argument, "a number", value);
      return value.As<Napi::Number>().DoubleValue();
    case c10::TypeKind::BoolType:
      if (!value.IsBoolean()) refuse(argument, "a boolean", value);
      return value.As<Napi::Boolean>().Value();
    case c10::TypeKind::StringType:
      if (!value.IsString()) refuse(argument, "a string", value);
      return value.As<Napi::String>().Utf8Value();
    case c10::TypeKind::NumberType: return scalar_from(argument, value);
    case c10::TypeKind::DeviceObjType:
      if (!value.IsString()) refuse(argument, "the name of a device", value);
      return c10::Device(value.As<Napi::String>().Utf8Value());
    default: refuse(argument, "left out: this border does not convert the type " + type->str(), value);
  }
}

Napi::Value value_to(Napi::Env env, const c10::IValue& value) {
  if (value.isTensor()) {
    if (!value.toTensor().defined()) return env.Null();
    return Napi::Number::New(env, keep(value.toTensor()));
  }
  if (value.isNone()) return env.Null();
  if (value.isBool()) return Napi::Boolean::New(env, value.toBool());
  if (value.isInt()) return Napi::Number::New(env, static_cast<double>(value.toInt()));
  if (value.isDouble()) return Napi::Number::New(env, value.toDouble());
  if (value.isScalar()) return Napi::Number::New(env, value.toScalar().toDouble());
  if (value.isString()) return Napi::String::New(env, value.toStringRef());
  if (value.isDevice()) return Napi::String::New(env, value.toDevice().str());
  if (value.isList()) {
    const auto items = value.toListRef();
    auto list = Napi::Array::New(env, items.size());
    for (size_t i = 0; i < items.size(); i++) list.Set(i, value_to(env, items[i]));
    return list;
  }
  throw std::runtime_error("a result of type " + value.tagKind() + " cannot cross this border");
}

}  // namespace

// (name: string, overload: string) => { index, args: { name, kind, optional }[], returns: kind[], schema } | null
Napi::Value lookup(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto env = info.Env();
    const auto found = c10::Dispatcher::singleton().findSchema(
        {info[0].As<Napi::String>().Utf8Value(), info[1].As<Napi::String>().Utf8Value()});
    if (!found) return env.Null();
    const auto& schema = found->schema();
    auto args = Napi::Array::New(env, schema.arguments().size());
    for (size_t i = 0; i < schema.arguments().size(); i++) {
      const auto& argument = schema.arguments()[i];
      auto facts = Napi::Object::New(env);
      facts.Set("name", argument.name());
      facts.Set("kind", kind_name(argument.real_type()));
      facts.Set("optional", argument.default_value().has_value());
      args.Set(i, facts);
    }
    auto returns = Napi::Array::New(env, schema.returns().size());
    for (size_t i = 0; i < schema.returns().size(); i++) returns.Set(i, kind_name(schema.returns()[i].real_type()));
    auto result = Napi::Object::New(env);
    result.Set("index", static_cast<double>(operators.size()));
    result.Set("args", args);
    result.Set("returns", returns);
    result.Set("schema", toString(schema));
    operators.push_back(*found);
    return result;
  });
}

// (index: number, args: unknown[]) => the result, or an array of results; tensors as handles
Napi::Value call(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto env = info.Env();
    const auto& op = operators.at(info[0].As<Napi::Number>().Uint32Value());
    const auto given = info[1].As<Napi::Array>();
    const auto& arguments = op.schema().arguments();
    const auto count = given.Length();
    if (count > arguments.size()) {
      throw std::runtime_error("takes at most " + std::to_string(arguments.size()) + " arguments, got " +
                               std::to_string(count));
    }
    torch::jit::Stack stack;
    stack.reserve(arguments.size());
    for (size_t i = 0; i < arguments.size(); i++) {
      const auto& argument = arguments[i];
      const Napi::Value value = i < count ? given.Get(static_cast<uint32_t>(i)) : env.Undefined();
      if (value.IsUndefined()) {
        if (argument.default_value()) {
          stack.push_back(*argument.default_value());
        } else if (is_kind(argument.real_type(), c10::TypeKind::OptionalType)) {
          stack.emplace_back();
        } else {
          refuse(argument, "given", value);
        }
      } else {
        stack.push_back(value_from(argument, argument.real_type(), value));
      }
    }
    op.callBoxed(stack);
    if (stack.empty()) return env.Undefined();
    if (stack.size() == 1) return value_to(env, stack[0]);
    auto results = Napi::Array::New(env, stack.size());
    for (size_t i = 0; i < stack.size(); i++) results.Set(i, value_to(env, stack[i]));
    return results;
  });
}

}  // namespace tsrl
