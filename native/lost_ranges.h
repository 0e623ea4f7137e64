// Offsets known lost to damage, each counted once however often it is met. Guarded by its queue.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>

namespace zbus {

class LostRanges {
 public:
  // Adds [from, to).
  void add(uint64_t from, uint64_t to) {
    if (from >= to) return;
    auto range = ranges_.upper_bound(from);
    if (range != ranges_.begin() && std::prev(range)->second >= from) --range;
    while (range != ranges_.end() && range->first <= to) {
      from = std::min(from, range->first);
      to = std::max(to, range->second);
      count_ -= range->second - range->first;
      range = ranges_.erase(range);
    }
    // Beyond this the count is a lower bound.
    if (ranges_.size() >= kRangesMax) return;
    ranges_.emplace(from, to);
    count_ += to - from;
  }

  uint64_t count() const { return count_; }

 private:
  static constexpr size_t kRangesMax = 65536;
  std::map<uint64_t, uint64_t> ranges_;  // from -> to
  uint64_t count_ = 0;
};

}  // namespace zbus
