// One block file of a queue: its name, its header, where it ends. Shared by the queue that lists it
// and by readers in the middle of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "disk.h"
#include "format.h"
#include "status.h"

namespace zbus {

inline constexpr std::string_view kBlockSuffix = ".block";
inline constexpr std::string_view kIndexSuffix = ".index";

std::string block_name(uint64_t first_offset);
// False when the name is not a block's.
bool parse_block_name(std::string_view name, uint64_t* first_offset);
bool parse_index_name(std::string_view name, uint64_t* first_offset);

struct Block {
  Block(uint64_t id, std::string folder_path, uint64_t first)
      : file_id(id), folder(std::move(folder_path)), first_offset(first) {}

  std::string path() const { return folder + "/" + block_name(first_offset); }
  std::string index_name() const;

  const uint64_t file_id;  // in the FileCache
  const std::string folder;
  const uint64_t first_offset;

  // Guarded by the queue: end of the last record written, or of the file once it is sealed.
  uint64_t end_position = kDataStart;
  // Guarded by the queue: no record of the block is younger.
  uint64_t timestamp_ms_max = 0;

  // What a reader must know of the header before it can check a record; read when first needed.
  enum class Salt : uint8_t { kUnread, kKnown, kUnreadable };
  std::atomic<Salt> salt_state{Salt::kUnread};
  std::atomic<uint32_t> salt{0};

  void set_salt(uint32_t value) {
    salt.store(value);
    salt_state.store(Salt::kKnown);
  }
  // Reads the header unless that was done; `*known` is false when both copies are damaged.
  Status load_salt(Disk& disk, OpenFile& file, bool* known);
};

// What a block file of `bytes` takes on disk, with its index.
uint64_t block_disk_bytes(uint64_t bytes);
// The time of the seal that ends the block; `*valid` is false when no seal can be read there.
Status read_seal_time(Disk& disk, OpenFile& file, Block& block, uint64_t* timestamp_ms,
                      bool* valid);

// Writes both copies; the caller syncs.
Status write_block_header(Disk& disk, OpenFile& file, const BlockHeader& header);
// `*valid` is false when neither copy is a header of the block that begins with `first_offset`.
Status read_block_header(Disk& disk, OpenFile& file, uint64_t first_offset, BlockHeader* header,
                         bool* valid);
// As above, of the copy that stands at `position`.
Status read_header_copy(Disk& disk, OpenFile& file, uint64_t position, uint64_t first_offset,
                        BlockHeader* header, bool* valid);

}  // namespace zbus
