// Finds places in the log by offset or time, touching one block's records at most. Called by Queue
// with a snapshot of its blocks; reads files, so never on the event loop.
#pragma once

#include <cstdint>
#include <vector>

#include "block.h"
#include "context.h"
#include "index.h"
#include "status.h"

namespace zbus {

// A block as it may be read at this moment.
struct BlockView {
  std::shared_ptr<Block> block;
  uint64_t end_position;  // of what may be read
  uint64_t end_offset;    // the offset after the last one in it
  bool last;              // more may come
};

// The table of a sealed block: from the cache, from its file, or made anew.
Status load_index(Context& context, const BlockView& view, IndexRef* table);

// Offset of the first record at or after `timestamp_ms`; the end of the last block if there is
// none. `last_table` is the table of the last block.
Status find_time(Context& context, const std::vector<BlockView>& views,
                 const IndexTable& last_table, uint64_t timestamp_ms, uint64_t* offset);

}  // namespace zbus
