#include "vfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace zbus {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kFolderMode = 0700;
constexpr mode_t kPermissionBits = 07777;

int outcome(int result) {
  return result < 0 ? -errno : 0;
}

class PosixFile final : public File {
 public:
  explicit PosixFile(int descriptor) : descriptor_(descriptor) {}
  ~PosixFile() override { ::close(descriptor_); }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  int64_t pwritev(const iovec* parts, int count, uint64_t position) override {
    const ssize_t written = ::pwritev(descriptor_, parts, count, static_cast<off_t>(position));
    return written < 0 ? -errno : written;
  }

  int64_t pread(void* target, size_t size, uint64_t position) override {
    const ssize_t got = ::pread(descriptor_, target, size, static_cast<off_t>(position));
    return got < 0 ? -errno : got;
  }

  int64_t pread_nowait(void* target, size_t size, uint64_t position) override {
#ifdef RWF_NOWAIT
    const iovec part{target, size};
    const ssize_t got = ::preadv2(descriptor_, &part, 1, static_cast<off_t>(position), RWF_NOWAIT);
    return got < 0 ? -errno : got;
#else
    static_cast<void>(target), static_cast<void>(size), static_cast<void>(position);
    return -EOPNOTSUPP;
#endif
  }

  int fdatasync() override {
#ifdef __APPLE__
    return outcome(::fcntl(descriptor_, F_FULLFSYNC));
#else
    return outcome(::fdatasync(descriptor_));
#endif
  }

  int fallocate(uint64_t position, uint64_t size) override {
#ifdef __linux__
    return outcome(
        ::fallocate(descriptor_, 0, static_cast<off_t>(position), static_cast<off_t>(size)));
#else
    static_cast<void>(position), static_cast<void>(size);
    return -EOPNOTSUPP;
#endif
  }

  int ftruncate(uint64_t size) override {
    return outcome(::ftruncate(descriptor_, static_cast<off_t>(size)));
  }

  int64_t size() override {
    struct stat info;
    return ::fstat(descriptor_, &info) < 0 ? -errno : info.st_size;
  }

 private:
  const int descriptor_;
};

class PosixVfs final : public Vfs {
 public:
  int open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) override {
    // O_NONBLOCK: a pipe in the place of a file must give an error, not wait for a writer.
    int flags = mode == OpenMode::kReadOnly ? O_RDONLY | O_NONBLOCK : O_RDWR;
    flags |= O_NOFOLLOW | O_CLOEXEC;
    if (mode == OpenMode::kCreate) flags |= O_CREAT | O_EXCL;
    if (mode == OpenMode::kReplace) flags |= O_CREAT | O_TRUNC;
    const int descriptor = ::open(path.c_str(), flags, kFileMode);
    if (descriptor < 0) return -errno;
    *file = std::make_unique<PosixFile>(descriptor);
    return 0;
  }

  int rename(const std::string& from, const std::string& to) override {
    return outcome(::rename(from.c_str(), to.c_str()));
  }

  int unlink(const std::string& path) override { return outcome(::unlink(path.c_str())); }

  int mkdir(const std::string& path) override {
    if (::mkdir(path.c_str(), kFolderMode) == 0) return 0;
    if (errno != EEXIST) return -errno;
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0) return -errno;
    ::close(descriptor);
    return -EEXIST;
  }

  int rmdir(const std::string& path) override { return outcome(::rmdir(path.c_str())); }

  int sync_folder(const std::string& path) override {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return -errno;
    const int result = outcome(::fsync(descriptor));
    ::close(descriptor);
    return result;
  }

  int list(const std::string& path, std::vector<FolderEntry>* entries) override {
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    const int descriptor = ::open(path.c_str(), flags);
    if (descriptor < 0) return -errno;
    DIR* folder = ::fdopendir(descriptor);
    if (folder == nullptr) {
      const int failed = -errno;
      ::close(descriptor);
      return failed;
    }
    errno = 0;
    while (const dirent* entry = ::readdir(folder)) {
      struct stat info;
      const char* name = entry->d_name;
      if (std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0) continue;
      // A file that another thread has just removed is not in the folder.
      if (::fstatat(descriptor, name, &info, AT_SYMLINK_NOFOLLOW) == 0) {
        entries->push_back({name, S_ISDIR(info.st_mode), S_ISREG(info.st_mode),
                            static_cast<uint64_t>(info.st_size), info.st_mode & kPermissionBits});
      }
      errno = 0;
    }
    const int result = -errno;
    ::closedir(folder);
    return result;
  }

  int free_bytes(const std::string& path, uint64_t* bytes) override {
    struct statvfs info;
    if (::statvfs(path.c_str(), &info) < 0) return -errno;
    *bytes = uint64_t{info.f_bavail} * info.f_frsize;
    return 0;
  }

  int lock(const std::string& path, LockMode mode, std::unique_ptr<File>* file) override {
    const bool exclusive = mode == LockMode::kExclusive;
    const int flags =
        (exclusive ? O_RDWR | O_CREAT : O_RDONLY | O_NONBLOCK) | O_NOFOLLOW | O_CLOEXEC;
    const int descriptor = ::open(path.c_str(), flags, kFileMode);
    if (descriptor < 0) return -errno;
    auto opened = std::make_unique<PosixFile>(descriptor);
    if (::flock(descriptor, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0) return -errno;
    *file = std::move(opened);
    return 0;
  }

  uint64_t random() override {
    uint64_t value;
    // Cannot fail for so few bytes; a salt need not be secret, only unlikely to repeat.
    if (::getentropy(&value, sizeof value) < 0) value = 0x9e3779b97f4a7c15;
    return value;
  }
};

}  // namespace

Vfs& posix_vfs() {
  static PosixVfs vfs;
  return vfs;
}

}  // namespace zbus
