// The engine as JavaScript sees it: converts arguments, calls, throws; no logic of its own. The
// addon files are the only ones with napi, and the only ones that know of an event loop; here are
// the module and the functions on an engine. The contract, with every argument, is
// src/queue/native.ts. Nothing is global: each environment has its own engines, and closes them
// when it ends.
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "addon_call.h"
#include "addon_state.h"

namespace zbus {

namespace {
constexpr size_t kProgressWidth = 4;
}  // namespace

void report_progress(napi_env env, EngineState& state) {
  const std::vector<Progress> rows = state.engine->take_progress();
  if (rows.empty()) return;
  const size_t length = rows.size() * kProgressWidth;
  void* data = nullptr;
  napi_value bytes = nullptr;
  napi_value table = nullptr;
  napi_value on_progress = nullptr;
  if (napi_create_arraybuffer(env, length * sizeof(double), &data, &bytes) != napi_ok) return;
  auto number = static_cast<double*>(data);
  for (const Progress& row : rows) {
    *number++ = static_cast<double>(row.queue_id);
    *number++ = static_cast<double>(row.written_end);
    *number++ = static_cast<double>(row.durable_end);
    *number++ = row.failed ? 1 : 0;
  }
  napi_create_typedarray(env, napi_float64_array, length, bytes, 0, &table);
  napi_get_reference_value(env, state.on_progress, &on_progress);
  napi_call_function(env, make_undefined(env), on_progress, 1, &table, nullptr);
}

bool hold_loop(napi_env env, EngineState& state) {
  if (state.holds_loop || state.wake == nullptr) return false;
  state.holds_loop = true;
  napi_ref_threadsafe_function(env, state.wake);
  return true;
}

void let_loop_go(napi_env env, EngineState& state) {
  if (!state.holds_loop || state.wake == nullptr) return;
  state.holds_loop = false;
  napi_unref_threadsafe_function(env, state.wake);
}

namespace {

// On the loop, after the flusher has called for it.
void on_wake(napi_env env, napi_value, void* context, void*) {
  if (env == nullptr) return;  // the environment ends
  auto state = static_cast<EngineState*>(context);
  state->wake_pending.store(false);
  if (state->wake == nullptr) return;
  report_progress(env, *state);
  // What the callback has written asks for the loop again.
  if (state->wake != nullptr && state->engine->idle()) let_loop_go(env, *state);
}

// The environment ends with the engine open.
void close_at_exit(void* data) {
  static_cast<void>(static_cast<EngineState*>(data)->engine->close());
}

void release_line(napi_env env, EngineState& state) {
  if (state.wake == nullptr) return;
  napi_remove_env_cleanup_hook(env, close_at_exit, &state);
  napi_release_threadsafe_function(std::exchange(state.wake, nullptr), napi_tsfn_release);
  napi_delete_reference(env, state.on_progress);
}

napi_value engine_open(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const std::string folder = arguments.text(0);
  Options options;
  options.block_bytes = arguments.property(1, "blockBytes");
  options.sync_interval = std::chrono::milliseconds(arguments.property(1, "syncIntervalMs"));
  options.files_max = arguments.property(1, "openFilesMax");
  options.free_bytes_min = arguments.property(1, "minFreeBytes");
  arguments.function(2);
  if (!arguments.ok()) return nullptr;
  auto state = std::make_shared<EngineState>();
  // The line to the loop owns a reference, and gives it back when it is torn down.
  auto owned = new std::shared_ptr<EngineState>(state);
  const auto release = [](napi_env, void* data, void*) {
    delete static_cast<std::shared_ptr<EngineState>*>(data);
  };
  napi_create_threadsafe_function(env, nullptr, nullptr, make_text(env, "zbus"), 0, 1, owned,
                                  release, state.get(), on_wake, &state->wake);
  napi_unref_threadsafe_function(env, state->wake);
  const auto wake = [state = state.get()] {
    if (state->wake_pending.exchange(true)) return;
    napi_call_threadsafe_function(state->wake, nullptr, napi_tsfn_nonblocking);
  };
  Status status = Engine::open(posix_vfs(), folder, options, wake, &state->engine);
  if (!status.ok()) {
    napi_release_threadsafe_function(state->wake, napi_tsfn_abort);
    return throw_status(env, status);
  }
  napi_create_reference(env, arguments.value(2), 1, &state->on_progress);
  // Added after the line was made, so run before it is torn down.
  napi_add_env_cleanup_hook(env, close_at_exit, state.get());
  return make_handle(env, EngineHandle{state});
}

napi_value engine_close(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto handle = arguments.handle<EngineHandle>(0);
  if (!arguments.ok()) return nullptr;
  const std::shared_ptr<EngineState> state = handle->state;
  return start_task(
      arguments, 1, [state] { return state->engine->close(); },
      [state](napi_env env) {
        if (state->wake != nullptr) report_progress(env, *state);
        release_line(env, *state);
        return make_undefined(env);
      });
}

napi_value engine_list(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto handle = arguments.handle<EngineHandle>(0);
  if (!arguments.ok()) return nullptr;
  std::vector<std::string> topics;
  Status status = handle->state->engine->list(&topics);
  return status.ok() ? make_texts(env, topics) : throw_status(env, status);
}

napi_value definition_read(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto handle = arguments.handle<EngineHandle>(0);
  const std::string topic = arguments.text(1);
  if (!arguments.ok()) return nullptr;
  std::string json;
  bool found = false;
  Status status = handle->state->engine->read_definition(topic, &json, &found);
  if (!status.ok()) return throw_status(env, status);
  return found ? make_text(env, json) : make_null(env);
}

napi_value definition_write(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto handle = arguments.handle<EngineHandle>(0);
  const std::string topic = arguments.text(1);
  const std::string json = arguments.text(2);
  if (!arguments.ok()) return nullptr;
  return start_task(arguments, 3, [state = handle->state, topic, json] {
    return state->engine->write_definition(topic, json);
  });
}

napi_value topic_remove(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto handle = arguments.handle<EngineHandle>(0);
  const std::string topic = arguments.text(1);
  if (!arguments.ok()) return nullptr;
  return start_task(arguments, 2,
                    [state = handle->state, topic] { return state->engine->remove_topic(topic); });
}

napi_value queue_open(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto handle = arguments.handle<EngineHandle>(0);
  const std::string topic = arguments.text(1);
  if (!arguments.ok()) return nullptr;
  auto opened = std::make_shared<QueueHandle>(QueueHandle{handle->state, nullptr});
  return start_task(
      arguments, 2,
      [opened, topic] { return opened->state->engine->open_queue(topic, &opened->queue); },
      [opened](napi_env env) {
        return opened->queue == nullptr ? make_undefined(env) : make_handle(env, *opened);
      });
}

napi_value queue_close(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto handle = arguments.handle<QueueHandle>(0);
  if (!arguments.ok()) return nullptr;
  return start_task(
      arguments, 1,
      [closing = *handle] { return closing.state->engine->close_queue(closing.queue); },
      [state = handle->state](napi_env env) {
        if (state->wake != nullptr) report_progress(env, *state);
        return make_undefined(env);
      });
}

napi_value init(napi_env env, napi_value exports) {
  auto addon = new Addon;
  const auto release = [](napi_env, void* data, void*) { delete static_cast<Addon*>(data); };
  napi_set_instance_data(env, addon, release, nullptr);
  std::vector<Export> all = {
      {"engine_open", engine_open},
      {"engine_close", engine_close},
      {"engine_list", engine_list},
      {"definition_read", definition_read},
      {"definition_write", definition_write},
      {"topic_remove", topic_remove},
      {"queue_open", queue_open},
      {"queue_close", queue_close},
  };
  for (const auto& part : {queue_exports(), reader_exports()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  for (const Export& entry : all) {
    napi_value function = nullptr;
    napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.function, addon, &function);
    napi_set_named_property(env, exports, entry.name, function);
  }
  return exports;
}

}  // namespace
}  // namespace zbus

NAPI_MODULE_INIT() {
  return zbus::init(env, exports);
}
