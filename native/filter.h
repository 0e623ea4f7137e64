// A tag filter of the wire protocol, compiled once per reader. Parts are split by '.', alternatives
// by ';'. '+' takes one part; '*' one part, or one or more when it is last; '#', last, zero or
// more. An empty filter takes everything; a message without a tag passes only '#' and '*' alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace zbus {

class Filter {
 public:
  Filter() = default;
  explicit Filter(std::string_view text);

  bool takes_all() const { return alternatives_.empty(); }
  bool matches(std::string_view tag) const;

 private:
  enum class Tail : unsigned char { kNone, kOneOrMore, kZeroOrMore };
  struct Part {
    bool any;
    std::string text;
  };
  struct Alternative {
    std::vector<Part> parts;
    Tail tail = Tail::kNone;
  };
  static Alternative compile(std::string_view text);
  static bool matches(const Alternative& alternative, std::string_view tag);

  std::vector<Alternative> alternatives_;
};

}  // namespace zbus
