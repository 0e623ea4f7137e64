// What retention may delete and what it leaves: by bytes, by age, and the last block.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include "fault_vfs.h"
#include "test_log.h"

namespace zbus::test {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kNoLimit = UINT64_MAX;

// What the folder's blocks and indexes take, as the file system counts it.
uint64_t disk_bytes(const std::string& folder) {
  uint64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string extension = entry.path().extension().string();
    if (extension != ".block" && extension != ".index") continue;
    struct stat status {};
    REQUIRE(::stat(entry.path().c_str(), &status) == 0);
    bytes += static_cast<uint64_t>(status.st_blocks) * 512;
  }
  return bytes;
}

uint64_t file_bytes_max(const std::string& folder) {
  uint64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".block") bytes = std::max(bytes, entry.file_size());
  }
  return bytes;
}

std::vector<uint64_t> first_offsets(const std::string& folder) {
  std::vector<uint64_t> offsets;
  for (const std::string& name : block_names(load_files(folder))) {
    uint64_t offset = 0;
    REQUIRE(parse_block_name(name, &offset));
    offsets.push_back(offset);
  }
  return offsets;
}

// Samples have the time 1000 + offset: the first of the blocks with a record not below `before_ms`.
uint64_t kept_by_age(const std::vector<uint64_t>& firsts, uint64_t end, uint64_t before_ms) {
  for (size_t i = 0; i < firsts.size(); i++) {
    const uint64_t block_end = i + 1 < firsts.size() ? firsts[i + 1] : end;
    if (1000 + block_end - 1 >= before_ms) return firsts[i];
  }
  return end;
}

Message large(uint64_t number, size_t bytes) {
  Message message = sample(number);
  message.wire = std::string(bytes, static_cast<char>('a' + number % 26));
  return message;
}

}  // namespace

TEST_CASE("retention: by age, blocks go of which every record is older, the last one too") {
  TemporaryFolder folder;
  TestLog log(folder.path(), small_blocks());
  REQUIRE(log.open().ok());
  CHECK(log.queue().retain_from(kNoLimit, kNoLimit) == 0);  // nothing there
  log.fill(60);
  const std::vector<uint64_t> firsts = first_offsets(folder.path());
  REQUIRE(firsts.size() >= 4);
  const auto check = [&] {
    for (uint64_t before_ms = 995; before_ms < 1070; before_ms++) {
      CAPTURE(before_ms);
      CHECK(log.queue().retain_from(kNoLimit, before_ms) == kept_by_age(firsts, 60, before_ms));
    }
    CHECK(log.queue().retain_from(kNoLimit, 0) == 0);
  };
  check();
  SUBCASE("after a kill") {
    log.kill();
  }
  SUBCASE("after a clean close") {
    REQUIRE(log.close().ok());
  }
  REQUIRE(log.open().ok());
  check();
}

TEST_CASE("retention: by age, a block whose seal cannot be read is as young as the next one") {
  TemporaryFolder folder;
  TestLog log(folder.path(), small_blocks());
  REQUIRE(log.open().ok());
  log.fill(60);
  const std::vector<uint64_t> firsts = first_offsets(folder.path());
  REQUIRE(log.close().ok());
  Files files = load_files(folder.path());
  std::string& bytes = files.at(block_name(firsts[1]));
  bytes[bytes.size() - 40] ^= 1;
  store_files(folder.path(), files);
  REQUIRE(log.open().ok());
  const uint64_t newest_ms = 1000 + firsts[3] - 1;  // of the third block
  CHECK(log.queue().retain_from(kNoLimit, newest_ms) == firsts[1]);
  CHECK(log.queue().retain_from(kNoLimit, newest_ms + 1) == firsts[3]);
}

TEST_CASE("retention: by bytes, no more goes than must, and the last block never") {
  TemporaryFolder folder;
  TestLog log(folder.path(), small_blocks());
  REQUIRE(log.open().ok());
  log.fill(60);
  const std::vector<uint64_t> firsts = first_offsets(folder.path());
  // Each block has less than three pages, and an index in one.
  const uint64_t block_bytes = 16384;
  const std::string last = load_files(folder.path()).at(block_name(firsts.back()));
  const bool half_full = last.find("id-59") > small_blocks().block_bytes / 2;
  const uint64_t growing = half_full ? 2 : 1;
  for (uint64_t bytes = 0; bytes <= (firsts.size() + 2) * block_bytes; bytes += 512) {
    CAPTURE(bytes);
    const uint64_t room = bytes / block_bytes;
    const uint64_t kept = room > growing ? room - growing : 0;
    const size_t sealed = firsts.size() - 1;
    CHECK(log.queue().retain_from(bytes, 0) == firsts[sealed - std::min<size_t>(kept, sealed)]);
  }
  CHECK(log.queue().retain_from(0, 1001 + 59) == 60);  // by age it goes
  const uint64_t offset = log.queue().retain_from(4 * block_bytes, 0);
  REQUIRE(log.queue().delete_before(offset).ok());
  CHECK(log.queue().retain_from(4 * block_bytes, 0) == offset);
  CHECK(disk_bytes(folder.path()) <= 4 * block_bytes);
}

TEST_CASE("retention: the last block goes when every record of it does, and offsets go on") {
  TemporaryFolder folder;
  TestLog log(folder.path(), small_blocks());
  REQUIRE(log.open().ok());
  log.fill(30);
  REQUIRE(log.queue().delete_before(29).ok());
  CHECK(log.all().back() == sample(29));  // it holds one that stays
  REQUIRE(log.queue().delete_before(30).ok());
  CHECK(log.queue().state().first_offset == 30);
  CHECK(log.queue().state().next_offset == 30);
  CHECK(log.all().empty());
  CHECK(log.queue().retain_from(kNoLimit, kNoLimit) == 30);
  const Files files = load_files(folder.path());
  CHECK(block_names(files) == std::vector<std::string>{block_name(30)});
  REQUIRE(log.queue().delete_before(kNoLimit).ok());  // it holds no record now
  CHECK(load_files(folder.path()) == files);
  SUBCASE("at once") {}
  SUBCASE("after a kill") {
    log.kill();
    REQUIRE(log.open().ok());
  }
  SUBCASE("after a clean close") {
    REQUIRE(log.close().ok());
    REQUIRE(log.open().ok());
  }
  CHECK(log.queue().state().next_offset == 30);
  REQUIRE(log.append({30, 5, "id", "tag", "wire"}).ok());
  REQUIRE(log.commit().ok());
  CHECK(log.all() == Messages{{30, 1029, "id", "tag", "wire"}});
  CHECK(log.queue().state().lost_count == 0);
}

TEST_CASE("retention: a staged record counts as one of the last block") {
  TemporaryFolder folder;
  TestLog log(folder.path());
  REQUIRE(log.open().ok());
  log.fill(5);
  REQUIRE(log.append(sample(5)).ok());
  REQUIRE(log.queue().delete_before(5).ok());
  CHECK(log.queue().state().first_offset == 0);
  static_cast<void>(log.queue().context().flusher.take_progress());
  REQUIRE(log.queue().delete_before(6).ok());
  CHECK(log.queue().state().first_offset == 6);
  CHECK(log.queue().state().durable_end == 6);
  // Whoever waits for the record hears that it was synced.
  CHECK(log.queue().context().flusher.take_progress().size() == 1);
  log.fill(2);
  CHECK(log.all().front().offset == 6);
}

TEST_CASE("retention: emptied while a producer waits for a sync, the producer is told") {
  TemporaryFolder folder;
  TestLog log(folder.path());
  REQUIRE(log.open().ok());
  REQUIRE(log.append(sample(0), kLevelDisk).ok());
  REQUIRE(log.commit().ok());
  static_cast<void>(log.queue().context().flusher.take_progress());
  REQUIRE(log.queue().empty().ok());
  CHECK(log.queue().context().flusher.take_progress().size() == 1);
  CHECK(log.queue().progress().durable_end == 1);
}

TEST_CASE("retention: the last block needs no room to go") {
  TemporaryFolder folder;
  FaultVfs vfs;
  bool full = false;
  bool no_files = false;
  vfs.decide = [&](Call call, const std::string&) {
    if (full && call == Call::kReserve) return ENOSPC;
    return no_files && call == Call::kOpen ? ENOSPC : 0;
  };
  TestLog log(folder.path(), small_blocks(), vfs);
  REQUIRE(log.open().ok());
  log.fill(30);
  full = true;
  REQUIRE(log.queue().delete_before(30).ok());
  CHECK(log.queue().state().first_offset == 30);
  CHECK(log.append(sample(30)).code() == Code::kNoSpace);
  full = false;
  log.fill(30);
  // Where not even a file can be made the last block stays, and what is before it goes.
  no_files = true;
  REQUIRE(log.queue().delete_before(60).ok());
  CHECK(log.queue().state().first_offset == first_offsets(folder.path()).back());
  CHECK(log.all().back() == sample(59));
  no_files = false;
  REQUIRE(log.queue().delete_before(60).ok());
  CHECK(log.queue().state().first_offset == 60);
  CHECK_FALSE(log.queue().state().read_only);
}

TEST_CASE("retention: a quiet topic that was emptied by it keeps no file open, and little disk") {
  TemporaryFolder folder;
  Options options;
  options.files_max = 0;
  TestLog log(folder.path(), options);
  REQUIRE(log.open().ok());
  log.fill(5);
  REQUIRE(log.queue().delete_before(5).ok());
  size_t open = 0;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string target = fs::read_symlink(entry.path(), gone).string();
    open += target.starts_with(folder.path()) ? 1 : 0;
  }
  CHECK(open == 0);
  CHECK(disk_bytes(folder.path()) <= kDataStart);
}

TEST_CASE("retention: the old block is removed after the new one is on the disk") {
  TemporaryFolder folder;
  FaultVfs vfs;
  std::vector<std::string> calls;
  vfs.decide = [&](Call call, const std::string& path) {
    const std::string name = path.substr(path.rfind('/') + 1);
    if (name == block_name(5) && call == Call::kOpen) calls.push_back("open new");
    if (name == block_name(5) && call == Call::kSync) calls.push_back("sync new");
    if (name == block_name(0) && call == Call::kSync) calls.push_back("sync old");
    if (name == block_name(0) && call == Call::kUnlink) calls.push_back("remove old");
    if (call == Call::kSyncFolder) calls.push_back("sync folder");
    return 0;
  };
  TestLog log(folder.path(), {}, vfs);
  REQUIRE(log.open().ok());
  log.fill(5);
  calls.clear();
  REQUIRE(log.queue().delete_before(5).ok());
  CHECK(calls == std::vector<std::string>{"open new", "sync old", "sync new", "sync folder",
                                          "remove old", "sync folder"});
}

// One record is appended to thirty, and all but `keep` of them are given up, while the call number
// `failing` fails; false when there were fewer calls.
bool fail_one_call(uint64_t failing, int error, uint64_t keep) {
  CAPTURE(error);
  CAPTURE(failing);
  CAPTURE(keep);
  TemporaryFolder folder;
  FaultVfs vfs;
  TestLog log(folder.path(), small_blocks(), vfs);
  REQUIRE(log.open().ok());
  log.fill(30);
  uint64_t calls = 0;
  vfs.decide = [&](Call, const std::string&) { return calls++ == failing ? error : 0; };
  static_cast<void>(log.append(sample(30)));
  const uint64_t end = log.queue().state().next_offset;
  static_cast<void>(log.queue().delete_before(end - keep));
  log.flush();
  const uint64_t durable = log.queue().state().durable_end;
  log.kill();
  vfs.decide = nullptr;
  REQUIRE(log.open().ok());
  const QueueState state = log.queue().state();
  CHECK(state.next_offset >= durable);
  CHECK(state.lost_count == 0);
  CHECK(state.first_offset <= std::max(durable, end) - keep);
  const Messages messages = log.all();
  CHECK(messages.size() == state.next_offset - state.first_offset);
  for (size_t i = 0; i < messages.size(); i++) {
    CHECK(messages[i] == sample(state.first_offset + i));
  }
  log.fill(2);
  return calls > failing;
}

TEST_CASE("retention: with any one call failing, no record to be kept is lost or numbered anew") {
  for (const int error : {EIO, ENOSPC, EMFILE}) {
    for (const uint64_t keep : {0, 1, 10}) {
      uint64_t failing = 0;
      while (fail_one_call(failing, error, keep)) failing++;
      CHECK(failing >= (keep == 0 ? 13 : 3));
    }
  }
}

TEST_CASE("retention: blocks and what is reserved stay within the limit from the next append on") {
  TemporaryFolder folder;
  Options options;
  options.block_bytes = uint64_t{8} << 20;
  TestLog log(folder.path(), options);
  REQUIRE(log.open().ok());
  uint64_t number = 0;
  const auto fill = [&](uint64_t count, size_t bytes) {
    for (uint64_t i = 0; i < count; i++, number++) {
      REQUIRE(log.append(large(number, bytes), 1).ok());
      REQUIRE(log.commit().ok());
      log.flush();
    }
  };
  fill(100, 2000);
  REQUIRE(file_bytes_max(folder.path()) > 300'000);  // reserved ahead
  log.queue().limit_blocks(1);                       // raised to 64 KiB
  CHECK(file_bytes_max(folder.path()) < 215'000);    // and given back
  fill(1, 100);
  const uint64_t rolled = first_offsets(folder.path()).back();
  CHECK(rolled == 100);
  fill(500, 1000);
  const std::vector<uint64_t> firsts = first_offsets(folder.path());
  CHECK(firsts.size() >= 9);
  for (const auto& [name, bytes] : load_files(folder.path())) {
    if (name.ends_with(".block") && name != block_name(0)) CHECK(bytes.size() <= 61'440);
  }
  fill(1, 200'000);  // one that fits in no block has one for itself
  fill(1, 100);
  CHECK(first_offsets(folder.path()).back() == number - 1);
  log.queue().limit_blocks(kNoLimit);
  fill(200, 1000);
  CHECK(first_offsets(folder.path()).back() == number - 201);
  Messages messages;
  REQUIRE(log.read(&messages).ok());
  CHECK(messages.size() == number);
}

TEST_CASE("retention: called for each half block, it holds the bound on disk at every moment") {
  TemporaryFolder folder;
  TestLog log(folder.path());
  REQUIRE(log.open().ok());
  const uint64_t bytes_max = uint64_t{1} << 20;
  log.queue().limit_blocks(bytes_max / 8);
  uint64_t number = 0;
  uint64_t since = 0;
  uint64_t peak = 0;
  for (uint64_t appended = 0; appended < 50 * bytes_max;) {
    const size_t bytes = 100 + number * 7919 % 9000;
    number++;
    REQUIRE(log.append(large(number, bytes), number % 3 == 0 ? kLevelDisk : 1).ok());
    appended += bytes;
    since += record_bytes(static_cast<uint32_t>(bytes) + 30);
    REQUIRE(log.commit().ok());
    if (number % 4 == 0) log.flush();
    peak = std::max(peak, disk_bytes(folder.path()));
    if (since < bytes_max / 8 / 2 - 10'000) continue;
    since = 0;
    REQUIRE(log.queue().delete_before(log.queue().retain_from(bytes_max, 0)).ok());
  }
  CHECK(peak <= bytes_max);
  CHECK(peak >= bytes_max * 3 / 4);  // it does not hold by keeping nothing
  const QueueState state = log.queue().state();
  CHECK(log.all().size() == state.written_end - state.first_offset);
  CHECK(state.lost_count == 0);
}

}  // namespace zbus::test
