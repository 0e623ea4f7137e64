// Every file call fails once: what was reported durable is there afterwards, and nothing crashes.
#include <doctest/doctest.h>

#include <cerrno>
#include <map>
#include <string>

#include "fault_vfs.h"
#include "test_log.h"

namespace zbus::test {
namespace {

// What the engine has promised.
struct Promises {
  std::map<uint64_t, Message> durable;
  std::map<uint64_t, Message> written;  // by offset; an offset dropped is given out again
  uint64_t cursor_stored_max = 0;
};

void note_durable(TestLog& log, Promises* promises) {
  const QueueState state = log.queue().state();
  for (auto& [offset, message] : promises->written) {
    if (offset < state.durable_end) promises->durable.emplace(offset, message);
  }
}

// One turn: some records staged, written, synced. Each carries a number of its own, so that one
// that was dropped is told from the one that got its offset later.
void turn(TestLog& log, Promises* promises, uint64_t* number, uint64_t count) {
  std::map<uint64_t, Message> staged;
  for (uint64_t i = 0; i < count; i++) {
    Message message = sample((*number)++);
    uint64_t offset = 0;
    if (!log.append(message, kLevelDisk, &offset).ok()) continue;
    message.offset = offset;
    staged[offset] = message;
  }
  if (log.commit().ok()) {
    for (auto& [offset, message] : staged) promises->written[offset] = message;
  }
  log.flush();
  note_durable(log, promises);
}

// A life of a queue that comes by every call the engine makes. Answers nothing: each step may
// fail, and the next is tried all the same.
void live(TestLog& log, Promises* promises) {
  uint64_t number = 0;
  for (int life = 0; life < 3; life++) {
    if (!log.open().ok()) continue;
    // Recovery hands out offsets anew from here on; what it kept is there, or was not durable.
    promises->written.erase(promises->written.lower_bound(log.queue().state().next_offset),
                            promises->written.end());
    note_durable(log, promises);
    CursorRef cursor;
    const Status opened = log.queue().open_cursor("group", "group", 0, false, &cursor);
    for (int i = 0; i < 8; i++) {
      turn(log, promises, &number, 3);
      if (!opened.ok()) continue;
      bool listed = false;
      const uint64_t position = log.queue().state().durable_end;
      if (cursor->store(position, {}, &listed).ok()) promises->cursor_stored_max = position;
      if (i % 2 == 0) cursor->flush();
    }
    Messages messages;
    static_cast<void>(log.read(&messages, 5));
    uint64_t offset = 0;
    static_cast<void>(log.queue().find_time(1010, &offset));
    if (life == 1) {
      log.kill();
    } else {
      static_cast<void>(log.close());
    }
  }
}

void check_promises(const std::string& folder, const Promises& promises) {
  TestLog log(folder, small_blocks());
  const Status opened = log.open();
  REQUIRE_MESSAGE(opened.ok(), opened.message());
  const Messages messages = log.all();
  std::map<uint64_t, Message> found;
  for (const Message& message : messages) found[message.offset] = message;
  for (const auto& entry : promises.durable) {
    const Message& promised = entry.second;
    CAPTURE(promised.offset);
    REQUIRE(found.contains(promised.offset));
    REQUIRE(found[promised.offset].id == promised.id);
    REQUIRE(found[promised.offset].tag == promised.tag);
    REQUIRE(found[promised.offset].wire == promised.wire);
  }
  // Offsets have no hole: nothing was damaged, only calls failed.
  for (size_t i = 0; i < messages.size(); i++) REQUIRE(messages[i].offset == i);
  REQUIRE(log.queue().state().lost_count == 0);
  CursorRef cursor;
  REQUIRE(log.queue().open_cursor("group", "group", 0, false, &cursor).ok());
  REQUIRE(cursor->offset() <= promises.cursor_stored_max);
  log.fill(3);
  REQUIRE(log.all().size() == messages.size() + 3);
}

enum class Fails : uint8_t { kOnce, kFromThenOn };

// Fails call after call until a life goes by in which none was left to fail.
void fail_each_call(int error, const std::function<bool(Call)>& concerns,
                    Fails fails = Fails::kOnce) {
  uint64_t failing = 0;
  for (bool reached = true; reached; failing++) {
    CAPTURE(error);
    CAPTURE(failing);
    TemporaryFolder folder;
    FaultVfs vfs;
    uint64_t calls = 0;
    reached = false;
    vfs.decide = [&](Call call, const std::string&) {
      if (!concerns(call) || calls++ < failing) return 0;
      if (reached && fails == Fails::kOnce) return 0;
      reached = true;
      return error;
    };
    Promises promises;
    {
      TestLog log(folder.path(), small_blocks(), vfs);
      live(log, &promises);
    }
    check_promises(folder.path(), promises);
    // Interrupted and short calls are no failures: nothing is refused.
    const bool harmless = !reached || error == EINTR || error == FaultVfs::kShort;
    if (harmless) REQUIRE(promises.durable.size() == 72);
  }
  MESSAGE("failed each of " << failing - 1 << " calls with " << error);
  CHECK(failing > 50);
}

bool any_call(Call) {
  return true;
}

}  // namespace

TEST_CASE("fault: any one call fails with EIO") {
  fail_each_call(EIO, any_call);
}

TEST_CASE("fault: any one call fails with ENOSPC") {
  fail_each_call(ENOSPC, [](Call call) {
    return call != Call::kRead && call != Call::kReadCached && call != Call::kUnlink;
  });
}

TEST_CASE("fault: from any one call on, every call fails") {
  fail_each_call(EIO, any_call, Fails::kFromThenOn);
}

TEST_CASE("fault: any one call is interrupted") {
  fail_each_call(EINTR, any_call);
}

TEST_CASE("fault: any one write or read is short") {
  fail_each_call(FaultVfs::kShort,
                 [](Call call) { return call == Call::kWrite || call == Call::kRead; });
}

TEST_CASE("fault: any one open finds no descriptor left") {
  for (uint64_t failing = 0; failing < 40; failing++) {
    CAPTURE(failing);
    TemporaryFolder folder;
    FaultVfs vfs;
    uint64_t opens = 0;
    vfs.decide = [&](Call call, const std::string&) {
      return call == Call::kOpen && opens++ == failing ? EMFILE : 0;
    };
    Options options = small_blocks();
    options.files_max = 1;
    Promises promises;
    TestLog log(folder.path(), options, vfs);
    live(log, &promises);
    log.kill();
    check_promises(folder.path(), promises);
  }
}

TEST_CASE("fault: interrupted and short calls are not failures") {
  TemporaryFolder folder;
  FaultVfs vfs;
  uint64_t calls = 0;
  vfs.decide = [&](Call call, const std::string&) -> int {
    calls++;
    if (calls % 3 == 0) return EINTR;
    const bool moves = call == Call::kWrite || call == Call::kRead || call == Call::kReadCached;
    return moves && calls % 3 == 1 ? FaultVfs::kShort : 0;
  };
  Promises promises;
  TestLog log(folder.path(), small_blocks(), vfs);
  live(log, &promises);
  CHECK(promises.durable.size() == 72);
}

TEST_CASE("fault: a failed sync is final, is not repeated, and is not believed") {
  TemporaryFolder folder;
  FaultVfs vfs;
  bool failed = false;
  uint64_t syncs_after = 0;
  TestLog log(folder.path(), {}, vfs);
  REQUIRE(log.open().ok());
  log.fill(3);
  vfs.decide = [&](Call call, const std::string& path) -> int {
    if (call != Call::kSync || path.find(".block") == std::string::npos) return 0;
    syncs_after += failed ? 1 : 0;
    if (failed) return 0;
    failed = true;
    return EIO;
  };
  REQUIRE(log.append(sample(3)).ok());
  REQUIRE(log.commit().ok());
  CHECK(log.queue().flush().progress);  // whoever waits hears of it
  CHECK(log.queue().progress().failed);
  CHECK(log.queue().state().durable_end == 3);
  CHECK(log.queue().state().read_only);
  CHECK(log.append(sample(4)).code() == Code::kReadOnly);
  CHECK(log.commit().code() == Code::kReadOnly);
  log.flush();
  log.flush();
  CHECK(log.queue().state().durable_end == 3);
  CHECK(log.all().size() == 4);  // what the page cache holds may be read
  CHECK(log.close().code() == Code::kReadOnly);
  CHECK(syncs_after == 0);
  REQUIRE(log.open().ok());
  log.fill(2);
  CHECK_FALSE(log.queue().state().read_only);
}

TEST_CASE("fault: a failed write drops the turn and gives its offsets out again") {
  TemporaryFolder folder;
  FaultVfs vfs;
  int error = 0;
  vfs.decide = [&](Call call, const std::string&) { return call == Call::kWrite ? error : 0; };
  TestLog log(folder.path(), {}, vfs);
  REQUIRE(log.open().ok());
  log.fill(3);
  REQUIRE(log.append(sample(100)).ok());
  REQUIRE(log.append(sample(101)).ok());
  error = ENOSPC;
  CHECK(log.commit().code() == Code::kNoSpace);
  error = 0;
  CHECK(log.queue().state().next_offset == 3);
  CHECK_FALSE(log.queue().state().read_only);
  log.fill(2);
  CHECK(log.all().size() == 5);
  CHECK(log.all()[3].id == "id-3");
  REQUIRE(log.append(sample(100)).ok());
  error = EIO;
  CHECK(log.commit().code() == Code::kIo);
  error = 0;
  CHECK(log.append(sample(5)).code() == Code::kReadOnly);
  CHECK(log.queue().flush().progress);
}

TEST_CASE("fault: whole records of a write that failed half-way do not come back") {
  TemporaryFolder folder;
  FaultVfs vfs;
  bool full = false;
  uint64_t writes = 0;
  vfs.decide = [&](Call call, const std::string&) -> int {
    if (!full || call != Call::kWrite) return 0;
    return writes++ == 0 ? FaultVfs::kShort : ENOSPC;
  };
  TestLog log(folder.path(), {}, vfs);
  REQUIRE(log.open().ok());
  log.fill(2);
  for (uint64_t i = 0; i < 6; i++) REQUIRE(log.append(sample(100 + i)).ok());
  full = true;
  CHECK(log.commit().code() == Code::kNoSpace);
  full = false;
  CHECK(writes == 2);
  log.kill();
  REQUIRE(log.open().ok());
  CHECK(log.all() == Messages{sample(0), sample(1)});
  CHECK(log.queue().state().next_offset == 2);
}

TEST_CASE("fault: a block removed while a reader opens it is passed, not an error") {
  TemporaryFolder folder;
  FaultVfs vfs;
  Options options = small_blocks();
  options.files_max = 1;
  TestLog log(folder.path(), options, vfs);
  REQUIRE(log.open().ok());
  log.fill(40);
  Reader reader(log.queue().shared_from_this(), 0, Filter());
  std::vector<uint8_t> buffer(1024);
  std::vector<ReadRow> rows(1);
  Reader::Result result;
  REQUIRE(reader.read(buffer, rows, 40, Reader::Wait::kAllowed, &result).ok());
  REQUIRE(result.next_offset == 1);
  // The one file that may stay open is now another one.
  Messages last;
  REQUIRE(log.read(&last, 39).ok());
  bool removed = false;
  vfs.decide = [&](Call call, const std::string& path) {
    if (call != Call::kOpen || removed || !path.ends_with(block_name(0))) return 0;
    removed = true;
    REQUIRE(log.queue().delete_before(39).ok());
    return 0;
  };
  REQUIRE(reader.read(buffer, rows, 40, Reader::Wait::kAllowed, &result).ok());
  CHECK(removed);
  CHECK(result.count == 1);
  CHECK(rows[0].offset == log.queue().state().first_offset);
  CHECK(log.queue().state().lost_count == 0);
}

TEST_CASE("fault: a full disk refuses appends and nothing else, and passes") {
  TemporaryFolder folder;
  FaultVfs vfs;
  bool full = false;
  vfs.decide = [&](Call call, const std::string&) {
    return full && call == Call::kReserve ? ENOSPC : 0;
  };
  TestLog log(folder.path(), small_blocks(), vfs);
  REQUIRE(log.open().ok());
  log.fill(5);
  full = true;
  uint64_t taken = 5;
  while (log.append(sample(taken)).ok()) taken++;  // what was reserved before
  REQUIRE(log.commit().ok());
  log.flush();
  CHECK(log.append(sample(taken)).code() == Code::kNoSpace);
  CHECK(log.queue().state().durable_end == taken);
  CHECK(log.all().size() == taken);
  CursorRef cursor;
  bool listed = false;
  REQUIRE(log.queue().open_cursor("g", "g", 0, false, &cursor).ok());
  CHECK(cursor->store(3, {}, &listed).ok());
  REQUIRE(log.close().ok());
  REQUIRE(log.open().ok());
  CHECK(log.append(sample(taken)).code() == Code::kNoSpace);
  full = false;
  log.fill(20);
  CHECK(log.all().size() == taken + 20);
}

TEST_CASE("fault: a torn tail on a full disk leaves the log readable") {
  TemporaryFolder folder;
  FaultVfs vfs;
  bool full = false;
  vfs.decide = [&](Call call, const std::string& path) {
    return full && call == Call::kOpen && path.find(".torn") != std::string::npos ? ENOSPC : 0;
  };
  TestLog log(folder.path(), {}, vfs);
  REQUIRE(log.open().ok());
  log.fill(3);
  log.fill_unsynced(3);
  log.kill();
  Files files = load_files(folder.path());
  std::string& bytes = files.at(block_name(0));
  bytes[bytes.find("id-4")] = '?';
  store_files(folder.path(), files);
  full = true;
  REQUIRE(log.open().ok());
  CHECK(log.all().size() == 4);
  CHECK(log.queue().state().read_only);
  CHECK(log.append(sample(4)).code() == Code::kReadOnly);
  uint64_t offset = 0;
  CHECK(log.queue().find_time(1002, &offset).ok());
  CHECK(offset == 2);
  log.kill();
  CHECK(load_files(folder.path()) == files);
  full = false;
  REQUIRE(log.open().ok());
  log.fill(1);
  CHECK(log.all().size() == 5);
}

}  // namespace zbus::test
