// What a check says of a log is what a start then makes of it, and the check itself changes
// nothing.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "check_fixture.h"

namespace zbus::test {
namespace {

using Offsets = std::vector<uint64_t>;

bool is_loss(const Problem& problem) {
  const std::string_view kind = problem.kind;
  return kind == "damagedRecords" || kind == "damagedHeader" || kind == "missingBlock";
}

// What the problems say is lost, ascending.
Offsets lost_offsets(const TopicCheck& topic) {
  Offsets lost;
  for (const Problem& problem : topic.problems) {
    if (!is_loss(problem)) continue;
    for (uint64_t i = problem.offset_from; i < problem.offset_to; i++) lost.push_back(i);
  }
  std::sort(lost.begin(), lost.end());
  return lost;
}

Offsets missing_offsets(const Messages& messages, uint64_t first, uint64_t next) {
  Offsets missing;
  size_t at = 0;
  for (uint64_t offset = first; offset < next; offset++) {
    if (at < messages.size() && messages[at].offset == offset) {
      at++;
    } else {
      missing.push_back(offset);
    }
  }
  return missing;
}

// Checks the folder with these files, then opens it: the check must have said what comes of it and
// left every byte as it was.
TopicCheck check_against_start(Fixture& fixture, const Files& files, Messages* served = nullptr) {
  fixture.log.kill();
  store_files(fixture.folder, files);
  TopicCheck topic = fixture.check();
  REQUIRE(load_files(fixture.folder) == files);
  REQUIRE(fixture.log.open().ok());
  const Messages messages = fixture.log.all();
  const QueueState state = fixture.log.queue().state();
  REQUIRE(topic.log_known);
  REQUIRE(topic.first_offset == state.first_offset);
  REQUIRE(topic.next_offset == state.next_offset);
  REQUIRE(topic.lost.count() == state.lost_count);
  const Offsets missing = missing_offsets(messages, state.first_offset, state.next_offset);
  REQUIRE(lost_offsets(topic) == missing);
  const bool torn = load_files(fixture.folder).size() > files.size();
  if (torn) REQUIRE_FALSE(topic.problems.empty());
  if (served != nullptr) *served = messages;
  fixture.log.kill();
  return topic;
}

}  // namespace

TEST_CASE("check: a folder that was closed, or killed with all written, is sound") {
  Fixture fixture;
  const Messages sent = fixture.fill(3);
  SUBCASE("closed") {
    REQUIRE(fixture.log.close().ok());
  }
  SUBCASE("killed") {
    fixture.log.kill();
  }
  const TopicCheck topic = check_against_start(fixture, load_files(fixture.folder));
  CHECK(kinds(topic).empty());
  CHECK(topic.next_offset == sent.size());
  CHECK(topic.block_count == 3);
  CHECK(topic.lost.count() == 0);
}

TEST_CASE("check: the bytes it counts are those the queue counts") {
  Fixture fixture;
  fixture.fill(3);
  const uint64_t stored_bytes = fixture.log.queue().state().stored_bytes;
  fixture.log.kill();
  CHECK(fixture.check().stored_bytes == stored_bytes);
}

TEST_CASE("check: every flipped byte of every block is found, or nothing depends on it") {
  Fixture fixture;
  const Messages sent = fixture.fill(3);
  REQUIRE(fixture.log.close().ok());
  const Files files = load_files(fixture.folder);
  size_t found = 0;
  for (const std::string& name : block_names(files)) {
    const std::string& bytes = files.at(name);
    for (size_t position = 0; position < bytes.size(); position++) {
      // Between the copies of the header there is nothing: some of it will do.
      const bool sparse = position > kBlockHeaderBytes && position < kDataStart &&
                          (position < kPageBytes || position >= kPageBytes + kBlockHeaderBytes);
      if (sparse && position % 101 != 0) continue;
      INFO(name << " at " << position);
      Files flipped = files;
      flipped.at(name)[position] ^= position % 3 == 0   ? '\x01'
                                    : position % 3 == 1 ? '\x80'
                                                        : '\xff';
      Messages served;
      const TopicCheck topic = check_against_start(fixture, flipped, &served);
      if (topic.problems.empty()) {
        // Padding, or space between the headers: a start serves all and leaves the file alone.
        REQUIRE(served == sent);
        REQUIRE(files.at(name)[position] == '\0');
        continue;
      }
      found++;
      REQUIRE(topic.problems.size() == 1);
      const Problem& problem = topic.problems.front();
      REQUIRE(problem.file == name);
      REQUIRE(problem.position <= position);
      REQUIRE(position < problem.position + problem.bytes);
    }
  }
  CHECK(found > 3 * 2 * kBlockHeaderBytes);
}

TEST_CASE("check: a block cut at any byte loses what the start then misses") {
  Fixture fixture;
  fixture.fill(3);
  SUBCASE("closed") {
    REQUIRE(fixture.log.close().ok());
  }
  SUBCASE("killed") {
    fixture.log.kill();
  }
  const Files files = load_files(fixture.folder);
  for (const std::string& name : block_names(files)) {
    const size_t size = files.at(name).size();
    for (size_t end = 0; end < size; end += end < kDataStart ? 97 : 1) {
      INFO(name << " cut at " << end);
      Files cut = files;
      cut.at(name).resize(end);
      const bool last = name == block_names(files).back();
      const TopicCheck topic = check_against_start(fixture, cut);
      if (!last) REQUIRE_FALSE(topic.problems.empty());
    }
  }
}

TEST_CASE("check: a missing block is named with the offsets that it held") {
  Fixture fixture;
  fixture.fill(4);
  REQUIRE(fixture.log.close().ok());
  Files files = load_files(fixture.folder);
  const std::vector<std::string> names = block_names(files);
  uint64_t first = 0;
  uint64_t end = 0;
  REQUIRE(parse_block_name(names[1], &first));
  REQUIRE(parse_block_name(names[2], &end));
  files.erase(names[1]);
  const TopicCheck topic = check_against_start(fixture, files);
  REQUIRE(kinds(topic) == std::vector<std::string>{"orphanIndex", "missingBlock"});
  const Problem& problem = topic.problems.back();
  CHECK(problem.file == names[1]);
  CHECK(problem.offset_from == first);
  CHECK(problem.offset_to == end);
}

TEST_CASE("check: a block of another topic is found though all its checksums are right") {
  Fixture fixture;
  fixture.fill(3);
  REQUIRE(fixture.log.close().ok());
  Fixture other;
  other.fill(3);
  REQUIRE(other.log.close().ok());
  Files files = load_files(fixture.folder);
  const Files foreign = load_files(other.folder);
  const std::string name = block_names(files)[1];
  REQUIRE(foreign.contains(name));
  files.at(name) = foreign.at(name);
  const std::string index = name.substr(0, 20) + ".index";
  SUBCASE("with its index") {
    files.at(index) = foreign.at(index);
    CHECK(kinds(check_against_start(fixture, files)) == std::vector<std::string>{"foreignBlock"});
  }
  SUBCASE("without it") {
    CHECK(kinds(check_against_start(fixture, files)) ==
          std::vector<std::string>{"foreignBlock", "damagedIndex"});
  }
}

TEST_CASE("check: both headers of a block gone cost what a start counts as lost") {
  Fixture fixture;
  fixture.fill(3);
  REQUIRE(fixture.log.close().ok());
  const Files files = load_files(fixture.folder);
  for (const std::string& name : block_names(files)) {
    CAPTURE(name);
    Files damaged = files;
    damaged.at(name).replace(0, kDataStart, kDataStart, '\0');
    const TopicCheck topic = check_against_start(fixture, damaged);
    CHECK(kinds(topic) == std::vector<std::string>{"damagedHeader"});
  }
}

TEST_CASE("check: a torn tail is told from damage, and names what the start drops") {
  Fixture fixture{Options{}};
  fixture.log.fill(5);
  fixture.log.fill_unsynced(5);
  fixture.log.kill();
  Files files = load_files(fixture.folder);
  std::string& bytes = files.at(block_name(0));
  const auto zero_id = [&](uint64_t number) {
    const size_t at = bytes.find("id-" + std::to_string(number));
    bytes.replace(at - kRecordHeaderBytes, kRecordHeaderBytes, kRecordHeaderBytes, '\0');
  };
  SUBCASE("torn") {
    zero_id(6);
    const TopicCheck topic = check_against_start(fixture, files);
    REQUIRE(kinds(topic) == std::vector<std::string>{"tornTail"});
    CHECK(topic.problems[0].offset_from == 6);
    CHECK(topic.problems[0].offset_to == 10);
    CHECK(topic.lost.count() == 0);
  }
  SUBCASE("damaged and torn") {
    zero_id(2);
    zero_id(7);
    const TopicCheck topic = check_against_start(fixture, files);
    REQUIRE(kinds(topic) == std::vector<std::string>{"damagedRecords", "tornTail"});
    CHECK(lost_offsets(topic) == Offsets{2});
  }
}

TEST_CASE("check: damage in a row is one problem, as long as the records") {
  Fixture fixture{Options{}};
  fixture.log.fill(10);
  REQUIRE(fixture.log.close().ok());
  Files files = load_files(fixture.folder);
  std::string& bytes = files.at(block_name(0));
  for (const char* id : {"id-3", "id-4", "id-5"}) bytes[bytes.find(id)] ^= '\x01';
  const TopicCheck topic = check_against_start(fixture, files);
  REQUIRE(kinds(topic) == std::vector<std::string>{"damagedRecords"});
  CHECK(topic.problems[0].position == bytes.find("d-3") - 1 - kRecordHeaderBytes);
  CHECK(topic.problems[0].position + topic.problems[0].bytes ==
        bytes.find("id-6") - kRecordHeaderBytes);
  CHECK(lost_offsets(topic) == Offsets{3, 4, 5});
}

TEST_CASE("check: an empty or blank last block is one that was being made") {
  Fixture fixture;
  fixture.log.fill(3);
  fixture.log.kill();
  Files files = load_files(fixture.folder);
  SUBCASE("empty") {
    files["00000000000000000005.block"] = "";
  }
  SUBCASE("reserved, and another") {
    files["00000000000000000004.block"] = std::string(100, '\0');
    files["00000000000000000005.block"] = std::string(65536, '\0');
  }
  SUBCASE("alone") {
    files = {{"00000000000000000007.block", ""}};
  }
  const TopicCheck topic = check_against_start(fixture, files);
  for (const std::string& kind : kinds(topic)) CHECK(kind == "blankBlock");
  CHECK_FALSE(topic.problems.empty());
}

}  // namespace zbus::test
