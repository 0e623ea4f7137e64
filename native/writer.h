// The end of a queue's log: stages records in memory, writes them to the block at the end, reserves
// space ahead and begins new blocks. Owned by one Queue and guarded by its mutex, but for seal()
// and begin(), which wait for the disk and are called without it, by one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "block.h"
#include "buffer_pool.h"
#include "context.h"
#include "format.h"
#include "index.h"
#include "status.h"

namespace zbus {

using BlockRef = std::shared_ptr<Block>;

// What limit_blocks() is raised to.
inline constexpr uint64_t kBlockLimitMin = uint64_t{64} << 10;

struct RecordParts {
  std::string_view id;
  std::string_view tag;
  std::string_view head;  // the wire bytes are head, then body
  std::string_view body;
  uint64_t timestamp_ms = 0;
  uint8_t level = 0;

  size_t length() const { return id.size() + tag.size() + head.size() + body.size(); }
};

// A block that takes records. The first of a Writer is on disk; those after it hold staged records
// and have a file with space reserved, but no header yet.
struct OpenBlock {
  explicit OpenBlock(BufferPool& buffers) : staged(buffers) {}

  BlockRef block;
  BlockHeader header;
  uint32_t seed = 0;
  FileRef file;               // held while there is anything unsynced in it
  uint64_t position = 0;      // where the staged bytes will go
  uint64_t reserved_end = 0;  // the file system has promised room up to here
  uint64_t zeroed_end = 0;    // zeros were written up to here
  uint64_t reserve_step = 0;
  IndexTable index;
  size_t index_written = 0;  // entries of `index` whose records are on disk
  ByteBuffer staged;
};

class Writer {
 public:
  Writer(Context& context, std::string folder)
      : context_(context), folder_(std::move(folder)), block_bytes_(context.options.block_bytes) {}

  // The block at the end of a recovered log.
  void adopt(OpenBlock block) { open_.push_back(std::move(block)); }
  bool has_block() const { return !open_.empty(); }
  OpenBlock& front() { return open_.front(); }
  OpenBlock& second() { return open_[1]; }
  const OpenBlock& back() const { return open_.back(); }
  // True when records are staged for a block after the first.
  bool must_roll() const { return open_.size() > 1; }
  size_t staged_bytes() const;
  // As Queue::limit_blocks().
  void limit_blocks(uint64_t bytes);
  // Gives back space that is reserved beyond the limit, unless a roll is at it.
  void trim_reserved();
  // What its blocks may come to take on disk: each its full size and, once the last is half full,
  // the one behind it too.
  uint64_t disk_bytes_max() const;

  // Copies the record into staging memory, beginning a new block where it does not fit. On failure
  // nothing is staged.
  Status stage(const RecordParts& parts, uint64_t offset, uint64_t watermark);
  // Begins a new block at `offset`, with room for `bytes` of records; for 0 nothing is reserved.
  Status start_block(uint64_t offset, uint64_t timestamp_ms_min, uint64_t bytes);
  // Writes what is staged for the first block. On failure the file is cut back to its last whole
  // record and the staged records stay staged.
  Status write_staged();
  // Says, at the end of the log, that all before it is durable.
  Status write_mark(uint64_t offset, uint64_t timestamp_ms, uint64_t watermark);
  // Forgets what is staged, and the blocks begun for it.
  void drop_staged();
  // Writes zeros ahead of the write position, where small synced appends will go.
  Status zero_ahead();

  // Ends `block` with a seal, gives back reserved space and syncs.
  Status seal(OpenBlock& block, uint64_t offset, uint64_t timestamp_ms, uint64_t watermark);
  // Gives the next block its header, and syncs it and its folder.
  Status begin(OpenBlock& block);
  // Makes the second block the first and returns the old one.
  OpenBlock advance();

 private:
  Status reserve(OpenBlock& block, uint64_t end);
  Status reserve_to(OpenBlock& block, uint64_t end);
  Status hold_file(OpenBlock& block);
  void discard(OpenBlock& block);

  Context& context_;
  const std::string folder_;
  uint64_t block_bytes_;  // a block that holds a message takes no more beyond this size
  std::deque<OpenBlock> open_;
};

}  // namespace zbus
