// A Vfs whose N-th call fails, or every call of one kind; all else goes to the real one.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "vfs.h"

namespace zbus::test {

enum class Call : uint8_t {
  kOpen,
  kWrite,
  kRead,
  kReadCached,
  kSync,
  kReserve,
  kTruncate,
  kSize,
  kRename,
  kUnlink,
  kMkdir,
  kRmdir,
  kSyncFolder,
  kList,
  kFreeBytes,
  kLock,
};

class FaultVfs final : public Vfs {
 public:
  // Asked before every call: 0 lets it through, an errno makes it fail, kShort makes a write or a
  // read move half of its bytes.
  static constexpr int kShort = -1;
  using Decide = std::function<int(Call call, const std::string& path)>;

  Decide decide;

  int open(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) override;
  int rename(const std::string& from, const std::string& to) override;
  int unlink(const std::string& path) override;
  int mkdir(const std::string& path) override;
  int rmdir(const std::string& path) override;
  int sync_folder(const std::string& path) override;
  int list(const std::string& path, std::vector<FolderEntry>* entries) override;
  int free_bytes(const std::string& path, uint64_t* bytes) override;
  int lock(const std::string& path, LockMode mode, std::unique_ptr<File>* file) override;
  uint64_t random() override { return posix_vfs().random(); }

  int ask(Call call, const std::string& path) { return decide ? decide(call, path) : 0; }
};

}  // namespace zbus::test
