// The functions on a reader; see addon.cc.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "addon_call.h"
#include "addon_state.h"
#include "reader.h"

namespace zbus {
namespace {

// The table of a read: next offset, bytes needed, then rows.
constexpr size_t kTableHead = 2;
constexpr size_t kRowWidth = 6;

struct ReaderState {
  ReaderState(const std::shared_ptr<Queue>& queue, uint64_t offset, Filter filter)
      : reader(queue, offset, std::move(filter)) {}

  Reader reader;
  std::vector<ReadRow> rows;
  Reader::Result result;
  bool busy = false;  // a read is under way on the thread pool
};

struct ReaderHandle {
  static constexpr HandleKind kKind = HandleKind::kReader;
  std::shared_ptr<ReaderState> state;  // null once closed
};

napi_value reader_open(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto handle = arguments.handle<QueueHandle>(0);
  const uint64_t offset = arguments.number(1);
  const std::string filter = arguments.is_null(2) ? std::string() : arguments.text(2);
  if (!arguments.ok()) return nullptr;
  auto state = std::make_shared<ReaderState>(handle->queue, offset, Filter(filter));
  return make_handle(env, ReaderHandle{std::move(state)});
}

// The state of an open reader that is not being read from; throws otherwise.
std::shared_ptr<ReaderState> ready_reader(Arguments& arguments) {
  auto handle = arguments.handle<ReaderHandle>(0);
  if (!arguments.ok()) return nullptr;
  std::shared_ptr<ReaderState> state = handle->state;
  if (state == nullptr) {
    throw_status(arguments.env(), Status::error(Code::kClosed, "reader is closed"));
  } else if (state->busy) {
    throw_status(arguments.env(), Status::error(Code::kInvalid, "reader is being read from"));
    return nullptr;
  }
  return state;
}

void fill_table(const ReaderState& state, std::span<double> table) {
  table[0] = static_cast<double>(state.result.next_offset);
  table[1] = static_cast<double>(state.result.bytes_needed);
  double* number = table.data() + kTableHead;
  for (size_t i = 0; i < state.result.count; i++) {
    const ReadRow& row = state.rows[i];
    number[0] = static_cast<double>(row.offset);
    number[1] = static_cast<double>(row.timestamp_ms);
    number[2] = static_cast<double>(row.id_start);
    number[3] = static_cast<double>(row.tag_start);
    number[4] = static_cast<double>(row.wire_start);
    number[5] = static_cast<double>(row.wire_end);
    number += kRowWidth;
  }
}

napi_value reader_read(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const std::shared_ptr<ReaderState> state = ready_reader(arguments);
  if (state == nullptr) return nullptr;
  const std::span<uint8_t> buffer = arguments.buffer(1);
  const std::span<double> table = arguments.doubles(2, kTableHead + kRowWidth);
  const uint64_t end_offset = arguments.limit(3);
  if (!arguments.ok()) return nullptr;
  state->rows.resize((table.size() - kTableHead) / kRowWidth);
  state->result = {};
  Status status =
      state->reader.read(buffer, state->rows, end_offset, Reader::Wait::kNever, &state->result);
  if (!status.ok()) return throw_status(env, status);
  napi_value count = nullptr;
  const bool waits = state->result.must_wait;
  napi_create_int32(env, waits ? -1 : static_cast<int32_t>(state->result.count), &count);
  if (!waits) fill_table(*state, table);
  return count;
}

napi_value reader_read_async(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const std::shared_ptr<ReaderState> state = ready_reader(arguments);
  if (state == nullptr) return nullptr;
  const std::span<uint8_t> buffer = arguments.buffer(1);
  const std::span<double> table = arguments.doubles(2, kTableHead + kRowWidth);
  const uint64_t end_offset = arguments.limit(3);
  arguments.function(4);
  if (!arguments.ok()) return nullptr;
  state->rows.resize((table.size() - kTableHead) / kRowWidth);
  state->result = {};
  state->busy = true;
  return start_task(
      arguments, 4,
      [state, buffer, end_offset] {
        return state->reader.read(buffer, state->rows, end_offset, Reader::Wait::kAllowed,
                                  &state->result);
      },
      [state, table](napi_env env) {
        state->busy = false;
        fill_table(*state, table);
        return make_number(env, state->result.count);
      },
      {1, 2});
}

napi_value reader_seek(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  const std::shared_ptr<ReaderState> state = ready_reader(arguments);
  if (state == nullptr) return nullptr;
  const uint64_t offset = arguments.number(1);
  if (arguments.ok()) state->reader.seek(offset);
  return nullptr;
}

// A read under way goes on to its end and calls back.
napi_value reader_close(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info);
  auto handle = arguments.handle<ReaderHandle>(0);
  if (arguments.ok()) handle->state.reset();
  return nullptr;
}

}  // namespace

std::vector<Export> reader_exports() {
  return {
      {"reader_open", reader_open},
      {"reader_read", reader_read},
      {"reader_read_async", reader_read_async},
      {"reader_seek", reader_seek},
      {"reader_close", reader_close},
  };
}

}  // namespace zbus
