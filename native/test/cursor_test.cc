// Positions of groups: what is stored comes back, what is damaged is noticed.
#include "cursor.h"

#include <doctest/doctest.h>

#include <functional>

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

void store(Cursor& cursor, uint64_t offset) {
  bool listed = false;
  REQUIRE(cursor.store(offset, {}, &listed).ok());
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

TEST_CASE("cursor: is clamped to the log") {
  Fixture fixture;
  CHECK(fixture.open(1000)->offset() == 20);
  fixture.reopen();
  REQUIRE(fixture.log.queue().empty().ok());
  fixture.log.fill(2);
  CHECK(fixture.open(0)->offset() == 20);
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
    store(*cursor, offset);
    cursor->flush();
  }
  fixture.log.kill();
  const Files files = load_files(fixture.folder.path());
  for (size_t slot = 0; slot < kCursorSlots; slot++) {
    for (size_t i = 0; i < kCursorHeaderBytes + 5; i++) {
      for (const char mask : {'\x01', '\x80', '\xff'}) {
        Files flipped = files;
        flipped.at("group.cursor")[slot * kCursorSlotBytes + i] ^= mask;
        store_files(fixture.folder.path(), flipped);
        REQUIRE(fixture.log.open().ok());
        const uint64_t offset = fixture.open(0)->offset();
        CAPTURE(slot);
        CAPTURE(i);
        CHECK((offset == 5 || offset == 9));
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
