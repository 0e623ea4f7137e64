#include "block.h"

#include <array>
#include <cinttypes>
#include <cstdio>

namespace zbus {
namespace {

constexpr size_t kOffsetDigits = 20;

bool parse_name(std::string_view name, std::string_view suffix, uint64_t* first_offset) {
  if (name.size() != kOffsetDigits + suffix.size()) return false;
  if (name.substr(kOffsetDigits) != suffix) return false;
  uint64_t value = 0;
  for (const char digit : name.substr(0, kOffsetDigits)) {
    if (digit < '0' || digit > '9') return false;
    if (__builtin_mul_overflow(value, 10, &value)) return false;
    if (__builtin_add_overflow(value, static_cast<uint64_t>(digit - '0'), &value)) return false;
  }
  *first_offset = value;
  return true;
}

}  // namespace

std::string block_name(uint64_t first_offset) {
  std::array<char, 32> name;
  const int length = std::snprintf(name.data(), name.size(), "%020" PRIu64 ".block", first_offset);
  return {name.data(), static_cast<size_t>(length)};
}

bool parse_block_name(std::string_view name, uint64_t* first_offset) {
  return parse_name(name, kBlockSuffix, first_offset);
}

bool parse_index_name(std::string_view name, uint64_t* first_offset) {
  return parse_name(name, kIndexSuffix, first_offset);
}

std::string Block::index_name() const {
  return block_name(first_offset).substr(0, kOffsetDigits) + std::string(kIndexSuffix);
}

Status Block::load_salt(Disk& disk, OpenFile& file, bool* known) {
  if (salt_state.load() == Salt::kUnread) {
    BlockHeader header;
    bool valid = false;
    Status status = read_block_header(disk, file, first_offset, &header, &valid);
    if (!status.ok()) return status;
    if (valid) {
      set_salt(header.salt);
    } else {
      salt_state.store(Salt::kUnreadable);
    }
  }
  *known = salt_state.load() == Salt::kKnown;
  return {};
}

uint64_t block_disk_bytes(uint64_t bytes) {
  const uint64_t entries = bytes / kIndexSpacing + 1;
  return round_up(bytes, kPageBytes) +
         round_up(kIndexHeaderBytes + entries * kIndexEntryBytes, kPageBytes);
}

Status read_seal_time(Disk& disk, OpenFile& file, Block& block, uint64_t* timestamp_ms,
                      bool* valid) {
  *valid = false;
  if (block.end_position < kDataStart + kRecordHeaderBytes) return {};
  bool known = false;
  Status status = block.load_salt(disk, file, &known);
  if (!status.ok() || !known) return status;
  std::array<uint8_t, kRecordHeaderBytes> bytes{};
  size_t got = 0;
  status = disk.read(file, bytes.data(), bytes.size(), block.end_position - bytes.size(), &got);
  if (!status.ok() || got < bytes.size()) return status;
  RecordHeader header;
  *valid = decode_record_header(bytes.data(), salt_seed(block.salt.load()), &header) &&
           header.type == RecordType::kSeal;
  *timestamp_ms = header.timestamp_ms;
  return {};
}

Status write_block_header(Disk& disk, OpenFile& file, const BlockHeader& header) {
  std::array<uint8_t, kBlockHeaderBytes> bytes;
  encode_block_header(header, bytes.data());
  Status status = disk.write(file, bytes.data(), bytes.size(), 0);
  if (!status.ok()) return status;
  return disk.write(file, bytes.data(), bytes.size(), kBlockHeaderCopyPosition);
}

Status read_block_header(Disk& disk, OpenFile& file, uint64_t first_offset, BlockHeader* header,
                         bool* valid) {
  *valid = false;
  for (const uint64_t position : {uint64_t{0}, kBlockHeaderCopyPosition}) {
    Status status = read_header_copy(disk, file, position, first_offset, header, valid);
    if (!status.ok() || *valid) return status;
  }
  return {};
}

Status read_header_copy(Disk& disk, OpenFile& file, uint64_t position, uint64_t first_offset,
                        BlockHeader* header, bool* valid) {
  std::array<uint8_t, kBlockHeaderBytes> bytes{};
  size_t got = 0;
  Status status = disk.read(file, bytes.data(), bytes.size(), position, &got);
  *valid = status.ok() && got == bytes.size() && decode_block_header(bytes.data(), header) &&
           header->first_offset == first_offset;
  return status;
}

}  // namespace zbus
