#include "file_cache.h"

namespace zbus {

uint64_t FileCache::next_id() {
  std::lock_guard lock(mutex_);
  return ++last_id_;
}

Status FileCache::acquire(uint64_t id, const std::string& path, FileRef* file) {
  {
    std::lock_guard lock(mutex_);
    if (const auto found = entries_.find(id); found != entries_.end()) {
      recent_.splice(recent_.begin(), recent_, found->second);
      *file = found->second->file;
      return {};
    }
  }
  // Opened without the lock: a slow disk must not stop the users of other files.
  FileRef opened;
  if (Status status = disk_.open(path, OpenMode::kReadWrite, &opened); !status.ok()) return status;
  std::lock_guard lock(mutex_);
  if (const auto found = entries_.find(id); found != entries_.end()) {
    *file = found->second->file;
    return {};
  }
  insert_locked(id, opened);
  *file = opened;
  return {};
}

void FileCache::insert(uint64_t id, const FileRef& file) {
  std::lock_guard lock(mutex_);
  insert_locked(id, file);
}

void FileCache::insert_locked(uint64_t id, const FileRef& file) {
  recent_.push_front({id, file});
  entries_[id] = recent_.begin();
  trim_locked();
}

void FileCache::trim() {
  std::lock_guard lock(mutex_);
  trim_locked();
}

void FileCache::trim_locked() {
  auto entry = recent_.end();
  while (recent_.size() > files_max_ && entry != recent_.begin()) {
    --entry;
    // New references come only from here, under the lock, or from an existing one.
    if (entry->file.use_count() > 1) continue;
    entries_.erase(entry->id);
    entry = recent_.erase(entry);
  }
}

void FileCache::forget(uint64_t id) {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  recent_.erase(found->second);
  entries_.erase(found);
}

}  // namespace zbus
