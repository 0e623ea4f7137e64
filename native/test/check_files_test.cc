// What a check says of the files beside the blocks, whom it keeps out, and that it changes nothing.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "check_fixture.h"
#include "definition.h"
#include "engine.h"
#include "fault_vfs.h"

namespace zbus::test {

TEST_CASE("check: an index absent, cut, flipped or of another block is found, and repaired") {
  Options options;
  options.block_bytes = 64 << 10;
  Fixture fixture(options);
  while (block_names(load_files(fixture.folder)).size() < 3) fixture.log.fill(50);
  REQUIRE(fixture.log.close().ok());
  const Files files = load_files(fixture.folder);
  const auto index_of = [&](size_t i) { return block_names(files)[i].substr(0, 20) + ".index"; };
  const std::string name = index_of(1);
  const std::string index = files.at(name);
  REQUIRE(index.size() > kIndexHeaderBytes + 3 * kIndexEntryBytes);
  std::vector<std::pair<std::string, Files>> damages;
  const auto damage = [&](const char* kind) -> Files& {
    return damages.emplace_back(kind, files).second;
  };
  for (size_t i = 0; i < index.size(); i++) {
    damage("damagedIndex").at(name)[i] ^= '\x11';
    damage("damagedIndex").at(name).resize(i);
  }
  damage("missingIndex").erase(name);
  damage("damagedIndex").at(name) = files.at(index_of(0));
  for (const auto& [kind, damaged] : damages) {
    store_files(fixture.folder, damaged);
    TopicCheck topic = fixture.check();
    REQUIRE(kinds(topic) == std::vector<std::string>{kind});
    REQUIRE(topic.problems[0].file == name);
    REQUIRE_FALSE(topic.problems[0].repaired);
    REQUIRE(load_files(fixture.folder) == damaged);
    topic = fixture.check(Repair::kIndexes);
    REQUIRE(topic.problems.at(0).repaired);
    REQUIRE(load_files(fixture.folder) == files);
    REQUIRE(kinds(fixture.check()).empty());
  }
}

TEST_CASE("check: an index that is whole and says other than its block is found, and repaired") {
  Fixture fixture;
  fixture.fill(3);
  REQUIRE(fixture.log.close().ok());
  const Files files = load_files(fixture.folder);
  const Block block(0, fixture.folder, 0);
  Disk disk(posix_vfs());
  BlockHeader header;
  const auto bytes = reinterpret_cast<const uint8_t*>(files.at(block_name(0)).data());
  REQUIRE(decode_block_header(bytes, &header));
  REQUIRE(write_index(disk, block, header.salt, {{1, kDataStart, 1001}}).ok());
  CHECK(kinds(fixture.check()) == std::vector<std::string>{"wrongIndex"});
  CHECK(fixture.check(Repair::kIndexes).problems.at(0).repaired);
  CHECK(load_files(fixture.folder) == files);
}

TEST_CASE("check: repair touches indexes alone, however damaged the rest is") {
  Fixture fixture;
  fixture.fill(3);
  CursorRef cursor;
  REQUIRE(fixture.log.queue().open_cursor("g", "g", 2, true, &cursor).ok());
  REQUIRE(fixture.log.close().ok());
  Files files = load_files(fixture.folder);
  files.at(block_name(0))[kDataStart + 50] ^= '\x01';
  files.at("g.cursor")[20] ^= '\x01';
  files.at(block_names(files).back()) += "torn";
  Files damaged = files;
  damaged.erase("00000000000000000000.index");
  store_files(fixture.folder, damaged);
  const TopicCheck topic = fixture.check(Repair::kIndexes);
  CHECK(topic.problems.size() == 3);
  Files repaired = load_files(fixture.folder);
  CHECK(repaired.erase("00000000000000000000.index") == 1);
  CHECK(repaired == damaged);
}

TEST_CASE("check: each flipped byte of a cursor is found, or nothing depends on it") {
  Fixture fixture;
  fixture.fill(1);
  CursorRef cursor;
  bool listed = false;
  REQUIRE(fixture.log.queue().open_cursor("g", "group", 0, true, &cursor).ok());
  for (const uint64_t offset : {1, 2}) {
    REQUIRE(cursor->store(offset, "detail", &listed).ok());
    static_cast<void>(cursor->flush());
  }
  cursor.reset();
  REQUIRE(fixture.log.close().ok());
  const Files files = load_files(fixture.folder);
  const std::string& bytes = files.at("g.cursor");
  REQUIRE(bytes.size() == kCursorSlots * kCursorSlotBytes);
  for (size_t position = 0; position < bytes.size(); position++) {
    CAPTURE(position);
    Files flipped = files;
    flipped.at("g.cursor")[position] ^= '\x04';
    store_files(fixture.folder, flipped);
    const TopicCheck topic = fixture.check();
    const CursorCheck& found = topic.cursors.at(0);
    const size_t slot = position / kCursorSlotBytes;
    // The first slot has no detail.
    const size_t used = kCursorHeaderBytes + 5 + (slot == 0 ? 0 : 6);
    REQUIRE(found.stored.slots_damaged == (position % kCursorSlotBytes < used ? 1 : 0));
    REQUIRE(found.stored.valid);
    REQUIRE(found.stored.newest.floor == (found.stored.slots_damaged == 1 && slot == 2 ? 1 : 2));
    REQUIRE_FALSE(found.foreign);
    REQUIRE(load_files(fixture.folder) == flipped);
  }
  Files damaged = files;
  for (size_t i = 0; i < kCursorSlots; i++) damaged.at("g.cursor")[i * kCursorSlotBytes] ^= '\x04';
  store_files(fixture.folder, damaged);
  CHECK_FALSE(fixture.check().cursors.at(0).stored.valid);
}

TEST_CASE("check: a cursor of another topic is foreign") {
  Fixture fixture;
  fixture.fill(1);
  REQUIRE(fixture.log.close().ok());
  Fixture other;
  other.fill(1);
  CursorRef cursor;
  REQUIRE(other.log.queue().open_cursor("g", "g", 1, true, &cursor).ok());
  cursor.reset();
  REQUIRE(other.log.close().ok());
  Files files = load_files(fixture.folder);
  files["g.cursor"] = load_files(other.folder).at("g.cursor");
  store_files(fixture.folder, files);
  CHECK(fixture.check().cursors.at(0).foreign);
  CHECK_FALSE(other.check().cursors.at(0).foreign);
}

TEST_CASE("check: each flipped byte of a definition is found") {
  Fixture fixture;
  fixture.log.kill();
  const std::string sound = encode_definition(R"({"topicName":"t"})");
  Files files = load_files(fixture.folder);
  files[kDefinitionName] = sound;
  store_files(fixture.folder, files);
  CHECK(fixture.check().definition == R"({"topicName":"t"})");
  for (size_t i = 0; i < sound.size(); i++) {
    files[kDefinitionName] = sound;
    files[kDefinitionName][i] ^= '\x02';
    store_files(fixture.folder, files);
    REQUIRE_FALSE(fixture.check().definition_found);
  }
  files.erase(kDefinitionName);
  store_files(fixture.folder, files);
  CHECK_FALSE(fixture.check().definition_found);
}

TEST_CASE("check: links and pipes are told of and never opened") {
  Fixture fixture;
  fixture.fill(3);
  REQUIRE(fixture.log.close().ok());
  const std::string name = block_names(load_files(fixture.folder))[1];
  const std::string path = fixture.folder + "/" + name;
  REQUIRE(::rename(path.c_str(), (fixture.data.path() + "/away").c_str()) == 0);
  REQUIRE(::symlink("../away", path.c_str()) == 0);
  REQUIRE(::mkfifo((fixture.folder + "/g.cursor").c_str(), 0600) == 0);
  REQUIRE(::mkfifo((fixture.folder + "/" + kDefinitionName).c_str(), 0600) == 0);
  const TopicCheck topic = fixture.check();
  size_t special = 0;
  for (const FileCheck& file : topic.files) special += !file.folder && !file.regular ? 1 : 0;
  CHECK(special == 3);
  CHECK(topic.cursors.empty());
  CHECK_FALSE(topic.definition_found);
  // A start passes over the link: what it leads to is not there.
  CHECK(kinds(topic).back() == "missingBlock");
}

TEST_CASE("check: a file that cannot be read is a problem, and the rest is checked") {
  Fixture fixture;
  const Messages sent = fixture.fill(3);
  REQUIRE(fixture.log.close().ok());
  const std::string name = block_names(load_files(fixture.folder))[1];
  FaultVfs vfs;
  SUBCASE("at its headers") {
    vfs.decide = [&](Call call, const std::string& path) {
      return call == Call::kRead && path.ends_with(name) ? EIO : 0;
    };
  }
  SUBCASE("behind them") {
    size_t reads = 0;
    vfs.decide = [&, reads](Call call, const std::string& path) mutable {
      return call == Call::kRead && path.ends_with(name) && ++reads > 2 ? EIO : 0;
    };
  }
  const TopicCheck topic = fixture.check(Repair::kNothing, vfs);
  REQUIRE(kinds(topic) == std::vector<std::string>{"unreadable"});
  CHECK(topic.problems[0].file == name);
  CHECK(topic.problems[0].reason.find("read") == 0);
  CHECK_FALSE(topic.log_known);
  CHECK(topic.next_offset == sent.size());
}

TEST_CASE("check: it reads through what counts, and refuses changes, every byte of every block") {
  Fixture fixture;
  fixture.fill(3);
  REQUIRE(fixture.log.close().ok());
  uint64_t bytes = 0;
  for (const auto& [name, content] : load_files(fixture.folder)) bytes += content.size();
  std::shared_ptr<FolderCheck> check;
  REQUIRE(FolderCheck::open(posix_vfs(), fixture.data.path(), Repair::kNothing, &check).ok());
  TopicCheck topic;
  check->check_topic("t", &topic);
  // The space between the headers is not read, the headers are read alone.
  CHECK(check->bytes_read() >= bytes - 3 * kDataStart);
}

TEST_CASE("check: what it reads through refuses every change") {
  Fixture fixture;
  fixture.log.kill();
  const Files files = load_files(fixture.folder);
  const std::string path = fixture.folder + "/" + block_name(0);
  ReadOnlyVfs vfs(posix_vfs());
  std::unique_ptr<File> file;
  CHECK(vfs.open(path, OpenMode::kReplace, &file) == -EROFS);
  CHECK(vfs.open(path + "x", OpenMode::kCreate, &file) == -EROFS);
  REQUIRE(vfs.open(path, OpenMode::kReadWrite, &file) == 0);
  char byte = 'x';
  const iovec part{&byte, 1};
  CHECK(file->pwritev(&part, 1, 0) == -EROFS);
  CHECK(file->ftruncate(0) == -EROFS);
  CHECK(file->fallocate(0, 1 << 20) == -EROFS);
  CHECK(file->fdatasync() == -EROFS);
  CHECK(vfs.rename(path, path + "x") == -EROFS);
  CHECK(vfs.unlink(path) == -EROFS);
  CHECK(vfs.mkdir(path + "x") == -EROFS);
  CHECK(vfs.rmdir(fixture.folder) == -EROFS);
  CHECK(vfs.sync_folder(fixture.folder) == -EROFS);
  CHECK(vfs.lock(path, LockMode::kExclusive, &file) == -EROFS);
  CHECK(load_files(fixture.folder) == files);
  // The kernel refuses it too.
  REQUIRE(posix_vfs().open(path, OpenMode::kReadOnly, &file) == 0);
  CHECK(file->pwritev(&part, 1, 0) == -EBADF);
}

TEST_CASE("check: it and a running engine keep each other out, two checks do not") {
  TemporaryFolder data;
  std::shared_ptr<Engine> engine;
  std::shared_ptr<FolderCheck> check;
  std::shared_ptr<FolderCheck> second;
  const auto open_engine = [&] {
    return Engine::open(
        posix_vfs(), data.path(), {}, [] {}, &engine);
  };
  const auto open_check = [&](Repair repair, std::shared_ptr<FolderCheck>* opened) {
    return FolderCheck::open(posix_vfs(), data.path(), repair, opened).code();
  };
  REQUIRE(open_check(Repair::kNothing, &check) == Code::kNotFound);
  REQUIRE(open_check(Repair::kIndexes, &check) == Code::kNotFound);
  REQUIRE(load_files(data.path()).empty());
  REQUIRE(open_engine().ok());
  CHECK(open_check(Repair::kNothing, &check) == Code::kLocked);
  CHECK(open_check(Repair::kIndexes, &check) == Code::kLocked);
  REQUIRE(engine->close().ok());
  CHECK(open_check(Repair::kNothing, &check) == Code::kOk);
  CHECK(open_check(Repair::kNothing, &second) == Code::kOk);
  CHECK(open_check(Repair::kIndexes, &second) == Code::kLocked);
  CHECK(open_engine().code() == Code::kLocked);
  check.reset();
  second.reset();
  CHECK(open_check(Repair::kIndexes, &check) == Code::kOk);
  CHECK(open_check(Repair::kNothing, &second) == Code::kLocked);
  check.reset();
  REQUIRE(open_engine().ok());
  REQUIRE(engine->close().ok());
}

TEST_CASE("check: a folder that is none, or is not there, is not made") {
  TemporaryFolder data;
  std::shared_ptr<FolderCheck> check;
  const std::string absent = data.path() + "/absent";
  CHECK(FolderCheck::open(posix_vfs(), absent, Repair::kIndexes, &check).code() == Code::kNotFound);
  CHECK(::access(absent.c_str(), F_OK) != 0);
  store_files(data.path(), {{"notes.txt", "mine"}});
  CHECK(
      FolderCheck::open(posix_vfs(), data.path() + "/notes.txt", Repair::kNothing, &check).code() ==
      Code::kNotFound);
  CHECK(FolderCheck::open(posix_vfs(), data.path(), Repair::kIndexes, &check).code() ==
        Code::kNotFound);
  CHECK(load_files(data.path()) == Files{{"notes.txt", "mine"}});
}

}  // namespace zbus::test
