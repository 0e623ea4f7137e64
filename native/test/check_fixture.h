// A data folder with one topic, filled by hand and checked. Used by the tests of FolderCheck.
#pragma once

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <memory>
#include <string>
#include <vector>

#include "check.h"
#include "test_log.h"

namespace zbus::test {

using Repair = FolderCheck::Repair;

// A data folder with one topic.
struct Fixture {
  TemporaryFolder data;
  const std::string folder = data.path() + "/t";
  TestLog log;

  explicit Fixture(const Options& options = small_blocks()) : log(folder, options) {
    REQUIRE(::mkdir(folder.c_str(), 0700) == 0);
    REQUIRE(log.open().ok());
  }

  // At least `blocks` blocks, the last of which holds a few records.
  Messages fill(size_t blocks) {
    while (block_names(load_files(folder)).size() < blocks) log.fill(1);
    log.fill(3);
    return log.all();
  }

  TopicCheck check(Repair repair = Repair::kNothing, Vfs& vfs = posix_vfs()) const {
    std::shared_ptr<FolderCheck> opened;
    const Status status = FolderCheck::open(vfs, data.path(), repair, &opened);
    REQUIRE_MESSAGE(status.ok(), status.message());
    TopicCheck topic;
    opened->check_topic("t", &topic);
    return topic;
  }
};

inline std::vector<std::string> kinds(const TopicCheck& topic) {
  std::vector<std::string> result;
  for (const Problem& problem : topic.problems) result.emplace_back(problem.kind);
  return result;
}

}  // namespace zbus::test
