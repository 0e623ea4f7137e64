// Opens the log of a topic as a crash, a bad disk or a person left it: finds the end, tells a torn
// tail from corruption, and makes a block ready to take records. Called by Queue when it opens.
// Rules and reasons: docs/disk-format.md, Recovery. Doing it twice does what doing it once does.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "context.h"
#include "status.h"
#include "writer.h"

namespace zbus {

// Of the copy of a torn tail.
inline constexpr std::string_view kTornSuffix = ".torn";

struct Recovered {
  explicit Recovered(BufferPool& buffers) : active(buffers) {}

  // All blocks in order; the last one is `active`, unless there is none.
  std::vector<BlockRef> blocks;
  OpenBlock active;
  bool has_active = false;
  // Why there is none: no room to repair the log. It can be read.
  Status no_repair;
  uint64_t log_id = 0;
  uint64_t next_offset = 0;
  uint64_t timestamp_ms = 0;  // of the last record
  bool marked = false;        // the log ends with a mark: nothing to add when it is closed
  std::vector<std::pair<uint64_t, uint64_t>> lost;  // offsets [from, to) of damaged records
};

Status recover(Context& context, const std::string& folder, Recovered* recovered);

}  // namespace zbus
