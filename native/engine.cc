#include "engine.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "definition.h"

namespace zbus {
namespace {

constexpr size_t kTopicBytesMax = 255;

Status check_topic(const std::string& topic) {
  const bool named = !topic.empty() && topic.size() <= kTopicBytesMax && topic[0] != '.' &&
                     topic.find('/') == std::string::npos && topic.find('\0') == std::string::npos;
  if (named) return {};
  return Status::error(Code::kInvalid, "not a topic folder name: " + topic);
}

Status check_options(const Options& options) {
  if (options.block_bytes < kBlockBytesMin || options.block_bytes > kBlockBytesMax) {
    return Status::error(Code::kInvalid, "blockBytes must be " + std::to_string(kBlockBytesMin) +
                                             " to " + std::to_string(kBlockBytesMax));
  }
  if (options.sync_interval.count() < 1) {
    return Status::error(Code::kInvalid, "syncIntervalMs must be at least 1");
  }
  if (options.files_max < 1) {
    return Status::error(Code::kInvalid, "openFilesMax must be at least 1");
  }
  return {};
}

}  // namespace

Engine::Engine(Vfs& vfs, std::string folder, const Options& options)
    : folder_(std::move(folder)), context_(std::make_shared<Context>(vfs, options)) {}

Engine::~Engine() {
  static_cast<void>(close());
  // Nobody asks any more, and what is listed would keep itself alive.
  static_cast<void>(context_->flusher.take_progress());
}

Status Engine::open(Vfs& vfs, const std::string& folder, const Options& options,
                    std::function<void()> wake, std::shared_ptr<Engine>* engine) {
  if (Status status = check_options(options); !status.ok()) return status;
  if (folder.empty()) return Status::error(Code::kInvalid, "the data folder has no name");
  // The slash makes the folder itself, not a link to it, be opened.
  auto opened = std::make_shared<Engine>(vfs, folder + "/", options);
  if (Status status = opened->start(std::move(wake)); !status.ok()) return status;
  *engine = std::move(opened);
  return {};
}

Status Engine::start(std::function<void()> wake) {
  Disk& disk = context_->disk;
  Status status = disk.make_folder(folder_);
  if (!status.ok()) return status;
  status = disk.sync_folder(folder_ + "..");
  // The parent may belong to others; its entry for this folder is then theirs to keep.
  if (!status.ok() && status.error_number() != EACCES) return status;
  status = disk.lock(folder_ + kLockName, LockMode::kExclusive, &lock_);
  if (status.error_number() == EWOULDBLOCK) {
    return Status::error(Code::kLocked, "another process holds the data folder " + folder_);
  }
  if (!status.ok()) return status;
  status = remove_leftovers();
  if (!status.ok()) return status;
  return context_->flusher.start(std::move(wake));
}

// Topics whose removal a crash has interrupted.
Status Engine::remove_leftovers() {
  std::vector<FolderEntry> entries;
  Status status = context_->disk.list(folder_, &entries);
  if (!status.ok()) return status;
  for (const FolderEntry& entry : entries) {
    if (!entry.folder || entry.name.rfind(kRemovedPrefix, 0) != 0) continue;
    status = remove_all(folder_ + entry.name);
    if (!status.ok()) return status;
  }
  return {};
}

Status Engine::close() {
  std::lock_guard closing(close_mutex_);
  std::vector<std::shared_ptr<Queue>> queues;
  {
    std::unique_lock lock(mutex_);
    if (closed_) return Status::error(Code::kClosed, "engine is closed");
    closed_ = true;
    settled_.wait(lock, [this] {
      return std::all_of(queues_.begin(), queues_.end(),
                         [](const auto& entry) { return entry.second != nullptr; });
    });
    for (const auto& [topic, queue] : queues_) queues.push_back(queue);
    queues_.clear();
  }
  Status first_failure;
  for (const std::shared_ptr<Queue>& queue : queues) {
    Status status = queue->close();
    if (!status.ok() && status.code() != Code::kClosed && first_failure.ok()) {
      first_failure = status;
    }
  }
  context_->flusher.stop();
  lock_.reset();
  return first_failure;
}

Status Engine::usable_locked() const {
  return closed_ ? Status::error(Code::kClosed, "engine is closed") : Status();
}

Status Engine::list(std::vector<std::string>* topics) {
  {
    std::lock_guard lock(mutex_);
    if (Status status = usable_locked(); !status.ok()) return status;
  }
  std::vector<FolderEntry> entries;
  if (Status status = context_->disk.list(folder_, &entries); !status.ok()) return status;
  for (FolderEntry& entry : entries) {
    if (entry.folder && entry.name[0] != '.') topics->push_back(std::move(entry.name));
  }
  std::sort(topics->begin(), topics->end());
  return {};
}

Status Engine::make_topic(const std::string& topic, std::string* path) {
  if (Status status = check_topic(topic); !status.ok()) return status;
  *path = folder_ + topic;
  if (Status status = context_->disk.make_folder(*path); !status.ok()) return status;
  return context_->disk.sync_folder(folder_);
}

Status Engine::read_definition(const std::string& topic, std::string* json, bool* found) {
  *found = false;
  if (Status status = check_topic(topic); !status.ok()) return status;
  return zbus::read_definition(context_->disk, folder_ + topic, json, found);
}

Status Engine::write_definition(const std::string& topic, std::string_view json) {
  if (json.size() > kDefinitionBytesMax / 2) {
    return Status::error(Code::kInvalid, "definition is longer than 8 MiB");
  }
  {
    std::lock_guard lock(mutex_);
    if (Status status = usable_locked(); !status.ok()) return status;
  }
  std::string path;
  if (Status status = make_topic(topic, &path); !status.ok()) return status;
  return context_->disk.replace_file(path, kDefinitionName, encode_definition(json));
}

Status Engine::remove_topic(const std::string& topic) {
  if (Status status = claim(topic); !status.ok()) return status;
  const std::string removed =
      folder_ + std::string(kRemovedPrefix) + std::to_string(context_->disk.random());
  Status status = context_->disk.rename(folder_ + topic, removed);
  if (status.ok()) status = context_->disk.sync_folder(folder_);
  if (status.ok()) status = remove_all(removed);
  settle(topic, nullptr);
  if (status.error_number() == ENOENT) {
    return Status::error(Code::kNotFound, "no such topic: " + topic);
  }
  return status;
}

Status Engine::remove_all(const std::string& path) {
  std::vector<FolderEntry> entries;
  Status status = context_->disk.list(path, &entries);
  if (!status.ok()) return status;
  for (const FolderEntry& entry : entries) {
    // A folder in a topic is none of ours; it stays, and with it what holds it.
    if (entry.folder) return {};
    status = context_->disk.remove(path + "/" + entry.name);
    if (!status.ok()) return status;
  }
  status = context_->disk.remove_folder(path);
  if (!status.ok()) return status;
  return context_->disk.sync_folder(folder_);
}

Status Engine::claim(const std::string& topic) {
  if (Status status = check_topic(topic); !status.ok()) return status;
  std::lock_guard lock(mutex_);
  if (Status status = usable_locked(); !status.ok()) return status;
  if (queues_.emplace(topic, nullptr).second) return {};
  return Status::error(Code::kInvalid, "topic is open: " + topic);
}

void Engine::settle(const std::string& topic, std::shared_ptr<Queue> queue) {
  std::lock_guard lock(mutex_);
  if (queue != nullptr) {
    queues_[topic] = std::move(queue);
  } else {
    queues_.erase(topic);
  }
  settled_.notify_all();
}

Status Engine::open_queue(const std::string& topic, std::shared_ptr<Queue>* queue) {
  if (Status status = claim(topic); !status.ok()) return status;
  uint64_t id = 0;
  {
    std::lock_guard lock(mutex_);
    id = ++last_id_;
  }
  std::string path;
  std::shared_ptr<Queue> opened;
  Status status = make_topic(topic, &path);
  if (status.ok()) status = Queue::open(context_, path, id, &opened);
  settle(topic, opened);
  if (status.ok()) *queue = std::move(opened);
  return status;
}

Status Engine::close_queue(const std::shared_ptr<Queue>& queue) {
  Status status = queue->close();
  std::lock_guard lock(mutex_);
  const auto open = std::find_if(queues_.begin(), queues_.end(),
                                 [&](const auto& entry) { return entry.second == queue; });
  if (open != queues_.end()) queues_.erase(open);
  return status;
}

std::vector<Progress> Engine::take_progress() {
  std::vector<Progress> rows;
  for (const FlushRef& target : context_->flusher.take_progress()) {
    rows.push_back(target->progress());
  }
  return rows;
}

}  // namespace zbus
