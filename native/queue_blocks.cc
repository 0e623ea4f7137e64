// The part of Queue that knows its blocks: where readers find records, what retention removes.
#include <algorithm>
#include <utility>

#include "queue.h"

namespace zbus {

Status Queue::delete_before(uint64_t offset) {
  std::lock_guard structure(structure_mutex_);
  {
    std::lock_guard lock(mutex_);
    if (closed_) return Status::error(Code::kClosed, "queue is closed: " + folder_);
  }
  // First what needs no room: the last block can go only when there is some for its successor.
  Status status = remove_blocks_before(offset);
  if (!status.ok()) return status;
  uint64_t end = 0;
  status = roll_last(offset, &end);
  if (passes(status)) return {};
  return status.ok() ? remove_blocks_before(offset) : status;
}

Status Queue::empty() {
  std::lock_guard structure(structure_mutex_);
  uint64_t end = 0;
  {
    std::lock_guard lock(mutex_);
    if (Status status = usable_locked(); !status.ok()) return status;
  }
  Status status = roll_last(UINT64_MAX, &end);
  return status.ok() ? remove_blocks_before(end) : status;
}

// Ends the last block if it holds records and all of them lie below `offset`, so that it can go;
// `*end` is the offset after them. What is staged in it is written first.
Status Queue::roll_last(uint64_t offset, uint64_t* end) {
  {
    std::lock_guard lock(mutex_);
    *end = next_offset_;
    if (!failed_.ok() || next_offset_ > offset) return {};
    if (writer_.back().block->first_offset != next_offset_) {
      Status status = writer_.start_block(next_offset_, timestamp_ms_, 0);
      if (!status.ok()) return status;
    } else if (!writer_.must_roll()) {
      return {};
    }
    rolling_ = true;
  }
  Status status = roll();
  {
    std::lock_guard lock(mutex_);
    // Held for what is unsynced, and there is nothing: a quiet topic keeps no file open.
    if (status.ok() && durable_end_ == written_end_) writer_.front().file.reset();
  }
  context_->files.trim();
  // Those who wait for what was written and synced hear of it; what could not be is tried again.
  context_->flusher.report(shared_from_this());
  context_->flusher.add(shared_from_this(), Urgency::kNow);
  return status;
}

uint64_t Queue::retain_from(uint64_t bytes_max, uint64_t before_ms) {
  std::lock_guard lock(mutex_);
  const size_t last = blocks_.size() - 1;
  uint64_t stored = sealed_disk_bytes_;
  stored += writer_.has_block() ? writer_.disk_bytes_max()
                                : block_disk_bytes(blocks_.back()->end_position);
  size_t keep = 0;
  while (keep < last && (stored > bytes_max || blocks_[keep]->timestamp_ms_max < before_ms)) {
    stored -= block_disk_bytes(blocks_[keep++]->end_position);
  }
  // Timestamps never decrease: the last one is the youngest of all, also of what is staged.
  if (keep == last && timestamp_ms_ < before_ms) return next_offset_;
  return blocks_[keep]->first_offset;
}

void Queue::limit_blocks(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  writer_.limit_blocks(bytes);
  if (!closed_ && failed_.ok()) writer_.trim_reserved();
}

Status Queue::remove_blocks_before(uint64_t offset) {
  std::vector<BlockRef> removed;
  {
    std::lock_guard lock(mutex_);
    size_t count = 0;
    while (count + 1 < blocks_.size() && blocks_[count + 1]->first_offset <= offset) count++;
    const auto end = blocks_.begin() + static_cast<ptrdiff_t>(count);
    removed.assign(blocks_.begin(), end);
    blocks_.erase(blocks_.begin(), end);
    for (const BlockRef& block : removed) {
      sealed_disk_bytes_ -= block_disk_bytes(block->end_position);
    }
  }
  if (removed.empty()) return {};
  // Oldest first: whatever a crash leaves has no hole.
  for (const BlockRef& block : removed) {
    Status status = context_->disk.remove(block->path());
    context_->files.forget(block->file_id);
    context_->indexes.forget(block->file_id);
    if (!status.ok()) return status;
    status = context_->disk.remove(folder_ + "/" + block->index_name());
    if (!status.ok()) return status;
  }
  return context_->disk.sync_folder(folder_);
}

bool Queue::view(uint64_t* offset, BlockView* view) {
  std::lock_guard lock(mutex_);
  *offset = std::max(*offset, blocks_.front()->first_offset);
  if (*offset >= written_end_) return false;
  const auto after = std::upper_bound(
      blocks_.begin(), blocks_.end(), *offset,
      [](uint64_t wanted, const BlockRef& block) { return wanted < block->first_offset; });
  view->block = after[-1];
  view->end_position = view->block->end_position;
  view->last = after == blocks_.end();
  view->end_offset = view->last ? written_end_ : (*after)->first_offset;
  return true;
}

Status Queue::locate(const BlockView& view, uint64_t offset, bool may_wait, uint64_t* position,
                     bool* found) {
  *found = true;
  *position = kDataStart;
  if (offset == view.block->first_offset) return {};
  {
    std::lock_guard lock(mutex_);
    if (writer_.has_block() && writer_.front().block == view.block) {
      const IndexTable& table = writer_.front().index;
      *position = index_seek_offset(table, view.block->first_offset, offset).position;
      return {};
    }
  }
  IndexRef table = context_->indexes.find(view.block->file_id);
  *found = table != nullptr || may_wait;
  if (!*found) return {};
  if (table == nullptr) {
    if (Status status = load_index(*context_, view, &table); !status.ok()) return status;
  }
  *position = index_seek_offset(*table, view.block->first_offset, offset).position;
  return {};
}

Status Queue::find_time(uint64_t timestamp_ms, uint64_t* offset) {
  std::vector<BlockView> views;
  IndexTable last_table;
  uint64_t next_offset = 0;
  {
    std::lock_guard lock(mutex_);
    if (closed_) return Status::error(Code::kClosed, "queue is closed: " + folder_);
    next_offset = next_offset_;
    for (size_t i = 0; i < blocks_.size(); i++) {
      const bool last = i + 1 == blocks_.size();
      views.push_back({blocks_[i], blocks_[i]->end_position,
                       last ? written_end_ : blocks_[i + 1]->first_offset, last});
    }
    if (writer_.has_block()) last_table = writer_.front().index;
  }
  Status status = zbus::find_time(*context_, views, last_table, timestamp_ms, offset);
  if (status.ok() && *offset == views.back().end_offset) *offset = next_offset;
  return status;
}

Status Queue::open_cursor(const std::string& file, const std::string& name, uint64_t start,
                          bool create, CursorRef* cursor) {
  uint64_t first = 0;
  uint64_t next = 0;
  {
    std::lock_guard lock(mutex_);
    if (closed_) return Status::error(Code::kClosed, "queue is closed: " + folder_);
    first = blocks_.front()->first_offset;
    next = next_offset_;
  }
  return cursors_.open(file, name, start, create, first, next, cursor);
}

void Queue::report_lost(uint64_t from, uint64_t to) {
  std::lock_guard lock(mutex_);
  lost_.add(from, to);
}

}  // namespace zbus
