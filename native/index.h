// The sparse table of a block: about one entry per 4 KiB, so that a seek by offset or time reads
// little. Derived from the block, kept in `<first offset>.index` beside it once the block is
// sealed; anything wrong with that file means that it is made again. Used by queue, writer and
// recovery.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "block.h"
#include "disk.h"
#include "format.h"
#include "status.h"

namespace zbus {

using IndexTable = std::vector<IndexEntry>;
using IndexRef = std::shared_ptr<const IndexTable>;

// Adds the record unless the entry before it is near.
void index_add(IndexTable* table, const IndexEntry& entry);
// Where to begin to look for `offset`: the last entry at or before it; the block's start if none.
IndexEntry index_seek_offset(const IndexTable& table, uint64_t first_offset, uint64_t offset);
// Where to begin to look for the first record at or after `timestamp_ms`.
IndexEntry index_seek_time(const IndexTable& table, uint64_t first_offset, uint64_t timestamp_ms);

Status write_index(Disk& disk, const Block& block, uint32_t salt, const IndexTable& table);
// `*valid` is false when the file is absent, damaged or of another block.
Status read_index(Disk& disk, const Block& block, uint32_t salt, IndexTable* table, bool* valid);

// Tables of sealed blocks, the most recently used ones up to a number of bytes. Any thread.
class IndexCache {
 public:
  explicit IndexCache(size_t bytes_max) : bytes_max_(bytes_max) {}

  // Null when it is not cached.
  IndexRef find(uint64_t file_id);
  void insert(uint64_t file_id, const IndexRef& table);
  void forget(uint64_t file_id);

 private:
  struct Entry {
    uint64_t file_id;
    IndexRef table;
  };
  void erase_locked(std::list<Entry>::iterator entry);

  const size_t bytes_max_;
  std::mutex mutex_;
  size_t bytes_ = 0;
  std::list<Entry> recent_;  // most recently used first
  std::unordered_map<uint64_t, std::list<Entry>::iterator> entries_;
};

}  // namespace zbus
