// Walks the records of one block in order, checks them, and finds its way past damage. Used by
// recovery, by readers that met damage, to rebuild an index and to find a time. Reads the file
// directly, so never on the event loop. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "disk.h"
#include "format.h"
#include "status.h"

namespace zbus {

struct ScanItem {
  enum class Kind : uint8_t {
    kRecord,  // `header` is at `position`; its body is sound if bodies are checked
    kDamage,  // offsets [lost_from, lost_to) are not there; `position` is where it begins
    kTail,    // damage up to the end of the block, with bytes in it
    kEnd,     // the seal was passed, or only zeros follow
  };
  Kind kind = Kind::kEnd;
  uint64_t position = 0;
  RecordHeader header;
  uint64_t lost_from = 0;
  uint64_t lost_to = 0;
};

class Scanner {
 public:
  enum class Bodies : uint8_t { kCheck, kSkip };
  struct Range {
    uint64_t position;      // where a record begins, or should
    uint64_t end_position;  // of the bytes to look at
    uint64_t offset;        // expected at `position`
    uint64_t offset_max;    // no record of this block has a higher one
  };

  Scanner(Disk& disk, FileRef file, uint32_t salt, const Range& range, Bodies bodies);

  Status next(ScanItem* item);

  // Where the next item begins: after kEnd and kTail, the end of the last valid record.
  uint64_t position() const { return position_; }
  // Offset expected there.
  uint64_t offset() const { return offset_; }
  // Highest watermark seen in any sound record header.
  uint64_t watermark() const { return watermark_; }

 private:
  Status window(uint64_t position, size_t size, const uint8_t** bytes);
  bool acceptable(const uint8_t* bytes, RecordHeader* header) const;
  Status check_body(const RecordHeader& header, bool* valid);
  Status skip_damage(ScanItem* item);
  void damage(ScanItem* item, uint64_t next_offset, uint64_t next_position);

  Disk& disk_;
  const FileRef file_;
  const uint32_t seed_;
  const Bodies bodies_;
  const uint64_t end_position_;
  const uint64_t offset_max_;
  uint64_t position_;
  uint64_t offset_;
  uint64_t watermark_ = 0;
  bool ended_ = false;
  std::vector<uint8_t> window_;
  uint64_t window_position_ = 0;
};

}  // namespace zbus
