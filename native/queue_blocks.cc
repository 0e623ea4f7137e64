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
  return remove_blocks_before(offset);
}

Status Queue::empty() {
  std::lock_guard structure(structure_mutex_);
  uint64_t end = 0;
  {
    std::lock_guard lock(mutex_);
    if (Status status = usable_locked(); !status.ok()) return status;
    end = next_offset_;
    if (writer_.back().block->first_offset != end) {
      Status status = writer_.start_block(end, timestamp_ms_, 0);
      if (!status.ok()) return status;
    }
    rolling_ = true;
  }
  Status status = roll();
  context_->flusher.add(shared_from_this(), Urgency::kNow);
  if (!status.ok()) return status;
  return remove_blocks_before(end);
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
