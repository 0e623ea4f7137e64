// The functions on a queue and its cursors; see addon.cc.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "addon_call.h"
#include "addon_state.h"

namespace zbus {
namespace {

constexpr size_t kStateWidth = 8;

napi_value queue_id(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto handle = arguments.handle<QueueHandle>(0);
  return arguments.ok() ? make_number(env, handle->queue->id()) : nullptr;
}

napi_value queue_state(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto handle = arguments.handle<QueueHandle>(0);
  const std::span<double> out = arguments.doubles(1, kStateWidth);
  if (!arguments.ok()) return nullptr;
  const QueueState state = handle->queue->state();
  out[0] = static_cast<double>(state.first_offset);
  out[1] = static_cast<double>(state.next_offset);
  out[2] = static_cast<double>(state.written_end);
  out[3] = static_cast<double>(state.durable_end);
  out[4] = static_cast<double>(state.stored_bytes);
  out[5] = static_cast<double>(state.lost_count);
  out[6] = state.read_only ? 1 : 0;
  out[7] = static_cast<double>(state.staged_bytes);
  return nullptr;
}

napi_value queue_append(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto handle = arguments.handle<QueueHandle>(0);
  std::vector<char>& text = arguments.addon().text;
  const size_t id = arguments.latin1(1, &text, 0);
  const size_t tag = arguments.latin1(2, &text, id);
  const size_t head = arguments.latin1(3, &text, id + tag);
  const uint64_t body_start = arguments.number(5);
  const uint64_t body_end = arguments.number(6);
  RecordParts parts;
  parts.timestamp_ms = arguments.number(7);
  parts.level = static_cast<uint8_t>(arguments.number(8));
  if (!arguments.ok()) return nullptr;
  parts.id = {text.data(), id};
  parts.tag = {text.data() + id, tag};
  parts.head = {text.data() + id + tag, head};
  if (body_start < body_end) {
    const std::span<uint8_t> body = arguments.buffer(4);
    if (body_end > body.size()) arguments.fail(6, "is beyond the body");
    if (!arguments.ok()) return nullptr;
    parts.body = {reinterpret_cast<const char*>(body.data()) + body_start, body_end - body_start};
  }
  uint64_t offset = 0;
  Status status = handle->queue->append(parts, &offset);
  return status.ok() ? make_number(env, offset) : throw_status(env, status);
}

napi_value queue_commit(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto handle = arguments.handle<QueueHandle>(0);
  if (!arguments.ok()) return nullptr;
  uint64_t written_end = 0;
  bool listed = false;
  const bool held = hold_loop(env, *handle->state);
  Status status = handle->queue->commit(&written_end, &listed);
  if (held && !listed) let_loop_go(env, *handle->state);
  return status.ok() ? make_number(env, written_end) : throw_status(env, status);
}

napi_value queue_find_time(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto handle = arguments.handle<QueueHandle>(0);
  const uint64_t timestamp_ms = arguments.number(1);
  if (!arguments.ok()) return nullptr;
  auto offset = std::make_shared<uint64_t>(0);
  return start_task(
      arguments, 2,
      [queue = handle->queue, timestamp_ms, offset] {
        return queue->find_time(timestamp_ms, offset.get());
      },
      [offset](napi_env env) { return make_number(env, *offset); });
}

napi_value queue_delete_before(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto handle = arguments.handle<QueueHandle>(0);
  const uint64_t offset = arguments.limit(1);
  if (!arguments.ok()) return nullptr;
  return start_task(arguments, 2,
                    [queue = handle->queue, offset] { return queue->delete_before(offset); });
}

napi_value queue_empty(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto handle = arguments.handle<QueueHandle>(0);
  if (!arguments.ok()) return nullptr;
  return start_task(arguments, 1, [queue = handle->queue] { return queue->empty(); });
}

napi_value cursor_open(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto handle = arguments.handle<QueueHandle>(0);
  const std::string file = arguments.text(1);
  const std::string name = arguments.text(2);
  const uint64_t start = arguments.limit(3);
  const bool create = arguments.boolean(4);
  if (!arguments.ok()) return nullptr;
  auto opened = std::make_shared<CursorHandle>(CursorHandle{handle->state, nullptr});
  return start_task(
      arguments, 5,
      [queue = handle->queue, file, name, start, create, opened] {
        return queue->open_cursor(file, name, start, create, &opened->cursor);
      },
      [opened](napi_env env) {
        return opened->cursor == nullptr ? make_undefined(env) : make_handle(env, *opened);
      });
}

napi_value cursor_offset(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto handle = arguments.handle<CursorHandle>(0);
  return arguments.ok() ? make_number(env, handle->cursor->offset()) : nullptr;
}

napi_value cursor_store(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto handle = arguments.handle<CursorHandle>(0);
  const uint64_t offset = arguments.number(1);
  if (!arguments.ok()) return nullptr;
  bool listed = false;
  const bool held = hold_loop(env, *handle->state);
  Status status = handle->cursor->store(offset, &listed);
  if (held && !listed) let_loop_go(env, *handle->state);
  return status.ok() ? nullptr : throw_status(env, status);
}

napi_value cursor_remove(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto handle = arguments.handle<QueueHandle>(0);
  const std::string file = arguments.text(1);
  if (!arguments.ok()) return nullptr;
  return start_task(arguments, 2,
                    [queue = handle->queue, file] { return queue->remove_cursor(file); });
}

napi_value cursor_list(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto handle = arguments.handle<QueueHandle>(0);
  if (!arguments.ok()) return nullptr;
  auto names = std::make_shared<std::vector<std::string>>();
  return start_task(
      arguments, 1, [queue = handle->queue, names] { return queue->list_cursors(names.get()); },
      [names](napi_env env) { return make_texts(env, *names); });
}

}  // namespace

std::vector<Export> queue_exports() {
  return {
      {"queue_id", queue_id},
      {"queue_state", queue_state},
      {"queue_append", queue_append},
      {"queue_commit", queue_commit},
      {"queue_find_time", queue_find_time},
      {"queue_delete_before", queue_delete_before},
      {"queue_empty", queue_empty},
      {"cursor_open", cursor_open},
      {"cursor_offset", cursor_offset},
      {"cursor_store", cursor_store},
      {"cursor_remove", cursor_remove},
      {"cursor_list", cursor_list},
  };
}

}  // namespace zbus
