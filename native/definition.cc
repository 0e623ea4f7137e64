#include "definition.h"

#include <array>
#include <cerrno>
#include <cstdio>

#include "crc32c.h"

namespace zbus {
namespace {

// First line of a definition: the checksum of what follows it.
std::string checksum_line(std::string_view json) {
  std::array<char, 32> line;
  const int length =
      std::snprintf(line.data(), line.size(), "crc32c %08x\n", crc32c(0, json.data(), json.size()));
  return {line.data(), static_cast<size_t>(length)};
}

}  // namespace

std::string encode_definition(std::string_view json) {
  return checksum_line(json) + std::string(json);
}

Status read_definition(Disk& disk, const std::string& folder, std::string* json, bool* found) {
  *found = false;
  std::string text;
  Status status = disk.read_file(folder + "/" + kDefinitionName, kDefinitionBytesMax, &text);
  if (status.error_number() == ENOENT) return {};
  if (!status.ok()) return status;
  const size_t line_end = text.find('\n');
  if (line_end == std::string::npos) return {};
  *json = text.substr(line_end + 1);
  *found = text.compare(0, line_end + 1, checksum_line(*json)) == 0;
  return {};
}

}  // namespace zbus
