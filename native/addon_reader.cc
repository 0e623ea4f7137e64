// The functions on a reader; see addon.cc.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
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
  ReaderState(const std::shared_ptr<Queue>& queue, uint64_t offset, Filter filter,
              std::optional<std::string> group)
      : reader(queue, offset, std::move(filter), std::move(group)) {}

  Reader reader;
  std::vector<ReadRow> rows;
  Reader::Result result;
  bool busy = false;  // a read is under way on the thread pool, into these two
  Napi::ObjectReference buffer;
  Napi::Reference<Napi::Float64Array> table;
};

struct ReaderHandle {
  static constexpr napi_type_tag kTag = {0x7a62757300000004, 0x8d0e6b5c24f14a14};
  std::shared_ptr<ReaderState> state;  // null once closed
};

Napi::Value reader_open(Arguments& arguments) {
  auto handle = arguments.handle<QueueHandle>(0);
  const uint64_t offset = arguments.number(1);
  const std::string filter = arguments[2].IsNull() ? std::string() : arguments.text(2);
  std::optional<std::string> group;
  if (!arguments[3].IsNull() && arguments.ok()) {
    std::vector<char>& text = handle->state->text();
    const size_t length = arguments.latin1(3, &text, 0);
    group.emplace(text.data(), length);
  }
  if (!arguments.ok()) return {};
  auto state =
      std::make_shared<ReaderState>(handle->queue, offset, Filter(filter), std::move(group));
  return make_handle(arguments.env(), ReaderHandle{std::move(state)});
}

// The state of an open reader that is not being read from; throws otherwise.
std::shared_ptr<ReaderState> ready_reader(Arguments& arguments) {
  auto handle = arguments.handle<ReaderHandle>(0);
  if (!arguments.ok()) return {};
  std::shared_ptr<ReaderState> state = handle->state;
  if (state == nullptr) {
    throw_status(arguments.env(), Status::error(Code::kClosed, "reader is closed"));
  } else if (state->busy) {
    throw_status(arguments.env(), Status::error(Code::kInvalid, "reader is being read from"));
    return {};
  }
  return state;
}

// Does nothing when the table's memory was taken away during the read.
void fill_table(const ReaderState& state, std::span<double> table) {
  if (table.size() < kTableHead + state.result.count * kRowWidth) return;
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

Napi::Value reader_read(Arguments& arguments) {
  const std::shared_ptr<ReaderState> state = ready_reader(arguments);
  if (state == nullptr) return {};
  const std::span<uint8_t> buffer = arguments.buffer(1);
  const std::span<double> table = arguments.doubles(2, kTableHead + kRowWidth);
  const uint64_t end_offset = arguments.limit(3);
  if (!arguments.ok()) return {};
  state->rows.resize((table.size() - kTableHead) / kRowWidth);
  state->result = {};
  Status status =
      state->reader.read(buffer, state->rows, end_offset, Reader::Wait::kNever, &state->result);
  if (!status.ok()) return throw_status(arguments.env(), status);
  if (state->result.must_wait) return Napi::Number::New(arguments.env(), -1);
  fill_table(*state, table);
  return Napi::Number::New(arguments.env(), state->result.count);
}

Napi::Value reader_read_async(Arguments& arguments) {
  const std::shared_ptr<ReaderState> state = ready_reader(arguments);
  if (state == nullptr) return {};
  const std::span<uint8_t> buffer = arguments.buffer(1);
  const std::span<double> table = arguments.doubles(2, kTableHead + kRowWidth);
  const uint64_t end_offset = arguments.limit(3);
  arguments.function(4);
  if (!arguments.ok()) return {};
  state->rows.resize((table.size() - kTableHead) / kRowWidth);
  state->result = {};
  state->busy = true;
  state->buffer = Napi::Persistent(arguments[1].As<Napi::Object>());
  state->table = Napi::Persistent(arguments[2].As<Napi::Float64Array>());
  return start_task(
      arguments, 4,
      [state, buffer, end_offset] {
        return state->reader.read(buffer, state->rows, end_offset, Reader::Wait::kAllowed,
                                  &state->result);
      },
      [state](Napi::Env env) {
        Napi::Float64Array table = state->table.Value();
        fill_table(*state, {table.Data(), table.ElementLength()});
        state->busy = false;
        state->buffer.Reset();
        state->table.Reset();
        return Napi::Number::New(env, state->result.count);
      });
}

Napi::Value reader_seek(Arguments& arguments) {
  const std::shared_ptr<ReaderState> state = ready_reader(arguments);
  if (state == nullptr) return {};
  const uint64_t offset = arguments.number(1);
  if (arguments.ok()) state->reader.seek(offset);
  return {};
}

// A read under way goes on to its end and calls back.
Napi::Value reader_close(Arguments& arguments) {
  auto handle = arguments.handle<ReaderHandle>(0);
  if (arguments.ok()) handle->state.reset();
  return {};
}

}  // namespace

void add_reader_functions(Napi::Object exports) {
  add_function<reader_open>(exports, "reader_open");
  add_function<reader_read>(exports, "reader_read");
  add_function<reader_read_async>(exports, "reader_read_async");
  add_function<reader_seek>(exports, "reader_seek");
  add_function<reader_close>(exports, "reader_close");
}

}  // namespace zbus
