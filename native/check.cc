#include "check.h"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "block.h"
#include "definition.h"
#include "engine.h"
#include "recovery.h"

namespace zbus {
namespace {

// A topic with more holes than this is told by counts.
constexpr size_t kProblemsMax = 10000;

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() > end.size() && text.substr(text.size() - end.size()) == end;
}

const char* role_of(std::string_view name) {
  uint64_t first_offset = 0;
  if (name == kDefinitionName) return "definition";
  if (parse_block_name(name, &first_offset)) return "block";
  if (parse_index_name(name, &first_offset)) return "index";
  if (ends_with(name, kCursorSuffix)) return "cursor";
  if (ends_with(name, kTornSuffix)) return "torn";
  if (ends_with(name, kBadSuffix)) return "bad";
  return ends_with(name, kTemporarySuffix) ? "temporary" : "other";
}

bool is_role(const FolderEntry& entry, std::string_view role) {
  return entry.regular && role_of(entry.name) == role;
}

// True when `next` goes on where `problem` ends.
bool continues(const Problem& problem, const Problem& next) {
  return std::string_view(problem.kind) == next.kind && problem.file == next.file &&
         problem.position + problem.bytes == next.position &&
         problem.offset_to == next.offset_from && next.offset_from < next.offset_to;
}

}  // namespace

void TopicCheck::add(Problem problem) {
  if (!problems.empty() && continues(problems.back(), problem)) {
    problems.back().bytes += problem.bytes;
    problems.back().offset_to = problem.offset_to;
  } else if (problems.size() < kProblemsMax) {
    problems.push_back(std::move(problem));
  } else {
    problems_omitted++;
  }
}

FolderCheck::FolderCheck(Vfs& vfs, const std::string& folder, Repair repair)
    : folder_(folder + "/"), repair_(repair), vfs_(vfs), disk_(vfs_), writing_disk_(vfs) {}

Status FolderCheck::open(Vfs& vfs, const std::string& folder, Repair repair,
                         std::shared_ptr<FolderCheck>* check) {
  auto opened = std::make_shared<FolderCheck>(vfs, folder, repair);
  if (Status status = opened->start(); !status.ok()) return status;
  *check = std::move(opened);
  return {};
}

Status FolderCheck::start() {
  std::vector<FolderEntry> entries;
  Status status = disk_.list(folder_, &entries);
  if (status.error_number() == ENOENT || status.error_number() == ENOTDIR) {
    return Status::error(Code::kNotFound, "there is no folder " + folder_);
  }
  if (!status.ok()) return status;
  bool locked = false;
  bool topics = false;
  for (const FolderEntry& entry : entries) {
    locked = locked || entry.name == kLockName;
    std::vector<FolderEntry> files;
    if (topics || !entry.folder || !disk_.list(folder_ + entry.name, &files).ok()) continue;
    topics = std::any_of(files.begin(), files.end(), [](const FolderEntry& file) {
      return is_role(file, "definition") || is_role(file, "block");
    });
  }
  if (!locked && !topics) {
    return Status::error(Code::kNotFound, "neither a lock file nor a topic is in " + folder_);
  }
  if (repair_ == Repair::kIndexes) {
    status = writing_disk_.lock(folder_ + kLockName, LockMode::kExclusive, &lock_);
  } else if (locked) {
    status = disk_.lock(folder_ + kLockName, LockMode::kShared, &lock_);
  }
  if (status.error_number() == EWOULDBLOCK) {
    return Status::error(Code::kLocked, "another process holds the data folder " + folder_);
  }
  return status;
}

Status FolderCheck::list(std::vector<FolderEntry>* entries) {
  Status status = disk_.list(folder_, entries);
  if (!status.ok()) return status;
  std::sort(entries->begin(), entries->end(),
            [](const FolderEntry& a, const FolderEntry& b) { return a.name < b.name; });
  for (FolderEntry& entry : *entries) {
    if (!entry.folder) continue;
    std::vector<FolderEntry> files;
    entry.size = 0;
    // One that cannot be listed is told of when it is checked.
    if (!disk_.list(folder_ + entry.name, &files).ok()) continue;
    for (const FolderEntry& file : files) entry.size += file.regular ? file.size : 0;
  }
  return {};
}

void FolderCheck::check_topic(const std::string& folder, TopicCheck* topic) {
  const std::string path = folder_ + folder;
  std::vector<FolderEntry> entries;
  if (Status status = disk_.list(path, &entries); !status.ok()) {
    topic->add({.kind = "unreadable", .reason = status.message()});
    return;
  }
  std::sort(entries.begin(), entries.end(),
            [](const FolderEntry& a, const FolderEntry& b) { return a.name < b.name; });
  for (FolderEntry& entry : entries) {
    topic->files.push_back(
        {entry.name, role_of(entry.name), entry.size, entry.mode, entry.folder, entry.regular});
  }
  check_definition(path, topic);
  Disk* const repair_disk = repair_ == Repair::kIndexes ? &writing_disk_ : nullptr;
  check_blocks(disk_, repair_disk, path, topic);
  for (const FileCheck& file : topic->files) {
    if (file.regular && std::string_view(file.role) == "cursor") check_cursor(path, file, topic);
  }
}

void FolderCheck::check_definition(const std::string& path, TopicCheck* topic) {
  Status status = read_definition(disk_, path, &topic->definition, &topic->definition_found);
  if (status.ok()) return;
  topic->add({.kind = "unreadable", .file = kDefinitionName, .reason = status.message()});
}

void FolderCheck::check_cursor(const std::string& path, const FileCheck& file, TopicCheck* topic) {
  CursorCheck cursor;
  cursor.file = file.name.substr(0, file.name.size() - kCursorSuffix.size());
  Status status = read_cursor_file(disk_, path + "/" + file.name, &cursor.stored);
  if (!status.ok()) {
    topic->add({.kind = "unreadable", .file = file.name, .reason = status.message()});
    return;
  }
  cursor.foreign = topic->log_known && cursor.stored.valid &&
                   !(topic->log_named && cursor.stored.newest.log_id == topic->log_id);
  topic->cursors.push_back(std::move(cursor));
}

}  // namespace zbus
