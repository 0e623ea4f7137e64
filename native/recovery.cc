#include "recovery.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "block_scan.h"

namespace zbus {
namespace {

constexpr size_t kChunkBytes = size_t{64} << 10;

class Recovery {
 public:
  Recovery(Context& context, const std::string& folder, Recovered* recovered)
      : disk_(context.disk), files_(context.files), folder_(folder), out_(*recovered) {}

  Status run();

 private:
  Status list_blocks();
  Status recover_last();
  Status pass_unreadable(uint64_t size);
  Status cut_tail(BlockScan* scan, const BlockScan::Damage& torn, uint64_t size);
  Status keep_tail(uint64_t position, uint64_t size);
  Status restart_block();
  Status add_block(const BlockHeader& header);
  void date_blocks();
  Status sync_and_adopt(const BlockScan& scan, uint64_t size);
  void adopt(uint64_t position, uint64_t reserved_end);
  uint32_t new_salt() { return static_cast<uint32_t>(disk_.random()); }

  Disk& disk_;
  FileCache& files_;
  const std::string& folder_;
  Recovered& out_;
  FileRef file_;  // of the last block
  BlockHeader header_;
};

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

Status Recovery::run() {
  Status status = list_blocks();
  if (!status.ok()) return status;
  while (!out_.has_active) {
    if (out_.blocks.empty()) {
      status = add_block({0, 0, 1, 0, disk_.random()});
    } else {
      status = recover_last();
    }
    if (status.ok()) continue;
    // Without room to repair the log is only read: consumers go on, and appends do after the next
    // opening that finds room.
    if (status.code() != Code::kNoSpace || out_.blocks.empty()) return status;
    out_.no_repair = status;
    break;
  }
  date_blocks();
  return {};
}

// How young the records of each block can be: as its seal says or, where that cannot be read, as
// the block behind it does, since timestamps never decrease.
void Recovery::date_blocks() {
  uint64_t timestamp_ms = out_.timestamp_ms;
  for (size_t i = out_.blocks.size(); i-- > 0;) {
    Block& block = *out_.blocks[i];
    FileRef file;
    uint64_t seal_ms = 0;
    bool valid = false;
    const bool sealed = i + 1 < out_.blocks.size();
    if (sealed && files_.acquire(block.file_id, block.path(), &file).ok() &&
        read_seal_time(disk_, *file, block, &seal_ms, &valid).ok() && valid) {
      timestamp_ms = seal_ms;
    }
    block.timestamp_ms_max = timestamp_ms;
  }
}

Status Recovery::list_blocks() {
  std::vector<FolderEntry> entries;
  Status status = disk_.list(folder_, &entries);
  if (!status.ok()) return status;
  for (const FolderEntry& entry : entries) {
    uint64_t first_offset = 0;
    if (!entry.regular) continue;
    if (ends_with(entry.name, kTemporarySuffix)) {
      status = disk_.remove(folder_ + "/" + entry.name);
      if (!status.ok()) return status;
    } else if (parse_block_name(entry.name, &first_offset)) {
      auto block = std::make_shared<Block>(files_.next_id(), folder_, first_offset);
      block->end_position = entry.size;
      out_.blocks.push_back(std::move(block));
    }
  }
  std::sort(out_.blocks.begin(), out_.blocks.end(),
            [](const BlockRef& a, const BlockRef& b) { return a->first_offset < b->first_offset; });
  return {};
}

// One step: makes the last block the active one, or changes the list so that the next step can.
Status Recovery::recover_last() {
  Block& block = *out_.blocks.back();
  out_.next_offset = block.first_offset;
  Status status = files_.acquire(block.file_id, block.path(), &file_);
  if (!status.ok()) return status;
  uint64_t size = 0;
  status = disk_.size(*file_, &size);
  if (!status.ok()) return status;
  bool valid = false;
  status = read_block_header(disk_, *file_, block.first_offset, &header_, &valid);
  if (!status.ok()) return status;
  if (!valid) return pass_unreadable(size);
  block.set_salt(header_.salt);
  out_.log_id = header_.log_id;
  BlockScan scan;
  status = scan_block(disk_, file_, header_, size, UINT64_MAX, &scan);
  if (!status.ok()) return status;
  const auto torn = scan.torn();
  for (auto damage = scan.damages.cbegin(); damage != torn; ++damage) {
    out_.lost.emplace_back(damage->item.lost_from, damage->item.lost_to);
  }
  if (torn != scan.damages.end()) return cut_tail(&scan, *torn, size);
  block.end_position = scan.position;
  out_.next_offset = scan.next_offset;
  out_.timestamp_ms = scan.timestamp_ms;
  if (!scan.sealed) return sync_and_adopt(scan, size);
  // The crash came between the seal and the next block.
  header_.first_offset = scan.next_offset;
  header_.timestamp_ms_min = scan.timestamp_ms;
  return add_block(header_);
}

// Neither copy of the last block's header can be read.
Status Recovery::pass_unreadable(uint64_t size) {
  const BlockRef block = out_.blocks.back();
  uint64_t end = 0;
  Status status = content_end(disk_, *file_, 0, size, &end);
  if (!status.ok()) return status;
  if (end == 0) {
    // It was being made. The one before it, if any, may not have been sealed.
    file_.reset();
    files_.forget(block->file_id);
    status = disk_.remove(block->path());
    if (!status.ok()) return status;
    out_.blocks.pop_back();
    if (!out_.blocks.empty()) return {};
    return add_block({0, block->first_offset, 1, 0, disk_.random()});
  }
  // It stays where it is, unread. The log goes on above every offset it can hold.
  header_ = {0, 0, 1, 0, disk_.random()};
  if (out_.blocks.size() > 1) {
    Block& previous = *out_.blocks[out_.blocks.size() - 2];
    FileRef file;
    status = files_.acquire(previous.file_id, previous.path(), &file);
    if (!status.ok()) return status;
    bool valid = false;
    BlockHeader header;
    status = read_block_header(disk_, *file, previous.first_offset, &header, &valid);
    if (!status.ok()) return status;
    if (valid) header_ = header;
  }
  header_.first_offset = unreadable_block_end(block->first_offset, end);
  header_.epoch++;
  out_.log_id = header_.log_id;
  out_.next_offset = header_.first_offset;
  out_.lost.emplace_back(block->first_offset, header_.first_offset);
  return add_block(header_);
}

// What the torn tail held was acknowledged to nobody as durable: it is set aside and dropped.
Status Recovery::cut_tail(BlockScan* scan, const BlockScan::Damage& torn, uint64_t size) {
  Block& block = *out_.blocks.back();
  const uint64_t position = torn.item.position;
  block.end_position = position;
  out_.next_offset = torn.item.lost_from;
  out_.timestamp_ms = torn.timestamp_ms;
  Status status = keep_tail(position, size);
  if (!status.ok()) return status;
  status = disk_.truncate(*file_, position);
  if (!status.ok()) return status;
  status = disk_.sync(*file_);
  if (!status.ok()) return status;
  if (out_.next_offset == block.first_offset) return restart_block();
  RecordHeader seal;
  seal.type = RecordType::kSeal;
  seal.offset = out_.next_offset;
  seal.timestamp_ms = out_.timestamp_ms;
  seal.watermark = out_.next_offset;
  std::array<uint8_t, kRecordHeaderBytes> bytes;
  encode_record_header(seal, salt_seed(header_.salt), bytes.data());
  status = disk_.write(*file_, bytes.data(), bytes.size(), position);
  if (!status.ok()) return status;
  status = disk_.sync(*file_);
  if (!status.ok()) return status;
  block.end_position = position + bytes.size();
  scan->index.resize(torn.index_size);
  static_cast<void>(write_index(disk_, block, header_.salt, scan->index));
  header_.first_offset = out_.next_offset;
  header_.timestamp_ms_min = out_.timestamp_ms;
  header_.epoch++;
  return add_block(header_);
}

// Copies what is cut off, for people to look at. Named by block and epoch: a crash in mid-repair
// makes the same copy again, a later repair another one.
Status Recovery::keep_tail(uint64_t position, uint64_t size) {
  uint64_t end = 0;
  Status status = content_end(disk_, *file_, position, size, &end);
  if (!status.ok()) return status;
  const std::string name = block_name(header_.first_offset);
  const std::string path = folder_ + "/" + name.substr(0, name.find('.')) + "." +
                           std::to_string(header_.epoch) + std::string(kTornSuffix);
  FileRef copy;
  status = disk_.open(path, OpenMode::kReplace, &copy);
  if (!status.ok()) return status;
  std::vector<uint8_t> chunk(kChunkBytes);
  for (uint64_t done = position; done < end;) {
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(chunk.size(), end - done));
    size_t got = 0;
    status = disk_.read(*file_, chunk.data(), wanted, done, &got);
    if (status.ok()) status = disk_.write(*copy, chunk.data(), got, done - position);
    if (!status.ok() || got == 0) return status;
    done += got;
  }
  status = disk_.sync(*copy);
  if (!status.ok()) return status;
  return disk_.sync_folder(folder_);
}

// The block held no whole record: it begins anew, so that nothing of the old one can pass.
Status Recovery::restart_block() {
  header_.salt = new_salt();
  header_.epoch++;
  Status status = disk_.truncate(*file_, 0);
  if (!status.ok()) return status;
  status = write_block_header(disk_, *file_, header_);
  if (!status.ok()) return status;
  status = disk_.sync(*file_);
  if (!status.ok()) return status;
  out_.blocks.back()->set_salt(header_.salt);
  adopt(kDataStart, kDataStart);
  return {};
}

Status Recovery::add_block(const BlockHeader& header) {
  header_ = header;
  header_.salt = new_salt();
  auto block = std::make_shared<Block>(files_.next_id(), folder_, header_.first_offset);
  block->set_salt(header_.salt);
  Status status = disk_.open(block->path(), OpenMode::kCreate, &file_);
  if (!status.ok()) return status;
  status = write_block_header(disk_, *file_, header_);
  if (status.ok()) status = disk_.sync(*file_);
  if (status.ok()) status = disk_.sync_folder(folder_);
  if (!status.ok()) {
    static_cast<void>(disk_.remove(block->path()));
    return status;
  }
  files_.insert(block->file_id, file_);
  out_.blocks.push_back(std::move(block));
  out_.log_id = header_.log_id;
  out_.next_offset = header_.first_offset;
  out_.timestamp_ms = std::max(out_.timestamp_ms, header_.timestamp_ms_min);
  adopt(kDataStart, kDataStart);
  return {};
}

Status Recovery::sync_and_adopt(const BlockScan& scan, uint64_t size) {
  // After a kill the page cache may hold what the disk does not.
  if (!scan.marked) {
    Status status = disk_.sync(*file_);
    if (!status.ok()) return status;
  }
  adopt(scan.position, std::max(size, scan.position));
  out_.marked = scan.marked;
  out_.active.index = scan.index;
  out_.active.index_written = scan.index.size();
  return {};
}

void Recovery::adopt(uint64_t position, uint64_t reserved_end) {
  out_.active.block = out_.blocks.back();
  out_.active.block->end_position = position;
  out_.active.header = header_;
  out_.active.seed = salt_seed(header_.salt);
  out_.active.position = position;
  out_.active.reserved_end = reserved_end;
  out_.has_active = true;
}

}  // namespace

Status recover(Context& context, const std::string& folder, Recovered* recovered) {
  return Recovery(context, folder, recovered).run();
}

}  // namespace zbus
