#include "filter.h"

#include <utility>

namespace zbus {
namespace {

// Cuts `rest` at the first `separator`; `*last` says that there was none.
std::string_view cut(std::string_view* rest, char separator, bool* last) {
  const size_t end = rest->find(separator);
  *last = end == std::string_view::npos;
  const std::string_view piece = rest->substr(0, end);
  *rest = *last ? std::string_view{} : rest->substr(end + 1);
  return piece;
}

}  // namespace

Filter::Filter(std::string_view text) {
  for (bool last = text.empty(); !last;) {
    const std::string_view alternative = cut(&text, ';', &last);
    if (!alternative.empty()) alternatives_.push_back(compile(alternative));
  }
}

Filter::Alternative Filter::compile(std::string_view text) {
  Alternative alternative;
  for (bool last = false; !last;) {
    const std::string_view part = cut(&text, '.', &last);
    if (last && part == "#") {
      alternative.tail = Tail::kZeroOrMore;
    } else if (last && part == "*") {
      alternative.tail = Tail::kOneOrMore;
    } else {
      alternative.parts.push_back({part == "+" || part == "*", std::string(part)});
    }
  }
  return alternative;
}

bool Filter::matches(std::string_view tag) const {
  if (takes_all()) return true;
  for (const Alternative& alternative : alternatives_) {
    if (matches(alternative, tag)) return true;
  }
  return false;
}

bool Filter::matches(const Alternative& alternative, std::string_view tag) {
  if (tag.empty()) return alternative.parts.empty();
  bool last = false;
  for (const Part& part : alternative.parts) {
    if (last) return false;
    const std::string_view piece = cut(&tag, '.', &last);
    if (!part.any && piece != part.text) return false;
  }
  if (alternative.tail == Tail::kZeroOrMore) return true;
  return last == (alternative.tail == Tail::kNone);
}

}  // namespace zbus
