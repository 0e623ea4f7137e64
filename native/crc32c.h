// CRC32C (Castagnoli, RFC 3720 B.4), in hardware where the processor can. Used for every byte that
// goes to disk or comes from it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace zbus {

// Continues `crc` (0 to begin with) over `size` bytes.
uint32_t crc32c(uint32_t crc, const void* bytes, size_t size);

// The table version, whatever the processor can; the tests hold both against the same vectors.
uint32_t crc32c_portable(uint32_t crc, const void* bytes, size_t size);

}  // namespace zbus
