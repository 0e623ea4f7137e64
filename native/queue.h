// One topic's log: gives out offsets, says how far they are written and durable, lists the blocks,
// and keeps the cursors. append() and commit() are called on the event loop and never wait for a
// sync; flush() on the flusher's thread; everything else on any thread that may wait.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "context.h"
#include "cursor.h"
#include "flusher.h"
#include "lost_ranges.h"
#include "recovery.h"
#include "seek.h"
#include "status.h"
#include "writer.h"

namespace zbus {

struct QueueState {
  uint64_t first_offset;
  uint64_t next_offset;
  uint64_t written_end;
  uint64_t durable_end;
  uint64_t stored_bytes;
  uint64_t lost_count;
  bool read_only;
  uint64_t staged_bytes;
};

class Queue final : public FlushTarget, public std::enable_shared_from_this<Queue> {
 public:
  // Opens and recovers the topic in `folder`, made if absent.
  static Status open(std::shared_ptr<Context> context, const std::string& folder, uint64_t id,
                     std::shared_ptr<Queue>* queue);
  Queue(std::shared_ptr<Context> context, const std::string& folder, uint64_t id,
        Recovered recovered);

  uint64_t id() const { return id_; }
  QueueState state();
  Context& context() { return *context_; }

  // Stages a record. The timestamp is raised to the last record's.
  Status append(const RecordParts& parts, uint64_t* offset);
  // Writes what is staged. On failure everything staged is dropped. `*listed` says that the
  // flusher was asked to do the rest and will wake the owner.
  Status commit(uint64_t* written_end, bool* listed);
  Outcome flush() override;
  Progress progress() override;
  // Writes, syncs and marks the end; afterwards appends answer kClosed.
  Status close();

  // Offset of the first record at or after `timestamp_ms`; the next offset when there is none.
  Status find_time(uint64_t timestamp_ms, uint64_t* offset);
  // The lowest offset to keep when the oldest blocks go that are too much for `bytes_max` bytes on
  // disk, or hold only records older than `before_ms`; the last block goes by age alone. Counted
  // are the blocks with their indexes, and what the Writer's may come to take. In memory.
  uint64_t retain_from(uint64_t bytes_max, uint64_t before_ms);
  // From the next append on, blocks with their indexes take no more than `bytes` on disk, if that
  // is less than the engine's block_bytes.
  void limit_blocks(uint64_t bytes);
  // Removes whole blocks whose records all lie below `offset`, also the last, if it holds any. The
  // last one stays while there is no room for its successor.
  Status delete_before(uint64_t offset);
  // Removes every record; offsets go on.
  Status empty();

  // As CursorSet, with positions clamped to the log.
  Status open_cursor(const std::string& file, const std::string& name, uint64_t start, bool create,
                     CursorRef* cursor);
  Status remove_cursor(const std::string& file) { return cursors_.remove(file); }
  Status list_cursors(std::vector<std::string>* names) { return cursors_.list(names); }

  // The block that holds `*offset`, which is raised to the first one kept; false when it is not
  // written yet.
  bool view(uint64_t* offset, BlockView* view);
  // Where to begin to look for `offset`. `*found` is false when that needs the disk and the caller
  // may not wait.
  Status locate(const BlockView& view, uint64_t offset, bool may_wait, uint64_t* position,
                bool* found);
  // Offsets [from, to) could not be read.
  void report_lost(uint64_t from, uint64_t to);

 private:
  Status usable_locked() const;
  Status write_locked();
  void fail_locked(const Status& cause);
  void drop_locked();
  Status roll();
  Status roll_once(bool* done);
  Status sync();
  Status write_mark();
  Status roll_last(uint64_t offset, uint64_t* end);
  Status remove_blocks_before(uint64_t offset);

  const std::shared_ptr<Context> context_;
  const std::string folder_;
  const uint64_t id_;
  CursorSet cursors_;

  // Held by whoever syncs, rolls, removes blocks or closes: one at a time.
  std::mutex structure_mutex_;

  std::mutex mutex_;  // guards all below
  Writer writer_;
  std::vector<BlockRef> blocks_;
  uint64_t sealed_disk_bytes_ = 0;  // of all blocks but the last
  LostRanges lost_;
  uint64_t next_offset_;
  uint64_t written_end_;
  uint64_t durable_end_;
  uint64_t timestamp_ms_;
  bool disk_staged_ = false;  // a record of level disk is staged
  bool disk_waits_ = false;   // one was written and is not synced
  bool rolling_ = false;      // staged records are written by whoever rolls, not by commit()
  bool marked_;               // the end is marked durable already
  bool closed_ = false;
  Status failed_;
};

inline constexpr uint8_t kLevelDisk = 2;

// Of a failure: it leaves the log as it was and may pass.
bool passes(const Status& status);

}  // namespace zbus
