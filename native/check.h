// Verifies a data folder that no broker runs on, and says what the next start would make of it.
// Judges with the functions by which the engine itself reads and recovers. Changes nothing, but for
// indexes when it is told to repair them. Made by addon_check.cc, or by a test. One thread at a
// time, but for bytes_read().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cursor.h"
#include "disk.h"
#include "lost_ranges.h"
#include "read_only_vfs.h"
#include "status.h"

namespace zbus {

// Something that is not as the engine would have written it. The kinds are listed, with what they
// mean to an operator, in src/broker/check-problems.ts.
struct Problem {
  const char* kind = "";
  std::string file{};  // in the topic's folder
  // Where it lies in the file.
  uint64_t position = 0;
  uint64_t bytes = 0;
  // The offsets it is about; none when these are equal.
  uint64_t offset_from = 0;
  uint64_t offset_to = 0;
  std::string reason{};  // what the file system said
  bool repaired = false;
};

struct CursorCheck {
  std::string file;  // without the suffix
  CursorFile stored;
  bool foreign = false;  // the position is one in another log
};

struct FileCheck {
  std::string name;
  const char* role = "";  // definition, block, index, cursor, torn, bad, temporary, other
  uint64_t bytes = 0;
  uint32_t mode = 0;
  bool folder = false;
  bool regular = false;
};

// What a topic's folder holds, as it will be after a start.
struct TopicCheck {
  void add(Problem problem);

  uint64_t first_offset = 0;
  uint64_t next_offset = 0;
  uint64_t stored_bytes = 0;
  uint64_t block_count = 0;
  LostRanges lost;
  bool log_known = false;  // the log could be read: what is said of it holds
  bool log_named = false;  // it has an id that cursors can name
  uint64_t log_id = 0;
  bool definition_found = false;
  std::string definition;
  std::vector<CursorCheck> cursors;
  std::vector<FileCheck> files;
  std::vector<Problem> problems;
  uint64_t problems_omitted = 0;  // beyond those listed
};

class FolderCheck {
 public:
  enum class Repair : uint8_t { kNothing, kIndexes };

  // Keeps a broker from starting as long as it lives. kLocked when one is running, kNotFound when
  // there is no data folder.
  static Status open(Vfs& vfs, const std::string& folder, Repair repair,
                     std::shared_ptr<FolderCheck>* check);
  FolderCheck(Vfs& vfs, const std::string& folder, Repair repair);

  // What lies in the data folder; the size of a folder is that of what lies in it.
  Status list(std::vector<FolderEntry>* entries);
  // `folder` is one of the list. What cannot be read is a problem of the topic.
  void check_topic(const std::string& folder, TopicCheck* topic);
  // So far, by all calls.
  uint64_t bytes_read() const { return vfs_.bytes_read(); }

 private:
  Status start();
  void check_definition(const std::string& path, TopicCheck* topic);
  void check_cursor(const std::string& path, const FileCheck& file, TopicCheck* topic);

  const std::string folder_;  // ends in '/'
  const Repair repair_;
  ReadOnlyVfs vfs_;
  Disk disk_;
  Disk writing_disk_;  // for repairs alone
  FileRef lock_;
};

// The part that knows blocks and indexes: reads those among `topic->files`. Indexes are repaired on
// `repair_disk` if there is one.
void check_blocks(Disk& disk, Disk* repair_disk, const std::string& path, TopicCheck* topic);

}  // namespace zbus
