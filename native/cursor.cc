#include "cursor.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace zbus {
namespace {

// Leaves room for the suffixes within the 255 bytes of a file name.
constexpr size_t kCursorFileBytesMax = 240;

using SlotBytes = std::array<uint8_t, kCursorSlotBytes>;

size_t encode_slot(const CursorSlot& slot, uint8_t* target) {
  const size_t size = kCursorHeaderBytes + slot.name.size() + slot.detail.size();
  std::memset(target, 0, kCursorHeaderBytes);
  std::memcpy(target, kCursorMagic, sizeof kCursorMagic);
  store(target + 12, kFormatVersion);
  store(target + 16, slot.generation);
  store(target + 24, slot.log_id);
  store(target + 32, slot.floor);
  store(target + 40, static_cast<uint16_t>(slot.name.size()));
  store(target + 42, static_cast<uint16_t>(slot.detail.size()));
  uint8_t* const name = target + kCursorHeaderBytes;
  std::memcpy(name, slot.name.data(), slot.name.size());
  std::memcpy(name + slot.name.size(), slot.detail.data(), slot.detail.size());
  store(target + 8, crc32c(0, target + 12, size - 12));
  return size;
}

bool decode_slot(const uint8_t* source, CursorSlot* slot) {
  if (std::memcmp(source, kCursorMagic, sizeof kCursorMagic) != 0) return false;
  if (load<uint32_t>(source + 12) != kFormatVersion) return false;
  const size_t name_length = load<uint16_t>(source + 40);
  const size_t detail_length = load<uint16_t>(source + 42);
  if (name_length > kCursorNameBytesMax || detail_length > kCursorDetailBytesMax) return false;
  const size_t size = kCursorHeaderBytes + name_length + detail_length;
  if (load<uint32_t>(source + 8) != crc32c(0, source + 12, size - 12)) return false;
  slot->generation = load<uint64_t>(source + 16);
  slot->log_id = load<uint64_t>(source + 24);
  slot->floor = load<uint64_t>(source + 32);
  const auto name = reinterpret_cast<const char*>(source) + kCursorHeaderBytes;
  slot->name.assign(name, name_length);
  slot->detail.assign(name + name_length, detail_length);
  return true;
}

}  // namespace

// Slots are written in turn, so the one behind the newest is the oldest.
Status read_cursor_file(Disk& disk, const std::string& path, CursorFile* cursor) {
  *cursor = {};
  std::string bytes;
  Status status = disk.read_file(path, kCursorSlots * kCursorSlotBytes, &bytes);
  if (status.error_number() == ENOENT) return {};
  if (!status.ok()) return status;
  bytes.resize(kCursorSlots * kCursorSlotBytes);
  for (size_t i = 0; i < kCursorSlots; i++) {
    CursorSlot slot;
    const std::string_view content(bytes.data() + i * kCursorSlotBytes, kCursorSlotBytes);
    if (!decode_slot(reinterpret_cast<const uint8_t*>(content.data()), &slot)) {
      const bool blank = content.find_first_not_of('\0') == std::string_view::npos;
      cursor->slots_damaged += blank ? 0 : 1;
      continue;
    }
    if (cursor->valid && slot.generation <= cursor->newest.generation) continue;
    cursor->newest = std::move(slot);
    cursor->newest_index = i;
    cursor->valid = true;
  }
  return {};
}

Cursor::Cursor(std::shared_ptr<Context> context, std::string path, CursorSlot slot,
               size_t slot_index)
    : context_(std::move(context)),
      path_(std::move(path)),
      file_id_(context_->files.next_id()),
      slot_(std::move(slot)),
      slot_index_(slot_index) {}

uint64_t Cursor::offset() {
  std::lock_guard lock(mutex_);
  return slot_.floor;
}

std::string Cursor::detail() {
  std::lock_guard lock(mutex_);
  return slot_.detail;
}

Status Cursor::store(uint64_t offset, std::string_view detail, bool* listed) {
  *listed = false;
  if (detail.size() > kCursorDetailBytesMax) {
    return Status::error(Code::kInvalid, "cursor detail has " + std::to_string(detail.size()) +
                                             " bytes, more than " +
                                             std::to_string(kCursorDetailBytesMax));
  }
  {
    std::lock_guard lock(mutex_);
    if (closed_) return Status::error(Code::kClosed, "cursor is closed");
    if (!failed_.ok()) return failed_;
    if (!unwritten_ && offset == slot_.floor && detail == slot_.detail) return {};
    slot_.floor = offset;
    slot_.detail.assign(detail);  // allocates only where it is longer than any before
    if (Status status = write_slot(); !status.ok()) return status;
  }
  *listed = true;
  context_->flusher.add(shared_from_this(), Urgency::kInterval);
  return {};
}

Status Cursor::write_slot() {
  unwritten_ = true;
  if (file_ == nullptr) {
    Status status = context_->files.acquire(file_id_, path_, &file_);
    if (!status.ok()) return status;
  }
  slot_.generation++;
  SlotBytes bytes;
  const size_t size = encode_slot(slot_, bytes.data());
  dirty_ = true;
  Status status = context_->disk.write(*file_, bytes.data(), size, slot_index_ * kCursorSlotBytes);
  unwritten_ = !status.ok();
  return status;
}

// The slot that is synced must not change meanwhile: were it written again, a power cut could tear
// it after the one before was given up. So stores go on in the next slot, which is neither.
Status Cursor::sync_file(bool* again) {
  FileRef file;
  *again = false;
  {
    std::lock_guard lock(mutex_);
    if (!failed_.ok()) return failed_;
    if (!dirty_) return {};
    dirty_ = false;
    slot_index_ = (slot_index_ + 1) % kCursorSlots;
    file = file_;
  }
  Status status = context_->disk.sync(*file);
  std::lock_guard lock(mutex_);
  if (!status.ok()) {
    failed_ = Status::error(Code::kReadOnly, std::string("cursor failed: ") + status.message());
    return failed_;
  }
  *again = dirty_;
  if (!dirty_) {
    file_.reset();
    file.reset();
    context_->files.trim();
  }
  return {};
}

FlushTarget::Outcome Cursor::flush() {
  std::lock_guard flushing(flush_mutex_);
  bool again = false;
  // A failure is kept: the next store reports it.
  static_cast<void>(sync_file(&again));
  return {false, again};
}

Status Cursor::close() {
  std::lock_guard flushing(flush_mutex_);
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  for (bool again = true; again;) {
    Status status = sync_file(&again);
    if (!status.ok()) return status;
  }
  return {};
}

void Cursor::abandon() {
  std::lock_guard flushing(flush_mutex_);
  std::lock_guard lock(mutex_);
  closed_ = true;
  dirty_ = false;
  file_.reset();
  context_->files.forget(file_id_);
}

Status CursorSet::open(const std::string& file, const std::string& name, uint64_t start,
                       bool create, uint64_t first, uint64_t next, CursorRef* cursor) {
  const bool named = !file.empty() && file.size() <= kCursorFileBytesMax && file[0] != '.' &&
                     file.find('/') == std::string::npos && file.find('\0') == std::string::npos;
  if (!named) return Status::error(Code::kInvalid, "not a cursor file name: " + file);
  if (name.size() > kCursorNameBytesMax) {
    return Status::error(Code::kInvalid, "group name is longer than 1024 bytes");
  }
  std::lock_guard lock(mutex_);
  const auto found = cursors_.find(file);
  if (found != cursors_.end() && !create) {
    *cursor = found->second;
    return {};
  }
  if (found != cursors_.end()) {
    found->second->abandon();
    cursors_.erase(found);
  }
  CursorSlot slot;
  size_t index = 0;
  bool valid = false;
  if (!create) {
    CursorFile stored;
    Status status = read_cursor_file(context_->disk, path_of(file), &stored);
    if (!status.ok()) return status;
    slot = std::move(stored.newest);
    index = stored.newest_index;
    valid = stored.valid && slot.name == name && slot.log_id == log_id_;
  }
  if (valid) {
    index = (index + 1) % kCursorSlots;
  } else {
    slot = {1, log_id_, std::clamp(start, first, next), name, {}};
    Status status = make(file, slot);
    if (!status.ok()) return status;
    index = 1;
  }
  const bool above = slot.floor > next;
  auto opened = std::make_shared<Cursor>(context_, path_of(file), std::move(slot), index);
  if (above) {
    // On the disk before anything is appended: a later opening would skip what is new in the log.
    bool listed = false;
    Status status = opened->store(next, {}, &listed);
    if (!status.ok()) return status;
    opened->flush();
  }
  cursors_[file] = opened;
  *cursor = std::move(opened);
  return {};
}

std::string CursorSet::path_of(const std::string& file) const {
  return folder_ + "/" + file + std::string(kCursorSuffix);
}

// Makes the file with one valid slot. What stood there and was not understood is kept beside it.
Status CursorSet::make(const std::string& file, const CursorSlot& slot) {
  const std::string name = file + std::string(kCursorSuffix);
  const std::string path = path_of(file);
  CursorFile before;
  Status status = read_cursor_file(context_->disk, path, &before);
  if (!status.ok()) return status;
  if (!before.valid || before.newest.name != slot.name) {
    status = context_->disk.rename(path, path + std::string(kBadSuffix));
    if (!status.ok() && status.error_number() != ENOENT) return status;
  }
  std::string bytes(kCursorSlots * kCursorSlotBytes, '\0');
  encode_slot(slot, reinterpret_cast<uint8_t*>(bytes.data()));
  return context_->disk.replace_file(folder_, name, bytes);
}

Status CursorSet::remove(const std::string& file) {
  std::lock_guard lock(mutex_);
  const auto found = cursors_.find(file);
  if (found != cursors_.end()) {
    found->second->abandon();
    cursors_.erase(found);
  }
  if (file.empty() || file.find('/') != std::string::npos) {
    return Status::error(Code::kInvalid, "not a cursor file name: " + file);
  }
  Status status = context_->disk.remove(path_of(file));
  if (!status.ok()) return status;
  return context_->disk.sync_folder(folder_);
}

Status CursorSet::list(std::vector<std::string>* names) {
  std::vector<FolderEntry> entries;
  Status status = context_->disk.list(folder_, &entries);
  if (!status.ok()) return status;
  for (const FolderEntry& entry : entries) {
    const std::string_view name = entry.name;
    if (!entry.regular || name.size() <= kCursorSuffix.size()) continue;
    const size_t stem = name.size() - kCursorSuffix.size();
    if (name.substr(stem) != kCursorSuffix) continue;
    CursorFile stored;
    status = read_cursor_file(context_->disk, folder_ + "/" + entry.name, &stored);
    if (!status.ok()) return status;
    if (stored.valid) names->push_back(stored.newest.name);
  }
  std::sort(names->begin(), names->end());
  return {};
}

Status CursorSet::close() {
  std::lock_guard lock(mutex_);
  Status first_failure;
  for (const auto& [file, cursor] : cursors_) {
    Status status = cursor->close();
    if (!status.ok() && first_failure.ok()) first_failure = status;
  }
  cursors_.clear();
  return first_failure;
}

}  // namespace zbus
