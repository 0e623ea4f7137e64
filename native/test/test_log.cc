#include "test_log.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

namespace zbus::test {

namespace fs = std::filesystem;

// In memory where there is such a folder: what is tested here is the engine, not the disk, and the
// damage tests open thousands of logs.
TemporaryFolder::TemporaryFolder() {
  const fs::path base = fs::exists("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path();
  std::string pattern = (base / "zbus-test-XXXXXX").string();
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

Files load_files(const std::string& folder) {
  Files files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::string& bytes = files[entry.path().filename().string()];
    bytes.resize(entry.file_size());
    std::ifstream file(entry.path(), std::ios::binary);
    file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    bytes.resize(static_cast<size_t>(file.gcount()));
  }
  return files;
}

void store_files(const std::string& folder, const Files& files) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!files.contains(entry.path().filename().string())) fs::remove_all(entry.path());
  }
  for (const auto& [name, bytes] : files) {
    std::ofstream file(folder + "/" + name, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
}

std::vector<std::string> block_names(const Files& files) {
  std::vector<std::string> names;
  uint64_t first_offset = 0;
  for (const auto& [name, bytes] : files) {
    if (parse_block_name(name, &first_offset)) names.push_back(name);
  }
  return names;
}

Message sample(uint64_t number) {
  const std::string text = std::to_string(number);
  return {number, 1000 + number, "id-" + text, number % 2 == 0 ? "even." + text : "odd." + text,
          "content-length: " + text + "\r\n\r\n" + std::string(number % 23, 'x')};
}

Options small_blocks() {
  Options options;
  options.block_bytes = kBlockBytesMin + 256;
  return options;
}

TestLog::TestLog(const std::string& folder, const Options& options, Vfs& vfs)
    : folder_(folder), options_(options), vfs_(vfs) {}

Status TestLog::open() {
  kill();
  context_ = std::make_shared<Context>(vfs_, options_);
  return Queue::open(context_, folder_, 1, &queue_);
}

void TestLog::kill() {
  if (context_ != nullptr) {
    context_->flusher.stop();
    static_cast<void>(context_->flusher.take_progress());
  }
  queue_.reset();
  context_.reset();
}

Status TestLog::close() {
  Status status = queue_->close();
  kill();
  return status;
}

Status TestLog::append(const Message& message, uint8_t level, uint64_t* offset) {
  RecordParts parts;
  parts.id = message.id;
  parts.tag = message.tag;
  parts.head = std::string_view(message.wire).substr(0, 5);
  parts.body = std::string_view(message.wire).substr(parts.head.size());
  parts.timestamp_ms = message.timestamp_ms;
  parts.level = level;
  uint64_t given = 0;
  Status status = queue_->append(parts, &given);
  if (status.ok() && offset != nullptr) *offset = given;
  return status;
}

Status TestLog::commit() {
  uint64_t written_end = 0;
  bool listed = false;
  return queue_->commit(&written_end, &listed);
}

void TestLog::flush() {
  static_cast<void>(queue_->flush());
}

void TestLog::fill(uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    REQUIRE(append(sample(queue_->state().next_offset)).ok());
    REQUIRE(commit().ok());
    flush();
  }
  REQUIRE(queue_->state().durable_end == queue_->state().next_offset);
}

void TestLog::fill_unsynced(uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    REQUIRE(append(sample(queue_->state().next_offset), 1).ok());
  }
  REQUIRE(commit().ok());
}

Status TestLog::read(Messages* messages, uint64_t offset, const std::string& filter,
                     std::optional<std::string> group) {
  Reader reader(queue_, offset, Filter(filter), std::move(group));
  std::vector<uint8_t> buffer(1024);
  std::vector<ReadRow> rows(7);
  for (;;) {
    Reader::Result result;
    Status status = reader.read(buffer, rows, UINT64_MAX, Reader::Wait::kAllowed, &result);
    if (!status.ok()) return status;
    REQUIRE_FALSE(result.must_wait);
    for (size_t i = 0; i < result.count; i++) {
      const ReadRow& row = rows[i];
      const auto text = [&](size_t from, size_t to) {
        return std::string(reinterpret_cast<const char*>(buffer.data()) + from, to - from);
      };
      messages->push_back({row.offset, row.timestamp_ms, text(row.id_start, row.tag_start),
                           text(row.tag_start, row.wire_start),
                           text(row.wire_start, row.wire_end)});
    }
    if (result.bytes_needed > 0) {
      REQUIRE(result.bytes_needed > buffer.size());
      buffer.resize(result.bytes_needed);
    } else if (result.count == 0 && result.next_offset >= queue_->state().written_end) {
      return {};
    }
  }
}

Messages TestLog::all(const std::string& filter) {
  Messages messages;
  const Status status = read(&messages, 0, filter);
  REQUIRE_MESSAGE(status.ok(), status.message());
  return messages;
}

}  // namespace zbus::test
