// What a healthy queue promises: order, seeks, blocks, retention.
#include "queue.h"

#include <doctest/doctest.h>

#include <string>

#include "test_log.h"

namespace zbus::test {
namespace {

Messages samples(uint64_t from, uint64_t to) {
  Messages messages;
  for (uint64_t i = from; i < to; i++) messages.push_back(sample(i));
  return messages;
}

}  // namespace

TEST_CASE("queue: what was appended is read as it was, before and after reopening") {
  TemporaryFolder folder;
  TestLog log(folder.path());
  REQUIRE(log.open().ok());
  log.fill(20);
  CHECK(log.all() == samples(0, 20));
  REQUIRE(log.close().ok());
  REQUIRE(log.open().ok());
  CHECK(log.all() == samples(0, 20));
  CHECK(log.queue().state().next_offset == 20);
  CHECK(log.queue().state().lost_count == 0);
}

TEST_CASE("queue: empty and large messages survive") {
  TemporaryFolder folder;
  TestLog log(folder.path(), small_blocks());
  REQUIRE(log.open().ok());
  Messages sent;
  for (const size_t size : {0, 1, 7, 8, 9, 4055, 4056, 4057, 65536, 1 << 20}) {
    sent.push_back({sent.size(), 5, size % 2 == 0 ? "" : "id", "", std::string(size, 'b')});
    REQUIRE(log.append(sent.back()).ok());
    REQUIRE(log.commit().ok());
    log.flush();
  }
  CHECK(log.all() == sent);
  log.kill();
  REQUIRE(log.open().ok());
  CHECK(log.all() == sent);
}

TEST_CASE("queue: staged records are neither read nor counted as written") {
  TemporaryFolder folder;
  TestLog log(folder.path());
  REQUIRE(log.open().ok());
  REQUIRE(log.append(sample(0)).ok());
  CHECK(log.queue().state().next_offset == 1);
  CHECK(log.queue().state().written_end == 0);
  CHECK(log.all().empty());
  REQUIRE(log.commit().ok());
  CHECK(log.queue().state().written_end == 1);
  CHECK(log.queue().state().durable_end == 0);
  log.flush();
  CHECK(log.queue().state().durable_end == 1);
}

TEST_CASE("queue: timestamps never decrease, not even over a reopening") {
  TemporaryFolder folder;
  TestLog log(folder.path());
  REQUIRE(log.open().ok());
  for (const uint64_t time : {500, 400, 600}) REQUIRE(log.append({0, time, "", "", "m"}).ok());
  REQUIRE(log.commit().ok());
  log.kill();
  REQUIRE(log.open().ok());
  REQUIRE(log.append({0, 1, "", "", "m"}).ok());
  REQUIRE(log.commit().ok());
  const Messages messages = log.all();
  REQUIRE(messages.size() == 4);
  CHECK(messages[0].timestamp_ms == 500);
  CHECK(messages[1].timestamp_ms == 500);
  CHECK(messages[2].timestamp_ms == 600);
  CHECK(messages[3].timestamp_ms == 600);
}

TEST_CASE("queue: a seek by offset finds every record in every block") {
  TemporaryFolder folder;
  TestLog log(folder.path(), small_blocks());
  REQUIRE(log.open().ok());
  log.fill(60);
  REQUIRE(block_names(load_files(folder.path())).size() >= 4);
  for (uint64_t offset = 0; offset <= 60; offset++) {
    Messages messages;
    REQUIRE(log.read(&messages, offset).ok());
    CHECK(messages == samples(offset, 60));
  }
}

TEST_CASE("queue: a seek by time finds the first record at or after it") {
  TemporaryFolder folder;
  TestLog log(folder.path(), small_blocks());
  REQUIRE(log.open().ok());
  for (uint64_t i = 0; i < 60; i++) {
    Message message = sample(i);
    message.timestamp_ms = 1000 + i / 3 * 10;  // three of a kind
    REQUIRE(log.append(message).ok());
    REQUIRE(log.commit().ok());
    log.flush();
  }
  for (const bool reopened : {false, true}) {
    CAPTURE(reopened);
    if (reopened) {
      REQUIRE(log.close().ok());
      REQUIRE(log.open().ok());
    }
    for (uint64_t time = 995; time < 1215; time++) {
      uint64_t offset = 0;
      REQUIRE(log.queue().find_time(time, &offset).ok());
      const uint64_t expected = time <= 1000 ? 0 : (time - 1000 + 9) / 10 * 3;
      CHECK(offset == std::min<uint64_t>(expected, 60));
    }
  }
}

TEST_CASE("queue: a filter lets through what it takes and nothing else") {
  TemporaryFolder folder;
  TestLog log(folder.path(), small_blocks());
  REQUIRE(log.open().ok());
  log.fill(60);
  Messages even;
  for (uint64_t i = 0; i < 60; i += 2) even.push_back(sample(i));
  CHECK(log.all("even.*") == even);
  CHECK(log.all("odd.17") == Messages{sample(17)});
  CHECK(log.all("nothing").empty());
}

TEST_CASE("reader: a record larger than the buffer is announced, not cut") {
  TemporaryFolder folder;
  TestLog log(folder.path());
  REQUIRE(log.open().ok());
  REQUIRE(log.append({0, 1, "id", "tag", std::string(5000, 'x')}).ok());
  REQUIRE(log.commit().ok());
  Reader reader(log.queue().shared_from_this(), 0, Filter());
  std::vector<uint8_t> buffer(4096);
  std::vector<ReadRow> rows(4);
  Reader::Result result;
  REQUIRE(reader.read(buffer, rows, 10, Reader::Wait::kAllowed, &result).ok());
  CHECK(result.count == 0);
  CHECK(result.bytes_needed == kRecordHeaderBytes + 5005);
  buffer.resize(result.bytes_needed);
  REQUIRE(reader.read(buffer, rows, 10, Reader::Wait::kAllowed, &result).ok());
  CHECK(result.count == 1);
  CHECK(result.next_offset == 1);
}

TEST_CASE("reader: stops below the end offset it was given") {
  TemporaryFolder folder;
  TestLog log(folder.path());
  REQUIRE(log.open().ok());
  log.fill(10);
  Reader reader(log.queue().shared_from_this(), 2, Filter());
  std::vector<uint8_t> buffer(4096);
  std::vector<ReadRow> rows(20);
  Reader::Result result;
  REQUIRE(reader.read(buffer, rows, 5, Reader::Wait::kAllowed, &result).ok());
  CHECK(result.count == 3);
  CHECK(result.next_offset == 5);
  REQUIRE(reader.read(buffer, rows, 5, Reader::Wait::kAllowed, &result).ok());
  CHECK(result.count == 0);
  REQUIRE(reader.read(buffer, rows, 100, Reader::Wait::kAllowed, &result).ok());
  CHECK(result.count == 5);
}

TEST_CASE("reader: closes the gaps that filtered records leave, in any buffer") {
  TemporaryFolder folder;
  TestLog log(folder.path());
  REQUIRE(log.open().ok());
  log.fill(200);
  for (size_t size = 600; size < 1400; size += 37) {
    CAPTURE(size);
    Reader reader(log.queue().shared_from_this(), 0, Filter("even.*"));
    std::vector<uint8_t> buffer(size);
    std::vector<ReadRow> rows(100);
    Messages messages;
    for (Reader::Result result; result.next_offset < 200;) {
      REQUIRE(reader.read(buffer, rows, 200, Reader::Wait::kAllowed, &result).ok());
      REQUIRE(result.bytes_needed == 0);
      for (size_t i = 0; i < result.count; i++) {
        const auto wire = reinterpret_cast<const char*>(buffer.data());
        messages.push_back(sample(rows[i].offset));
        CHECK(messages.back().wire ==
              std::string(wire + rows[i].wire_start, wire + rows[i].wire_end));
        CHECK(messages.back().id == std::string(wire + rows[i].id_start, wire + rows[i].tag_start));
      }
    }
    CHECK(messages.size() == 100);
  }
}

TEST_CASE("queue: retention removes whole blocks below the offset") {
  TemporaryFolder folder;
  TestLog log(folder.path(), small_blocks());
  REQUIRE(log.open().ok());
  log.fill(60);
  const uint64_t blocks = block_names(load_files(folder.path())).size();
  Reader behind(log.queue().shared_from_this(), 0, Filter());
  REQUIRE(log.queue().delete_before(30).ok());
  const uint64_t first = log.queue().state().first_offset;
  CHECK(first > 0);
  CHECK(first <= 30);
  CHECK(log.all() == samples(first, 60));
  std::vector<uint8_t> buffer(4096);
  std::vector<ReadRow> rows(1);
  Reader::Result result;
  REQUIRE(behind.read(buffer, rows, 60, Reader::Wait::kAllowed, &result).ok());
  CHECK(rows[0].offset == first);
  CHECK(log.queue().state().lost_count == 0);
  REQUIRE(log.queue().delete_before(UINT64_MAX).ok());
  const Files files = load_files(folder.path());
  CHECK(block_names(files).size() == 1);
  CHECK(files.size() <= 2);  // no index is left without its block
  CHECK(blocks > 3);
  REQUIRE(log.close().ok());
  REQUIRE(log.open().ok());
  CHECK(log.queue().state().next_offset == 60);
}

TEST_CASE("queue: emptied, it holds nothing and its offsets go on") {
  TemporaryFolder folder;
  TestLog log(folder.path(), small_blocks());
  REQUIRE(log.open().ok());
  log.fill(30);
  REQUIRE(log.append(sample(30)).ok());  // staged when it is emptied
  REQUIRE(log.queue().empty().ok());
  CHECK(log.all().empty());
  CHECK(log.queue().state().first_offset == 31);
  REQUIRE(log.queue().empty().ok());  // once more, with nothing in it
  log.fill(3);
  CHECK(log.all() == samples(31, 34));
  log.kill();
  REQUIRE(log.open().ok());
  CHECK(log.all() == samples(31, 34));
}

TEST_CASE("queue: records staged while a block is rolled wait for the flusher, in order") {
  TemporaryFolder folder;
  TestLog log(folder.path(), small_blocks());
  REQUIRE(log.open().ok());
  for (uint64_t turn = 0; turn < 20; turn++) {
    for (uint64_t i = 0; i < 5; i++) REQUIRE(log.append(sample(turn * 5 + i)).ok());
    REQUIRE(log.commit().ok());
    if (turn % 7 == 6) log.flush();
  }
  CHECK(log.queue().state().staged_bytes > 0);
  log.flush();
  CHECK(log.queue().state().staged_bytes == 0);
  CHECK(log.queue().state().durable_end == 100);
  CHECK(log.all() == samples(0, 100));
  log.kill();
  REQUIRE(log.open().ok());
  CHECK(log.all() == samples(0, 100));
}

TEST_CASE("queue: a kill during a roll loses only what was staged") {
  TemporaryFolder folder;
  TestLog log(folder.path(), small_blocks());
  REQUIRE(log.open().ok());
  for (uint64_t i = 0; i < 40; i++) REQUIRE(log.append(sample(i)).ok());
  REQUIRE(log.commit().ok());  // the first block is written, the rest waits for the roll
  const uint64_t written = log.queue().state().written_end;
  CHECK(written > 0);
  CHECK(written < 40);
  log.kill();
  REQUIRE(log.open().ok());
  CHECK(log.all() == samples(0, written));
  log.fill(40);
  CHECK(log.all() == samples(0, written + 40));
}

TEST_CASE("queue: after close everything answers CLOSED") {
  TemporaryFolder folder;
  TestLog log(folder.path());
  REQUIRE(log.open().ok());
  log.fill(1);
  REQUIRE(log.queue().close().ok());
  uint64_t offset = 0;
  CHECK(log.queue().close().code() == Code::kClosed);
  CHECK(log.append(sample(1)).code() == Code::kClosed);
  CHECK(log.commit().code() == Code::kClosed);
  CHECK(log.queue().empty().code() == Code::kClosed);
  CHECK(log.queue().delete_before(1).code() == Code::kClosed);
  CHECK(log.queue().find_time(1, &offset).code() == Code::kClosed);
}

TEST_CASE("queue: closing again and again adds nothing") {
  TemporaryFolder folder;
  TestLog log(folder.path());
  REQUIRE(log.open().ok());
  log.fill(5);
  REQUIRE(log.close().ok());
  const Files before = load_files(folder.path());
  for (int i = 0; i < 3; i++) {
    REQUIRE(log.open().ok());
    REQUIRE(log.close().ok());
  }
  CHECK(load_files(folder.path()) == before);
}

TEST_CASE("queue: below the free space that must stay, appends answer NO_SPACE") {
  TemporaryFolder folder;
  Options options;
  options.free_bytes_min = UINT64_MAX / 2;
  TestLog log(folder.path(), options);
  REQUIRE(log.open().ok());
  CHECK(log.append(sample(0)).code() == Code::kNoSpace);
  CHECK(log.queue().state().next_offset == 0);
  CHECK_FALSE(log.queue().state().read_only);
  CHECK(log.close().ok());
}

}  // namespace zbus::test
