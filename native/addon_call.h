// What every function of the addon needs: arguments, handles, errors, calls on the thread pool.
// Part of addon.cc, apart from it only for its length; no other file includes it or knows napi.
#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "status.h"

namespace zbus {

// Told apart at run time: handing a cursor where a queue is meant must throw, not crash.
enum class HandleKind : uint32_t {
  kEngine = 0x7a620001,
  kQueue = 0x7a620002,
  kReader = 0x7a620003,
  kCursor = 0x7a620004,
};

// What a JavaScript handle points to. Each Value names its kind as `Value::kKind`.
template <class Value>
struct Held {
  const HandleKind kind = Value::kKind;
  Value value;
};

// The state of one environment (main thread or worker).
struct Addon {
  std::vector<char> text;  // the strings of an append, as bytes
};

napi_value make_error(napi_env env, const Status& status);
napi_value throw_status(napi_env env, const Status& status);
napi_value make_number(napi_env env, uint64_t number);
napi_value make_null(napi_env env);
napi_value make_undefined(napi_env env);
napi_value make_text(napi_env env, const std::string& text);
napi_value make_texts(napi_env env, const std::vector<std::string>& texts);

template <class Value>
napi_value make_handle(napi_env env, Value value) {
  auto held = new Held<Value>{.value = std::move(value)};
  const auto finalize = [](napi_env, void* data, void*) { delete static_cast<Held<Value>*>(data); };
  napi_value handle = nullptr;
  if (napi_create_external(env, held, finalize, nullptr, &handle) != napi_ok) delete held;
  return handle;
}

// The arguments of one call. The first that breaks its rule throws INVALID; from then on `ok()` is
// false, and every value is empty.
class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info);

  bool ok() const { return ok_; }
  napi_env env() const { return env_; }
  napi_value value(size_t i) const { return values_[i]; }
  Addon& addon() const { return *static_cast<Addon*>(data_); }

  template <class Value>
  Value* handle(size_t i) {
    void* pointer = nullptr;
    const bool external = napi_get_value_external(env_, values_[i], &pointer) == napi_ok;
    auto held = static_cast<Held<Value>*>(pointer);
    if (external && held != nullptr && held->kind == Value::kKind) return &held->value;
    fail(i, "is not the right handle");
    return nullptr;
  }

  uint64_t number(size_t i);
  // As number(), where Infinity means all there is.
  uint64_t limit(size_t i);
  bool boolean(size_t i);
  bool is_null(size_t i) const;
  std::string text(size_t i);
  // Puts the string's char codes into `bytes` at `used`; returns how many.
  size_t latin1(size_t i, std::vector<char>* bytes, size_t used);
  std::span<uint8_t> buffer(size_t i);
  std::span<double> doubles(size_t i, size_t length_min);
  uint64_t property(size_t i, const char* name);
  void function(size_t i);
  void fail(size_t i, const char* rule);

 private:
  static constexpr size_t kCountMax = 9;

  napi_env env_;
  napi_value values_[kCountMax] = {};
  void* data_ = nullptr;
  bool ok_ = true;
};

// Runs `run` on the thread pool, then, on the loop, calls the function that is argument `callback`
// with an error or with what `finish` makes. The arguments `kept` are not collected meanwhile.
using TaskRun = std::function<Status()>;
using TaskFinish = std::function<napi_value(napi_env)>;
napi_value start_task(Arguments& arguments, size_t callback, TaskRun run,
                      TaskFinish finish = make_undefined, const std::vector<size_t>& kept = {});

}  // namespace zbus
