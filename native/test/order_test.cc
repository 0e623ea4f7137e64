// The order of file calls, which no test on a page cache can see otherwise: what counts as durable
// was synced after it was written, and so was the folder that names it.
#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "fault_vfs.h"
#include "test_log.h"

namespace zbus::test {
namespace {

// Remembers when each file and folder was last changed and last synced.
class Recorder {
 public:
  FaultVfs vfs;

  Recorder() {
    vfs.decide = [this](Call call, const std::string& path) {
      record(call, path);
      return 0;
    };
  }

  // Files changed since their last sync, and folders likewise.
  std::vector<std::string> unsynced(const std::string& suffix) const {
    std::vector<std::string> paths;
    for (const auto& [path, change] : changed_) {
      const auto sync = synced_.find(path);
      const bool later = sync == synced_.end() || sync->second < change;
      if (later && path.ends_with(suffix)) paths.push_back(path);
    }
    return paths;
  }

 private:
  void record(Call call, const std::string& path) {
    const std::string folder = path.substr(0, path.rfind('/'));
    now_++;
    if (call == Call::kOpen && known_.emplace(path, true).second) changed_[folder] = now_;
    if (call == Call::kRename || call == Call::kUnlink) changed_[folder] = now_;
    if (call == Call::kWrite || call == Call::kTruncate) changed_[path] = now_;
    if (call == Call::kUnlink) changed_.erase(path);
    if (call == Call::kRename) {
      // What is renamed into place must be whole.
      CHECK(unsynced(path).empty());
      changed_.erase(path);
    }
    if (call == Call::kSync || call == Call::kSyncFolder) synced_[path] = now_;
  }

  uint64_t now_ = 0;
  std::map<std::string, bool> known_;
  std::map<std::string, uint64_t> changed_;
  std::map<std::string, uint64_t> synced_;
};

}  // namespace

TEST_CASE("order: when a record counts as durable, block and folder have been synced since") {
  TemporaryFolder folder;
  Recorder recorder;
  TestLog log(folder.path(), small_blocks(), recorder.vfs);
  REQUIRE(log.open().ok());
  CHECK(recorder.unsynced("").empty());
  for (uint64_t turn = 0; turn < 30; turn++) {
    for (int i = 0; i < 5; i++) REQUIRE(log.append(sample(turn)).ok());
    REQUIRE(log.commit().ok());
    log.flush();
    REQUIRE(log.queue().state().durable_end == log.queue().state().next_offset);
    CHECK(recorder.unsynced(".block").empty());
  }
  // The index of a sealed block is derived; its folder entry may be lost.
  REQUIRE(log.queue().delete_before(100).ok());
  CHECK(recorder.unsynced(folder.path()).empty());
  REQUIRE(log.queue().empty().ok());
  CHECK(recorder.unsynced(folder.path()).empty());
  log.fill(3);
  REQUIRE(log.close().ok());
  CHECK(recorder.unsynced(".block").empty());
}

TEST_CASE("order: a cursor made, and one that was flushed, is on the disk with its name") {
  TemporaryFolder folder;
  Recorder recorder;
  TestLog log(folder.path(), {}, recorder.vfs);
  REQUIRE(log.open().ok());
  log.fill(5);
  CursorRef cursor;
  REQUIRE(log.queue().open_cursor("g", "g", 0, false, &cursor).ok());
  CHECK(recorder.unsynced("").empty());
  bool listed = false;
  REQUIRE(cursor->store(3, {}, &listed).ok());
  CHECK(recorder.unsynced(".cursor").size() == 1);
  cursor->flush();
  CHECK(recorder.unsynced("").empty());
  REQUIRE(log.queue().remove_cursor("g").ok());
  CHECK(recorder.unsynced("").empty());
}

TEST_CASE("order: the mark of a clean close is written after all before it was synced") {
  TemporaryFolder folder;
  Recorder recorder;
  TestLog log(folder.path(), {}, recorder.vfs);
  REQUIRE(log.open().ok());
  log.fill_unsynced(5);
  std::vector<Call> calls;
  const FaultVfs::Decide record = recorder.vfs.decide;
  recorder.vfs.decide = [&](Call call, const std::string& path) {
    if (path.ends_with(".block")) calls.push_back(call);
    return record(call, path);
  };
  REQUIRE(log.close().ok());
  CHECK(calls == std::vector<Call>{Call::kSync, Call::kWrite, Call::kTruncate, Call::kSync});
}

TEST_CASE("order: recovery syncs what a kill left in the page cache before it counts") {
  TemporaryFolder folder;
  Recorder recorder;
  TestLog log(folder.path(), {}, recorder.vfs);
  REQUIRE(log.open().ok());
  log.fill_unsynced(5);
  CHECK(recorder.unsynced(".block").size() == 1);
  log.kill();
  REQUIRE(log.open().ok());
  CHECK(log.queue().state().durable_end == 5);
  CHECK(recorder.unsynced(".block").empty());
}

}  // namespace zbus::test
