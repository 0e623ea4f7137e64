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

Napi::Value queue_id(Arguments& arguments) {
  auto handle = arguments.handle<QueueHandle>(0);
  return arguments.ok() ? Napi::Number::New(arguments.env(), handle->queue->id()) : Napi::Value();
}

Napi::Value queue_state(Arguments& arguments) {
  auto handle = arguments.handle<QueueHandle>(0);
  const std::span<double> out = arguments.doubles(1, kStateWidth);
  if (!arguments.ok()) return {};
  const QueueState state = handle->queue->state();
  out[0] = static_cast<double>(state.first_offset);
  out[1] = static_cast<double>(state.next_offset);
  out[2] = static_cast<double>(state.written_end);
  out[3] = static_cast<double>(state.durable_end);
  out[4] = static_cast<double>(state.stored_bytes);
  out[5] = static_cast<double>(state.lost_count);
  out[6] = state.read_only ? 1 : 0;
  out[7] = static_cast<double>(state.staged_bytes);
  return {};
}

Napi::Value queue_append(Arguments& arguments) {
  auto handle = arguments.handle<QueueHandle>(0);
  if (!arguments.ok()) return {};
  std::vector<char>& text = handle->state->text();
  const size_t id = arguments.latin1(1, &text, 0);
  const size_t tag = arguments.latin1(2, &text, id);
  const size_t head = arguments.latin1(3, &text, id + tag);
  const uint64_t body_start = arguments.number(5);
  const uint64_t body_end = arguments.number(6);
  RecordParts parts;
  parts.timestamp_ms = arguments.number(7);
  parts.level = static_cast<uint8_t>(arguments.number(8));
  if (!arguments.ok()) return {};
  parts.id = {text.data(), id};
  parts.tag = {text.data() + id, tag};
  parts.head = {text.data() + id + tag, head};
  if (body_start < body_end) {
    const std::span<uint8_t> body = arguments.buffer(4);
    if (body_end > body.size()) arguments.fail(6, "is beyond the body");
    if (!arguments.ok()) return {};
    parts.body = {reinterpret_cast<const char*>(body.data()) + body_start, body_end - body_start};
  }
  uint64_t offset = 0;
  Status status = handle->queue->append(parts, &offset);
  return status.ok() ? Napi::Number::New(arguments.env(), offset)
                     : throw_status(arguments.env(), status);
}

Napi::Value queue_commit(Arguments& arguments) {
  auto handle = arguments.handle<QueueHandle>(0);
  if (!arguments.ok()) return {};
  uint64_t written_end = 0;
  bool listed = false;
  const bool held = handle->state->hold_loop(arguments.env());
  Status status = handle->queue->commit(&written_end, &listed);
  if (held && !listed) handle->state->let_loop_go(arguments.env());
  return status.ok() ? Napi::Number::New(arguments.env(), written_end)
                     : throw_status(arguments.env(), status);
}

Napi::Value queue_find_time(Arguments& arguments) {
  auto handle = arguments.handle<QueueHandle>(0);
  const uint64_t timestamp_ms = arguments.number(1);
  if (!arguments.ok()) return {};
  auto offset = std::make_shared<uint64_t>(0);
  return start_task(
      arguments, 2,
      [queue = handle->queue, timestamp_ms, offset] {
        return queue->find_time(timestamp_ms, offset.get());
      },
      [offset](Napi::Env env) { return Napi::Number::New(env, *offset); });
}

Napi::Value queue_retain_from(Arguments& arguments) {
  auto handle = arguments.handle<QueueHandle>(0);
  const uint64_t bytes_max = arguments.limit(1);
  const uint64_t before_ms = arguments.number(2);
  if (!arguments.ok()) return {};
  return Napi::Number::New(arguments.env(), handle->queue->retain_from(bytes_max, before_ms));
}

Napi::Value queue_limit_blocks(Arguments& arguments) {
  auto handle = arguments.handle<QueueHandle>(0);
  const uint64_t bytes = arguments.limit(1);
  if (arguments.ok()) handle->queue->limit_blocks(bytes);
  return {};
}

// Both may have written and synced what was staged.
TaskFinish finish_with_progress(const QueueHandle& handle) {
  return [state = handle.state](Napi::Env env) {
    state->report_progress(env);
    return env.Undefined();
  };
}

Napi::Value queue_delete_before(Arguments& arguments) {
  auto handle = arguments.handle<QueueHandle>(0);
  const uint64_t offset = arguments.limit(1);
  if (!arguments.ok()) return {};
  return start_task(
      arguments, 2, [queue = handle->queue, offset] { return queue->delete_before(offset); },
      finish_with_progress(*handle));
}

Napi::Value queue_empty(Arguments& arguments) {
  auto handle = arguments.handle<QueueHandle>(0);
  if (!arguments.ok()) return {};
  return start_task(
      arguments, 1, [queue = handle->queue] { return queue->empty(); },
      finish_with_progress(*handle));
}

Napi::Value cursor_open(Arguments& arguments) {
  auto handle = arguments.handle<QueueHandle>(0);
  const std::string file = arguments.text(1);
  const std::string name = arguments.text(2);
  const uint64_t start = arguments.limit(3);
  const bool create = arguments.boolean(4);
  if (!arguments.ok()) return {};
  auto opened = std::make_shared<CursorHandle>(CursorHandle{handle->state, nullptr});
  return start_task(
      arguments, 5,
      [queue = handle->queue, file, name, start, create, opened] {
        return queue->open_cursor(file, name, start, create, &opened->cursor);
      },
      [opened](Napi::Env env) {
        return opened->cursor == nullptr ? env.Undefined() : make_handle(env, *opened);
      });
}

Napi::Value cursor_offset(Arguments& arguments) {
  auto handle = arguments.handle<CursorHandle>(0);
  return arguments.ok() ? Napi::Number::New(arguments.env(), handle->cursor->offset())
                        : Napi::Value();
}

Napi::Value cursor_detail(Arguments& arguments) {
  auto handle = arguments.handle<CursorHandle>(0);
  if (!arguments.ok()) return {};
  const std::string detail = handle->cursor->detail();
  return Napi::Buffer<char>::Copy(arguments.env(), detail.data(), detail.size());
}

Napi::Value cursor_store(Arguments& arguments) {
  auto handle = arguments.handle<CursorHandle>(0);
  const uint64_t offset = arguments.number(1);
  const std::span<uint8_t> detail = arguments.buffer(2);
  if (!arguments.ok()) return {};
  bool listed = false;
  const bool held = handle->state->hold_loop(arguments.env());
  Status status = handle->cursor->store(
      offset, {reinterpret_cast<const char*>(detail.data()), detail.size()}, &listed);
  if (held && !listed) handle->state->let_loop_go(arguments.env());
  return status.ok() ? Napi::Value() : throw_status(arguments.env(), status);
}

Napi::Value cursor_remove(Arguments& arguments) {
  auto handle = arguments.handle<QueueHandle>(0);
  const std::string file = arguments.text(1);
  if (!arguments.ok()) return {};
  return start_task(arguments, 2,
                    [queue = handle->queue, file] { return queue->remove_cursor(file); });
}

Napi::Value cursor_list(Arguments& arguments) {
  auto handle = arguments.handle<QueueHandle>(0);
  if (!arguments.ok()) return {};
  auto names = std::make_shared<std::vector<std::string>>();
  return start_task(
      arguments, 1, [queue = handle->queue, names] { return queue->list_cursors(names.get()); },
      [names](Napi::Env env) { return make_texts(env, *names); });
}

}  // namespace

void add_queue_functions(Napi::Object exports) {
  add_function<queue_id>(exports, "queue_id");
  add_function<queue_state>(exports, "queue_state");
  add_function<queue_append>(exports, "queue_append");
  add_function<queue_commit>(exports, "queue_commit");
  add_function<queue_find_time>(exports, "queue_find_time");
  add_function<queue_retain_from>(exports, "queue_retain_from");
  add_function<queue_limit_blocks>(exports, "queue_limit_blocks");
  add_function<queue_delete_before>(exports, "queue_delete_before");
  add_function<queue_empty>(exports, "queue_empty");
  add_function<cursor_open>(exports, "cursor_open");
  add_function<cursor_offset>(exports, "cursor_offset");
  add_function<cursor_detail>(exports, "cursor_detail");
  add_function<cursor_store>(exports, "cursor_store");
  add_function<cursor_remove>(exports, "cursor_remove");
  add_function<cursor_list>(exports, "cursor_list");
}

}  // namespace zbus
