// The functions of a check of a data folder; see addon.cc.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "addon_call.h"
#include "addon_state.h"
#include "check.h"

namespace zbus {
namespace {

struct CheckHandle {
  static constexpr napi_type_tag kTag = {0x7a62757300000005, 0x8d0e6b5c24f14a15};
  std::shared_ptr<FolderCheck> check;
};

Napi::Number make_number(Napi::Env env, uint64_t number) {
  return Napi::Number::New(env, static_cast<double>(number));
}

// An array of what `make` makes of each of the values.
template <class Value, class Make>
Napi::Array make_array(Napi::Env env, const std::vector<Value>& values, Make make) {
  auto array = Napi::Array::New(env, values.size());
  for (uint32_t i = 0; i < values.size(); i++) array[i] = make(env, values[i]);
  return array;
}

Napi::Object make_entry(Napi::Env env, const FolderEntry& entry) {
  auto object = Napi::Object::New(env);
  object["name"] = entry.name;
  object["bytes"] = make_number(env, entry.size);
  object["mode"] = make_number(env, entry.mode);
  object["folder"] = Napi::Boolean::New(env, entry.folder);
  object["regular"] = Napi::Boolean::New(env, entry.regular);
  return object;
}

Napi::Object make_file(Napi::Env env, const FileCheck& file) {
  Napi::Object object =
      make_entry(env, {file.name, file.folder, file.regular, file.bytes, file.mode});
  object["role"] = file.role;
  return object;
}

Napi::Object make_problem(Napi::Env env, const Problem& problem) {
  auto object = Napi::Object::New(env);
  object["kind"] = problem.kind;
  object["file"] = problem.file;
  object["position"] = make_number(env, problem.position);
  object["bytes"] = make_number(env, problem.bytes);
  object["offsetFrom"] = make_number(env, problem.offset_from);
  object["offsetTo"] = make_number(env, problem.offset_to);
  object["reason"] = problem.reason;
  object["repaired"] = Napi::Boolean::New(env, problem.repaired);
  return object;
}

Napi::Object make_cursor(Napi::Env env, const CursorCheck& cursor) {
  const CursorSlot& newest = cursor.stored.newest;
  auto object = Napi::Object::New(env);
  object["file"] = cursor.file;
  object["valid"] = Napi::Boolean::New(env, cursor.stored.valid);
  object["slotsDamaged"] = make_number(env, cursor.stored.slots_damaged);
  object["foreign"] = Napi::Boolean::New(env, cursor.foreign);
  object["group"] = newest.name;
  object["offset"] = make_number(env, newest.floor);
  object["detail"] = Napi::Buffer<char>::Copy(env, newest.detail.data(), newest.detail.size());
  return object;
}

Napi::Object make_topic(Napi::Env env, const TopicCheck& topic) {
  auto object = Napi::Object::New(env);
  object["firstOffset"] = make_number(env, topic.first_offset);
  object["nextOffset"] = make_number(env, topic.next_offset);
  object["storedBytes"] = make_number(env, topic.stored_bytes);
  object["blockCount"] = make_number(env, topic.block_count);
  object["lostCount"] = make_number(env, topic.lost.count());
  object["logKnown"] = Napi::Boolean::New(env, topic.log_known);
  object["definition"] =
      topic.definition_found ? Napi::String::New(env, topic.definition) : env.Null();
  object["cursors"] = make_array(env, topic.cursors, make_cursor);
  object["files"] = make_array(env, topic.files, make_file);
  object["problems"] = make_array(env, topic.problems, make_problem);
  object["problemsOmitted"] = make_number(env, topic.problems_omitted);
  return object;
}

// The check, unless it was closed.
std::shared_ptr<FolderCheck> open_check(Arguments& arguments) {
  auto handle = arguments.handle<CheckHandle>(0);
  if (!arguments.ok()) return {};
  if (handle->check == nullptr) {
    throw_status(arguments.env(), Status::error(Code::kClosed, "check is closed"));
  }
  return handle->check;
}

Napi::Value check_open(Arguments& arguments) {
  const std::string folder = arguments.text(0);
  const bool repairs = arguments.boolean(1);
  if (!arguments.ok()) return {};
  const auto repair = repairs ? FolderCheck::Repair::kIndexes : FolderCheck::Repair::kNothing;
  CheckHandle handle;
  Status status = FolderCheck::open(posix_vfs(), folder, repair, &handle.check);
  return status.ok() ? make_handle(arguments.env(), handle) : throw_status(arguments.env(), status);
}

Napi::Value check_list(Arguments& arguments) {
  const std::shared_ptr<FolderCheck> check = open_check(arguments);
  if (check == nullptr) return {};
  std::vector<FolderEntry> entries;
  Status status = check->list(&entries);
  return status.ok() ? make_array(arguments.env(), entries, make_entry)
                     : throw_status(arguments.env(), status);
}

Napi::Value check_topic(Arguments& arguments) {
  const std::shared_ptr<FolderCheck> check = open_check(arguments);
  const std::string folder = arguments.text(1);
  if (check == nullptr || !arguments.ok()) return {};
  auto topic = std::make_shared<TopicCheck>();
  return start_task(
      arguments, 2,
      [check, folder, topic] {
        check->check_topic(folder, topic.get());
        return Status();
      },
      [topic](Napi::Env env) { return make_topic(env, *topic); });
}

Napi::Value check_bytes_read(Arguments& arguments) {
  const std::shared_ptr<FolderCheck> check = open_check(arguments);
  return check == nullptr ? Napi::Value() : make_number(arguments.env(), check->bytes_read());
}

Napi::Value check_close(Arguments& arguments) {
  auto handle = arguments.handle<CheckHandle>(0);
  if (arguments.ok()) handle->check.reset();
  return {};
}

}  // namespace

void add_check_functions(Napi::Object exports) {
  add_function<check_open>(exports, "check_open");
  add_function<check_list>(exports, "check_list");
  add_function<check_topic>(exports, "check_topic");
  add_function<check_bytes_read>(exports, "check_bytes_read");
  add_function<check_close>(exports, "check_close");
}

}  // namespace zbus
