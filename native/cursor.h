// Positions of consume groups, one small file each: three slots in turn, so that neither the
// durable one nor the one being synced is ever overwritten, and a store never waits. A position may
// lag behind what was stored last, never lead. Owned by a Queue's CursorSet; stored to on the event
// loop, synced by the flusher. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "context.h"
#include "flusher.h"
#include "format.h"
#include "status.h"

namespace zbus {

inline constexpr std::string_view kCursorSuffix = ".cursor";
// Of what stood in the place of a cursor and was not understood.
inline constexpr std::string_view kBadSuffix = ".bad";

// What one slot holds.
struct CursorSlot {
  uint64_t generation = 0;  // the valid slot with the higher one counts
  uint64_t log_id = 0;      // of the topic the position belongs to
  uint64_t floor = 0;       // next offset to deliver
  std::string name;         // of the group
  std::string detail;       // what the group keeps beside the position; opaque here
};

// What the slots of a cursor's file hold.
struct CursorFile {
  CursorSlot newest;
  size_t newest_index = 0;
  bool valid = false;        // some slot is
  size_t slots_damaged = 0;  // neither valid nor blank
};
// Nothing in it is valid when the file is absent.
Status read_cursor_file(Disk& disk, const std::string& path, CursorFile* cursor);

class Cursor final : public FlushTarget, public std::enable_shared_from_this<Cursor> {
 public:
  Cursor(std::shared_ptr<Context> context, std::string path, CursorSlot slot, size_t slot_index);

  uint64_t offset();
  std::string detail();
  // Writes both together; they are durable after the next interval. `*listed` as in
  // Queue::commit(). kInvalid when the detail is longer than a slot has room for.
  Status store(uint64_t offset, std::string_view detail, bool* listed);
  Outcome flush() override;
  // Flushes; stores are refused afterwards.
  Status close();
  // As close(), for a file that is about to be removed.
  void abandon();

 private:
  Status write_slot();
  Status sync_file(bool* again);

  const std::shared_ptr<Context> context_;
  const std::string path_;
  const uint64_t file_id_;
  std::mutex flush_mutex_;  // held by the one thread that syncs
  std::mutex mutex_;
  CursorSlot slot_;
  size_t slot_index_;       // where the next store goes
  FileRef file_;            // held while dirty
  bool dirty_ = false;      // a slot was written since the last sync began
  bool unwritten_ = false;  // the last write failed: `slot_` is not what the file holds
  bool closed_ = false;
  Status failed_;
};
using CursorRef = std::shared_ptr<Cursor>;

class CursorSet {
 public:
  CursorSet(std::shared_ptr<Context> context, std::string folder, uint64_t log_id)
      : context_(std::move(context)), folder_(std::move(folder)), log_id_(log_id) {}

  // The cursor as stored. One above `next` is moved there and loses its detail: the messages it
  // speaks of are gone, and others will get their offsets. One below `first` stays, so that its
  // owner can count what is missing. Made at `start`, clamped to [first, next], if absent, damaged,
  // of another group or topic, or if `create`. The same object for the same file.
  Status open(const std::string& file, const std::string& name, uint64_t start, bool create,
              uint64_t first, uint64_t next, CursorRef* cursor);
  Status remove(const std::string& file);
  // Names of the groups in the readable cursor files.
  Status list(std::vector<std::string>* names);
  Status close();

 private:
  std::string path_of(const std::string& file) const;
  Status make(const std::string& file, const CursorSlot& slot);

  const std::shared_ptr<Context> context_;
  const std::string folder_;
  const uint64_t log_id_;
  std::mutex mutex_;
  std::map<std::string, CursorRef> cursors_;
};

}  // namespace zbus
