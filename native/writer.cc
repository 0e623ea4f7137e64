#include "writer.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <utility>

namespace zbus {
namespace {

constexpr uint64_t kReserveStepMin = uint64_t{64} << 10;
constexpr uint64_t kReserveStepMax = uint64_t{4} << 20;
constexpr uint64_t kZeroAheadBytes = uint64_t{256} << 10;
constexpr uint64_t kZeroLowBytes = uint64_t{64} << 10;

uint8_t* put(uint8_t* target, std::string_view bytes) {
  if (!bytes.empty()) std::memcpy(target, bytes.data(), bytes.size());
  return target + bytes.size();
}

// A record without a body: a seal or a mark.
std::array<uint8_t, kRecordHeaderBytes> bare_record(RecordType type, uint32_t seed, uint64_t offset,
                                                    uint64_t timestamp_ms, uint64_t watermark) {
  RecordHeader header;
  header.type = type;
  header.offset = offset;
  header.timestamp_ms = timestamp_ms;
  header.watermark = watermark;
  std::array<uint8_t, kRecordHeaderBytes> bytes;
  encode_record_header(header, seed, bytes.data());
  return bytes;
}

}  // namespace

size_t Writer::staged_bytes() const {
  size_t bytes = 0;
  for (const OpenBlock& block : open_) bytes += block.staged.size();
  return bytes;
}

void Writer::limit_blocks(uint64_t bytes) {
  block_bytes_ = context_.options.block_bytes;
  const uint64_t limit = std::max(bytes, kBlockLimitMin) / kPageBytes * kPageBytes;
  if (limit >= block_bytes_) return;
  const uint64_t index_bytes = block_disk_bytes(limit) - limit;
  block_bytes_ = limit - index_bytes;
}

void Writer::trim_reserved() {
  if (open_.size() != 1) return;
  OpenBlock& block = open_.front();
  const uint64_t used = block.position + block.staged.size() + kRecordHeaderBytes;
  const uint64_t end = std::max(block_bytes_, used);
  if (block.reserved_end <= end) return;
  FileRef file = block.file;
  const std::string path = block.block->path();
  if (file == nullptr && !context_.files.acquire(block.block->file_id, path, &file).ok()) return;
  // Should this fail, the room is given back when the block is sealed.
  if (!context_.disk.truncate(*file, end).ok()) return;
  block.reserved_end = end;
  block.zeroed_end = std::min(block.zeroed_end, end);
}

uint64_t Writer::disk_bytes_max() const {
  uint64_t bytes = 0;
  for (const OpenBlock& block : open_) {
    bytes += block_disk_bytes(std::max(block_bytes_, block.reserved_end));
  }
  const OpenBlock& last = open_.back();
  if (last.position + last.staged.size() < block_bytes_ / 2) return bytes;
  return bytes + block_disk_bytes(block_bytes_);
}

Status Writer::stage(const RecordParts& parts, uint64_t offset, uint64_t watermark) {
  const size_t length = parts.length();
  assert(length <= kRecordLengthMax);
  const uint64_t bytes = record_bytes(static_cast<uint32_t>(length));
  OpenBlock* block = &open_.back();
  uint64_t end = block->position + block->staged.size();
  const bool holds_messages = offset > block->block->first_offset;
  if (holds_messages && end + bytes + kRecordHeaderBytes > block_bytes_) {
    Status status = start_block(offset, parts.timestamp_ms, bytes);
    if (!status.ok()) return status;
    block = &open_.back();
    end = block->position;
  } else {
    Status status = reserve(*block, end + bytes);
    if (!status.ok()) return status;
  }
  uint8_t* target = block->staged.extend(static_cast<size_t>(bytes));
  uint8_t* const body = target + kRecordHeaderBytes;
  uint8_t* const body_end = put(put(put(put(body, parts.id), parts.tag), parts.head), parts.body);
  std::memset(body_end, 0, static_cast<size_t>(target + bytes - body_end));
  RecordHeader header;
  header.body_crc = crc32c(0, body, length);
  header.length = static_cast<uint32_t>(length);
  header.id_length = static_cast<uint8_t>(parts.id.size());
  header.tag_length = static_cast<uint8_t>(parts.tag.size());
  header.level = parts.level;
  header.offset = offset;
  header.timestamp_ms = parts.timestamp_ms;
  header.watermark = watermark;
  encode_record_header(header, block->seed, target);
  index_add(&block->index, {offset, end, parts.timestamp_ms});
  block->block->timestamp_ms_max = parts.timestamp_ms;
  return {};
}

Status Writer::start_block(uint64_t offset, uint64_t timestamp_ms_min, uint64_t bytes) {
  OpenBlock next(context_.buffers);
  next.header = open_.back().header;
  next.header.salt = static_cast<uint32_t>(context_.disk.random());
  next.header.first_offset = offset;
  next.header.timestamp_ms_min = timestamp_ms_min;
  next.seed = salt_seed(next.header.salt);
  next.block = std::make_shared<Block>(context_.files.next_id(), folder_, offset);
  next.block->set_salt(next.header.salt);
  next.block->timestamp_ms_max = timestamp_ms_min;
  next.position = kDataStart;
  Status status = context_.disk.open(next.block->path(), OpenMode::kCreate, &next.file);
  if (!status.ok()) return status;
  context_.files.insert(next.block->file_id, next.file);
  // Without a record to come nothing is reserved: what makes room must not need any, and a quiet
  // topic must not hold it.
  if (bytes > 0) {
    next.reserve_step = kReserveStepMax;
    status = reserve(next, kDataStart + bytes);
    if (!status.ok()) {
      discard(next);
      return status;
    }
  }
  open_.push_back(std::move(next));
  return {};
}

// Makes sure of room up to `end` and for the seal behind it.
Status Writer::reserve(OpenBlock& block, uint64_t end) {
  const uint64_t needed = end + kRecordHeaderBytes;
  if (needed <= block.reserved_end) return {};
  const uint64_t step = std::max(block.reserve_step, kReserveStepMin);
  const uint64_t stepped = round_up(block.reserved_end + step, kPageBytes);
  const uint64_t wanted = std::max(std::min(stepped, block_bytes_), needed);
  Status status = reserve_to(block, wanted);
  if (status.ok()) {
    block.reserve_step = std::min(step * 2, kReserveStepMax);
  } else if (status.code() == Code::kNoSpace) {
    status = reserve_to(block, needed);
  }
  return status;
}

Status Writer::reserve_to(OpenBlock& block, uint64_t end) {
  const uint64_t bytes = end - block.reserved_end;
  uint64_t free_bytes = 0;
  Status status = context_.disk.free_bytes(folder_, &free_bytes);
  if (!status.ok()) return status;
  if (free_bytes < bytes || free_bytes - bytes < context_.options.free_bytes_min) {
    return Status::error(Code::kNoSpace, "no room in " + folder_ + ": " +
                                             std::to_string(free_bytes) + " bytes are free");
  }
  status = hold_file(block);
  if (!status.ok()) return status;
  status = context_.disk.reserve(*block.file, block.reserved_end, bytes);
  if (!status.ok()) return status;
  block.reserved_end = end;
  return {};
}

Status Writer::hold_file(OpenBlock& block) {
  if (block.file != nullptr) return {};
  return context_.files.acquire(block.block->file_id, block.block->path(), &block.file);
}

Status Writer::write_staged() {
  OpenBlock& block = open_.front();
  if (block.staged.size() == 0) return {};
  Status status = hold_file(block);
  if (!status.ok()) return status;
  const size_t bytes = block.staged.size();
  status = context_.disk.write(*block.file, block.staged.data(), bytes, block.position);
  if (!status.ok()) {
    // Whole records of the failed write must not be found by a recovery: their offsets are free.
    Status cut = context_.disk.truncate(*block.file, block.position);
    block.reserved_end = block.zeroed_end = block.position;
    return cut.ok() ? status : Status::error(Code::kIo, cut.message());
  }
  block.position += bytes;
  block.block->end_position = block.position;
  block.index_written = block.index.size();
  block.staged.clear();
  return {};
}

Status Writer::write_mark(uint64_t offset, uint64_t timestamp_ms, uint64_t watermark) {
  OpenBlock& block = open_.front();
  assert(block.staged.size() == 0);
  Status status = hold_file(block);
  if (!status.ok()) return status;
  const auto mark = bare_record(RecordType::kMark, block.seed, offset, timestamp_ms, watermark);
  status = context_.disk.write(*block.file, mark.data(), mark.size(), block.position);
  if (!status.ok()) return status;
  block.position += mark.size();
  block.block->end_position = block.position;
  return {};
}

void Writer::drop_staged() {
  while (open_.size() > 1) {
    discard(open_.back());
    open_.pop_back();
  }
  if (open_.empty()) return;
  OpenBlock& block = open_.front();
  block.staged.clear();
  block.index.resize(block.index_written);
}

// Removes a block that was begun and never written to. What cannot be removed is blank, and
// recovery removes it.
void Writer::discard(OpenBlock& block) {
  context_.files.forget(block.block->file_id);
  static_cast<void>(context_.disk.remove(block.block->path()));
}

Status Writer::zero_ahead() {
  OpenBlock& block = open_.front();
  const uint64_t begin = std::max(block.zeroed_end, block.position + block.staged.size());
  if (begin >= block.position + kZeroLowBytes) return {};
  const uint64_t end = std::min(begin + kZeroAheadBytes, block.reserved_end);
  if (end <= begin) return {};
  Status status = hold_file(block);
  if (!status.ok()) return status;
  status = context_.disk.write_zeros(*block.file, begin, end - begin);
  if (status.ok()) block.zeroed_end = end;
  return status;
}

Status Writer::seal(OpenBlock& block, uint64_t offset, uint64_t timestamp_ms, uint64_t watermark) {
  Status status = hold_file(block);
  if (!status.ok()) return status;
  const auto seal = bare_record(RecordType::kSeal, block.seed, offset, timestamp_ms, watermark);
  status = context_.disk.write(*block.file, seal.data(), seal.size(), block.position);
  if (!status.ok()) return status;
  status = context_.disk.truncate(*block.file, block.position + seal.size());
  if (!status.ok()) return status;
  return context_.disk.sync(*block.file);
}

Status Writer::begin(OpenBlock& block) {
  Status status = write_block_header(context_.disk, *block.file, block.header);
  if (!status.ok()) return status;
  status = context_.disk.sync(*block.file);
  if (!status.ok()) return status;
  return context_.disk.sync_folder(folder_);
}

OpenBlock Writer::advance() {
  OpenBlock sealed = std::move(open_.front());
  open_.pop_front();
  sealed.position += kRecordHeaderBytes;
  sealed.block->end_position = sealed.position;
  return sealed;
}

}  // namespace zbus
