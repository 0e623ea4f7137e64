#include "queue.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace zbus {
namespace {}  // namespace

bool passes(const Status& status) {
  return status.code() == Code::kNoSpace || status.error_number() == EMFILE ||
         status.error_number() == ENFILE;
}

Status Queue::open(std::shared_ptr<Context> context, const std::string& folder, uint64_t id,
                   std::shared_ptr<Queue>* queue) {
  Recovered recovered(context->buffers);
  Status status = recover(*context, folder, &recovered);
  if (!status.ok()) return status;
  *queue = std::make_shared<Queue>(std::move(context), folder, id, std::move(recovered));
  return {};
}

Queue::Queue(std::shared_ptr<Context> context, const std::string& folder, uint64_t id,
             Recovered recovered)
    : context_(std::move(context)),
      folder_(folder),
      id_(id),
      cursors_(context_, folder, recovered.log_id),
      writer_(*context_, folder),
      blocks_(std::move(recovered.blocks)),
      next_offset_(recovered.next_offset),
      written_end_(recovered.next_offset),
      durable_end_(recovered.next_offset),
      timestamp_ms_(recovered.timestamp_ms),
      marked_(recovered.marked) {
  for (const auto& [from, to] : recovered.lost) lost_.add(from, to);
  for (size_t i = 0; i + 1 < blocks_.size(); i++) {
    sealed_disk_bytes_ += block_disk_bytes(blocks_[i]->end_position);
  }
  if (recovered.has_active) writer_.adopt(std::move(recovered.active));
  if (!recovered.no_repair.ok()) {
    failed_ = Status::error(Code::kReadOnly, std::string("no room to repair the log: ") +
                                                 recovered.no_repair.message());
  }
}

QueueState Queue::state() {
  std::lock_guard lock(mutex_);
  QueueState state{};
  state.first_offset = blocks_.front()->first_offset;
  state.next_offset = next_offset_;
  state.written_end = written_end_;
  state.durable_end = durable_end_;
  for (const BlockRef& block : blocks_) state.stored_bytes += block->end_position;
  state.lost_count = lost_.count();
  state.read_only = !failed_.ok();
  state.staged_bytes = rolling_ ? writer_.staged_bytes() : 0;
  return state;
}

Progress Queue::progress() {
  std::lock_guard lock(mutex_);
  return {id_, written_end_, durable_end_, !failed_.ok()};
}

Status Queue::usable_locked() const {
  if (closed_) return Status::error(Code::kClosed, "queue is closed: " + folder_);
  return failed_;
}

Status Queue::append(const RecordParts& parts, uint64_t* offset) {
  std::lock_guard lock(mutex_);
  if (Status status = usable_locked(); !status.ok()) return status;
  if (parts.id.size() > kIdBytesMax || parts.tag.size() > kTagBytesMax ||
      parts.length() > kRecordLengthMax) {
    return Status::error(Code::kInvalid, "id, tag or the whole of a record is too long");
  }
  RecordParts record = parts;
  record.timestamp_ms = std::max(parts.timestamp_ms, timestamp_ms_);
  Status status = writer_.stage(record, next_offset_, durable_end_);
  if (!status.ok()) return status;
  timestamp_ms_ = record.timestamp_ms;
  disk_staged_ = disk_staged_ || record.level == kLevelDisk;
  marked_ = false;
  *offset = next_offset_++;
  return {};
}

// Writes what is staged for the block at the end, and says how far the log then goes.
Status Queue::write_locked() {
  Status status = writer_.write_staged();
  if (!status.ok()) return status;
  written_end_ = writer_.must_roll() ? writer_.second().block->first_offset : next_offset_;
  disk_waits_ = disk_waits_ || disk_staged_;
  disk_staged_ = false;
  return {};
}

Status Queue::commit(uint64_t* written_end, bool* listed) {
  Status status;
  *listed = false;
  Urgency urgency = Urgency::kInterval;
  {
    std::lock_guard lock(mutex_);
    status = usable_locked();
    if (!status.ok()) return status;
    *written_end = written_end_;
    if (next_offset_ == written_end_) return {};
    if (!rolling_) {
      status = write_locked();
      if (!status.ok()) {
        drop_locked();
        if (passes(status)) return status;
        fail_locked(status);
      }
      rolling_ = writer_.must_roll();
      *written_end = written_end_;
    }
    // After a failure, those who wait for a sync of earlier records must hear of it.
    if (rolling_ || disk_waits_ || !status.ok()) urgency = Urgency::kNow;
  }
  *listed = true;
  context_->flusher.add(shared_from_this(), urgency);
  return status;
}

void Queue::drop_locked() {
  writer_.drop_staged();
  next_offset_ = written_end_;
  disk_staged_ = false;
  rolling_ = false;
}

// Final: what the disk holds is known again only by recovery.
void Queue::fail_locked(const Status& cause) {
  drop_locked();
  failed_ = Status::error(
      Code::kReadOnly, std::string("queue failed, read-only until reopened: ") + cause.message());
}

FlushTarget::Outcome Queue::flush() {
  std::lock_guard structure(structure_mutex_);
  Outcome outcome;
  {
    std::lock_guard lock(mutex_);
    outcome.progress = !failed_.ok();
    if (closed_ || !failed_.ok()) return outcome;
    if (!rolling_ && durable_end_ == written_end_) return outcome;
  }
  outcome.progress = true;
  Status status = roll();
  if (!status.ok()) {
    outcome.again = passes(status);
    return outcome;
  }
  static_cast<void>(sync());  // a failure is final and kept in failed_
  return outcome;
}

// Rolls until no further block is waiting. A failure that passes leaves everything staged, to be
// tried again; any other is final.
Status Queue::roll() {
  for (bool done = false; !done;) {
    Status status = roll_once(&done);
    if (status.ok()) continue;
    std::lock_guard lock(mutex_);
    if (!passes(status)) fail_locked(status);
    return status;
  }
  return {};
}

Status Queue::roll_once(bool* done) {
  OpenBlock* sealed = nullptr;
  OpenBlock* next = nullptr;
  uint64_t offset = 0;
  uint64_t timestamp_ms = 0;
  uint64_t watermark = 0;
  {
    std::lock_guard lock(mutex_);
    if (!rolling_) {
      *done = true;
      return {};
    }
    if (Status status = write_locked(); !status.ok()) return status;
    rolling_ = writer_.must_roll();
    *done = !rolling_;
    if (*done) return {};
    // The event loop stages into the last block meanwhile, but leaves these fields alone.
    sealed = &writer_.front();
    next = &writer_.second();
    offset = next->header.first_offset;
    timestamp_ms = sealed->block->timestamp_ms_max;
    watermark = durable_end_;
  }
  Status status = writer_.seal(*sealed, offset, timestamp_ms, watermark);
  if (!status.ok()) return status;
  {
    std::lock_guard lock(mutex_);
    durable_end_ = offset;
  }
  status = writer_.begin(*next);
  if (!status.ok()) return status;
  OpenBlock old(context_->buffers);
  {
    std::lock_guard lock(mutex_);
    old = writer_.advance();
    sealed_disk_bytes_ += block_disk_bytes(old.block->end_position);
    blocks_.push_back(writer_.front().block);
  }
  // Derived: made again when it is needed and not there.
  static_cast<void>(write_index(context_->disk, *old.block, old.header.salt, old.index));
  old.index.shrink_to_fit();
  context_->indexes.insert(old.block->file_id, std::make_shared<IndexTable>(std::move(old.index)));
  return {};
}

Status Queue::sync() {
  FileRef file;
  uint64_t target = 0;
  {
    std::lock_guard lock(mutex_);
    if (!failed_.ok()) return failed_;
    OpenBlock& block = writer_.front();
    target = written_end_;
    if (target == durable_end_) return {};
    // Only ahead of those who wait: a bulk load gains nothing from it. A failure shows in the sync.
    if (disk_waits_) static_cast<void>(writer_.zero_ahead());
    disk_waits_ = false;
    file = block.file;
  }
  Status status = context_->disk.sync(*file);
  std::lock_guard lock(mutex_);
  if (!status.ok()) {
    fail_locked(status);
    return status;
  }
  durable_end_ = target;
  if (durable_end_ == written_end_) {
    writer_.front().file.reset();
    file.reset();
    context_->files.trim();
  }
  return {};
}

Status Queue::close() {
  std::lock_guard structure(structure_mutex_);
  Status status;
  {
    std::lock_guard lock(mutex_);
    if (closed_) return Status::error(Code::kClosed, "queue is closed: " + folder_);
    closed_ = true;
    status = failed_;
    rolling_ = status.ok();
  }
  if (status.ok()) status = roll();
  if (status.ok()) status = sync();
  if (status.ok()) status = write_mark();
  {
    std::lock_guard lock(mutex_);
    drop_locked();
    for (const BlockRef& block : blocks_) {
      context_->files.forget(block->file_id);
      context_->indexes.forget(block->file_id);
    }
  }
  Status cursors = cursors_.close();
  context_->flusher.report(shared_from_this());
  return status.ok() ? cursors : status;
}

// Marks the end durable and gives back the space reserved behind it.
Status Queue::write_mark() {
  FileRef file;
  {
    std::lock_guard lock(mutex_);
    OpenBlock& block = writer_.front();
    if (marked_ || next_offset_ == block.block->first_offset) return {};
    Status status = writer_.write_mark(next_offset_, timestamp_ms_, durable_end_);
    if (!status.ok()) return status;
    status = context_->disk.truncate(*block.file, block.position);
    if (!status.ok()) return status;
    file = std::move(block.file);
  }
  return context_->disk.sync(*file);
}

}  // namespace zbus
