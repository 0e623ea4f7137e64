// Records for one group alone: its readers get them, those of other groups pass over them.
#include <doctest/doctest.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "test_log.h"

namespace zbus::test {
namespace {

// Samples in which each third is for "a", each third for "b", and the rest for all.
Message addressed(uint64_t number) {
  Message message = sample(number);
  if (number % 3 == 1)
    message.id +=
        "\x1f"
        "a";
  if (number % 3 == 2)
    message.id +=
        "\x1f"
        "b";
  return message;
}

Messages expected(const std::function<bool(uint64_t)>& wanted) {
  Messages messages;
  for (uint64_t i = 0; i < 60; i++) {
    if (wanted(i)) messages.push_back(addressed(i));
  }
  return messages;
}

void fill(TestLog& log) {
  REQUIRE(log.open().ok());
  for (uint64_t i = 0; i < 60; i++) {
    REQUIRE(log.append(addressed(i)).ok());
    REQUIRE(log.commit().ok());
    log.flush();
  }
}

}  // namespace

TEST_CASE("address: a reader gets what is for its group or for all, in any block") {
  TemporaryFolder folder;
  TestLog log(folder.path(), small_blocks());
  fill(log);
  const auto read = [&](std::optional<std::string> group, const std::string& filter = {}) {
    Messages messages;
    REQUIRE(log.read(&messages, 0, filter, std::move(group)).ok());
    return messages;
  };
  CHECK(read({}) == expected([](uint64_t) { return true; }));
  CHECK(read("a") == expected([](uint64_t i) { return i % 3 != 2; }));
  CHECK(read("b") == expected([](uint64_t i) { return i % 3 != 1; }));
  for (const char* other : {"", "ab", "c", "A"}) {
    CHECK(read(other) == expected([](uint64_t i) { return i % 3 == 0; }));
  }
  CHECK(read("a", "even.*") == expected([](uint64_t i) { return i % 3 != 2 && i % 2 == 0; }));
  CHECK(log.queue().state().lost_count == 0);
}

TEST_CASE("address: next_offset goes past records for others, and no bytes are left of them") {
  TemporaryFolder folder;
  TestLog log(folder.path());
  REQUIRE(log.open().ok());
  for (uint64_t i = 0; i < 10; i++) {
    Message message = sample(i);
    if (i != 4)
      message.id +=
          "\x1f"
          "other";
    REQUIRE(log.append(message).ok());
  }
  REQUIRE(log.commit().ok());
  Reader reader(log.queue().shared_from_this(), 0, Filter(), "mine");
  std::vector<uint8_t> buffer(4096);
  std::vector<ReadRow> rows(20);
  Reader::Result result;
  REQUIRE(reader.read(buffer, rows, 10, Reader::Wait::kAllowed, &result).ok());
  REQUIRE(result.count == 1);
  CHECK(rows[0].offset == 4);
  CHECK(result.next_offset == 10);
  const auto bytes = reinterpret_cast<const char*>(buffer.data());
  CHECK(std::string(bytes + rows[0].id_start, bytes + rows[0].tag_start) == "id-4");
  REQUIRE(reader.read(buffer, rows, 10, Reader::Wait::kAllowed, &result).ok());
  CHECK(result.count == 0);
}

TEST_CASE("address: id and key of 127 bytes each fit, and a byte more is refused") {
  TemporaryFolder folder;
  TestLog log(folder.path());
  REQUIRE(log.open().ok());
  const std::string key(127, 'k');
  Message message = sample(0);
  message.id = std::string(127, 'i') + "\x1f" + key;
  REQUIRE(log.append(message).ok());
  REQUIRE(log.commit().ok());
  Messages messages;
  REQUIRE(log.read(&messages, 0, {}, key).ok());
  CHECK(messages == Messages{message});
  message.id += 'k';
  CHECK(log.append(message).code() == Code::kInvalid);
  message.id.clear();
  message.tag = std::string(256, 't');
  CHECK(log.append(message).code() == Code::kInvalid);
  CHECK(log.queue().state().next_offset == 1);
}

}  // namespace zbus::test
