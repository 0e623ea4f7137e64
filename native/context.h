// What the parts of one engine share. Made by Engine; kept alive by queues and readers, which may
// outlive it for as long as JavaScript holds their handles.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "buffer_pool.h"
#include "disk.h"
#include "file_cache.h"
#include "flusher.h"
#include "index.h"

namespace zbus {

struct Options {
  uint64_t block_bytes = uint64_t{64} << 20;
  std::chrono::milliseconds sync_interval{100};
  size_t files_max = 256;
  uint64_t free_bytes_min = 0;
};

// Room for a few records behind the headers; tests use blocks as small as this.
inline constexpr uint64_t kBlockBytesMin = kDataStart + 1024;
inline constexpr uint64_t kBlockBytesMax = uint64_t{1} << 40;
inline constexpr size_t kIndexCacheBytes = size_t{16} << 20;

struct Context {
  Context(Vfs& vfs, const Options& engine_options)
      : options(engine_options),
        disk(vfs),
        files(disk, engine_options.files_max),
        indexes(kIndexCacheBytes),
        flusher(engine_options.sync_interval) {}

  const Options options;
  Disk disk;
  FileCache files;
  IndexCache indexes;
  BufferPool buffers;
  Flusher flusher;
};

}  // namespace zbus
