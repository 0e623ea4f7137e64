#include "fault_vfs.h"

#include <cerrno>
#include <utility>

namespace zbus::test {
namespace {

class FaultFile final : public File {
 public:
  FaultFile(FaultVfs& vfs, std::string path, std::unique_ptr<File> file)
      : vfs_(vfs), path_(std::move(path)), file_(std::move(file)) {}

  int64_t pwritev(const iovec* parts, int count, uint64_t position) override {
    const int fault = vfs_.ask(Call::kWrite, path_);
    if (fault > 0) return -fault;
    if (fault == FaultVfs::kShort && parts[0].iov_len > 1) {
      const iovec half{parts[0].iov_base, parts[0].iov_len / 2};
      return file_->pwritev(&half, 1, position);
    }
    return file_->pwritev(parts, count, position);
  }

  int64_t pread(void* target, size_t size, uint64_t position) override {
    const int fault = vfs_.ask(Call::kRead, path_);
    if (fault > 0) return -fault;
    return file_->pread(target, fault == FaultVfs::kShort ? (size + 1) / 2 : size, position);
  }

  int64_t pread_nowait(void* target, size_t size, uint64_t position) override {
    const int fault = vfs_.ask(Call::kReadCached, path_);
    if (fault > 0) return -fault;
    // Answers even where the file system under the test cannot say what is cached.
    return file_->pread(target, fault == FaultVfs::kShort ? (size + 1) / 2 : size, position);
  }

  int fdatasync() override {
    const int fault = vfs_.ask(Call::kSync, path_);
    return fault > 0 ? -fault : file_->fdatasync();
  }

  int fallocate(uint64_t position, uint64_t size) override {
    const int fault = vfs_.ask(Call::kReserve, path_);
    return fault > 0 ? -fault : file_->fallocate(position, size);
  }

  int ftruncate(uint64_t size) override {
    const int fault = vfs_.ask(Call::kTruncate, path_);
    return fault > 0 ? -fault : file_->ftruncate(size);
  }

  int64_t size() override {
    const int fault = vfs_.ask(Call::kSize, path_);
    return fault > 0 ? -fault : file_->size();
  }

 private:
  FaultVfs& vfs_;
  const std::string path_;
  const std::unique_ptr<File> file_;
};

}  // namespace

int FaultVfs::open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) {
  if (const int fault = ask(Call::kOpen, path); fault > 0) return -fault;
  std::unique_ptr<File> opened;
  const int result = posix_vfs().open(path, mode, &opened);
  if (result == 0) *file = std::make_unique<FaultFile>(*this, path, std::move(opened));
  return result;
}

int FaultVfs::rename(const std::string& from, const std::string& to) {
  const int fault = ask(Call::kRename, from);
  return fault > 0 ? -fault : posix_vfs().rename(from, to);
}

int FaultVfs::unlink(const std::string& path) {
  const int fault = ask(Call::kUnlink, path);
  return fault > 0 ? -fault : posix_vfs().unlink(path);
}

int FaultVfs::mkdir(const std::string& path) {
  const int fault = ask(Call::kMkdir, path);
  return fault > 0 ? -fault : posix_vfs().mkdir(path);
}

int FaultVfs::rmdir(const std::string& path) {
  const int fault = ask(Call::kRmdir, path);
  return fault > 0 ? -fault : posix_vfs().rmdir(path);
}

int FaultVfs::sync_folder(const std::string& path) {
  const int fault = ask(Call::kSyncFolder, path);
  return fault > 0 ? -fault : posix_vfs().sync_folder(path);
}

int FaultVfs::list(const std::string& path, std::vector<FolderEntry>* entries) {
  const int fault = ask(Call::kList, path);
  return fault > 0 ? -fault : posix_vfs().list(path, entries);
}

int FaultVfs::free_bytes(const std::string& path, uint64_t* bytes) {
  const int fault = ask(Call::kFreeBytes, path);
  return fault > 0 ? -fault : posix_vfs().free_bytes(path, bytes);
}

int FaultVfs::lock(const std::string& path, LockMode mode, std::unique_ptr<File>* file) {
  const int fault = ask(Call::kLock, path);
  return fault > 0 ? -fault : posix_vfs().lock(path, mode, file);
}

}  // namespace zbus::test
