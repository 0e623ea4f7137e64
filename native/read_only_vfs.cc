#include "read_only_vfs.h"

#include <cerrno>
#include <utility>

namespace zbus {
namespace {

class ReadOnlyFile final : public File {
 public:
  ReadOnlyFile(std::unique_ptr<File> file, std::atomic<uint64_t>& bytes_read)
      : file_(std::move(file)), bytes_read_(bytes_read) {}

  int64_t pread(void* target, size_t size, uint64_t position) override {
    const int64_t got = file_->pread(target, size, position);
    if (got > 0) bytes_read_.fetch_add(static_cast<uint64_t>(got), std::memory_order_relaxed);
    return got;
  }
  int64_t pread_nowait(void*, size_t, uint64_t) override { return -EOPNOTSUPP; }
  int64_t size() override { return file_->size(); }

  int64_t pwritev(const iovec*, int, uint64_t) override { return -EROFS; }
  int fdatasync() override { return -EROFS; }
  int fallocate(uint64_t, uint64_t) override { return -EROFS; }
  int ftruncate(uint64_t) override { return -EROFS; }

 private:
  const std::unique_ptr<File> file_;
  std::atomic<uint64_t>& bytes_read_;
};

}  // namespace

int ReadOnlyVfs::open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) {
  if (mode == OpenMode::kCreate || mode == OpenMode::kReplace) return -EROFS;
  std::unique_ptr<File> opened;
  const int result = vfs_.open(path, OpenMode::kReadOnly, &opened);
  if (result == 0) *file = std::make_unique<ReadOnlyFile>(std::move(opened), bytes_read_);
  return result;
}

int ReadOnlyVfs::list(const std::string& path, std::vector<FolderEntry>* entries) {
  return vfs_.list(path, entries);
}

int ReadOnlyVfs::free_bytes(const std::string& path, uint64_t* bytes) {
  return vfs_.free_bytes(path, bytes);
}

int ReadOnlyVfs::lock(const std::string& path, LockMode mode, std::unique_ptr<File>* file) {
  return mode == LockMode::kShared ? vfs_.lock(path, mode, file) : -EROFS;
}

int ReadOnlyVfs::rename(const std::string&, const std::string&) {
  return -EROFS;
}

int ReadOnlyVfs::unlink(const std::string&) {
  return -EROFS;
}

int ReadOnlyVfs::mkdir(const std::string&) {
  return -EROFS;
}

int ReadOnlyVfs::rmdir(const std::string&) {
  return -EROFS;
}

int ReadOnlyVfs::sync_folder(const std::string&) {
  return -EROFS;
}

}  // namespace zbus
