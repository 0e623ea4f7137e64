// The layout of what is on disk: constants, sizes, encode and decode; no I/O. Described, with
// the reasons, in docs/disk-format.md, which changes in the same commit. All numbers are little
// endian.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "crc32c.h"

namespace zbus {

template <class Number>
void store(uint8_t* target, Number value) {
  if constexpr (std::endian::native == std::endian::big) {
    for (size_t i = 0; i < sizeof value; i++) target[i] = static_cast<uint8_t>(value >> (8 * i));
  } else {
    std::memcpy(target, &value, sizeof value);
  }
}

template <class Number>
Number load(const uint8_t* source) {
  Number value = 0;
  if constexpr (std::endian::native == std::endian::big) {
    for (size_t i = 0; i < sizeof value; i++) value |= Number{source[i]} << (8 * i);
  } else {
    std::memcpy(&value, source, sizeof value);
  }
  return value;
}

inline constexpr uint64_t round_up(uint64_t value, uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

inline constexpr uint32_t kFormatVersion = 1;
// The unit in which disks lose data; what must not be lost together is this far apart.
inline constexpr size_t kPageBytes = 4096;

// ---- Block ----------------------------------------------------------------------------------

inline constexpr char kBlockMagic[8] = {'z', 'b', 'u', 's', 'b', 'l', 'k', '1'};
inline constexpr size_t kBlockHeaderBytes = 64;
inline constexpr uint64_t kBlockHeaderCopyPosition = kPageBytes;
inline constexpr uint64_t kDataStart = 2 * kPageBytes;

struct BlockHeader {
  uint32_t salt = 0;              // random; part of every record's header CRC
  uint64_t first_offset = 0;      // of its first record, as in the file's name
  uint64_t epoch = 0;             // raised by every recovery that dropped a torn tail
  uint64_t timestamp_ms_min = 0;  // no record of the block is older
  uint64_t log_id = 0;  // random, drawn when the topic was made; the same in all its blocks
};

inline void encode_block_header(const BlockHeader& header, uint8_t* target) {
  std::memset(target, 0, kBlockHeaderBytes);
  std::memcpy(target, kBlockMagic, sizeof kBlockMagic);
  store(target + 8, kFormatVersion);
  store(target + 12, header.salt);
  store(target + 16, header.first_offset);
  store(target + 24, header.epoch);
  store(target + 32, header.timestamp_ms_min);
  store(target + 40, header.log_id);
  store(target + 60, crc32c(0, target, 60));
}

// False when the bytes are not a header of this version.
inline bool decode_block_header(const uint8_t* source, BlockHeader* header) {
  if (std::memcmp(source, kBlockMagic, sizeof kBlockMagic) != 0) return false;
  if (load<uint32_t>(source + 60) != crc32c(0, source, 60)) return false;
  if (load<uint32_t>(source + 8) != kFormatVersion) return false;
  header->salt = load<uint32_t>(source + 12);
  header->first_offset = load<uint64_t>(source + 16);
  header->epoch = load<uint64_t>(source + 24);
  header->timestamp_ms_min = load<uint64_t>(source + 32);
  header->log_id = load<uint64_t>(source + 40);
  return true;
}

// ---- Record ---------------------------------------------------------------------------------

inline constexpr size_t kRecordHeaderBytes = 40;
inline constexpr size_t kRecordAlignment = 8;
inline constexpr uint32_t kRecordLengthMax = uint32_t{1} << 30;  // id + tag + wire bytes
inline constexpr size_t kIdBytesMax = 255;                       // with the address
// In the id of a record for one group alone, between the id proper and the group's key.
inline constexpr char kAddressMark = '\x1f';
inline constexpr size_t kTagBytesMax = 255;

enum class RecordType : uint8_t {
  kMessage = 1,
  kSeal = 2,  // last of a block: nothing follows, all before it is durable once it is
  kMark = 3,  // written by a clean close: all before it was durable
};

struct RecordHeader {
  uint32_t body_crc = 0;
  uint32_t length = 0;  // of id + tag + wire bytes
  RecordType type = RecordType::kMessage;
  uint8_t id_length = 0;
  uint8_t tag_length = 0;
  uint8_t level = 0;          // as the producer asked: 0 none, 1 page, 2 disk
  uint64_t offset = 0;        // seal and mark: of the next message; they take none
  uint64_t timestamp_ms = 0;  // never below that of the record before
  uint64_t watermark = 0;     // offsets below were known durable when this was staged
};

// What the CRC of a record header begins with; keeps records of other blocks from passing.
inline uint32_t salt_seed(uint32_t salt) {
  uint8_t bytes[4];
  store(bytes, salt);
  return crc32c(0, bytes, sizeof bytes);
}

// Bytes a record takes in the block, padding included.
inline constexpr uint64_t record_bytes(uint32_t length) {
  return (kRecordHeaderBytes + uint64_t{length} + kRecordAlignment - 1) & ~(kRecordAlignment - 1);
}

inline void encode_record_header(const RecordHeader& header, uint32_t seed, uint8_t* target) {
  store(target + 4, header.body_crc);
  store(target + 8, header.length);
  target[12] = static_cast<uint8_t>(header.type);
  target[13] = header.id_length;
  target[14] = header.tag_length;
  target[15] = header.level;
  store(target + 16, header.offset);
  store(target + 24, header.timestamp_ms);
  store(target + 32, header.watermark);
  store(target, crc32c(seed, target + 4, kRecordHeaderBytes - 4));
}

// False when these bytes are not a record header of the block with this seed. The cheap checks come
// first: a resynchronisation tries every eighth byte.
inline bool decode_record_header(const uint8_t* source, uint32_t seed, RecordHeader* header) {
  if (source[12] < 1 || source[12] > 3) return false;
  header->length = load<uint32_t>(source + 8);
  header->type = static_cast<RecordType>(source[12]);
  header->id_length = source[13];
  header->tag_length = source[14];
  if (header->length > kRecordLengthMax) return false;
  if (uint32_t{header->id_length} + header->tag_length > header->length) return false;
  if (header->type != RecordType::kMessage && header->length != 0) return false;
  if (load<uint32_t>(source) != crc32c(seed, source + 4, kRecordHeaderBytes - 4)) return false;
  header->body_crc = load<uint32_t>(source + 4);
  header->level = source[15];
  header->offset = load<uint64_t>(source + 16);
  header->timestamp_ms = load<uint64_t>(source + 24);
  header->watermark = load<uint64_t>(source + 32);
  return true;
}

// ---- Index ----------------------------------------------------------------------------------

inline constexpr char kIndexMagic[8] = {'z', 'b', 'u', 's', 'i', 'd', 'x', '1'};
inline constexpr size_t kIndexHeaderBytes = 40;
inline constexpr size_t kIndexEntryBytes = 24;
inline constexpr uint64_t kIndexSpacing = 4096;  // at least this much of the block per entry

struct IndexEntry {
  uint64_t offset;
  uint64_t position;
  uint64_t timestamp_ms;
  bool operator==(const IndexEntry&) const = default;
};

// ---- Cursor ---------------------------------------------------------------------------------

inline constexpr char kCursorMagic[8] = {'z', 'b', 'u', 's', 'c', 'u', 'r', '1'};
inline constexpr size_t kCursorSlotBytes = kPageBytes;
inline constexpr size_t kCursorSlots = 3;
inline constexpr size_t kCursorHeaderBytes = 48;
inline constexpr size_t kCursorNameBytesMax = 1024;
inline constexpr size_t kCursorDetailBytesMax =
    kCursorSlotBytes - kCursorHeaderBytes - kCursorNameBytesMax;

static_assert(kDataStart % kRecordAlignment == 0);
static_assert(kRecordHeaderBytes % kRecordAlignment == 0);
static_assert(kBlockHeaderCopyPosition + kBlockHeaderBytes <= kDataStart);
static_assert(sizeof(IndexEntry) == kIndexEntryBytes);
static_assert(kCursorDetailBytesMax == 3024);
static_assert(record_bytes(0) == 40 && record_bytes(1) == 48 && record_bytes(8) == 48);

}  // namespace zbus
