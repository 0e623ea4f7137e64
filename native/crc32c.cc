#include "crc32c.h"

#include <array>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#define ZBUS_CRC32C_TARGET __attribute__((target("sse4.2")))
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#define ZBUS_CRC32C_TARGET
#endif

namespace zbus {
namespace {

using Table = std::array<uint32_t, 256>;

constexpr uint32_t kPolynomial = 0x82f63b78;  // reflected

constexpr Table make_table() {
  Table table{};
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    table[i] = crc;
  }
  return table;
}

constexpr Table kTable = make_table();

// kSlices[k][b]: what byte b does to the CRC when k more bytes follow it (slicing by 8).
constexpr std::array<Table, 8> make_slices() {
  std::array<Table, 8> slices{};
  slices[0] = kTable;
  for (size_t k = 1; k < 8; k++) {
    for (size_t i = 0; i < 256; i++) {
      slices[k][i] = (slices[k - 1][i] >> 8) ^ kTable[slices[k - 1][i] & 0xff];
    }
  }
  return slices;
}

constexpr std::array<Table, 8> kSlices = make_slices();

uint64_t load_little_endian(const uint8_t* bytes) {
  uint64_t value;
  std::memcpy(&value, bytes, sizeof value);
  if constexpr (std::endian::native == std::endian::big) value = __builtin_bswap64(value);
  return value;
}

uint32_t extend_portable(uint32_t state, const uint8_t* bytes, size_t size) {
  for (; size >= 8; size -= 8, bytes += 8) {
    const uint64_t word = load_little_endian(bytes) ^ state;
    state = 0;
    for (size_t k = 0; k < 8; k++) state ^= kSlices[7 - k][(word >> (8 * k)) & 0xff];
  }
  for (; size > 0; size--, bytes++) state = (state >> 8) ^ kTable[(state ^ *bytes) & 0xff];
  return state;
}

#ifdef ZBUS_CRC32C_TARGET

// The instruction answers after three cycles but may start every cycle, so long input is read as
// three lanes; their sums are joined by shifting each over the bytes of the next lane.
constexpr size_t kLaneBytes = 1024;

// kShift[k][b]: byte k of a CRC, with value b, after kLaneBytes zero bytes.
constexpr std::array<Table, 4> make_shift() {
  std::array<uint32_t, 32> basis{};
  for (size_t bit = 0; bit < 32; bit++) {
    uint32_t crc = uint32_t{1} << bit;
    for (size_t i = 0; i < kLaneBytes; i++) crc = (crc >> 8) ^ kTable[crc & 0xff];
    basis[bit] = crc;
  }
  std::array<Table, 4> shift{};
  for (size_t k = 0; k < 4; k++) {
    for (size_t value = 0; value < 256; value++) {
      for (size_t bit = 0; bit < 8; bit++) {
        if ((value >> bit & 1) != 0) shift[k][value] ^= basis[8 * k + bit];
      }
    }
  }
  return shift;
}

constexpr std::array<Table, 4> kShift = make_shift();

uint32_t shift_lane(uint32_t crc) {
  return kShift[0][crc & 0xff] ^ kShift[1][crc >> 8 & 0xff] ^ kShift[2][crc >> 16 & 0xff] ^
         kShift[3][crc >> 24];
}

#if defined(__x86_64__)
ZBUS_CRC32C_TARGET inline uint32_t step_word(uint32_t state, const uint8_t* bytes) {
  return static_cast<uint32_t>(_mm_crc32_u64(state, load_little_endian(bytes)));
}
ZBUS_CRC32C_TARGET inline uint32_t step_byte(uint32_t state, uint8_t byte) {
  return _mm_crc32_u8(state, byte);
}
bool hardware_present() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("sse4.2") != 0;
}
#else
inline uint32_t step_word(uint32_t state, const uint8_t* bytes) {
  return __crc32cd(state, load_little_endian(bytes));
}
inline uint32_t step_byte(uint32_t state, uint8_t byte) {
  return __crc32cb(state, byte);
}
bool hardware_present() {
  return true;
}
#endif

ZBUS_CRC32C_TARGET uint32_t extend_hardware(uint32_t state, const uint8_t* bytes, size_t size) {
  for (; size >= 3 * kLaneBytes; size -= 3 * kLaneBytes, bytes += 3 * kLaneBytes) {
    uint32_t second = 0;
    uint32_t third = 0;
    for (size_t i = 0; i < kLaneBytes; i += 8) {
      state = step_word(state, bytes + i);
      second = step_word(second, bytes + kLaneBytes + i);
      third = step_word(third, bytes + 2 * kLaneBytes + i);
    }
    state = shift_lane(shift_lane(state) ^ second) ^ third;
  }
  for (; size >= 8; size -= 8, bytes += 8) state = step_word(state, bytes);
  for (; size > 0; size--, bytes++) state = step_byte(state, *bytes);
  return state;
}

const auto kExtend = hardware_present() ? extend_hardware : extend_portable;

#else

constexpr auto kExtend = extend_portable;

#endif

}  // namespace

uint32_t crc32c(uint32_t crc, const void* bytes, size_t size) {
  return ~kExtend(~crc, static_cast<const uint8_t*>(bytes), size);
}

uint32_t crc32c_portable(uint32_t crc, const void* bytes, size_t size) {
  return ~extend_portable(~crc, static_cast<const uint8_t*>(bytes), size);
}

}  // namespace zbus
