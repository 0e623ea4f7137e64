#include "crc32c.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <vector>

namespace zbus {

using Crc = uint32_t (*)(uint32_t, const void*, size_t);

TEST_CASE("crc32c: both versions answer the vectors of RFC 3720, B.4") {
  std::vector<uint8_t> ascending(32);
  std::vector<uint8_t> descending(32);
  for (uint8_t i = 0; i < 32; i++) {
    ascending[i] = i;
    descending[i] = static_cast<uint8_t>(31 - i);
  }
  const std::vector<uint8_t> read_command = {
      0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00,
      0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18, 0x28, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00};
  for (const Crc crc : {Crc{crc32c}, Crc{crc32c_portable}}) {
    CHECK(crc(0, std::vector<uint8_t>(32, 0x00).data(), 32) == 0x8a9136aa);
    CHECK(crc(0, std::vector<uint8_t>(32, 0xff).data(), 32) == 0x62a8ab43);
    CHECK(crc(0, ascending.data(), 32) == 0x46dd794e);
    CHECK(crc(0, descending.data(), 32) == 0x113fdb5c);
    CHECK(crc(0, read_command.data(), 48) == 0xd9963a56);
    CHECK(crc(0, "123456789", 9) == 0xe3069283);
  }
}

TEST_CASE("crc32c: both versions agree at every length, alignment and cut") {
  std::mt19937 random(7);
  std::vector<uint8_t> bytes(20000);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  // Around one and two turns of the three-lane loop (3072 bytes), and short ones.
  for (const size_t base : {size_t{0}, size_t{3060}, size_t{6130}, size_t{9200}}) {
    for (size_t length = base; length < base + 40; length++) {
      for (size_t start = 0; start < 9; start++) {
        const uint32_t whole = crc32c_portable(0, bytes.data() + start, length);
        CHECK(crc32c(0, bytes.data() + start, length) == whole);
        const size_t cut = length / 3;
        const uint32_t first = crc32c(0, bytes.data() + start, cut);
        CHECK(crc32c(first, bytes.data() + start + cut, length - cut) == whole);
      }
    }
  }
}

}  // namespace zbus
