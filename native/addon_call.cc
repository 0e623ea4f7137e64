#include "addon_call.h"

#include <cmath>

namespace zbus {
namespace {

constexpr double kSafeIntegerMax = 9007199254740991.0;
constexpr size_t kTextStep = size_t{64} << 10;

// -1 when it is none.
double to_double(napi_env env, napi_value value) {
  double number = -1;
  napi_get_value_double(env, value, &number);
  return number;
}

Napi::Error make_error(Napi::Env env, const Status& status) {
  Napi::Error error = Napi::Error::New(env, status.message());
  error.Set("code", code_name(status.code()));
  return error;
}

// A call that runs on the thread pool and ends in a callback. Deletes itself.
class Task final : public Napi::AsyncWorker {
 public:
  Task(const Napi::Function& callback, TaskRun run, TaskFinish finish)
      : AsyncWorker(callback, "zbus"), run_(std::move(run)), finish_(std::move(finish)) {}

 private:
  void Execute() override { status_ = run_(); }

  std::vector<napi_value> GetResult(Napi::Env env) override {
    const Napi::Value value = finish_(env);
    return {status_.ok() ? env.Null() : make_error(env, status_).Value(), value};
  }

  const TaskRun run_;
  const TaskFinish finish_;
  Status status_;
};

}  // namespace

Napi::Value throw_status(Napi::Env env, const Status& status) {
  make_error(env, status).ThrowAsJavaScriptException();
  return {};
}

Napi::Value make_texts(Napi::Env env, const std::vector<std::string>& texts) {
  auto array = Napi::Array::New(env, texts.size());
  for (uint32_t i = 0; i < texts.size(); i++) array[i] = texts[i];
  return array;
}

Arguments::Arguments(napi_env env, napi_callback_info info) : env_(env) {
  size_t count = kCountMax;
  napi_get_cb_info(env, info, &count, values_, nullptr, nullptr);
}

void Arguments::fail(size_t i, const char* rule) {
  if (!ok_) return;
  ok_ = false;
  if (env_.IsExceptionPending()) return;  // a getter of the argument threw
  const std::string message = "argument " + std::to_string(i + 1) + " " + rule;
  throw_status(env_, Status::error(Code::kInvalid, message));
}

uint64_t Arguments::count(size_t i, napi_value value, const char* rule) {
  const double number = to_double(env_, value);
  if (number >= 0 && number <= kSafeIntegerMax) return static_cast<uint64_t>(number);
  fail(i, rule);
  return 0;
}

uint64_t Arguments::number(size_t i) {
  return count(i, values_[i], "must be a number from 0 to 2^53 - 1");
}

uint64_t Arguments::limit(size_t i) {
  return to_double(env_, values_[i]) == INFINITY ? UINT64_MAX : number(i);
}

bool Arguments::boolean(size_t i) {
  const Napi::Value value = (*this)[i];
  if (value.IsBoolean()) return value.As<Napi::Boolean>();
  fail(i, "must be a boolean");
  return false;
}

std::string Arguments::text(size_t i) {
  const Napi::Value value = (*this)[i];
  if (value.IsString()) return value.As<Napi::String>();
  fail(i, "must be a string");
  return {};
}

// <napi.h> reads UTF-8 and UTF-16 alone. Asks for the length only when the string may have been
// cut: that call costs as much as the copy.
size_t Arguments::latin1(size_t i, std::vector<char>* bytes, size_t used) {
  if (bytes->size() < used + kTextStep / 2) bytes->resize(used + kTextStep);
  size_t room = bytes->size() - used;
  size_t length = 0;
  napi_status status =
      napi_get_value_string_latin1(env_, values_[i], bytes->data() + used, room, &length);
  if (status == napi_ok && length + 1 == room) {
    napi_get_value_string_latin1(env_, values_[i], nullptr, 0, &length);
    bytes->resize(used + length + 1);
    room = length + 1;
    status = napi_get_value_string_latin1(env_, values_[i], bytes->data() + used, room, &length);
  }
  if (status != napi_ok) fail(i, "must be a string");
  return length;
}

template <class T>
std::span<T> Arguments::elements(size_t i, napi_typedarray_type type, size_t length_min,
                                 const char* rule) {
  auto actual = napi_int8_array;
  size_t length = 0;
  void* data = nullptr;
  const napi_status status =
      napi_get_typedarray_info(env_, values_[i], &actual, &length, &data, nullptr, nullptr);
  if (status == napi_ok && actual == type && length >= length_min) {
    return {static_cast<T*>(data), length};
  }
  fail(i, rule);
  return {};
}

std::span<uint8_t> Arguments::buffer(size_t i) {
  return elements<uint8_t>(i, napi_uint8_array, 0, "must be a Buffer");
}

std::span<double> Arguments::doubles(size_t i, size_t length_min) {
  const char* rule = "must be a Float64Array that is long enough";
  return elements<double>(i, napi_float64_array, length_min, rule);
}

uint64_t Arguments::property(size_t i, const char* name) {
  const Napi::Value object = (*this)[i];
  const Napi::Value value = object.IsObject() ? object.As<Napi::Object>().Get(name) : Napi::Value();
  return count(i, value, "must be an object whose numbers are from 0 to 2^53 - 1");
}

Napi::Function Arguments::function(size_t i) {
  const Napi::Value value = (*this)[i];
  if (!value.IsFunction()) fail(i, "must be a function");
  return value.As<Napi::Function>();
}

Napi::Value start_task(Arguments& arguments, size_t callback, TaskRun run, TaskFinish finish) {
  const Napi::Function function = arguments.function(callback);
  if (arguments.ok()) (new Task(function, std::move(run), std::move(finish)))->Queue();
  return {};
}

}  // namespace zbus
