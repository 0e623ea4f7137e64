// The engine as JavaScript sees it: converts arguments, calls, throws; no logic of its own. The
// addon files are the only ones with napi, and the only ones that know of an event loop; here are
// the module and the functions on an engine. The contract, with every argument, is
// src/queue/native.ts. Nothing is global: each environment has its own engines, and closes them
// when it ends.
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "addon_call.h"
#include "addon_state.h"

namespace zbus {
namespace {

Napi::Value engine_open(Arguments& arguments) {
  const std::string folder = arguments.text(0);
  Options options;
  options.block_bytes = arguments.property(1, "blockBytes");
  options.sync_interval = std::chrono::milliseconds(arguments.property(1, "syncIntervalMs"));
  options.files_max = arguments.property(1, "openFilesMax");
  options.free_bytes_min = arguments.property(1, "minFreeBytes");
  const Napi::Function on_progress = arguments.function(2);
  if (!arguments.ok()) return {};
  EngineHandle handle;
  Status status = EngineState::open(arguments.env(), folder, options, on_progress, &handle.state);
  return status.ok() ? make_handle(arguments.env(), handle) : throw_status(arguments.env(), status);
}

Napi::Value engine_close(Arguments& arguments) {
  auto handle = arguments.handle<EngineHandle>(0);
  if (!arguments.ok()) return {};
  return start_task(
      arguments, 1, [state = handle->state] { return state->engine().close(); },
      [state = handle->state](Napi::Env env) {
        state->report_progress(env);
        state->release_line(env);
        return env.Undefined();
      });
}

Napi::Value engine_list(Arguments& arguments) {
  auto handle = arguments.handle<EngineHandle>(0);
  if (!arguments.ok()) return {};
  std::vector<std::string> topics;
  Status status = handle->state->engine().list(&topics);
  return status.ok() ? make_texts(arguments.env(), topics) : throw_status(arguments.env(), status);
}

Napi::Value definition_read(Arguments& arguments) {
  auto handle = arguments.handle<EngineHandle>(0);
  const std::string topic = arguments.text(1);
  if (!arguments.ok()) return {};
  std::string json;
  bool found = false;
  Status status = handle->state->engine().read_definition(topic, &json, &found);
  if (!status.ok()) return throw_status(arguments.env(), status);
  return found ? Napi::String::New(arguments.env(), json) : arguments.env().Null();
}

Napi::Value definition_write(Arguments& arguments) {
  auto handle = arguments.handle<EngineHandle>(0);
  const std::string topic = arguments.text(1);
  const std::string json = arguments.text(2);
  if (!arguments.ok()) return {};
  return start_task(arguments, 3, [state = handle->state, topic, json] {
    return state->engine().write_definition(topic, json);
  });
}

Napi::Value topic_remove(Arguments& arguments) {
  auto handle = arguments.handle<EngineHandle>(0);
  const std::string topic = arguments.text(1);
  if (!arguments.ok()) return {};
  return start_task(arguments, 2,
                    [state = handle->state, topic] { return state->engine().remove_topic(topic); });
}

Napi::Value queue_open(Arguments& arguments) {
  auto handle = arguments.handle<EngineHandle>(0);
  const std::string topic = arguments.text(1);
  if (!arguments.ok()) return {};
  auto opened = std::make_shared<QueueHandle>(QueueHandle{handle->state, nullptr});
  return start_task(
      arguments, 2,
      [opened, topic] { return opened->state->engine().open_queue(topic, &opened->queue); },
      [opened](Napi::Env env) {
        return opened->queue == nullptr ? env.Undefined() : make_handle(env, *opened);
      });
}

Napi::Value queue_close(Arguments& arguments) {
  auto handle = arguments.handle<QueueHandle>(0);
  if (!arguments.ok()) return {};
  return start_task(
      arguments, 1,
      [closing = *handle] { return closing.state->engine().close_queue(closing.queue); },
      [state = handle->state](Napi::Env env) {
        state->report_progress(env);
        return env.Undefined();
      });
}

Napi::Object init(Napi::Env, Napi::Object exports) {
  add_function<engine_open>(exports, "engine_open");
  add_function<engine_close>(exports, "engine_close");
  add_function<engine_list>(exports, "engine_list");
  add_function<definition_read>(exports, "definition_read");
  add_function<definition_write>(exports, "definition_write");
  add_function<topic_remove>(exports, "topic_remove");
  add_function<queue_open>(exports, "queue_open");
  add_function<queue_close>(exports, "queue_close");
  add_check_functions(exports);
  add_queue_functions(exports);
  add_reader_functions(exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(zbus, init)

}  // namespace zbus
