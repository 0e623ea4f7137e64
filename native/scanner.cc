#include "scanner.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace zbus {
namespace {

constexpr size_t kWindowBytes = size_t{256} << 10;

}  // namespace

Scanner::Scanner(Disk& disk, FileRef file, uint32_t salt, const Range& range, Bodies bodies)
    : disk_(disk),
      file_(std::move(file)),
      seed_(salt_seed(salt)),
      bodies_(bodies),
      end_position_(range.end_position),
      offset_max_(range.offset_max),
      position_(range.position),
      offset_(range.offset) {}

// Makes [position, position + size), at most a window and within the end, readable at `*bytes`.
Status Scanner::window(uint64_t position, size_t size, const uint8_t** bytes) {
  if (position < window_position_ || position + size > window_position_ + window_.size()) {
    const uint64_t left = end_position_ - position;
    window_.resize(static_cast<size_t>(std::min<uint64_t>(left, kWindowBytes)));
    window_position_ = position;
    size_t got = 0;
    Status status = disk_.read(*file_, window_.data(), window_.size(), position, &got);
    if (!status.ok()) {
      window_.clear();
      return status;
    }
    // A file that ends early reads as zeros: no record is valid there.
    std::memset(window_.data() + got, 0, window_.size() - got);
  }
  *bytes = window_.data() + (position - window_position_);
  return {};
}

bool Scanner::acceptable(const uint8_t* bytes, RecordHeader* header) const {
  return decode_record_header(bytes, seed_, header) && header->offset >= offset_ &&
         header->offset <= offset_max_;
}

Status Scanner::check_body(const RecordHeader& header, bool* valid) {
  uint32_t crc = 0;
  uint64_t position = position_ + kRecordHeaderBytes;
  for (uint64_t left = header.length; left > 0;) {
    // What the window still holds comes first, so that nothing is read twice.
    const uint64_t held = window_position_ + window_.size() - position;
    const auto size = static_cast<size_t>(std::min(left, held > 0 ? held : kWindowBytes));
    const uint8_t* bytes = nullptr;
    Status status = window(position, size, &bytes);
    if (!status.ok()) return status;
    crc = crc32c(crc, bytes, size);
    position += size;
    left -= size;
  }
  *valid = crc == header.body_crc;
  return {};
}

void Scanner::damage(ScanItem* item, uint64_t next_offset, uint64_t next_position) {
  item->kind = ScanItem::Kind::kDamage;
  item->lost_from = offset_;
  item->lost_to = next_offset;
  offset_ = next_offset;
  position_ = next_position;
}

// Looks for the next sound header at every place where a record may begin.
Status Scanner::skip_damage(ScanItem* item) {
  bool zeros = true;
  uint64_t position = position_;
  while (position < end_position_) {
    const auto size =
        static_cast<size_t>(std::min<uint64_t>(end_position_ - position, kWindowBytes));
    const uint8_t* bytes = nullptr;
    Status status = window(position, size, &bytes);
    if (!status.ok()) return status;
    size_t i = 0;
    for (; i + kRecordHeaderBytes <= size; i += kRecordAlignment) {
      RecordHeader header;
      if (acceptable(bytes + i, &header)) {
        damage(item, header.offset, position + i);
        return {};
      }
      zeros = zeros && load<uint64_t>(bytes + i) == 0;
    }
    // The last few bytes of a window begin the next one, unless they end the block.
    if (position + size == end_position_) {
      for (; i < size; i++) zeros = zeros && bytes[i] == 0;
    }
    position += i;
  }
  ended_ = true;
  item->kind = zeros ? ScanItem::Kind::kEnd : ScanItem::Kind::kTail;
  item->lost_from = item->lost_to = offset_;
  return {};
}

Status Scanner::next(ScanItem* item) {
  *item = {};
  item->position = position_;
  if (ended_) return {};
  bool valid = false;
  if (position_ + kRecordHeaderBytes <= end_position_) {
    const uint8_t* bytes = nullptr;
    Status status = window(position_, kRecordHeaderBytes, &bytes);
    if (!status.ok()) return status;
    valid = acceptable(bytes, &item->header);
  }
  if (!valid) return skip_damage(item);
  const RecordHeader& header = item->header;
  if (header.offset > offset_) {
    damage(item, header.offset, position_);
    return {};
  }
  watermark_ = std::max(watermark_, header.watermark);
  const uint64_t next_position = position_ + record_bytes(header.length);
  if (header.type == RecordType::kMessage) {
    bool sound = position_ + kRecordHeaderBytes + header.length <= end_position_;
    if (sound && bodies_ == Bodies::kCheck) {
      Status status = check_body(header, &sound);
      if (!status.ok()) return status;
    }
    if (!sound) {
      damage(item, offset_ + 1, std::min(next_position, end_position_));
      return {};
    }
    offset_++;
  }
  item->kind = ScanItem::Kind::kRecord;
  position_ = next_position;
  ended_ = header.type == RecordType::kSeal;
  return {};
}

}  // namespace zbus
