// The data folder: locked against others, one subfolder a topic. Opens and closes queues, keeps the
// topics' definitions, runs the flusher. Made and closed by addon.cc, or by a test. Any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "context.h"
#include "queue.h"
#include "status.h"

namespace zbus {

inline constexpr const char* kLockName = "zbus.lock";
// Of the folder of a removed topic until all its files are deleted.
inline constexpr std::string_view kRemovedPrefix = ".removed-";

class Engine {
 public:
  // `wake` is called on the flusher's thread when take_progress() or idle() has changed.
  static Status open(Vfs& vfs, const std::string& folder, const Options& options,
                     std::function<void()> wake, std::shared_ptr<Engine>* engine);
  Engine(Vfs& vfs, std::string folder, const Options& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Closes every queue, stops the flusher, unlocks. kClosed the second time.
  Status close();

  // Folder names of the topics.
  Status list(std::vector<std::string>* topics);
  // `*found` is false when there is no definition or it is damaged.
  Status read_definition(const std::string& topic, std::string* json, bool* found);
  // Makes the topic if absent; after a crash the old or the new definition is there.
  Status write_definition(const std::string& topic, std::string_view json);
  // Removes all of a topic; its queue must be closed.
  Status remove_topic(const std::string& topic);

  // Makes the topic if absent. kInvalid when it is open already.
  Status open_queue(const std::string& topic, std::shared_ptr<Queue>* queue);
  Status close_queue(const std::shared_ptr<Queue>& queue);

  // Where the queues stand that have made progress since the last call.
  std::vector<Progress> take_progress();
  // True when nothing waits for the disk.
  bool idle() { return context_->flusher.idle(); }

 private:
  Status start(std::function<void()> wake);
  Status remove_leftovers();
  Status remove_all(const std::string& path);
  Status make_topic(const std::string& topic, std::string* path);
  Status usable_locked() const;
  // Claims the topic for opening or removing it.
  Status claim(const std::string& topic);
  // Ends the claim, with the opened queue if there is one.
  void settle(const std::string& topic, std::shared_ptr<Queue> queue);

  const std::string folder_;  // ends in '/'
  const std::shared_ptr<Context> context_;
  FileRef lock_;
  std::mutex close_mutex_;           // held while closing; comes before mutex_
  std::mutex mutex_;                 // guards all below
  std::condition_variable settled_;  // an entry of queues_ is null no more
  bool closed_ = false;
  uint64_t last_id_ = 0;
  // By topic; null while it is being opened or removed.
  std::map<std::string, std::shared_ptr<Queue>> queues_;
};

}  // namespace zbus
