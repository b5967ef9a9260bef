// Little-endian fixed and variable-length integers: the only way numbers enter and leave stored bytes.
//
// load_*/store_* work on raw memory and do not check bounds; Reader checks every step and never reads past its view.
// Thread safety: pure functions. Ownership: Reader borrows the bytes it reads.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace strata::base {

template <typename T>
inline T load_le(const void* from) {
  static_assert(std::is_integral_v<T>);
  T value;
  std::memcpy(&value, from, sizeof(T));
  if constexpr (std::endian::native == std::endian::big) {
    if constexpr (sizeof(T) == 2) value = static_cast<T>(__builtin_bswap16(value));
    if constexpr (sizeof(T) == 4) value = static_cast<T>(__builtin_bswap32(value));
    if constexpr (sizeof(T) == 8) value = static_cast<T>(__builtin_bswap64(value));
  }
  return value;
}

template <typename T>
inline void store_le(void* to, T value) {
  static_assert(std::is_integral_v<T>);
  if constexpr (std::endian::native == std::endian::big) value = load_le<T>(&value);
  std::memcpy(to, &value, sizeof(T));
}

inline uint16_t load_u16(const void* p) { return load_le<uint16_t>(p); }
inline uint32_t load_u32(const void* p) { return load_le<uint32_t>(p); }
inline uint64_t load_u64(const void* p) { return load_le<uint64_t>(p); }
inline void store_u16(void* p, uint16_t v) { store_le(p, v); }
inline void store_u32(void* p, uint32_t v) { store_le(p, v); }
inline void store_u64(void* p, uint64_t v) { store_le(p, v); }

// Big-endian, so that the bytes sort as the numbers do.
inline uint64_t load_be64(const void* p) {
  uint64_t v = 0;
  std::memcpy(&v, p, 8);
  return std::endian::native == std::endian::little ? __builtin_bswap64(v) : v;
}
inline void store_be64(void* p, uint64_t v) {
  if constexpr (std::endian::native == std::endian::little) v = __builtin_bswap64(v);
  std::memcpy(p, &v, 8);
}

inline void put_u16(std::string& out, uint16_t v) {
  char b[2];
  store_u16(b, v);
  out.append(b, 2);
}
inline void put_u32(std::string& out, uint32_t v) {
  char b[4];
  store_u32(b, v);
  out.append(b, 4);
}
inline void put_u64(std::string& out, uint64_t v) {
  char b[8];
  store_u64(b, v);
  out.append(b, 8);
}

constexpr size_t kMaxVarintBytes = 10;

// LEB128. Writes at most kMaxVarintBytes; returns the end.
inline char* store_varint(char* to, uint64_t v) {
  while (v >= 0x80) {
    *to++ = static_cast<char>(v | 0x80);
    v >>= 7;
  }
  *to++ = static_cast<char>(v);
  return to;
}
// The same in exactly `bytes` bytes, at least varint_size(v): for a number that is known only when what follows it is
// written.
inline void store_wide_varint(char* to, uint64_t v, size_t bytes) {
  for (; bytes > 1; --bytes, v >>= 7) *to++ = static_cast<char>(v | 0x80);
  *to = static_cast<char>(v);
}
inline void put_varint(std::string& out, uint64_t v) {
  char b[kMaxVarintBytes];
  out.append(b, static_cast<size_t>(store_varint(b, v) - b));
}
inline size_t varint_size(uint64_t v) { return v == 0 ? 1 : (static_cast<size_t>(std::bit_width(v)) + 6) / 7; }

// A cursor over untrusted bytes. Each read_* returns false, and consumes nothing, when the bytes do not suffice.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  size_t remaining() const { return static_cast<size_t>(end_ - at_); }
  const char* position() const { return at_; }
  bool done() const { return at_ == end_; }

  bool read_u8(uint8_t& v) {
    if (remaining() < 1) return false;
    v = static_cast<uint8_t>(*at_++);
    return true;
  }
  bool read_u16(uint16_t& v) { return read_fixed(v); }
  bool read_u32(uint32_t& v) { return read_fixed(v); }
  bool read_u64(uint64_t& v) { return read_fixed(v); }
  bool read_varint(uint64_t& v) {
    uint64_t result = 0;
    const char* p = at_;
    for (int shift = 0; shift < 64 && p < end_; shift += 7) {
      const uint64_t byte = static_cast<uint8_t>(*p++);
      if (shift == 63 && byte > 1) return false;
      result |= (byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) {
        v = result;
        at_ = p;
        return true;
      }
    }
    return false;
  }
  bool read_bytes(size_t n, std::string_view& v) {
    if (remaining() < n) return false;
    v = std::string_view(at_, n);
    at_ += n;
    return true;
  }
  // A varint length, then that many bytes.
  bool read_string(std::string_view& v) {
    const char* start = at_;
    uint64_t n = 0;
    if (read_varint(n) && n <= remaining()) return read_bytes(static_cast<size_t>(n), v);
    at_ = start;
    return false;
  }

 private:
  template <typename T>
  bool read_fixed(T& v) {
    if (remaining() < sizeof(T)) return false;
    v = load_le<T>(at_);
    at_ += sizeof(T);
    return true;
  }
  const char* at_;
  const char* end_;
};

inline void put_string(std::string& out, std::string_view v) {
  put_varint(out, v.size());
  out.append(v);
}

}  // namespace strata::base
