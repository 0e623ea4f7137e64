#include "block_scan.h"

#include <algorithm>
#include <array>

namespace zbus {
namespace {

constexpr size_t kChunkBytes = size_t{64} << 10;

}  // namespace

BlockScan::Damages::const_iterator BlockScan::torn() const {
  return std::find_if(damages.begin(), damages.end(), [this](const Damage& damage) {
    // Where nothing is missing, a seal or mark was damaged, which was durable before its successor
    // was written.
    const bool nothing_lost =
        damage.item.kind == ScanItem::Kind::kDamage && damage.item.lost_from == damage.item.lost_to;
    return damage.item.lost_from >= watermark && !nothing_lost;
  });
}

Status scan_block(Disk& disk, const FileRef& file, const BlockHeader& header, uint64_t size,
                  uint64_t offset_max, BlockScan* scan) {
  const Scanner::Range range{kDataStart, std::max(size, kDataStart), header.first_offset,
                             offset_max};
  Scanner scanner(disk, file, header.salt, range, Scanner::Bodies::kCheck);
  scan->timestamp_ms = header.timestamp_ms_min;
  for (;;) {
    ScanItem item;
    Status status = scanner.next(&item);
    if (!status.ok()) return status;
    if (item.kind == ScanItem::Kind::kEnd) break;
    if (item.kind == ScanItem::Kind::kRecord) {
      const RecordHeader& record = item.header;
      scan->timestamp_ms = std::max(scan->timestamp_ms, record.timestamp_ms);
      scan->sealed = record.type == RecordType::kSeal;
      scan->marked = record.type == RecordType::kMark;
      if (record.type == RecordType::kMessage) {
        index_add(&scan->index, {record.offset, item.position, record.timestamp_ms});
      }
    } else {
      const bool tail = item.kind == ScanItem::Kind::kTail;
      const uint64_t end = tail ? range.end_position : scanner.position();
      scan->damages.push_back({item, end, scan->index.size(), scan->timestamp_ms});
      scan->marked = false;
    }
  }
  scan->position = scanner.position();
  scan->next_offset = scanner.offset();
  scan->watermark = scanner.watermark();
  return {};
}

Status content_end(Disk& disk, OpenFile& file, uint64_t position, uint64_t size, uint64_t* end) {
  std::array<uint8_t, kChunkBytes> chunk;
  *end = position;
  while (position < size) {
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(chunk.size(), size - position));
    size_t got = 0;
    Status status = disk.read(file, chunk.data(), wanted, position, &got);
    if (!status.ok() || got == 0) return status;
    for (size_t i = got; i > 0; i--) {
      if (chunk[i - 1] == 0) continue;
      *end = position + i;
      break;
    }
    position += got;
  }
  return {};
}

uint64_t unreadable_block_end(uint64_t first_offset, uint64_t content_end) {
  return first_offset + std::max<uint64_t>(content_end / kRecordHeaderBytes, 1);
}

}  // namespace zbus
