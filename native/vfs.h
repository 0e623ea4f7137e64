// The file system as the engine sees it: one virtual call per system call, nothing retried, nothing
// buffered. vfs.cc is the only file with system calls; tests put one that fails or records in its
// place. Called by disk.cc and file_cache.cc alone.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace zbus {

// Every call answers -errno when it fails, else 0 or, where it moves bytes, how many.
class File {
 public:
  virtual ~File() = default;

  virtual int64_t pwritev(const iovec* parts, int count, uint64_t position) = 0;
  virtual int64_t pread(void* target, size_t size, uint64_t position) = 0;
  // Only what lies in the page cache: -EAGAIN when nothing does, -EOPNOTSUPP where unknown.
  virtual int64_t pread_nowait(void* target, size_t size, uint64_t position) = 0;
  virtual int fdatasync() = 0;
  virtual int fallocate(uint64_t position, uint64_t size) = 0;
  virtual int ftruncate(uint64_t size) = 0;
  virtual int64_t size() = 0;
};

enum class OpenMode : uint8_t {
  kReadWrite,  // must be there
  kCreate,     // must not be there
  kReplace,    // made, or emptied
  kReadOnly,   // must be there
};

enum class LockMode : uint8_t {
  kExclusive,  // held against every other holder; the file is made if absent
  kShared,     // held against exclusive holders; the file must be there, and is only read
};

struct FolderEntry {
  std::string name;
  bool folder;
  bool regular;  // a plain file; a link or a device is neither
  uint64_t size;
  uint32_t mode;  // permission bits
};

class Vfs {
 public:
  virtual ~Vfs() = default;

  // Links are not followed; files are made with mode 0600, folders with 0700.
  virtual int open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) = 0;
  virtual int rename(const std::string& from, const std::string& to) = 0;
  virtual int unlink(const std::string& path) = 0;
  // -EEXIST when the folder is there; another error when something else is, a link too, unless the
  // path ends in '/'.
  virtual int mkdir(const std::string& path) = 0;
  virtual int rmdir(const std::string& path) = 0;
  virtual int sync_folder(const std::string& path) = 0;
  // Without `.` and `..`, in no order. `path` must be a folder, not a link, unless it ends in '/'.
  virtual int list(const std::string& path, std::vector<FolderEntry>* entries) = 0;
  virtual int free_bytes(const std::string& path, uint64_t* bytes) = 0;
  // Held until the file is closed; -EWOULDBLOCK when another holder is in the way.
  virtual int lock(const std::string& path, LockMode mode, std::unique_ptr<File>* file) = 0;
  virtual uint64_t random() = 0;
};

// The real one. Lives as long as the process.
Vfs& posix_vfs();

}  // namespace zbus
