// One queue on a folder of its own, driven by hand: no flusher thread, so a test decides when
// anything is synced, and may let go of the queue as a kill would. Used by all tests of queues.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "queue.h"
#include "reader.h"

namespace zbus::test {

// A folder that is removed with everything in it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The files of a folder, by name, with their bytes.
using Files = std::map<std::string, std::string>;
Files load_files(const std::string& folder);
// Makes the folder hold these files and no others.
void store_files(const std::string& folder, const Files& files);
// Names of the block files, in order.
std::vector<std::string> block_names(const Files& files);

struct Message {
  uint64_t offset;
  uint64_t timestamp_ms;
  std::string id;
  std::string tag;
  std::string wire;
  bool operator==(const Message&) const = default;
};
using Messages = std::vector<Message>;

// A message whose content is a function of `number`.
Message sample(uint64_t number);

class TestLog {
 public:
  explicit TestLog(const std::string& folder, const Options& options = {}, Vfs& vfs = posix_vfs());
  ~TestLog() { kill(); }
  TestLog(const TestLog&) = delete;
  TestLog& operator=(const TestLog&) = delete;

  Status open();
  // Lets go of the queue without a word to the disk.
  void kill();
  Status close();

  Queue& queue() { return *queue_; }
  bool is_open() const { return queue_ != nullptr; }

  Status append(const Message& message, uint8_t level = kLevelDisk, uint64_t* offset = nullptr);
  Status commit();
  void flush();
  // Appends `count` samples from the next offset on; synced one by one, or all at once.
  void fill(uint64_t count);
  void fill_unsynced(uint64_t count);

  // All that can be read from `offset` on, by `group` if there is one.
  Status read(Messages* messages, uint64_t offset = 0, const std::string& filter = {},
              std::optional<std::string> group = {});
  Messages all(const std::string& filter = {});

 private:
  const std::string folder_;
  const Options options_;
  Vfs& vfs_;
  std::shared_ptr<Context> context_;
  std::shared_ptr<Queue> queue_;
};

// Blocks of about a dozen samples.
Options small_blocks();

}  // namespace zbus::test
