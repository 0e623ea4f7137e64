// File calls with the answers the engine works with: interrupted calls are repeated, short ones are
// completed, errors carry call and path. Called by everything that touches files; owns nothing but
// the Vfs it was given. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "status.h"
#include "vfs.h"

namespace zbus {

// An open file and its name. Closed with the last reference.
struct OpenFile {
  std::string path;
  std::unique_ptr<File> file;
};
using FileRef = std::shared_ptr<OpenFile>;

class Disk {
 public:
  explicit Disk(Vfs& vfs) : vfs_(vfs) {}

  Status open(const std::string& path, OpenMode mode, FileRef* file);
  Status lock(const std::string& path, LockMode mode, FileRef* file);

  // Writes all of it.
  Status write(OpenFile& file, const void* bytes, size_t size, uint64_t position);
  // Writes `size` zeros.
  Status write_zeros(OpenFile& file, uint64_t position, uint64_t size);
  // Reads until `size` bytes or the end of the file; `*got` says how many.
  Status read(OpenFile& file, void* target, size_t size, uint64_t position, size_t* got);
  // Reads what the page cache holds, from `position` on; `*got` is 0 when that is nothing, or the
  // file system cannot tell.
  Status read_cached(OpenFile& file, void* target, size_t size, uint64_t position, size_t* got);
  Status sync(OpenFile& file);
  // Ok, without effect, where the file system cannot reserve.
  Status reserve(OpenFile& file, uint64_t position, uint64_t size);
  Status truncate(OpenFile& file, uint64_t size);
  Status size(OpenFile& file, uint64_t* bytes);

  Status rename(const std::string& from, const std::string& to);
  // Ok when it is not there.
  Status remove(const std::string& path);
  // Ok when it is there.
  Status make_folder(const std::string& path);
  Status remove_folder(const std::string& path);
  Status sync_folder(const std::string& path);
  Status list(const std::string& path, std::vector<FolderEntry>* entries);
  Status free_bytes(const std::string& path, uint64_t* bytes);
  uint64_t random() { return vfs_.random(); }

  // Puts `bytes` at `folder`/`name`, whole or not at all, and durably.
  Status replace_file(const std::string& folder, const std::string& name, std::string_view bytes);
  // The whole file, at most `size_max` bytes of it.
  Status read_file(const std::string& path, size_t size_max, std::string* bytes);

 private:
  Vfs& vfs_;
};

// Suffix of files that are being made; what a crash left of them is removed at the next start.
inline constexpr std::string_view kTemporarySuffix = ".tmp";

}  // namespace zbus
