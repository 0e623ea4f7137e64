// Positions of groups: what is stored comes back, what is damaged is noticed.
#include "cursor.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <functional>
#include <string_view>

#include "fault_vfs.h"
#include "test_log.h"

namespace zbus::test {
namespace {

struct Fixture {
  TemporaryFolder folder;
  TestLog log{folder.path()};

  Fixture() {
    REQUIRE(log.open().ok());
    log.fill(20);
  }

  CursorRef open(uint64_t start, const std::string& name = "Group", bool create = false) {
    CursorRef cursor;
    const Status status = log.queue().open_cursor("group", name, start, create, &cursor);
    REQUIRE_MESSAGE(status.ok(), status.message());
    return cursor;
  }

  void reopen() {
    log.kill();
    REQUIRE(log.open().ok());
  }

  // The slot of the file with the higher generation, after `change` was done to every byte string.
  void damage(const std::function<void(std::string*)>& change) {
    log.kill();
    Files files = load_files(folder.path());
    change(&files.at("group.cursor"));
    store_files(folder.path(), files);
    REQUIRE(log.open().ok());
  }
};

void store(Cursor& cursor, uint64_t offset, std::string_view detail = {}) {
  bool listed = false;
  REQUIRE(cursor.store(offset, detail, &listed).ok());
}

// The slot as versions without a detail wrote it.
std::string slot_without_detail(uint64_t log_id, uint64_t floor, const std::string& name) {
  std::string slot(48, '\0');
  const auto bytes = reinterpret_cast<uint8_t*>(slot.data());
  slot.replace(0, 8, "zbuscur1");
  zbus::store<uint32_t>(bytes + 12, 1);
  zbus::store<uint64_t>(bytes + 16, 7);
  zbus::store<uint64_t>(bytes + 24, log_id);
  zbus::store<uint64_t>(bytes + 32, floor);
  zbus::store<uint16_t>(bytes + 40, static_cast<uint16_t>(name.size()));
  slot += name;
  const auto whole = reinterpret_cast<uint8_t*>(slot.data());
  zbus::store<uint32_t>(whole + 8, crc32c(0, whole + 12, slot.size() - 12));
  return slot + std::string(3 * 4096 - slot.size(), '\0');
}

}  // namespace

TEST_CASE("cursor: made at the start, it comes back where it was stored last") {
  Fixture fixture;
  CursorRef cursor = fixture.open(3);
  CHECK(cursor->offset() == 3);
  for (uint64_t offset = 4; offset < 15; offset++) {
    store(*cursor, offset);
    if (offset % 3 == 0) cursor->flush();
  }
  fixture.reopen();
  CHECK(fixture.open(0)->offset() == 14);
  std::vector<std::string> names;
  REQUIRE(fixture.log.queue().list_cursors(&names).ok());
  CHECK(names == std::vector<std::string>{"Group"});
}

TEST_CASE("cursor: may move back, and is the same object for every opener") {
  Fixture fixture;
  CursorRef cursor = fixture.open(10);
  store(*cursor, 5);
  CHECK(fixture.open(0) == cursor);
  fixture.reopen();
  CHECK(fixture.open(0)->offset() == 5);
}

TEST_CASE("cursor: its start is clamped to the log") {
  Fixture fixture;
  CHECK(fixture.open(1000)->offset() == 20);
  REQUIRE(fixture.log.queue().empty().ok());
  fixture.log.fill(2);
  CHECK(fixture.open(0, "Group", true)->offset() == 20);
}

TEST_CASE("cursor: below the first record kept it comes back as it was stored") {
  Fixture fixture;
  store(*fixture.open(0), 4, "ranges");
  REQUIRE(fixture.log.queue().empty().ok());
  fixture.reopen();
  CHECK(fixture.open(0)->offset() == 4);
  CHECK(fixture.open(0)->detail() == "ranges");
}

TEST_CASE("cursor: above the log's end it is at the end without a detail, and stays there") {
  Fixture fixture;
  CursorRef cursor = fixture.open(0);
  store(*cursor, 100, "of messages that are gone");
  cursor->flush();
  cursor.reset();
  fixture.reopen();
  CHECK(fixture.open(0)->offset() == 20);
  CHECK(fixture.open(0)->detail().empty());
  // Nothing is stored by its owner, and others get the offsets from 20 on.
  fixture.log.fill(5);
  fixture.reopen();
  CHECK(fixture.open(0)->offset() == 20);
  CHECK(fixture.open(0)->detail().empty());
}

TEST_CASE("cursor: the detail comes back with its offset, whatever its bytes and length") {
  Fixture fixture;
  const std::string name(kCursorNameBytesMax, 'n');
  CursorRef cursor = fixture.open(1, name);
  CHECK(cursor->detail().empty());
  std::string detail;
  for (size_t length : {3, 0, 1, 300, 299, 3024, 2}) {
    detail.clear();
    for (size_t i = 0; i < length; i++) detail += static_cast<char>(length - i);
    store(*cursor, length % 20, detail);
    if (length % 2 == 0) cursor->flush();
    CHECK(cursor->detail() == detail);
    cursor.reset();
    fixture.reopen();
    cursor = fixture.open(1, name);
    CHECK(cursor->offset() == length % 20);
    CHECK(cursor->detail() == detail);
  }
}

TEST_CASE("cursor: a detail too long is refused and nothing of it stored") {
  Fixture fixture;
  CursorRef cursor = fixture.open(1);
  store(*cursor, 2, "before");
  bool listed = false;
  const std::string detail(kCursorDetailBytesMax + 1, 'x');
  CHECK(cursor->store(3, detail, &listed).code() == Code::kInvalid);
  CHECK(cursor->offset() == 2);
  CHECK(cursor->detail() == "before");
}

TEST_CASE("cursor: only what is unchanged in both is not written again") {
  TemporaryFolder folder;
  FaultVfs vfs;
  uint64_t writes = 0;
  int error = 0;
  vfs.decide = [&](Call call, const std::string&) {
    writes += call == Call::kWrite ? 1 : 0;
    return call == Call::kWrite ? error : 0;
  };
  TestLog log(folder.path(), {}, vfs);
  REQUIRE(log.open().ok());
  log.fill(20);
  CursorRef cursor;
  REQUIRE(log.queue().open_cursor("g", "g", 0, true, &cursor).ok());
  const auto writes_of = [&](uint64_t offset, std::string_view detail) {
    const uint64_t before = writes;
    store(*cursor, offset, detail);
    return writes - before;
  };
  CHECK(writes_of(1, "a") == 1);
  CHECK(writes_of(1, "a") == 0);
  CHECK(writes_of(1, "b") == 1);
  CHECK(writes_of(2, "b") == 1);
  CHECK(writes_of(2, "") == 1);
  CHECK(writes_of(2, "") == 0);
  // A failed write is no store: the same position is written when it comes again.
  error = EIO;
  bool listed = false;
  CHECK_FALSE(cursor->store(3, "c", &listed).ok());
  error = 0;
  CHECK(writes_of(3, "c") == 1);
}

TEST_CASE("cursor: a file from before there were details is read, and may get one") {
  Fixture fixture;
  fixture.open(1);
  std::string bytes = load_files(fixture.folder.path()).at("group.cursor");
  const auto log_id = load<uint64_t>(reinterpret_cast<const uint8_t*>(bytes.data()) + 24);
  fixture.damage([&](std::string* file) { *file = slot_without_detail(log_id, 9, "Group"); });
  CursorRef cursor = fixture.open(0);
  CHECK(cursor->offset() == 9);
  CHECK(cursor->detail().empty());
  store(*cursor, 9, "new");
  cursor.reset();
  fixture.reopen();
  CHECK(fixture.open(0)->offset() == 9);
  CHECK(fixture.open(0)->detail() == "new");
}

TEST_CASE("cursor: create starts it anew") {
  Fixture fixture;
  CursorRef old = fixture.open(10);
  CHECK(fixture.open(2, "Group", true)->offset() == 2);
  bool listed = false;
  CHECK(old->store(11, {}, &listed).code() == Code::kClosed);
  fixture.reopen();
  CHECK(fixture.open(0)->offset() == 2);
}

TEST_CASE("cursor: removed, it starts anew and its handle is closed") {
  Fixture fixture;
  CursorRef cursor = fixture.open(10);
  REQUIRE(fixture.log.queue().remove_cursor("group").ok());
  bool listed = false;
  CHECK(cursor->store(11, {}, &listed).code() == Code::kClosed);
  CHECK(fixture.open(4)->offset() == 4);
}

TEST_CASE("cursor: the durable slot is not overwritten before another one is synced") {
  Fixture fixture;
  CursorRef cursor = fixture.open(1);
  store(*cursor, 2);
  cursor->flush();  // 2 is durable
  const std::string durable = load_files(fixture.folder.path()).at("group.cursor");
  store(*cursor, 3);
  store(*cursor, 4);
  const std::string stored = load_files(fixture.folder.path()).at("group.cursor");
  size_t changed = 0;
  for (size_t slot = 0; slot < kCursorSlots; slot++) {
    const size_t at = slot * kCursorSlotBytes;
    changed += durable.compare(at, kCursorSlotBytes, stored, at, kCursorSlotBytes) != 0 ? 1 : 0;
  }
  CHECK(changed == 1);
}

TEST_CASE("cursor: with any byte of a slot flipped, an older or the stored position is used") {
  Fixture fixture;
  CursorRef cursor = fixture.open(1);
  for (const uint64_t offset : {5, 9}) {
    store(*cursor, offset, "detail of " + std::to_string(offset));
    cursor->flush();
  }
  fixture.log.kill();
  const Files files = load_files(fixture.folder.path());
  for (size_t slot = 0; slot < kCursorSlots; slot++) {
    for (size_t i = 0; i < kCursorHeaderBytes + 5 + 11; i++) {
      for (const char mask : {'\x01', '\x80', '\xff'}) {
        Files flipped = files;
        flipped.at("group.cursor")[slot * kCursorSlotBytes + i] ^= mask;
        store_files(fixture.folder.path(), flipped);
        REQUIRE(fixture.log.open().ok());
        cursor = fixture.open(0);
        const uint64_t offset = cursor->offset();
        CAPTURE(slot);
        CAPTURE(i);
        CHECK((offset == 5 || offset == 9));
        CHECK(cursor->detail() == "detail of " + std::to_string(offset));
        cursor.reset();
        fixture.log.kill();
      }
    }
  }
}

TEST_CASE("cursor: absent, cut or zeroed, it is made at the start and the old file is kept") {
  Fixture fixture;
  store(*fixture.open(1), 7);
  SUBCASE("cut to nothing") {
    fixture.damage([](std::string* bytes) { bytes->clear(); });
  }
  SUBCASE("cut within the first slot") {
    fixture.damage([](std::string* bytes) { bytes->resize(40); });
  }
  SUBCASE("both slots damaged") {
    fixture.damage([](std::string* bytes) { (*bytes)[20] ^= 1, (*bytes)[4096 + 20] ^= 1; });
  }
  CHECK(fixture.open(3)->offset() == 3);
  CHECK(load_files(fixture.folder.path()).contains("group.cursor.bad"));
}

TEST_CASE("cursor: a file of another group, or of another topic, is not believed") {
  Fixture fixture;
  store(*fixture.open(1), 7);
  fixture.reopen();
  CHECK(fixture.open(2, "Other")->offset() == 2);
  Fixture other;
  other.log.kill();
  fixture.log.kill();
  Files files = load_files(fixture.folder.path());
  files["group.cursor"] = load_files(fixture.folder.path()).at("group.cursor.bad");
  Files foreign = load_files(other.folder.path());
  foreign["group.cursor"] = files["group.cursor"];
  store_files(other.folder.path(), foreign);
  REQUIRE(other.log.open().ok());
  CHECK(other.open(4)->offset() == 4);
}

TEST_CASE("cursor: names that leave the folder are refused") {
  Fixture fixture;
  CursorRef cursor;
  for (const char* file : {"", ".hidden", "a/b", ".."}) {
    CHECK(fixture.log.queue().open_cursor(file, "g", 0, false, &cursor).code() == Code::kInvalid);
  }
  const std::string long_name(300, 'n');
  CHECK(fixture.log.queue().open_cursor(long_name, "g", 0, false, &cursor).code() ==
        Code::kInvalid);
}

}  // namespace zbus::test
