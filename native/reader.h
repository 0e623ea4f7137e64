// A position in a queue's log with a tag filter and, for a group, the address of records. Each read
// fills the caller's buffer with whole, checked records that pass both. One read at a time; any
// thread. Owned by JavaScript's handle; keeps its queue alive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "filter.h"
#include "queue.h"
#include "status.h"

namespace zbus {

// Where a record lies in the buffer: id, tag and wire bytes follow each other.
struct ReadRow {
  uint64_t offset;
  uint64_t timestamp_ms;
  size_t id_start;
  size_t tag_start;
  size_t wire_start;
  size_t wire_end;
};

class Reader {
 public:
  // What may happen when the bytes are not in the page cache.
  enum class Wait : uint8_t { kNever, kAllowed };
  struct Result {
    size_t count = 0;          // rows filled
    uint64_t next_offset = 0;  // where the next read goes on
    size_t bytes_needed = 0;   // of a buffer for the next record, when this one was too small
    bool must_wait = false;    // nothing was read: call again where waiting is allowed
  };

  // Passes over records for another group than `group`; over none without it.
  Reader(std::shared_ptr<Queue> queue, uint64_t offset, Filter filter,
         std::optional<std::string> group = {})
      : queue_(std::move(queue)),
        filter_(std::move(filter)),
        group_(std::move(group)),
        offset_(offset) {}

  // Reads records below `end_offset`. A bounded number of bytes is looked at, so a result without
  // rows but with a higher next_offset means: read on.
  Status read(std::span<uint8_t> buffer, std::span<ReadRow> rows, uint64_t end_offset, Wait wait,
              Result* result);
  void seek(uint64_t offset);

 private:
  struct Fill;
  // How a chunk ended.
  enum class Step : uint8_t {
    kGoOn,      // look further
    kStop,      // the buffer or the rows are full, or `end_offset` is reached
    kPartial,   // a record continues behind the chunk, and there is room for it
    kDamage,    // no valid record at the position
    kMustWait,  // the disk is needed
  };

  Status advance(Fill* fill, Step* step);
  Status read_block(const BlockView& view, Fill* fill, Step* step);
  Status enter(const BlockView& view, Wait wait, Step* step);
  Status read_chunk(const BlockView& view, Fill* fill, Step* step);
  Step parse(const BlockView& view, size_t end, Fill* fill);
  void keep(const RecordHeader& header, size_t record, size_t end, Fill* fill);
  static Step partial(size_t record, size_t end, uint64_t bytes, Fill* fill);
  Status pass_damage(const BlockView& view, Wait wait, Step* step);
  void leave(const BlockView& view);
  bool takes(std::string_view id, std::string_view tag) const;

  const std::shared_ptr<Queue> queue_;
  const Filter filter_;
  const std::optional<std::string> group_;
  uint64_t offset_;
  // Where in `block_` the record `offset_`, or one before it, begins; unknown when null.
  BlockRef block_;
  FileRef file_;  // of `block_`, during a read
  uint64_t position_ = 0;
  uint32_t seed_ = 0;
};

}  // namespace zbus
