#include "reader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "scanner.h"

namespace zbus {
namespace {

// Bounds the time one read takes when the filter lets nothing pass.
constexpr uint64_t kScanBytesMax = uint64_t{1} << 20;

}  // namespace

// One read under way. Kept records lie in buffer[0, used); chunks are read behind them.
struct Reader::Fill {
  std::span<uint8_t> buffer;
  std::span<ReadRow> rows;
  uint64_t end_offset;
  Wait wait;
  size_t count = 0;
  size_t used = 0;
  uint64_t scanned = 0;
  uint64_t bytes_needed = 0;
};

void Reader::seek(uint64_t offset) {
  offset_ = offset;
  block_.reset();
}

Status Reader::read(std::span<uint8_t> buffer, std::span<ReadRow> rows, uint64_t end_offset,
                    Wait wait, Result* result) {
  Fill fill{buffer, rows, end_offset, wait};
  Step step = Step::kGoOn;
  Status status;
  while (status.ok() && step == Step::kGoOn && fill.scanned < kScanBytesMax) {
    status = advance(&fill, &step);
  }
  file_.reset();
  if (!status.ok()) {
    block_.reset();
    // What was read before is handed out first; the failure comes again if it lasts.
    if (fill.count == 0) return status;
  }
  result->count = fill.count;
  result->next_offset = offset_;
  result->bytes_needed = fill.count == 0 ? static_cast<size_t>(fill.bytes_needed) : 0;
  result->must_wait = step == Step::kMustWait && fill.count == 0;
  return {};
}

// One chunk, or one step from a block to the next.
Status Reader::advance(Fill* fill, Step* step) {
  BlockView view;
  *step = Step::kStop;
  if (fill->count == fill->rows.size()) return {};
  if (!queue_->view(&offset_, &view) || offset_ >= fill->end_offset) return {};
  *step = Step::kGoOn;
  Status status = read_block(view, fill, step);
  if (status.error_number() != ENOENT) return status;
  // Removed by retention since the view was taken, or missing: the former shows in the next view.
  BlockView now;
  if (queue_->view(&offset_, &now) && now.block == view.block) return status;
  block_.reset();
  file_.reset();
  *step = Step::kGoOn;
  return {};
}

Status Reader::read_block(const BlockView& view, Fill* fill, Step* step) {
  if (view.block != block_) {
    Status status = enter(view, fill->wait, step);
    if (!status.ok() || *step != Step::kGoOn || block_ == nullptr) return status;
  }
  if (position_ + kRecordHeaderBytes > view.end_position) {
    leave(view);
    return {};
  }
  if (file_ == nullptr) {
    Status status = queue_->context().files.acquire(block_->file_id, block_->path(), &file_);
    if (!status.ok()) return status;
  }
  Status status = read_chunk(view, fill, step);
  if (status.ok() && *step == Step::kDamage) status = pass_damage(view, fill->wait, step);
  return status;
}

// Goes to where the record `offset_` must be looked for in a block not read from before.
Status Reader::enter(const BlockView& view, Wait wait, Step* step) {
  block_.reset();
  file_.reset();
  const bool may_wait = wait == Wait::kAllowed;
  Block& block = *view.block;
  if (block.salt_state.load() == Block::Salt::kUnread && !may_wait) {
    *step = Step::kMustWait;
    return {};
  }
  Context& context = queue_->context();
  Status status = context.files.acquire(block.file_id, block.path(), &file_);
  if (!status.ok()) return status;
  bool known = false;
  status = block.load_salt(context.disk, *file_, &known);
  if (!status.ok()) return status;
  if (!known) {
    leave(view);
    return {};
  }
  bool found = false;
  status = queue_->locate(view, offset_, may_wait, &position_, &found);
  if (!status.ok()) return status;
  if (!found) {
    *step = Step::kMustWait;
    return {};
  }
  block_ = view.block;
  seed_ = salt_seed(block.salt.load());
  return {};
}

Status Reader::read_chunk(const BlockView& view, Fill* fill, Step* step) {
  Disk& disk = queue_->context().disk;
  uint8_t* const target = fill->buffer.data() + fill->used;
  const size_t capacity = fill->buffer.size() - fill->used;
  const auto wanted =
      static_cast<size_t>(std::min<uint64_t>(capacity, view.end_position - position_));
  const bool may_wait = fill->wait == Wait::kAllowed;
  size_t got = 0;
  Status status = may_wait ? disk.read(*file_, target, wanted, position_, &got)
                           : disk.read_cached(*file_, target, wanted, position_, &got);
  if (!status.ok()) return status;
  fill->scanned += got;
  *step = parse(view, fill->used + got, fill);
  if (*step != Step::kPartial) return {};
  *step = Step::kGoOn;
  // Short of bytes that are in the file: not in the page cache, or cut off.
  if (got < wanted) *step = may_wait ? Step::kDamage : Step::kMustWait;
  return {};
}

// Takes what is wanted of the records in buffer[used, end), the first of which is at `position_`.
Reader::Step Reader::parse(const BlockView& view, size_t end, Fill* fill) {
  size_t at = fill->used;
  while (fill->count < fill->rows.size()) {
    if (position_ + kRecordHeaderBytes > view.end_position) return Step::kGoOn;
    const size_t available = end - at;
    if (available < kRecordHeaderBytes) return partial(at, end, 0, fill);
    const uint8_t* const bytes = fill->buffer.data() + at;
    RecordHeader header;
    if (!decode_record_header(bytes, seed_, &header)) return Step::kDamage;
    const uint64_t record_end = kRecordHeaderBytes + uint64_t{header.length};
    if (position_ + record_end > view.end_position) return Step::kDamage;
    const size_t total = static_cast<size_t>(record_bytes(header.length));
    if (header.type == RecordType::kMessage && header.offset >= offset_) {
      if (header.offset >= fill->end_offset) return Step::kStop;
      if (header.offset > offset_) queue_->report_lost(offset_, header.offset);
      offset_ = header.offset;
      const size_t names = size_t{header.id_length} + header.tag_length;
      if (available < kRecordHeaderBytes + names) return partial(at, end, record_end, fill);
      const auto id = reinterpret_cast<const char*>(bytes) + kRecordHeaderBytes;
      if (takes({id, header.id_length}, {id + header.id_length, header.tag_length})) {
        if (available < record_end) return partial(at, end, record_end, fill);
        if (crc32c(0, bytes + kRecordHeaderBytes, header.length) == header.body_crc) {
          keep(header, at, end, fill);
        } else {
          queue_->report_lost(offset_, offset_ + 1);
        }
      }
      offset_++;
    }
    position_ += total;
    if (header.type == RecordType::kSeal) position_ = view.end_position;
    if (total > available || header.type == RecordType::kSeal) return Step::kGoOn;
    at += total;
  }
  return Step::kStop;
}

// Adds a row; closes the gap that dropped records have left before this one.
void Reader::keep(const RecordHeader& header, size_t record, size_t end, Fill* fill) {
  size_t start = record + kRecordHeaderBytes;
  if (record == fill->used) {
    fill->used = std::min(record + static_cast<size_t>(record_bytes(header.length)), end);
  } else {
    std::memmove(fill->buffer.data() + fill->used, fill->buffer.data() + start, header.length);
    start = fill->used;
    fill->used += header.length;
  }
  fill->rows[fill->count++] = {header.offset,
                               header.timestamp_ms,
                               start,
                               start + header.id_length,
                               start + header.id_length + header.tag_length,
                               start + header.length};
}

// A record of `bytes` (0: not known yet) begins at `record` and goes on behind `end`. It is read
// again from its start if more of it can be had that way.
Reader::Step Reader::partial(size_t record, size_t end, uint64_t bytes, Fill* fill) {
  const size_t room = fill->buffer.size() - fill->used;
  const uint64_t needed =
      std::max<uint64_t>(bytes, kRecordHeaderBytes + kIdBytesMax + kTagBytesMax);
  if (room > end - record && room >= std::max<uint64_t>(bytes, kRecordHeaderBytes)) {
    return Step::kPartial;
  }
  if (fill->count == 0) fill->bytes_needed = needed;
  return Step::kStop;
}

// Goes on at the next valid record of the block, or behind the block.
Status Reader::pass_damage(const BlockView& view, Wait wait, Step* step) {
  if (wait == Wait::kNever) {
    *step = Step::kMustWait;
    return {};
  }
  const Scanner::Range range{position_, view.end_position, offset_, view.end_offset};
  Scanner scanner(queue_->context().disk, file_, block_->salt.load(), range,
                  Scanner::Bodies::kSkip);
  ScanItem item;
  Status status = scanner.next(&item);
  if (!status.ok()) return status;
  *step = Step::kGoOn;
  if (item.kind == ScanItem::Kind::kEnd || item.kind == ScanItem::Kind::kTail) {
    leave(view);
  } else if (item.kind == ScanItem::Kind::kDamage) {
    queue_->report_lost(item.lost_from, item.lost_to);
    position_ = scanner.position();
    offset_ = scanner.offset();
  }
  return {};
}

bool Reader::takes(std::string_view id, std::string_view tag) const {
  if (group_.has_value()) {
    const size_t mark = id.find(kAddressMark);
    if (mark != std::string_view::npos && id.substr(mark + 1) != *group_) return false;
  }
  return filter_.matches(tag);
}

// Nothing more can be read from this block.
void Reader::leave(const BlockView& view) {
  queue_->report_lost(offset_, view.end_offset);
  offset_ = std::max(offset_, view.end_offset);
  block_.reset();
  file_.reset();
}

}  // namespace zbus
