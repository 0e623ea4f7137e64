// What a power cut leaves: torn tails are set aside, corruption is kept and counted.
#include "recovery.h"

#include <doctest/doctest.h>

#include <functional>
#include <string>

#include "test_log.h"

namespace zbus::test {
namespace {

// Where record `number` of the samples begins in a block that begins with sample 0.
size_t record_position(uint64_t number) {
  uint64_t position = kDataStart;
  for (uint64_t i = 0; i < number; i++) {
    const Message message = sample(i);
    position += record_bytes(
        static_cast<uint32_t>(message.id.size() + message.tag.size() + message.wire.size()));
  }
  return static_cast<size_t>(position);
}

void zero_record(std::string* bytes, uint64_t number) {
  const size_t from = record_position(number);
  const size_t to = record_position(number + 1);
  bytes->replace(from, to - from, to - from, '\0');
}

uint64_t epoch_of(const std::string& bytes) {
  BlockHeader header;
  REQUIRE(decode_block_header(reinterpret_cast<const uint8_t*>(bytes.data()), &header));
  return header.epoch;
}

struct Fixture {
  TemporaryFolder folder;
  TestLog log{folder.path()};
  const std::string name = block_name(0);

  Fixture() { REQUIRE(log.open().ok()); }

  void change(const std::function<void(std::string*)>& change) {
    log.kill();
    Files files = load_files(folder.path());
    change(&files.at(name));
    store_files(folder.path(), files);
    REQUIRE(log.open().ok());
  }

  size_t count() { return log.all().size(); }
};

}  // namespace

TEST_CASE("recovery: zeros, then valid records above the watermark, are a torn tail") {
  // Seen on ext4: the kernel wrote later pages on its own, the earlier one was lost.
  Fixture fixture;
  fixture.log.fill(5);
  fixture.log.fill_unsynced(5);
  fixture.change([](std::string* bytes) { zero_record(bytes, 6); });
  CHECK(fixture.count() == 6);
  CHECK(fixture.log.queue().state().next_offset == 6);
  CHECK(fixture.log.queue().state().lost_count == 0);
  const Files files = load_files(fixture.folder.path());
  // What was cut off is kept, and the log goes on in a new epoch.
  const std::string torn = files.at("00000000000000000000.1.torn");
  CHECK(torn.size() > 3 * kRecordHeaderBytes);
  CHECK(epoch_of(files.at(block_name(0))) == 1);
  CHECK(epoch_of(files.at(block_name(6))) == 2);
  fixture.log.fill(3);
  CHECK(fixture.count() == 9);
  fixture.log.kill();
  REQUIRE(fixture.log.open().ok());
  CHECK(fixture.count() == 9);
}

TEST_CASE("recovery: zeros, then valid records below the watermark, are corruption") {
  Fixture fixture;
  fixture.log.fill(10);
  fixture.change([](std::string* bytes) { zero_record(bytes, 6); });
  CHECK(fixture.count() == 9);
  CHECK(fixture.log.queue().state().next_offset == 10);
  CHECK(fixture.log.queue().state().lost_count == 1);
  CHECK(block_names(load_files(fixture.folder.path())).size() == 1);
  fixture.log.fill(1);
  CHECK(fixture.count() == 10);
}

TEST_CASE("recovery: after a clean close every hole is corruption") {
  Fixture fixture;
  fixture.log.fill_unsynced(10);
  REQUIRE(fixture.log.close().ok());
  fixture.change([](std::string* bytes) { zero_record(bytes, 9); });
  CHECK(fixture.count() == 9);
  CHECK(fixture.log.queue().state().next_offset == 10);
  CHECK(fixture.log.queue().state().lost_count == 1);
}

TEST_CASE("recovery: a damaged mark in the middle of a block costs nothing") {
  Fixture fixture;
  fixture.log.fill(5);
  REQUIRE(fixture.log.close().ok());
  REQUIRE(fixture.log.open().ok());
  fixture.log.fill(1);
  fixture.change([](std::string* bytes) { (*bytes)[record_position(5) + 16] ^= 1; });
  CHECK(fixture.count() == 6);
  CHECK(fixture.log.queue().state().next_offset == 6);
  CHECK(fixture.log.queue().state().lost_count == 0);
}

TEST_CASE("recovery: corruption and a torn tail in one block are told apart") {
  Fixture fixture;
  fixture.log.fill(5);
  fixture.log.fill_unsynced(5);
  fixture.change([](std::string* bytes) {
    zero_record(bytes, 2);
    zero_record(bytes, 7);
  });
  CHECK(fixture.count() == 6);
  CHECK(fixture.log.queue().state().next_offset == 7);
  CHECK(fixture.log.queue().state().lost_count == 1);
}

TEST_CASE("recovery: several records lost in a row are all counted") {
  Fixture fixture;
  fixture.log.fill(10);
  fixture.change([](std::string* bytes) {
    for (uint64_t number = 3; number < 7; number++) zero_record(bytes, number);
  });
  CHECK(fixture.count() == 6);
  CHECK(fixture.log.queue().state().lost_count == 4);
}

TEST_CASE("recovery: garbage behind the last record is cut off") {
  Fixture fixture;
  fixture.log.fill(4);
  fixture.change([](std::string* bytes) {
    bytes->replace(record_position(4) + 16, 20, std::string(20, 'g'));
  });
  CHECK(fixture.count() == 4);
  CHECK(fixture.log.queue().state().lost_count == 0);
  fixture.log.fill(2);
  CHECK(fixture.count() == 6);
}

TEST_CASE("recovery: a block without a whole record begins anew, with another salt") {
  Fixture fixture;
  fixture.log.fill_unsynced(3);
  const std::string before = load_files(fixture.folder.path()).at(fixture.name);
  fixture.change([](std::string* bytes) { (*bytes)[kDataStart] ^= 1; });
  CHECK(fixture.count() == 0);
  const std::string after = load_files(fixture.folder.path()).at(fixture.name);
  CHECK(epoch_of(after) == 2);
  CHECK(before.substr(12, 4) != after.substr(12, 4));
  fixture.log.fill(3);
  CHECK(fixture.count() == 3);
}

TEST_CASE("recovery: records of an older epoch behind the end do not come back") {
  Fixture fixture;
  fixture.log.fill_unsynced(8);
  const std::string before = load_files(fixture.folder.path()).at(fixture.name);
  fixture.change([](std::string* bytes) { (*bytes)[record_position(1)] ^= 1; });
  CHECK(fixture.count() == 1);
  // The disk brings back the old tail behind the seal.
  fixture.log.kill();
  Files files = load_files(fixture.folder.path());
  std::string& bytes = files.at(fixture.name);
  const size_t end = bytes.size();
  bytes += before.substr(end);
  store_files(fixture.folder.path(), files);
  REQUIRE(fixture.log.open().ok());
  fixture.log.fill(1);
  CHECK(fixture.count() == 2);
}

TEST_CASE("recovery: a crash between seal and next block goes on after the seal") {
  TemporaryFolder folder;
  TestLog log(folder.path(), small_blocks());
  REQUIRE(log.open().ok());
  while (block_names(load_files(folder.path())).size() < 2) log.fill(1);
  log.kill();
  Files files = load_files(folder.path());
  const std::string last = block_names(files)[1];
  uint64_t first = 0;
  REQUIRE(parse_block_name(last, &first));
  files.erase(last);
  store_files(folder.path(), files);
  REQUIRE(log.open().ok());
  CHECK(log.all().size() == first);
  CHECK(log.queue().state().next_offset == first);
  log.fill(1);
  CHECK(log.all().size() == first + 1);
  CHECK(log.queue().state().lost_count == 0);
}

TEST_CASE("recovery: a seal written before the records it covers does not hide their loss") {
  TemporaryFolder folder;
  TestLog log(folder.path(), small_blocks());
  REQUIRE(log.open().ok());
  uint64_t staged = 0;
  while (block_names(load_files(folder.path())).size() < 2) {
    REQUIRE(log.append(sample(staged++), 1).ok());
  }
  REQUIRE(log.commit().ok());
  log.flush();
  log.kill();
  Files files = load_files(folder.path());
  const uint64_t first_of_next = staged - 1;
  files.erase(block_names(files)[1]);
  zero_record(&files.at(block_name(0)), 4);
  store_files(folder.path(), files);
  REQUIRE(log.open().ok());
  REQUIRE(first_of_next > 5);
  CHECK(log.all().size() == 4);
  CHECK(log.queue().state().next_offset == 4);
  log.fill(2);
  CHECK(log.all().size() == 6);
}

TEST_CASE("recovery: leftovers of replaced files are removed") {
  Fixture fixture;
  fixture.log.fill(1);
  fixture.log.kill();
  Files files = load_files(fixture.folder.path());
  files["topic.json.tmp"] = "half";
  files["group.cursor.tmp"] = "";
  store_files(fixture.folder.path(), files);
  REQUIRE(fixture.log.open().ok());
  const Files after = load_files(fixture.folder.path());
  CHECK_FALSE(after.contains("topic.json.tmp"));
  CHECK_FALSE(after.contains("group.cursor.tmp"));
}

}  // namespace zbus::test
