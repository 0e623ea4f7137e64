// What the whole of a block holds, and what of it a crash explains: the judgement on which recovery
// acts and which FolderCheck reports.
#pragma once

#include <cstdint>
#include <vector>

#include "disk.h"
#include "format.h"
#include "index.h"
#include "scanner.h"
#include "status.h"

namespace zbus {

struct BlockScan {
  struct Damage {
    ScanItem item;
    uint64_t end_position;  // where what follows it begins
    size_t index_size;      // of the table, before the damage
    uint64_t timestamp_ms;  // of the record before it
  };
  using Damages = std::vector<Damage>;

  // The first damage that begins a torn tail, if this is the last block of a log: at or above
  // every watermark.
  Damages::const_iterator torn() const;

  Damages damages;
  IndexTable index;
  uint64_t position = 0;  // end of the last sound record
  uint64_t next_offset = 0;
  uint64_t timestamp_ms = 0;
  uint64_t watermark = 0;
  bool sealed = false;
  bool marked = false;
};

// Reads all records of the block, which has `size` bytes, with all checksums. None has a higher
// offset than `offset_max`.
Status scan_block(Disk& disk, const FileRef& file, const BlockHeader& header, uint64_t size,
                  uint64_t offset_max, BlockScan* scan);

// The last byte that is not zero in [position, size), plus one; `position` if there is none.
Status content_end(Disk& disk, OpenFile& file, uint64_t position, uint64_t size, uint64_t* end);

// Above every offset that a block can hold whose headers are unreadable and whose content ends
// there.
uint64_t unreadable_block_end(uint64_t first_offset, uint64_t content_end);

}  // namespace zbus
