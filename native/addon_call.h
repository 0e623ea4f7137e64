// What the functions of the addon need beyond <napi.h>: the rules of arguments, handles that know
// their kind, errors with a code, calls on the thread pool. Included by the addon files alone.
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "status.h"

namespace zbus {

Napi::Value throw_status(Napi::Env env, const Status& status);
Napi::Value make_texts(Napi::Env env, const std::vector<std::string>& texts);

// What JavaScript holds. Each Value has a tag of its own, `Value::kTag`: handing a cursor where a
// queue is meant must throw, not crash.
template <class Value>
Napi::Value make_handle(Napi::Env env, Value value) {
  auto held = new Value(std::move(value));
  auto handle = Napi::External<Value>::New(env, held, [](Napi::Env, Value* held) { delete held; });
  if (handle.IsEmpty()) {  // the environment ends
    delete held;
    return handle;
  }
  handle.TypeTag(&Value::kTag);
  return handle;
}

// The arguments of one call. The first that breaks its rule throws INVALID; from then on `ok()` is
// false, and every value is empty. Not Napi::CallbackInfo, which allocates for more than six, and
// numbers and arrays are read with one call where <napi.h> makes two: an append of 100 bytes takes
// 310 ns instead of 380.
class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info);

  bool ok() const { return ok_; }
  Napi::Env env() const { return env_; }
  Napi::Value operator[](size_t i) const { return {env_, values_[i]}; }

  template <class Value>
  Value* handle(size_t i) {
    const auto handle = (*this)[i].As<Napi::External<Value>>();
    if (handle.IsExternal() && handle.CheckTypeTag(&Value::kTag)) return handle.Data();
    fail(i, "is not the right handle");
    return nullptr;
  }

  uint64_t number(size_t i);
  // As number(), where Infinity means all there is.
  uint64_t limit(size_t i);
  bool boolean(size_t i);
  std::string text(size_t i);
  // Puts the string's char codes into `bytes` at `used`; returns how many.
  size_t latin1(size_t i, std::vector<char>* bytes, size_t used);
  std::span<uint8_t> buffer(size_t i);
  std::span<double> doubles(size_t i, size_t length_min);
  uint64_t property(size_t i, const char* name);
  Napi::Function function(size_t i);
  void fail(size_t i, const char* rule);

 private:
  uint64_t count(size_t i, napi_value value, const char* rule);
  template <class T>
  std::span<T> elements(size_t i, napi_typedarray_type type, size_t length_min, const char* rule);

  static constexpr size_t kCountMax = 9;

  const Napi::Env env_;
  napi_value values_[kCountMax];
  bool ok_ = true;
};

// Runs `run` on the thread pool, then, on the loop, calls the function that is argument `callback`
// with an error or null and what `finish` makes.
using TaskRun = std::function<Status()>;
using TaskFinish = std::function<Napi::Value(Napi::Env)>;
Napi::Value start_task(Arguments& arguments, size_t callback, TaskRun run,
                       TaskFinish finish = &Napi::Env::Undefined);

template <Napi::Value (*function)(Arguments&)>
void add_function(Napi::Object exports, const char* name) {
  const napi_callback call = [](napi_env env, napi_callback_info info) -> napi_value {
    Arguments arguments(env, info);
    return function(arguments);
  };
  const auto attributes = napi_default_jsproperty;
  exports.DefineProperty(napi_property_descriptor{name, nullptr, call, nullptr, nullptr, nullptr,
                                                  attributes, nullptr});
}

}  // namespace zbus
