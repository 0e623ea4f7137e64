// Staging memory, shared by the queues of an engine: a queue holds some only between its first
// append and its write, so thousands of idle queues hold none. Any thread; its lock is a leaf.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace zbus {

struct Chunk {
  std::unique_ptr<uint8_t[]> bytes;
  size_t capacity = 0;
};

class BufferPool {
 public:
  // At least `capacity` bytes, not cleared.
  Chunk take(size_t capacity);
  // Keeps the chunk for the next taker, or frees it when enough are kept.
  void give(Chunk chunk);

 private:
  std::mutex mutex_;
  std::vector<Chunk> kept_;
};

// Bytes that grow; the memory comes from a pool and goes back with clear().
class ByteBuffer {
 public:
  explicit ByteBuffer(BufferPool& pool) : pool_(&pool) {}

  size_t size() const { return size_; }
  const uint8_t* data() const { return chunk_.bytes.get(); }
  // Makes room for `count` more bytes and returns where they go.
  uint8_t* extend(size_t count) {
    if (size_ + count > chunk_.capacity) grow(size_ + count);
    uint8_t* target = chunk_.bytes.get() + size_;
    size_ += count;
    return target;
  }
  void clear();

 private:
  void grow(size_t size);

  BufferPool* pool_;
  Chunk chunk_;
  size_t size_ = 0;
};

}  // namespace zbus
