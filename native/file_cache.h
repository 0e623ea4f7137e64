// Open files of blocks and cursors, at most `files_max` beyond those in use. Whoever has unsynced
// data in a file keeps its reference until the sync: a file closed and opened again may have lost
// the error of a failed write-back. Any thread; its lock is a leaf.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>

#include "disk.h"
#include "status.h"

namespace zbus {

class FileCache {
 public:
  FileCache(Disk& disk, size_t files_max) : disk_(disk), files_max_(files_max) {}

  // Names a file for the cache: never reused, so that a file made anew under an old path is
  // never mistaken for the old one.
  uint64_t next_id();
  // The open file, opened now if it was not.
  Status acquire(uint64_t id, const std::string& path, FileRef* file);
  // Adds a file that its maker has just opened.
  void insert(uint64_t id, const FileRef& file);
  void forget(uint64_t id);
  // Closes what is beyond the limit and in use no more; for those who let go of a file.
  void trim();

 private:
  struct Entry {
    uint64_t id;
    FileRef file;
  };
  void insert_locked(uint64_t id, const FileRef& file);
  void trim_locked();

  Disk& disk_;
  const size_t files_max_;
  std::mutex mutex_;
  uint64_t last_id_ = 0;
  std::list<Entry> recent_;  // most recently used first
  std::unordered_map<uint64_t, std::list<Entry>::iterator> entries_;
};

}  // namespace zbus
