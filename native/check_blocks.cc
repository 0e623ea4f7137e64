// The part of FolderCheck that knows a topic's log. The last block is judged as recovery would, all
// others as readers would meet them.
#include <cerrno>
#include <string_view>
#include <utility>

#include "block.h"
#include "block_scan.h"
#include "check.h"
#include "index.h"

namespace zbus {
namespace {

class LogCheck {
 public:
  LogCheck(Disk& disk, Disk* repair_disk, const std::string& path, TopicCheck* topic)
      : disk_(disk), repair_disk_(repair_disk), path_(path), out_(*topic) {}

  void run();

 private:
  // A block as its headers show it.
  struct Found {
    std::string name;
    uint64_t first_offset;
    uint64_t size;
    BlockHeader header;
    bool readable = false;     // one of the headers is sound
    bool failed = false;       // the file system refuses it
    uint64_t content_end = 0;  // of one that is not readable
  };

  void read_headers();
  Status read_headers(Found* block);
  void drop_blank();
  void name_log();
  void check_inner(const Found& block, uint64_t end_offset);
  void check_last(const Found& block);
  void check_index(const Found& block, const BlockScan& scan);
  void repair_index(const Block& block, uint32_t salt, const IndexTable& table, Problem* problem);
  void find_orphans();
  bool scan(const Found& block, uint64_t offset_max, BlockScan* scan);
  void add_damages(const Found& block, const BlockScan& scan,
                   BlockScan::Damages::const_iterator end);
  void add_lost(Problem problem);
  void fail(const std::string& file, const Status& status);

  Disk& disk_;
  Disk* const repair_disk_;
  const std::string& path_;
  TopicCheck& out_;
  std::vector<Found> blocks_;
};

bool is_role(const FileCheck& file, std::string_view role) {
  return file.regular && file.role == role;
}

void LogCheck::run() {
  out_.log_known = true;
  read_headers();
  find_orphans();
  if (blocks_.empty()) return;
  out_.first_offset = out_.next_offset = blocks_.front().first_offset;
  drop_blank();
  out_.block_count = blocks_.size();
  if (blocks_.empty()) return;
  out_.first_offset = blocks_.front().first_offset;
  name_log();
  for (size_t i = 0; i + 1 < blocks_.size(); i++) {
    check_inner(blocks_[i], blocks_[i + 1].first_offset);
  }
  check_last(blocks_.back());
}

void LogCheck::fail(const std::string& file, const Status& status) {
  out_.log_known = false;
  out_.add({.kind = "unreadable", .file = file, .reason = status.message()});
}

// The files are in the order of their names, which is that of their offsets.
void LogCheck::read_headers() {
  for (const FileCheck& file : out_.files) {
    if (!is_role(file, "block")) continue;
    Found block{.name = file.name, .first_offset = 0, .size = file.bytes, .header = {}};
    parse_block_name(file.name, &block.first_offset);
    if (Status status = read_headers(&block); !status.ok()) {
      block.failed = true;
      fail(block.name, status);
    }
    blocks_.push_back(std::move(block));
  }
}

Status LogCheck::read_headers(Found* block) {
  FileRef file;
  Status status = disk_.open(path_ + "/" + block->name, OpenMode::kReadOnly, &file);
  if (!status.ok()) return status;
  uint32_t salt = 0;
  uint64_t damaged_position = 0;
  size_t sound = 0;
  for (const uint64_t position : {uint64_t{0}, kBlockHeaderCopyPosition}) {
    BlockHeader header;
    bool valid = false;
    status = read_header_copy(disk_, *file, position, block->first_offset, &header, &valid);
    if (!status.ok()) return status;
    // The first sound one counts; another that says something else is of a former life.
    if (valid && (sound == 0 || header.salt == salt)) {
      if (sound++ == 0) block->header = header;
      salt = block->header.salt;
    } else {
      damaged_position = position;
    }
  }
  block->readable = sound > 0;
  if (sound == 1) {
    out_.add({.kind = "damagedHeaderCopy",
              .file = block->name,
              .position = damaged_position,
              .bytes = kBlockHeaderBytes});
  }
  if (block->readable) return {};
  return content_end(disk_, *file, 0, block->size, &block->content_end);
}

// Blocks that were being made when the process ended.
void LogCheck::drop_blank() {
  while (!blocks_.empty()) {
    const Found& last = blocks_.back();
    if (last.failed || last.readable || last.content_end > 0) return;
    out_.add({.kind = "blankBlock", .file = last.name, .bytes = last.size});
    out_.next_offset = last.first_offset;
    blocks_.pop_back();
  }
  out_.first_offset = out_.next_offset;
}

// Finds the id of the log as recovery does: in the last block or, where that is unreadable, in the
// one before it. Blocks that name another are not of this log, unless an unreadable block lies
// between: behind two of them recovery has begun a new log.
void LogCheck::name_log() {
  const size_t last = blocks_.size() - 1;
  const size_t named = !blocks_[last].readable && last > 0 ? last - 1 : last;
  out_.log_named = blocks_[named].readable;
  out_.log_id = blocks_[named].header.log_id;
  if (!out_.log_named) return;
  for (size_t i = named + 1; i-- > 0 && blocks_[i].readable;) {
    if (blocks_[i].header.log_id == out_.log_id) continue;
    out_.add({.kind = "foreignBlock",
              .file = blocks_[i].name,
              .bytes = blocks_[i].size,
              .offset_from = blocks_[i].first_offset,
              .offset_to = blocks_[i + 1].first_offset});
  }
}

bool LogCheck::scan(const Found& block, uint64_t offset_max, BlockScan* scan) {
  FileRef file;
  Status status = disk_.open(path_ + "/" + block.name, OpenMode::kReadOnly, &file);
  if (status.ok()) {
    status = scan_block(disk_, file, block.header, block.size, offset_max, scan);
  }
  if (!status.ok()) fail(block.name, status);
  return status.ok();
}

void LogCheck::add_lost(Problem problem) {
  out_.lost.add(problem.offset_from, problem.offset_to);
  out_.add(std::move(problem));
}

void LogCheck::add_damages(const Found& block, const BlockScan& scan,
                           BlockScan::Damages::const_iterator end) {
  for (auto damage = scan.damages.begin(); damage != end; ++damage) {
    const ScanItem& item = damage->item;
    // The end of a block is judged by what was expected there.
    if (item.kind == ScanItem::Kind::kTail) continue;
    const bool lost = item.lost_from < item.lost_to;
    add_lost({.kind = lost ? "damagedRecords" : "damagedMark",
              .file = block.name,
              .position = item.position,
              .bytes = damage->end_position - item.position,
              .offset_from = item.lost_from,
              .offset_to = item.lost_to});
  }
}

// A block with others behind it, the first of which begins at `end_offset`.
void LogCheck::check_inner(const Found& block, uint64_t end_offset) {
  out_.stored_bytes += block.size;
  if (block.failed) return;
  if (!block.readable) {
    add_lost({.kind = "damagedHeader",
              .file = block.name,
              .bytes = kDataStart,
              .offset_from = block.first_offset,
              .offset_to = end_offset});
    return;
  }
  BlockScan scan;
  if (!this->scan(block, end_offset, &scan)) return;
  add_damages(block, scan, scan.damages.end());
  Problem problem{.file = block.name,
                  .position = scan.position,
                  .bytes = block.size - std::min(scan.position, block.size),
                  .offset_from = scan.next_offset,
                  .offset_to = end_offset};
  if (scan.next_offset < end_offset && scan.sealed) {
    problem.kind = "missingBlock";
    problem.file = block_name(scan.next_offset);
    problem.position = problem.bytes = 0;
    add_lost(std::move(problem));
  } else if (scan.next_offset < end_offset) {
    problem.kind = "damagedRecords";
    add_lost(std::move(problem));
  } else if (!scan.sealed) {
    problem.kind = "damagedSeal";
    problem.offset_to = problem.offset_from;
    out_.add(std::move(problem));
  }
  check_index(block, scan);
}

void LogCheck::check_last(const Found& block) {
  if (block.failed) return;
  if (!block.readable) {
    out_.stored_bytes += block.size;
    out_.next_offset = unreadable_block_end(block.first_offset, block.content_end);
    add_lost({.kind = "damagedHeader",
              .file = block.name,
              .bytes = kDataStart,
              .offset_from = block.first_offset,
              .offset_to = out_.next_offset});
    return;
  }
  BlockScan scan;
  if (!this->scan(block, UINT64_MAX, &scan)) return;
  const auto torn = scan.torn();
  add_damages(block, scan, torn);
  out_.next_offset = scan.next_offset;
  out_.stored_bytes += scan.position;
  if (torn != scan.damages.end()) {
    out_.stored_bytes -= scan.position - torn->item.position;
    out_.next_offset = torn->item.lost_from;
    out_.add({.kind = "tornTail",
              .file = block.name,
              .position = torn->item.position,
              .bytes = block.size - torn->item.position,
              .offset_from = torn->item.lost_from,
              .offset_to = scan.next_offset});
  } else if (scan.sealed) {
    // The crash came before the next block was made.
    check_index(block, scan);
  }
}

void LogCheck::check_index(const Found& found, const BlockScan& scan) {
  const Block block(0, path_, found.first_offset);
  IndexTable table;
  bool valid = false;
  Problem problem{.file = block.index_name()};
  Status status = read_index(disk_, block, found.header.salt, &table, &valid);
  if (!status.ok() && status.error_number() != ENOENT) {
    out_.add({.kind = "unreadable", .file = problem.file, .reason = status.message()});
    return;
  }
  if (!status.ok()) {
    problem.kind = "missingIndex";
  } else if (!valid) {
    problem.kind = "damagedIndex";
  } else if (scan.damages.empty() && table != scan.index) {
    // Of a damaged block the index may say more than can be read.
    problem.kind = "wrongIndex";
  } else {
    return;
  }
  if (repair_disk_ != nullptr) repair_index(block, found.header.salt, scan.index, &problem);
  out_.add(std::move(problem));
}

void LogCheck::repair_index(const Block& block, uint32_t salt, const IndexTable& table,
                            Problem* problem) {
  IndexTable written;
  Status status = write_index(*repair_disk_, block, salt, table);
  if (status.ok()) status = read_index(disk_, block, salt, &written, &problem->repaired);
  if (status.ok()) problem->repaired = problem->repaired && written == table;
  problem->reason = status.message();
}

// Indexes whose block is gone.
void LogCheck::find_orphans() {
  for (const FileCheck& file : out_.files) {
    uint64_t first_offset = 0;
    if (!is_role(file, "index") || !parse_index_name(file.name, &first_offset)) continue;
    const bool owned = std::any_of(blocks_.begin(), blocks_.end(), [&](const Found& block) {
      return block.first_offset == first_offset;
    });
    if (!owned) out_.add({.kind = "orphanIndex", .file = file.name, .bytes = file.bytes});
  }
}

}  // namespace

void check_blocks(Disk& disk, Disk* repair_disk, const std::string& path, TopicCheck* topic) {
  LogCheck(disk, repair_disk, path, topic).run();
}

}  // namespace zbus
