#include "format.h"

#include <doctest/doctest.h>

#include <array>

namespace zbus {

TEST_CASE("format: a record header comes back as it was, and no flipped bit passes") {
  RecordHeader header;
  header.body_crc = 0x01020304;
  header.length = 700;
  header.id_length = 36;
  header.tag_length = 5;
  header.level = 2;
  header.offset = uint64_t{1} << 40;
  header.timestamp_ms = 1'700'000'000'000;
  header.watermark = (uint64_t{1} << 40) - 3;
  const uint32_t seed = salt_seed(99);
  std::array<uint8_t, kRecordHeaderBytes> bytes;
  encode_record_header(header, seed, bytes.data());
  RecordHeader back;
  REQUIRE(decode_record_header(bytes.data(), seed, &back));
  CHECK(back.body_crc == header.body_crc);
  CHECK(back.length == header.length);
  CHECK(back.type == RecordType::kMessage);
  CHECK(back.id_length == header.id_length);
  CHECK(back.tag_length == header.tag_length);
  CHECK(back.level == header.level);
  CHECK(back.offset == header.offset);
  CHECK(back.timestamp_ms == header.timestamp_ms);
  CHECK(back.watermark == header.watermark);
  for (size_t i = 0; i < bytes.size() * 8; i++) {
    bytes[i / 8] ^= static_cast<uint8_t>(1 << (i % 8));
    CHECK_FALSE(decode_record_header(bytes.data(), seed, &back));
    bytes[i / 8] ^= static_cast<uint8_t>(1 << (i % 8));
  }
}

TEST_CASE("format: a record header of a block with another salt does not pass") {
  RecordHeader header;
  std::array<uint8_t, kRecordHeaderBytes> bytes;
  encode_record_header(header, salt_seed(1), bytes.data());
  CHECK(decode_record_header(bytes.data(), salt_seed(1), &header));
  CHECK_FALSE(decode_record_header(bytes.data(), salt_seed(2), &header));
}

TEST_CASE("format: zeros are neither a record nor a block header") {
  const std::array<uint8_t, kBlockHeaderBytes> zeros{};
  RecordHeader record;
  BlockHeader block;
  CHECK_FALSE(decode_record_header(zeros.data(), salt_seed(0), &record));
  CHECK_FALSE(decode_block_header(zeros.data(), &block));
}

TEST_CASE("format: a block header comes back as it was, and no flipped bit passes") {
  const BlockHeader header{0xdeadbeef, 12345, 7, 1'700'000'000'000, 0x1122334455667788};
  std::array<uint8_t, kBlockHeaderBytes> bytes;
  encode_block_header(header, bytes.data());
  BlockHeader back;
  REQUIRE(decode_block_header(bytes.data(), &back));
  CHECK(back.salt == header.salt);
  CHECK(back.first_offset == header.first_offset);
  CHECK(back.epoch == header.epoch);
  CHECK(back.timestamp_ms_min == header.timestamp_ms_min);
  CHECK(back.log_id == header.log_id);
  for (size_t i = 0; i < bytes.size() * 8; i++) {
    bytes[i / 8] ^= static_cast<uint8_t>(1 << (i % 8));
    CHECK_FALSE(decode_block_header(bytes.data(), &back));
    bytes[i / 8] ^= static_cast<uint8_t>(1 << (i % 8));
  }
}

}  // namespace zbus
