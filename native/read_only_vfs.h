// The file system as a check may use it: reads, and counts what it reads; every call that would
// change something answers -EROFS, and files are opened so that the kernel refuses it too. Made by
// FolderCheck. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "vfs.h"

namespace zbus {

class ReadOnlyVfs final : public Vfs {
 public:
  explicit ReadOnlyVfs(Vfs& vfs) : vfs_(vfs) {}

  uint64_t bytes_read() const { return bytes_read_.load(std::memory_order_relaxed); }

  int open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) override;
  int list(const std::string& path, std::vector<FolderEntry>* entries) override;
  int free_bytes(const std::string& path, uint64_t* bytes) override;
  int lock(const std::string& path, LockMode mode, std::unique_ptr<File>* file) override;
  uint64_t random() override { return vfs_.random(); }

  int rename(const std::string& from, const std::string& to) override;
  int unlink(const std::string& path) override;
  int mkdir(const std::string& path) override;
  int rmdir(const std::string& path) override;
  int sync_folder(const std::string& path) override;

 private:
  Vfs& vfs_;
  std::atomic<uint64_t> bytes_read_{0};
};

}  // namespace zbus
