#include "addon_call.h"

#include <cmath>
#include <memory>

namespace zbus {
namespace {

constexpr double kSafeIntegerMax = 9007199254740991.0;
constexpr size_t kTextStep = size_t{64} << 10;

// A call that runs on the thread pool and ends in a callback.
struct Task {
  napi_async_work work = nullptr;
  std::vector<napi_ref> references;  // the callback first, then what must not be collected
  TaskRun run;
  TaskFinish finish;
  Status status;
};

void run_task(napi_env, void* data) {
  auto task = static_cast<Task*>(data);
  task->status = task->run();
}

void finish_task(napi_env env, napi_status outcome, void* data) {
  const std::unique_ptr<Task> task(static_cast<Task*>(data));
  napi_value callback = nullptr;
  napi_get_reference_value(env, task->references[0], &callback);
  for (const napi_ref reference : task->references) napi_delete_reference(env, reference);
  napi_delete_async_work(env, task->work);
  if (outcome != napi_ok) return;  // the environment ends
  napi_value value = task->finish(env);
  const bool ok = task->status.ok();
  napi_value arguments[] = {ok ? make_null(env) : make_error(env, task->status), value};
  // What the callback throws stays pending: Node makes it an uncaught exception.
  napi_call_function(env, make_undefined(env), callback, 2, arguments, nullptr);
}

}  // namespace

napi_value make_error(napi_env env, const Status& status) {
  napi_value code = nullptr;
  napi_value message = nullptr;
  napi_value error = nullptr;
  napi_create_string_utf8(env, code_name(status.code()), NAPI_AUTO_LENGTH, &code);
  napi_create_string_utf8(env, status.message(), NAPI_AUTO_LENGTH, &message);
  napi_create_error(env, code, message, &error);
  return error;
}

napi_value throw_status(napi_env env, const Status& status) {
  napi_throw_error(env, code_name(status.code()), status.message());
  return nullptr;
}

napi_value make_number(napi_env env, uint64_t number) {
  napi_value value = nullptr;
  napi_create_double(env, static_cast<double>(number), &value);
  return value;
}

napi_value make_null(napi_env env) {
  napi_value value = nullptr;
  napi_get_null(env, &value);
  return value;
}

napi_value make_undefined(napi_env env) {
  napi_value value = nullptr;
  napi_get_undefined(env, &value);
  return value;
}

napi_value make_text(napi_env env, const std::string& text) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &value);
  return value;
}

napi_value make_texts(napi_env env, const std::vector<std::string>& texts) {
  napi_value array = nullptr;
  napi_create_array_with_length(env, texts.size(), &array);
  for (size_t i = 0; i < texts.size(); i++) {
    napi_set_element(env, array, static_cast<uint32_t>(i), make_text(env, texts[i]));
  }
  return array;
}

Arguments::Arguments(napi_env env, napi_callback_info info) : env_(env) {
  size_t count = kCountMax;
  napi_get_cb_info(env, info, &count, values_, nullptr, &data_);
}

void Arguments::fail(size_t i, const char* rule) {
  if (!ok_) return;
  ok_ = false;
  const std::string message = "argument " + std::to_string(i + 1) + " " + rule;
  throw_status(env_, Status::error(Code::kInvalid, message));
}

uint64_t Arguments::number(size_t i) {
  double number = 0;
  const bool read = napi_get_value_double(env_, values_[i], &number) == napi_ok;
  if (read && number >= 0 && number <= kSafeIntegerMax) return static_cast<uint64_t>(number);
  fail(i, "must be a number from 0 to 2^53 - 1");
  return 0;
}

uint64_t Arguments::limit(size_t i) {
  double number = 0;
  napi_get_value_double(env_, values_[i], &number);
  return std::isinf(number) && number > 0 ? UINT64_MAX : this->number(i);
}

bool Arguments::boolean(size_t i) {
  bool boolean = false;
  if (napi_get_value_bool(env_, values_[i], &boolean) != napi_ok) fail(i, "must be a boolean");
  return boolean;
}

bool Arguments::is_null(size_t i) const {
  napi_valuetype type = napi_undefined;
  napi_typeof(env_, values_[i], &type);
  return type == napi_null;
}

std::string Arguments::text(size_t i) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env_, values_[i], nullptr, 0, &length) != napi_ok) {
    fail(i, "must be a string");
    return {};
  }
  std::string text(length + 1, '\0');
  napi_get_value_string_utf8(env_, values_[i], text.data(), text.size(), &length);
  text.resize(length);
  return text;
}

// Asks for the length only when the string may have been cut: that call costs as much as the copy.
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

std::span<uint8_t> Arguments::buffer(size_t i) {
  void* bytes = nullptr;
  size_t length = 0;
  if (napi_get_buffer_info(env_, values_[i], &bytes, &length) != napi_ok) {
    fail(i, "must be a Buffer");
    return {};
  }
  return {static_cast<uint8_t*>(bytes), length};
}

std::span<double> Arguments::doubles(size_t i, size_t length_min) {
  napi_typedarray_type type = napi_int8_array;
  size_t length = 0;
  void* numbers = nullptr;
  const napi_status status =
      napi_get_typedarray_info(env_, values_[i], &type, &length, &numbers, nullptr, nullptr);
  if (status != napi_ok || type != napi_float64_array || length < length_min) {
    fail(i, "must be a Float64Array that is long enough");
    return {};
  }
  return {static_cast<double*>(numbers), length};
}

uint64_t Arguments::property(size_t i, const char* name) {
  napi_value value = nullptr;
  double number = -1;
  if (napi_get_named_property(env_, values_[i], name, &value) == napi_ok) {
    napi_get_value_double(env_, value, &number);
  }
  if (number >= 0 && number <= kSafeIntegerMax) return static_cast<uint64_t>(number);
  fail(i, "must be an object whose numbers are from 0 to 2^53 - 1");
  return 0;
}

void Arguments::function(size_t i) {
  napi_valuetype type = napi_undefined;
  napi_typeof(env_, values_[i], &type);
  if (type != napi_function) fail(i, "must be a function");
}

napi_value start_task(Arguments& arguments, size_t callback, TaskRun run, TaskFinish finish,
                      const std::vector<size_t>& kept) {
  napi_env env = arguments.env();
  arguments.function(callback);
  if (!arguments.ok()) return nullptr;
  auto task = std::make_unique<Task>();
  task->run = std::move(run);
  task->finish = std::move(finish);
  task->references.resize(1 + kept.size());
  napi_create_reference(env, arguments.value(callback), 1, &task->references[0]);
  for (size_t i = 0; i < kept.size(); i++) {
    napi_create_reference(env, arguments.value(kept[i]), 1, &task->references[i + 1]);
  }
  napi_value name = make_text(env, "zbus");
  napi_create_async_work(env, nullptr, name, run_task, finish_task, task.get(), &task->work);
  napi_queue_async_work(env, task.release()->work);
  return nullptr;
}

}  // namespace zbus
