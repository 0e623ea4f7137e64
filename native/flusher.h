// The engine's one thread: everything that may wait for the disk while the event loop goes on.
// Queues and cursors list themselves; a target is flushed at once when a producer waits for it,
// else within the sync interval. Afterwards the owner is woken once to collect what was reached.
//
// Locks of the engine, in the order in which they may be taken together:
//   Engine::mutex_, Queue::structure_mutex_, Queue::mutex_, then one of the leaves: Cursor::mutex_
//   (which may take FileCache's), CursorSet::mutex_, Flusher::mutex_, FileCache::mutex_,
//   IndexCache::mutex_, BufferPool::mutex_. Cursor::flush_mutex_ comes before Cursor::mutex_.
//   flush() is called with none held.
#pragma once

#include <pthread.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "status.h"

namespace zbus {

// What a queue reached, for its owner.
struct Progress {
  uint64_t queue_id;
  uint64_t written_end;
  uint64_t durable_end;
  bool failed;
};

class FlushTarget {
 public:
  struct Outcome {
    bool progress = false;  // the owner should hear of it
    bool again = false;     // not all could be done: try again at the next interval
  };

  virtual ~FlushTarget() = default;
  // Brings what was written to the disk. Called by the flusher's thread.
  virtual Outcome flush() = 0;
  // Where the target stands now; asked of targets that made progress.
  virtual Progress progress() { return {}; }

 private:
  friend class Flusher;
  bool urgent_listed_ = false;  // both guarded by Flusher::mutex_
  bool dirty_listed_ = false;
};
using FlushRef = std::shared_ptr<FlushTarget>;

enum class Urgency : uint8_t { kInterval, kNow };

class Flusher {
 public:
  explicit Flusher(std::chrono::milliseconds interval) : interval_(interval) {}
  ~Flusher() { stop(); }
  Flusher(const Flusher&) = delete;
  Flusher& operator=(const Flusher&) = delete;

  // `wake` is called on the flusher's thread after it has worked; it must return at once.
  Status start(std::function<void()> wake);
  // Returns when the thread has ended; what is still listed is dropped.
  void stop();
  void add(const FlushRef& target, Urgency urgency);
  // Reports progress made on another thread, such as by closing a queue.
  void report(const FlushRef& target);
  // Moves out the targets that have made progress.
  std::vector<FlushRef> take_progress();
  // True when nothing is listed and nothing is being flushed.
  bool idle();

 private:
  using Clock = std::chrono::steady_clock;
  void run();
  // Waits for work; false when the thread is to end.
  bool next_round(std::vector<FlushRef>* round);
  void flush_round(const std::vector<FlushRef>& round);

  const std::chrono::milliseconds interval_;
  std::function<void()> wake_;
  std::mutex mutex_;
  std::condition_variable work_;
  bool started_ = false;
  bool stopping_ = false;
  bool waiting_ = false;  // the thread sleeps: whoever adds work must notify
  bool running_ = false;  // a round is being flushed
  Clock::time_point interval_end_{};
  std::vector<FlushRef> urgent_;
  std::vector<FlushRef> dirty_;
  std::vector<FlushRef> progress_;
  pthread_t thread_{};
};

}  // namespace zbus
