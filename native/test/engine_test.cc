// The data folder: lock, topics, definitions; and the whole engine with its flusher under threads.
#include "engine.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <thread>

#include "fault_vfs.h"
#include "test_log.h"

namespace zbus::test {
namespace {

// An engine that is waited for as JavaScript would: by its calls for attention.
struct Fixture {
  TemporaryFolder folder;
  std::mutex mutex;
  std::condition_variable woken;
  uint64_t wakes = 0;
  std::shared_ptr<Engine> engine;

  Status open(const Options& options = {}, Vfs& vfs = posix_vfs()) {
    return Engine::open(
        vfs, folder.path() + "/data", options,
        [this] {
          std::lock_guard lock(mutex);
          wakes++;
          woken.notify_all();
        },
        &engine);
  }

  void wait_until(const std::function<bool()>& done) {
    std::unique_lock lock(mutex);
    REQUIRE(woken.wait_for(lock, std::chrono::seconds(30), done));
  }
};

Status append(Queue& queue, const std::string& wire, uint8_t level) {
  RecordParts parts;
  parts.body = wire;
  parts.level = level;
  uint64_t offset = 0;
  return queue.append(parts, &offset);
}

Status commit(Queue& queue) {
  uint64_t written_end = 0;
  bool listed = false;
  return queue.commit(&written_end, &listed);
}

// Gives up by bytes, by offset or, now and then, all there is, so that the last block is ended
// while others append to it.
Status retain(Queue& queue, uint64_t round) {
  const uint64_t next = queue.state().next_offset;
  queue.limit_blocks(round % 3 == 0 ? kBlockLimitMin : UINT64_MAX);
  if (round % 5 == 0) return queue.delete_before(next);
  if (round % 2 == 0) return queue.delete_before(queue.retain_from(uint64_t{64} << 10, 0));
  return queue.delete_before(next > 500 ? next - 500 : 0);
}

}  // namespace

TEST_CASE("engine: a second one on the same folder is refused until the first is closed") {
  Fixture fixture;
  REQUIRE(fixture.open().ok());
  std::shared_ptr<Engine> second;
  const std::string path = fixture.folder.path() + "/data";
  const Status refused = Engine::open(
      posix_vfs(), path, {}, [] {}, &second);
  CHECK(refused.code() == Code::kLocked);
  CHECK(std::string(refused.message()).find(path) != std::string::npos);
  CHECK(fixture.engine->close().ok());
  CHECK(fixture.engine->close().code() == Code::kClosed);
  CHECK(Engine::open(
            posix_vfs(), path, {}, [] {}, &second)
            .ok());
}

TEST_CASE("engine: folders and files are for their owner alone") {
  Fixture fixture;
  REQUIRE(fixture.open().ok());
  std::shared_ptr<Queue> queue;
  REQUIRE(fixture.engine->open_queue("topic", &queue).ok());
  REQUIRE(fixture.engine->write_definition("topic", "{}").ok());
  CursorRef cursor;
  REQUIRE(queue->open_cursor("g", "g", 0, false, &cursor).ok());
  REQUIRE(fixture.engine->close().ok());
  struct stat info;
  const std::string data = fixture.folder.path() + "/data";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data)) {
    REQUIRE(::stat(entry.path().c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == (entry.is_directory() ? 0700 : 0600));
  }
  REQUIRE(::stat(data.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0700);
}

TEST_CASE("engine: a link in place of a topic or a file is not followed") {
  Fixture fixture;
  REQUIRE(fixture.open().ok());
  const std::string data = fixture.folder.path() + "/data/";
  const std::string elsewhere = fixture.folder.path() + "/elsewhere";
  std::filesystem::create_directory(elsewhere);
  std::filesystem::create_directory_symlink(elsewhere, data + "linked");
  std::shared_ptr<Queue> queue;
  CHECK_FALSE(fixture.engine->open_queue("linked", &queue).ok());
  CHECK_FALSE(fixture.engine->write_definition("linked", "{}").ok());
  CHECK(std::filesystem::is_empty(elsewhere));
  std::vector<std::string> topics;
  REQUIRE(fixture.engine->list(&topics).ok());
  CHECK(topics.empty());
  std::filesystem::create_directory(data + "topic");
  std::filesystem::create_symlink(elsewhere + "/secret", data + "topic/topic.json");
  std::string json;
  bool found = false;
  CHECK_FALSE(fixture.engine->read_definition("topic", &json, &found).ok());
}

TEST_CASE("engine: definitions come back, and damage to one is noticed") {
  Fixture fixture;
  REQUIRE(fixture.open().ok());
  std::string json;
  bool found = false;
  REQUIRE(fixture.engine->read_definition("topic", &json, &found).ok());
  CHECK_FALSE(found);
  REQUIRE(fixture.engine->write_definition("topic", R"({"mask":1})").ok());
  REQUIRE(fixture.engine->write_definition("topic", R"({"mask":2})").ok());
  REQUIRE(fixture.engine->read_definition("topic", &json, &found).ok());
  CHECK(found);
  CHECK(json == R"({"mask":2})");
  const std::string path = fixture.folder.path() + "/data/topic";
  const Files files = load_files(path);
  CHECK(files.size() == 1);
  for (size_t i = 0; i < files.at("topic.json").size(); i++) {
    Files damaged = files;
    damaged.at("topic.json")[i] ^= 1;
    store_files(path, damaged);
    REQUIRE(fixture.engine->read_definition("topic", &json, &found).ok());
    CHECK_FALSE(found);
    damaged.at("topic.json").resize(i);
    store_files(path, damaged);
    REQUIRE(fixture.engine->read_definition("topic", &json, &found).ok());
    CHECK_FALSE(found);
  }
}

TEST_CASE("engine: names that leave the data folder are refused") {
  Fixture fixture;
  REQUIRE(fixture.open().ok());
  std::shared_ptr<Queue> queue;
  const std::string long_name(256, 't');
  for (const std::string& name : {std::string(), std::string(".x"), std::string("a/b"),
                                  std::string(".."), std::string("a\0b", 3), long_name}) {
    CHECK(fixture.engine->open_queue(name, &queue).code() == Code::kInvalid);
    CHECK(fixture.engine->remove_topic(name).code() == Code::kInvalid);
    CHECK(fixture.engine->write_definition(name, "{}").code() == Code::kInvalid);
  }
}

TEST_CASE("engine: a topic is opened once, removed when closed, and then begins anew") {
  Fixture fixture;
  REQUIRE(fixture.open().ok());
  std::shared_ptr<Queue> queue;
  std::shared_ptr<Queue> again;
  REQUIRE(fixture.engine->open_queue("topic", &queue).ok());
  CHECK(fixture.engine->open_queue("topic", &again).code() == Code::kInvalid);
  CHECK(fixture.engine->remove_topic("topic").code() == Code::kInvalid);
  REQUIRE(append(*queue, "message", kLevelDisk).ok());
  REQUIRE(fixture.engine->close_queue(queue).ok());
  CHECK(queue->state().durable_end == 1);
  REQUIRE(fixture.engine->remove_topic("topic").ok());
  CHECK(fixture.engine->remove_topic("topic").code() == Code::kNotFound);
  std::vector<std::string> topics;
  REQUIRE(fixture.engine->list(&topics).ok());
  CHECK(topics.empty());
  REQUIRE(fixture.engine->open_queue("topic", &again).ok());
  CHECK(again->state().next_offset == 0);
  CHECK(again->id() != queue->id());
}

TEST_CASE("engine: a removal that a crash interrupted is finished at the next start") {
  Fixture fixture;
  REQUIRE(fixture.open().ok());
  std::shared_ptr<Queue> queue;
  REQUIRE(fixture.engine->open_queue("topic", &queue).ok());
  REQUIRE(fixture.engine->close().ok());
  const std::string data = fixture.folder.path() + "/data/";
  std::filesystem::rename(data + "topic", data + ".removed-7");
  std::filesystem::create_directory(data + ".other");
  REQUIRE(fixture.open().ok());
  CHECK_FALSE(std::filesystem::exists(data + ".removed-7"));
  CHECK(std::filesystem::exists(data + ".other"));
}

TEST_CASE("engine: a record of level disk is synced at once, others within the interval") {
  Fixture fixture;
  Options options;
  options.sync_interval = std::chrono::milliseconds(50);
  REQUIRE(fixture.open(options).ok());
  std::shared_ptr<Queue> queue;
  REQUIRE(fixture.engine->open_queue("topic", &queue).ok());
  for (const uint8_t level : {kLevelDisk, uint8_t{1}}) {
    CAPTURE(static_cast<int>(level));
    const auto begin = std::chrono::steady_clock::now();
    REQUIRE(append(*queue, "message", level).ok());
    REQUIRE(commit(*queue).ok());
    uint64_t reported = 0;
    fixture.wait_until([&] {
      for (const Progress& row : fixture.engine->take_progress()) reported = row.durable_end;
      return reported == queue->state().next_offset;
    });
    const auto took = std::chrono::steady_clock::now() - begin;
    if (level != kLevelDisk) CHECK(took >= std::chrono::milliseconds(49));
  }
  fixture.wait_until([&] { return fixture.engine->idle(); });
}

TEST_CASE("engine: many topics keep few files open") {
  Fixture fixture;
  Options options;
  options.files_max = 8;
  REQUIRE(fixture.open(options).ok());
  std::vector<std::shared_ptr<Queue>> queues(60);
  const auto open_files = [] {
    const std::filesystem::directory_iterator files("/proc/self/fd");
    return static_cast<size_t>(std::distance(begin(files), end(files)));
  };
  const size_t before = open_files();
  for (size_t i = 0; i < queues.size(); i++) {
    REQUIRE(fixture.engine->open_queue("topic-" + std::to_string(i), &queues[i]).ok());
    REQUIRE(append(*queues[i], "message", kLevelDisk).ok());
    REQUIRE(commit(*queues[i]).ok());
  }
  fixture.wait_until([&] { return fixture.engine->idle(); });
  CHECK(open_files() <= before + 10);
}

TEST_CASE("engine: appends, reads, retention, cursors and syncs at the same time") {
  Fixture fixture;
  Options options = small_blocks();
  options.sync_interval = std::chrono::milliseconds(2);
  options.files_max = 3;
  REQUIRE(fixture.open(options).ok());
  std::shared_ptr<Queue> queue;
  REQUIRE(fixture.engine->open_queue("topic", &queue).ok());
  CursorRef cursor;
  REQUIRE(queue->open_cursor("g", "g", 0, false, &cursor).ok());
  constexpr uint64_t kMessages = 6000;
  std::atomic<bool> done{false};
  std::atomic<uint64_t> failures{0};
  const auto expect = [&](bool condition) { failures += condition ? 0 : 1; };

  const auto read_all = [&](Reader::Wait wait) {
    Reader reader(queue, 0, Filter());
    std::vector<uint8_t> buffer(2048);
    std::vector<ReadRow> rows(16);
    uint64_t last = 0;
    for (Reader::Result result; result.next_offset < kMessages;) {
      Status status = reader.read(buffer, rows, UINT64_MAX, wait, &result);
      if (result.must_wait) {
        status = reader.read(buffer, rows, UINT64_MAX, Reader::Wait::kAllowed, &result);
      }
      expect(status.ok());
      for (size_t i = 0; i < result.count; i++) {
        const auto bytes = reinterpret_cast<const char*>(buffer.data());
        const std::string wire(bytes + rows[i].wire_start, bytes + rows[i].wire_end);
        expect(wire == "message " + std::to_string(rows[i].offset));
        expect(rows[i].offset >= last);
        last = rows[i].offset;
      }
      if (result.count == 0) std::this_thread::yield();
    }
  };
  std::vector<std::thread> threads;
  threads.emplace_back(read_all, Reader::Wait::kAllowed);
  threads.emplace_back(read_all, Reader::Wait::kNever);
  threads.emplace_back([&] {
    for (uint64_t round = 0; !done; round++) {
      expect(retain(*queue, round).ok());
      uint64_t offset = 0;
      static_cast<void>(queue->find_time(1, &offset));
      std::vector<std::string> names;
      expect(queue->list_cursors(&names).ok());
      std::this_thread::yield();
    }
  });
  for (uint64_t i = 0; i < kMessages; i++) {
    expect(append(*queue, "message " + std::to_string(i), i % 5 == 0 ? kLevelDisk : 1).ok());
    if (i % 7 == 0) expect(commit(*queue).ok());
    bool listed = false;
    const std::string detail(i % 200, 'd');
    if (i % 11 == 0) expect(cursor->store(i, detail, &listed).ok());
    if (i % 50 == 0) static_cast<void>(fixture.engine->take_progress());
  }
  expect(commit(*queue).ok());
  for (size_t i = 0; i < 2; i++) threads[i].join();
  done = true;
  threads[2].join();
  CHECK(failures == 0);
  CHECK(queue->state().lost_count == 0);
  CHECK(fixture.engine->close().ok());
  CHECK(queue->state().durable_end == kMessages);
  REQUIRE(fixture.open(options).ok());
  REQUIRE(fixture.engine->open_queue("topic", &queue).ok());
  CHECK(queue->state().next_offset == kMessages);
}

TEST_CASE("engine: closed while others use it, it answers CLOSED and crashes nobody") {
  Fixture fixture;
  REQUIRE(fixture.open(small_blocks()).ok());
  std::atomic<uint64_t> unexpected{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; t++) {
    threads.emplace_back([&, t] {
      std::shared_ptr<Queue> queue;
      Status status = fixture.engine->open_queue("topic-" + std::to_string(t), &queue);
      while (status.ok()) {
        status = append(*queue, "message", kLevelDisk);
        if (status.ok()) status = commit(*queue);
        if (status.ok()) status = queue->delete_before(queue->state().durable_end);
      }
      unexpected += status.code() == Code::kClosed ? 0 : 1;
    });
  }
  fixture.wait_until([&] { return fixture.wakes > 20; });
  CHECK(fixture.engine->close().ok());
  for (std::thread& thread : threads) thread.join();
  CHECK(unexpected == 0);
}

}  // namespace zbus::test
