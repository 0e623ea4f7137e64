// Every byte cut off, every byte flipped, every file missing: what is lost is what was touched.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "queue.h"
#include "test_log.h"

namespace zbus::test {
namespace {

// Byte positions of a block file worth damaging: all of the headers and records, some of the rest.
std::vector<size_t> positions(const std::string& bytes, size_t content_end) {
  std::vector<size_t> result;
  for (size_t i = 0; i < bytes.size(); i++) {
    const bool header = i < kBlockHeaderBytes || (i >= kPageBytes && i < kPageBytes + 64);
    const bool record = i >= kDataStart && i < content_end + 48;
    if (header || record || i % 997 == 0) result.push_back(i);
  }
  return result;
}

size_t content_end(const std::string& bytes) {
  return bytes.find_last_not_of('\0') + 1;
}

// After any recovery the log takes and keeps messages, and a second recovery changes nothing.
void check_usable(TestLog& log, const Messages& recovered) {
  REQUIRE(log.all() == recovered);
  const uint64_t next = log.queue().state().next_offset;
  const uint64_t lost = log.queue().state().lost_count;
  log.kill();
  REQUIRE(log.open().ok());
  REQUIRE(log.all() == recovered);
  REQUIRE(log.queue().state().next_offset == next);
  REQUIRE(log.queue().state().lost_count == lost);
  log.fill(2);
  Messages expected = recovered;
  expected.push_back(sample(next));
  expected.push_back(sample(next + 1));
  // A recovered log may have seen a later time than the samples'.
  Messages now = log.all();
  for (Message& message : now) message.timestamp_ms = 0;
  for (Message& message : expected) message.timestamp_ms = 0;
  REQUIRE(now == expected);
}

bool is_prefix(const Messages& part, const Messages& whole) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

void cut_at_every_byte(bool closed) {
  TemporaryFolder folder;
  TestLog log(folder.path(), small_blocks());
  REQUIRE(log.open().ok());
  log.fill(8);
  const Messages sent = log.all();
  if (closed) REQUIRE(log.close().ok());
  log.kill();
  const Files files = load_files(folder.path());
  const std::string name = block_names(files).back();
  const std::string& bytes = files.at(name);
  size_t complete_before = 0;
  for (const size_t size : positions(bytes, content_end(bytes))) {
    CAPTURE(size);
    Files cut = files;
    cut.at(name).resize(size);
    store_files(folder.path(), cut);
    REQUIRE(log.open().ok());
    const Messages recovered = log.all();
    REQUIRE(is_prefix(recovered, sent));
    // More bytes never give fewer messages; all of them give all.
    REQUIRE(recovered.size() >= complete_before);
    complete_before = recovered.size();
    check_usable(log, recovered);
    log.kill();
  }
  CHECK(complete_before == sent.size());
}

}  // namespace

TEST_CASE("damage: the last block cut at any byte keeps the records before the cut") {
  cut_at_every_byte(false);
}

TEST_CASE("damage: a closed log cut at any byte keeps the records before the cut") {
  cut_at_every_byte(true);
}

TEST_CASE("damage: a flipped byte costs at most the message it lies in") {
  TemporaryFolder folder;
  TestLog log(folder.path(), small_blocks());
  REQUIRE(log.open().ok());
  while (block_names(load_files(folder.path())).size() < 3) log.fill(1);
  log.fill(3);
  const Messages sent = log.all();
  REQUIRE(log.close().ok());
  const Files files = load_files(folder.path());
  for (const std::string& name : block_names(files)) {
    const std::string& bytes = files.at(name);
    for (const size_t position : positions(bytes, content_end(bytes))) {
      for (const char mask : {'\x01', '\x80', '\xff'}) {
        Files flipped = files;
        flipped.at(name)[position] ^= mask;
        store_files(folder.path(), flipped);
        INFO(name << " at " << position << " ^ " << static_cast<int>(mask));
        REQUIRE(log.open().ok());
        const Messages recovered = log.all();
        const QueueState state = log.queue().state();
        // At most one is missing, the others are as they were, and no offset is given out twice.
        REQUIRE(recovered.size() + 1 >= sent.size());
        REQUIRE(
            std::includes(sent.begin(), sent.end(), recovered.begin(), recovered.end(),
                          [](const Message& a, const Message& b) { return a.offset < b.offset; }));
        for (const Message& message : recovered) REQUIRE(message == sent[message.offset]);
        REQUIRE(state.next_offset == sent.size());
        REQUIRE(state.lost_count == sent.size() - recovered.size());
        if (position < kDataStart) REQUIRE(recovered.size() == sent.size());
        log.kill();
      }
    }
  }
}

TEST_CASE("damage: after a flipped byte the log goes on") {
  TemporaryFolder folder;
  TestLog log(folder.path(), small_blocks());
  REQUIRE(log.open().ok());
  log.fill(20);
  REQUIRE(log.close().ok());
  const Files files = load_files(folder.path());
  for (const std::string& name : block_names(files)) {
    const std::string& bytes = files.at(name);
    for (const size_t position : positions(bytes, content_end(bytes))) {
      if (position % 5 != 0) continue;
      CAPTURE(name);
      CAPTURE(position);
      Files flipped = files;
      flipped.at(name)[position] ^= '\x10';
      store_files(folder.path(), flipped);
      REQUIRE(log.open().ok());
      const Messages recovered = log.all();
      log.kill();
      REQUIRE(log.open().ok());
      REQUIRE(log.all() == recovered);
      log.fill(15);
      REQUIRE(log.all().size() == recovered.size() + 15);
      log.kill();
    }
  }
}

TEST_CASE("damage: both header copies of a block gone cost that block alone") {
  TemporaryFolder folder;
  TestLog log(folder.path(), small_blocks());
  REQUIRE(log.open().ok());
  while (block_names(load_files(folder.path())).size() < 3) log.fill(1);
  log.fill(3);
  const Messages sent = log.all();
  REQUIRE(log.close().ok());
  const Files files = load_files(folder.path());
  const std::vector<std::string> names = block_names(files);
  for (size_t victim = 0; victim < names.size(); victim++) {
    CAPTURE(victim);
    Files damaged = files;
    damaged.at(names[victim]).replace(0, kDataStart, kDataStart, '\0');
    store_files(folder.path(), damaged);
    REQUIRE(log.open().ok());
    uint64_t first = 0;
    uint64_t end = sent.size();
    REQUIRE(parse_block_name(names[victim], &first));
    if (victim + 1 < names.size()) REQUIRE(parse_block_name(names[victim + 1], &end));
    Messages expected = sent;
    expected.erase(expected.begin() + static_cast<ptrdiff_t>(first),
                   expected.begin() + static_cast<ptrdiff_t>(end));
    CHECK(log.all() == expected);
    CHECK(log.queue().state().lost_count >= end - first);
    CHECK(log.queue().state().next_offset >= sent.size());
    // The file is kept for someone to look at.
    CHECK(load_files(folder.path()).at(names[victim]).substr(kDataStart) ==
          damaged.at(names[victim]).substr(kDataStart));
    log.fill(1);
    CHECK(log.all().size() == expected.size() + 1);
    log.kill();
  }
}

TEST_CASE("damage: a missing block is a gap that is counted and passed") {
  TemporaryFolder folder;
  TestLog log(folder.path(), small_blocks());
  REQUIRE(log.open().ok());
  while (block_names(load_files(folder.path())).size() < 3) log.fill(1);
  const Messages sent = log.all();
  REQUIRE(log.close().ok());
  Files files = load_files(folder.path());
  const std::vector<std::string> names = block_names(files);
  uint64_t first = 0;
  uint64_t end = 0;
  REQUIRE(parse_block_name(names[1], &first));
  REQUIRE(parse_block_name(names[2], &end));
  files.erase(names[1]);
  store_files(folder.path(), files);
  REQUIRE(log.open().ok());
  Messages expected = sent;
  expected.erase(expected.begin() + static_cast<ptrdiff_t>(first),
                 expected.begin() + static_cast<ptrdiff_t>(end));
  CHECK(log.all() == expected);
  CHECK(log.all() == expected);
  CHECK(log.queue().state().lost_count == end - first);
}

TEST_CASE("damage: an index absent, cut, flipped or of another block is made again") {
  TemporaryFolder folder;
  Options options = small_blocks();
  options.block_bytes = 64 << 10;
  TestLog log(folder.path(), options);
  REQUIRE(log.open().ok());
  while (block_names(load_files(folder.path())).size() < 3) log.fill(50);
  const Messages sent = log.all();
  REQUIRE(log.close().ok());
  const Files files = load_files(folder.path());
  const std::string name = block_names(files)[1].substr(0, 20) + ".index";
  const std::string index = files.at(name);
  REQUIRE(index.size() > kIndexHeaderBytes + 3 * kIndexEntryBytes);
  std::vector<Files> damages;
  for (size_t i = 0; i < index.size(); i++) {
    damages.push_back(files);
    damages.back().at(name)[i] ^= '\x11';
    damages.push_back(files);
    damages.back().at(name).resize(i);
  }
  damages.push_back(files);
  damages.back().erase(name);
  damages.push_back(files);
  damages.back().at(name) = files.at(block_names(files)[0].substr(0, 20) + ".index");
  for (const Files& damaged : damages) {
    store_files(folder.path(), damaged);
    REQUIRE(log.open().ok());
    uint64_t first = 0;
    REQUIRE(parse_block_name(block_names(files)[1], &first));
    for (const uint64_t offset : {first + 1, first + 120, sent.size() - 1}) {
      Messages messages;
      REQUIRE(log.read(&messages, offset).ok());
      REQUIRE(messages.size() == sent.size() - offset);
      REQUIRE(messages.front() == sent[offset]);
      uint64_t found = 0;
      REQUIRE(log.queue().find_time(sent[offset].timestamp_ms, &found).ok());
      REQUIRE(found == offset);
    }
    REQUIRE(load_files(folder.path()).at(name) == index);
    log.kill();
  }
}

TEST_CASE("damage: files that are not understood are left alone") {
  TemporaryFolder folder;
  TestLog log(folder.path());
  REQUIRE(log.open().ok());
  log.fill(3);
  REQUIRE(log.close().ok());
  Files files = load_files(folder.path());
  files["notes.txt"] = "mine";
  files["1.block"] = "not a block's name";
  files["00000000000000000000.block.old"] = "neither";
  store_files(folder.path(), files);
  REQUIRE(log.open().ok());
  CHECK(log.all().size() == 3);
  REQUIRE(log.close().ok());
  CHECK(load_files(folder.path()) == files);
}

TEST_CASE("damage: an empty or blank block file is what a crash leaves, and is passed over") {
  TemporaryFolder folder;
  TestLog log(folder.path());
  REQUIRE(log.open().ok());
  log.fill(3);
  const Messages sent = log.all();
  log.kill();
  Files files = load_files(folder.path());
  SUBCASE("behind the log, empty") {
    files["00000000000000000005.block"] = "";
  }
  SUBCASE("behind the log, reserved") {
    files["00000000000000000005.block"] = std::string(65536, '\0');
  }
  SUBCASE("two of them") {
    files["00000000000000000004.block"] = "";
    files["00000000000000000005.block"] = std::string(100, '\0');
  }
  store_files(folder.path(), files);
  REQUIRE(log.open().ok());
  check_usable(log, sent);
  SUBCASE("alone") {
    log.kill();
    store_files(folder.path(), {{"00000000000000000000.block", ""}});
    REQUIRE(log.open().ok());
    check_usable(log, {});
  }
}

}  // namespace zbus::test
