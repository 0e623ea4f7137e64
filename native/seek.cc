#include "seek.h"

#include <cerrno>
#include <utility>

#include "scanner.h"

namespace zbus {
namespace {

// Opens the block; `*known` is false when its header cannot be read.
Status open_block(Context& context, Block& block, FileRef* file, bool* known) {
  Status status = context.files.acquire(block.file_id, block.path(), file);
  if (!status.ok()) return status;
  return block.load_salt(context.disk, **file, known);
}

Scanner scan(Context& context, const FileRef& file, const BlockView& view, const IndexEntry& from) {
  const Scanner::Range range{from.position, view.end_position, from.offset, view.end_offset};
  return {context.disk, file, view.block->salt.load(), range, Scanner::Bodies::kSkip};
}

Status build_index(Context& context, const FileRef& file, const BlockView& view,
                   IndexTable* table) {
  table->clear();
  Scanner scanner = scan(context, file, view, {view.block->first_offset, kDataStart, 0});
  for (;;) {
    ScanItem item;
    Status status = scanner.next(&item);
    if (!status.ok()) return status;
    if (item.kind == ScanItem::Kind::kEnd || item.kind == ScanItem::Kind::kTail) break;
    if (item.kind == ScanItem::Kind::kDamage || item.header.type != RecordType::kMessage) continue;
    index_add(table, {item.header.offset, item.position, item.header.timestamp_ms});
  }
  static_cast<void>(write_index(context.disk, *view.block, view.block->salt.load(), *table));
  return {};
}

// No record of block `i` or of those behind it is older; a block that cannot be read says nothing.
Status oldest_time(Context& context, const std::vector<BlockView>& views, size_t i,
                   uint64_t* timestamp_ms) {
  for (; i < views.size(); i++) {
    Block& block = *views[i].block;
    FileRef file;
    Status status = context.files.acquire(block.file_id, block.path(), &file);
    if (!status.ok()) return status;
    BlockHeader header;
    bool valid = false;
    status = read_block_header(context.disk, *file, block.first_offset, &header, &valid);
    if (!status.ok()) return status;
    if (!valid) continue;
    *timestamp_ms = header.timestamp_ms_min;
    return {};
  }
  *timestamp_ms = UINT64_MAX;
  return {};
}

// The first message of the block at or after the time, if there is one.
Status find_in_block(Context& context, const BlockView& view, const IndexTable* table,
                     uint64_t timestamp_ms, uint64_t* offset, bool* found) {
  *found = false;
  FileRef file;
  bool known = false;
  Status status = open_block(context, *view.block, &file, &known);
  if (!status.ok() || !known) return status;
  IndexRef loaded;
  if (table == nullptr) {
    status = load_index(context, view, &loaded);
    if (!status.ok()) return status;
    table = loaded.get();
  }
  const IndexEntry from = index_seek_time(*table, view.block->first_offset, timestamp_ms);
  Scanner scanner = scan(context, file, view, from);
  for (;;) {
    ScanItem item;
    status = scanner.next(&item);
    if (!status.ok()) return status;
    if (item.kind == ScanItem::Kind::kEnd || item.kind == ScanItem::Kind::kTail) return {};
    if (item.kind == ScanItem::Kind::kDamage || item.header.type != RecordType::kMessage) continue;
    if (item.header.offset >= view.end_offset) return {};
    if (item.header.timestamp_ms < timestamp_ms) continue;
    *offset = item.header.offset;
    *found = true;
    return {};
  }
}

}  // namespace

Status load_index(Context& context, const BlockView& view, IndexRef* table) {
  *table = context.indexes.find(view.block->file_id);
  if (*table != nullptr) return {};
  IndexTable loaded;
  FileRef file;
  bool known = false;
  Status status = open_block(context, *view.block, &file, &known);
  if (!status.ok()) return status;
  if (known) {
    bool valid = false;
    status = read_index(context.disk, *view.block, view.block->salt.load(), &loaded, &valid);
    if (!status.ok() && status.error_number() != ENOENT) return status;
    if (!valid) {
      status = build_index(context, file, view, &loaded);
      if (!status.ok()) return status;
    }
  }
  *table = std::make_shared<const IndexTable>(std::move(loaded));
  context.indexes.insert(view.block->file_id, *table);
  return {};
}

Status find_time(Context& context, const std::vector<BlockView>& views,
                 const IndexTable& last_table, uint64_t timestamp_ms, uint64_t* offset) {
  // The last block that may hold an older record; in the blocks before it all are older.
  size_t low = 0;
  size_t high = views.size();
  while (high - low > 1) {
    const size_t middle = low + (high - low) / 2;
    uint64_t oldest_ms = 0;
    Status status = oldest_time(context, views, middle, &oldest_ms);
    if (!status.ok()) return status;
    (oldest_ms < timestamp_ms ? low : high) = middle;
  }
  for (size_t i = low; i < views.size(); i++) {
    bool found = false;
    Status status = find_in_block(context, views[i], views[i].last ? &last_table : nullptr,
                                  timestamp_ms, offset, &found);
    if (!status.ok() || found) return status;
  }
  *offset = views.back().end_offset;
  return {};
}

}  // namespace zbus
