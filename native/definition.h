// The file in which a topic's definition lies, behind a line with its checksum. What it says is the
// broker's matter. Written and read by Engine, read by FolderCheck.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "disk.h"
#include "status.h"

namespace zbus {

inline constexpr const char* kDefinitionName = "topic.json";
inline constexpr size_t kDefinitionBytesMax = size_t{16} << 20;

std::string encode_definition(std::string_view json);
// `*found` is false when there is no definition in `folder` or it is damaged.
Status read_definition(Disk& disk, const std::string& folder, std::string* json, bool* found);

}  // namespace zbus
