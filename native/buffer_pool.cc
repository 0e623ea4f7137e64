#include "buffer_pool.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace zbus {
namespace {

constexpr size_t kChunkBytesMin = size_t{64} << 10;
constexpr size_t kKeptChunkBytesMax = size_t{4} << 20;
constexpr size_t kKeptMax = 4;

}  // namespace

Chunk BufferPool::take(size_t capacity) {
  {
    std::lock_guard lock(mutex_);
    for (size_t i = kept_.size(); i > 0; i--) {
      if (kept_[i - 1].capacity < capacity) continue;
      std::swap(kept_[i - 1], kept_.back());
      Chunk chunk = std::move(kept_.back());
      kept_.pop_back();
      return chunk;
    }
  }
  size_t size = kChunkBytesMin;
  while (size < capacity) size *= 2;
  return {std::unique_ptr<uint8_t[]>(new uint8_t[size]), size};
}

void BufferPool::give(Chunk chunk) {
  if (chunk.capacity == 0 || chunk.capacity > kKeptChunkBytesMax) return;
  std::lock_guard lock(mutex_);
  if (kept_.size() < kKeptMax) {
    kept_.push_back(std::move(chunk));
    return;
  }
  const auto smallest =
      std::min_element(kept_.begin(), kept_.end(),
                       [](const Chunk& a, const Chunk& b) { return a.capacity < b.capacity; });
  if (smallest->capacity < chunk.capacity) std::swap(*smallest, chunk);
}

void ByteBuffer::grow(size_t size) {
  Chunk larger = pool_->take(size);
  if (size_ > 0) std::memcpy(larger.bytes.get(), chunk_.bytes.get(), size_);
  pool_->give(std::exchange(chunk_, std::move(larger)));
}

void ByteBuffer::clear() {
  pool_->give(std::exchange(chunk_, {}));
  size_ = 0;
}

}  // namespace zbus
