#include "filter.h"

#include <doctest/doctest.h>

namespace zbus {

TEST_CASE("filter: takes and refuses as the protocol says") {
  struct Row {
    const char* filter;
    const char* tag;
    bool taken;
  };
  const Row rows[] = {
      {"", "", true},
      {"", "a.b", true},
      {"abc", "abc", true},
      {"abc", "abcd", false},
      {"abc", "ab", false},
      {"abc", "abc.x", false},
      {"abc", "", false},
      {"abc.*", "abc.x", true},
      {"abc.*", "abc.x.y", true},
      {"abc.*", "abc", false},
      {"abc.+", "abc.x", true},
      {"abc.+", "abc.x.y", false},
      {"abc.+", "abc", false},
      {"abc.#", "abc", true},
      {"abc.#", "abc.x", true},
      {"abc.#", "abc.x.y", true},
      {"abc.#", "abcd", false},
      {"*", "", true},
      {"#", "", true},
      {"+", "", false},
      {"*", "a.b.c", true},
      {"#", "a", true},
      {"+", "a", true},
      {"+", "a.b", false},
      {"*.b", "a.b", true},
      {"*.b", "a.c.b", false},
      {"+.+", "a.b", true},
      {"*.*", "a", false},
      {"*.*", "a.b.c", true},
      {"#.b", "#.b", true},
      {"#.b", "a.b", false},
      {"a;b", "a", true},
      {"a;b", "b", true},
      {"a;b", "c", false},
      {"a;b", "a;b", false},
      {"a;", "", false},
      {"x;*", "", true},
      {"a..b", "a..b", true},
      {"a.+.b", "a..b", true},
      {"a..b", "a.x.b", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.filter);
    CAPTURE(row.tag);
    CHECK(Filter(row.filter).matches(row.tag) == row.taken);
  }
}

}  // namespace zbus
