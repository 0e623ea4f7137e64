#include "disk.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace zbus {
namespace {

constexpr size_t kZeroChunkBytes = size_t{64} << 10;
// The kernel takes at most IOV_MAX (1024) parts.
constexpr int kZeroParts = 8;

template <class Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result == -EINTR) result = call();
  return result;
}

Status answer(const char* call, const std::string& path, int64_t result) {
  if (result >= 0) return {};
  return Status::io(call, path, static_cast<int>(-result));
}

}  // namespace

Status Disk::open(const std::string& path, OpenMode mode, FileRef* file) {
  auto opened = std::make_shared<OpenFile>();
  opened->path = path;
  const int result = uninterrupted([&] { return vfs_.open(path, mode, &opened->file); });
  if (result < 0) return answer("open", path, result);
  *file = std::move(opened);
  return {};
}

Status Disk::lock(const std::string& path, LockMode mode, FileRef* file) {
  auto opened = std::make_shared<OpenFile>();
  opened->path = path;
  const int result = uninterrupted([&] { return vfs_.lock(path, mode, &opened->file); });
  if (result < 0) return answer("lock", path, result);
  *file = std::move(opened);
  return {};
}

Status Disk::write(OpenFile& file, const void* bytes, size_t size, uint64_t position) {
  auto source = static_cast<const uint8_t*>(bytes);
  while (size > 0) {
    const iovec part{const_cast<uint8_t*>(source), size};
    const int64_t written = uninterrupted([&] { return file.file->pwritev(&part, 1, position); });
    if (written < 0) return answer("write", file.path, written);
    if (written == 0) return answer("write", file.path, -ENOSPC);
    source += written;
    position += static_cast<uint64_t>(written);
    size -= static_cast<size_t>(written);
  }
  return {};
}

Status Disk::write_zeros(OpenFile& file, uint64_t position, uint64_t size) {
  static constexpr std::array<uint8_t, kZeroChunkBytes> kZeros{};
  while (size > 0) {
    std::array<iovec, kZeroParts> parts;
    int count = 0;
    for (uint64_t left = size; left > 0 && count < kZeroParts; count++) {
      const auto length = static_cast<size_t>(std::min<uint64_t>(left, kZeroChunkBytes));
      parts[static_cast<size_t>(count)] = {const_cast<uint8_t*>(kZeros.data()), length};
      left -= length;
    }
    const int64_t written =
        uninterrupted([&] { return file.file->pwritev(parts.data(), count, position); });
    if (written < 0) return answer("write", file.path, written);
    if (written == 0) return answer("write", file.path, -ENOSPC);
    position += static_cast<uint64_t>(written);
    size -= static_cast<uint64_t>(written);
  }
  return {};
}

Status Disk::read(OpenFile& file, void* target, size_t size, uint64_t position, size_t* got) {
  auto bytes = static_cast<uint8_t*>(target);
  *got = 0;
  while (*got < size) {
    const int64_t count =
        uninterrupted([&] { return file.file->pread(bytes + *got, size - *got, position + *got); });
    if (count < 0) return answer("read", file.path, count);
    if (count == 0) break;
    *got += static_cast<size_t>(count);
  }
  return {};
}

Status Disk::read_cached(OpenFile& file, void* target, size_t size, uint64_t position,
                         size_t* got) {
  const int64_t count =
      uninterrupted([&] { return file.file->pread_nowait(target, size, position); });
  *got = count > 0 ? static_cast<size_t>(count) : 0;
  if (count == -EAGAIN || count == -EOPNOTSUPP || count == -ENOSYS) return {};
  return answer("read", file.path, count);
}

Status Disk::sync(OpenFile& file) {
  return answer("fdatasync", file.path, uninterrupted([&] { return file.file->fdatasync(); }));
}

Status Disk::reserve(OpenFile& file, uint64_t position, uint64_t size) {
  const int result = uninterrupted([&] { return file.file->fallocate(position, size); });
  if (result == -EOPNOTSUPP || result == -ENOSYS) return {};
  return answer("fallocate", file.path, result);
}

Status Disk::truncate(OpenFile& file, uint64_t size) {
  return answer("ftruncate", file.path, uninterrupted([&] { return file.file->ftruncate(size); }));
}

Status Disk::size(OpenFile& file, uint64_t* bytes) {
  const int64_t size = uninterrupted([&] { return file.file->size(); });
  *bytes = size > 0 ? static_cast<uint64_t>(size) : 0;
  return answer("fstat", file.path, size);
}

Status Disk::rename(const std::string& from, const std::string& to) {
  return answer("rename", from, uninterrupted([&] { return vfs_.rename(from, to); }));
}

Status Disk::remove(const std::string& path) {
  const int result = uninterrupted([&] { return vfs_.unlink(path); });
  if (result == -ENOENT) return {};
  return answer("unlink", path, result);
}

Status Disk::make_folder(const std::string& path) {
  const int result = uninterrupted([&] { return vfs_.mkdir(path); });
  if (result == -EEXIST) return {};
  return answer("mkdir", path, result);
}

Status Disk::remove_folder(const std::string& path) {
  return answer("rmdir", path, uninterrupted([&] { return vfs_.rmdir(path); }));
}

Status Disk::sync_folder(const std::string& path) {
  return answer("fsync", path, uninterrupted([&] { return vfs_.sync_folder(path); }));
}

Status Disk::list(const std::string& path, std::vector<FolderEntry>* entries) {
  const int result = uninterrupted([&] {
    entries->clear();
    return vfs_.list(path, entries);
  });
  return answer("readdir", path, result);
}

Status Disk::free_bytes(const std::string& path, uint64_t* bytes) {
  return answer("statvfs", path, uninterrupted([&] { return vfs_.free_bytes(path, bytes); }));
}

Status Disk::replace_file(const std::string& folder, const std::string& name,
                          std::string_view bytes) {
  const std::string temporary = folder + "/" + name + std::string(kTemporarySuffix);
  FileRef file;
  Status status = open(temporary, OpenMode::kReplace, &file);
  if (!status.ok()) return status;
  status = write(*file, bytes.data(), bytes.size(), 0);
  if (status.ok()) status = sync(*file);
  if (status.ok()) status = rename(temporary, folder + "/" + name);
  if (status.ok()) return sync_folder(folder);
  static_cast<void>(remove(temporary));
  return status;
}

Status Disk::read_file(const std::string& path, size_t size_max, std::string* bytes) {
  FileRef file;
  Status status = open(path, OpenMode::kReadWrite, &file);
  if (!status.ok()) return status;
  uint64_t size = 0;
  status = this->size(*file, &size);
  if (!status.ok()) return status;
  bytes->resize(static_cast<size_t>(std::min<uint64_t>(size, size_max)));
  size_t got = 0;
  status = read(*file, bytes->data(), bytes->size(), 0, &got);
  bytes->resize(got);
  return status;
}

}  // namespace zbus
