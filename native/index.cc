#include "index.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace zbus {
namespace {

// Of a table file: the CRC covers the header before it and all entries behind it.
constexpr size_t kCrcPosition = 36;
// A table larger than any block can have is damage.
constexpr size_t kIndexFileBytesMax = size_t{64} << 20;

uint32_t index_crc(const uint8_t* bytes, size_t size) {
  const uint32_t crc = crc32c(0, bytes, kCrcPosition);
  return crc32c(crc, bytes + kIndexHeaderBytes, size - kIndexHeaderBytes);
}

size_t table_bytes(const IndexTable& table) {
  return table.size() * sizeof(IndexEntry) + 128;
}

}  // namespace

void index_add(IndexTable* table, const IndexEntry& entry) {
  if (table->empty() || entry.position - table->back().position >= kIndexSpacing) {
    table->push_back(entry);
  }
}

IndexEntry index_seek_offset(const IndexTable& table, uint64_t first_offset, uint64_t offset) {
  const auto after = std::upper_bound(
      table.begin(), table.end(), offset,
      [](uint64_t wanted, const IndexEntry& entry) { return wanted < entry.offset; });
  return after == table.begin() ? IndexEntry{first_offset, kDataStart, 0} : after[-1];
}

IndexEntry index_seek_time(const IndexTable& table, uint64_t first_offset, uint64_t timestamp_ms) {
  const auto after = std::lower_bound(
      table.begin(), table.end(), timestamp_ms,
      [](const IndexEntry& entry, uint64_t wanted) { return entry.timestamp_ms < wanted; });
  return after == table.begin() ? IndexEntry{first_offset, kDataStart, 0} : after[-1];
}

Status write_index(Disk& disk, const Block& block, uint32_t salt, const IndexTable& table) {
  std::vector<uint8_t> bytes(kIndexHeaderBytes + table.size() * kIndexEntryBytes);
  std::memcpy(bytes.data(), kIndexMagic, sizeof kIndexMagic);
  store(bytes.data() + 8, kFormatVersion);
  store(bytes.data() + 12, salt);
  store(bytes.data() + 16, block.first_offset);
  store(bytes.data() + 24, uint64_t{table.size()});
  uint8_t* target = bytes.data() + kIndexHeaderBytes;
  for (const IndexEntry& entry : table) {
    store(target, entry.offset);
    store(target + 8, entry.position);
    store(target + 16, entry.timestamp_ms);
    target += kIndexEntryBytes;
  }
  store(bytes.data() + kCrcPosition, index_crc(bytes.data(), bytes.size()));
  FileRef file;
  const std::string path = block.folder + "/" + block.index_name();
  if (Status status = disk.open(path, OpenMode::kReplace, &file); !status.ok()) return status;
  return disk.write(*file, bytes.data(), bytes.size(), 0);
}

Status read_index(Disk& disk, const Block& block, uint32_t salt, IndexTable* table, bool* valid) {
  *valid = false;
  std::string text;
  const std::string path = block.folder + "/" + block.index_name();
  if (Status status = disk.read_file(path, kIndexFileBytesMax, &text); !status.ok()) return status;
  const auto bytes = reinterpret_cast<const uint8_t*>(text.data());
  if (text.size() < kIndexHeaderBytes) return {};
  if (std::memcmp(bytes, kIndexMagic, sizeof kIndexMagic) != 0) return {};
  if (load<uint32_t>(bytes + 8) != kFormatVersion) return {};
  if (load<uint32_t>(bytes + 12) != salt) return {};
  if (load<uint64_t>(bytes + 16) != block.first_offset) return {};
  const size_t count = (text.size() - kIndexHeaderBytes) / kIndexEntryBytes;
  if (load<uint64_t>(bytes + 24) != count) return {};
  if (text.size() != kIndexHeaderBytes + count * kIndexEntryBytes) return {};
  if (load<uint32_t>(bytes + kCrcPosition) != index_crc(bytes, text.size())) return {};
  table->resize(count);
  const uint8_t* source = bytes + kIndexHeaderBytes;
  for (IndexEntry& entry : *table) {
    entry.offset = load<uint64_t>(source);
    entry.position = load<uint64_t>(source + 8);
    entry.timestamp_ms = load<uint64_t>(source + 16);
    source += kIndexEntryBytes;
  }
  *valid = true;
  return {};
}

IndexRef IndexCache::find(uint64_t file_id) {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(file_id);
  if (found == entries_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, found->second);
  return found->second->table;
}

void IndexCache::insert(uint64_t file_id, const IndexRef& table) {
  std::lock_guard lock(mutex_);
  if (const auto found = entries_.find(file_id); found != entries_.end()) {
    erase_locked(found->second);
  }
  recent_.push_front({file_id, table});
  entries_[file_id] = recent_.begin();
  bytes_ += table_bytes(*table);
  while (bytes_ > bytes_max_ && recent_.size() > 1) erase_locked(std::prev(recent_.end()));
}

void IndexCache::forget(uint64_t file_id) {
  std::lock_guard lock(mutex_);
  if (const auto found = entries_.find(file_id); found != entries_.end()) {
    erase_locked(found->second);
  }
}

void IndexCache::erase_locked(std::list<Entry>::iterator entry) {
  bytes_ -= table_bytes(*entry->table);
  entries_.erase(entry->file_id);
  recent_.erase(entry);
}

}  // namespace zbus
