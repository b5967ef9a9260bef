// Values in their binary form: what keys map to. docs/value_format.md describes it byte for byte.
//
// A value is null, a boolean, a 64-bit integer, a float, a string (UTF-8), bytes, an array or an object. ValueWriter
// builds one front to back; read_value, ValueView and ValueItems read one where it lies, decoding only what is asked
// for. One value has one encoding, so equal bytes mean the same value; only the order of an object's members, which
// is kept, may differ between values that are the same().
//
// Thread safety: values; a ValueWriter belongs to one thread at a time.
// Ownership: a ValueWriter owns its buffer, everything else borrows the bytes.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "strata/status.h"

namespace strata {

constexpr size_t kMaxValueBytes = size_t{64} << 20;
constexpr int kMaxValueNesting = 128;  // containers inside containers; a scalar is 0

enum class ValueType : uint8_t { kNull, kBoolean, kInteger, kFloat, kString, kBytes, kArray, kObject };

namespace value_format {

// The first byte of a value. ON DISK: never renumber.
enum Tag : uint8_t {
  kNull = 0x00,
  kFalse = 0x01,
  kTrue = 0x02,
  kFloat = 0x03,
  kArray = 0x08,         // + 0, 1, 2: size and count take 1, 2, 4 bytes
  kObject = 0x0C,        // + 0, 1, 2: likewise
  kString = 0x10,        // + 0, 1, 2: the length takes 1, 2, 4 bytes
  kBytes = 0x14,         // + 0, 1, 2: likewise
  kInteger = 0x20,       // + n: n + 1 bytes follow, n in 0..7
  kSmallInteger = 0x40,  // + v - kLeastSmall: the integer v itself
  kShortString = 0x80,   // + n: a string of n bytes, n in 0..127
};
constexpr int kLeastSmall = -8;
constexpr int kGreatestSmall = 55;
constexpr size_t kGreatestShort = 127;
constexpr uint32_t kStride = 16;  // a container of more members has a table; it holds the place of each 16th
constexpr uint64_t kNan = 0x7FF8000000000000;

static_assert(kNull == 0 && kFalse == 1 && kTrue == 2 && kFloat == 3 && kArray == 8 && kObject == 12 && kString == 16 &&
              kBytes == 20 && kInteger == 32 && kSmallInteger == 64 && kShortString == 128);

// An unsigned little-endian number of `width` bytes (1, 2, 4).
inline uint32_t load(const char* from, size_t width) {
  uint32_t value = 0;
  for (size_t i = 0; i < width; ++i) value |= uint32_t{static_cast<uint8_t>(from[i])} << (8 * i);
  return value;
}
inline void store(char* to, uint32_t value, size_t width) {
  for (size_t i = 0; i < width; ++i) to[i] = static_cast<char>(value >> (8 * i));
}
// 8 bytes, which need not be aligned.
inline uint64_t load_word(const char* from) {
  uint64_t word = 0;
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(&word, from, 8);
  } else {
    for (size_t i = 0; i < 8; ++i) word |= uint64_t{static_cast<uint8_t>(from[i])} << (8 * i);
  }
  return word;
}
inline void store_word(char* to, uint64_t word) {
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(to, &word, 8);
  } else {
    for (size_t i = 0; i < 8; ++i) to[i] = static_cast<char>(word >> (8 * i));
  }
}
// How many bytes an integer takes, its sign included.
inline size_t integer_bytes(int64_t v) {
  return (static_cast<size_t>(std::bit_width(static_cast<uint64_t>(v < 0 ? ~v : v))) + 8) / 8;
}
// 0, 1 or 2: the least w with value < 256^(2^w).
inline unsigned width_code(size_t value) { return value < 0x100 ? 0 : value < 0x10000 ? 1 : 2; }
inline size_t table_bytes(uint32_t count, size_t width, bool object) {
  if (count <= kStride) return 0;
  return size_t{(count - 1) / kStride} * width + (object ? count : 0);
}

}  // namespace value_format

// One value as read_value finds it.
struct ValueToken {
  ValueType type = ValueType::kNull;
  bool boolean = false;
  uint32_t count = 0;  // of an array: items; of an object: members
  int64_t integer = 0;
  double real = 0;
  std::string_view
      bytes;  // of a string or bytes: what it holds; of a container: its items, or names and values by turns
  std::string_view table;  // of a container with a table
};

// Reads the value that starts at `at` and moves `at` behind it. Takes constant time: a container's members are left
// unread in token.bytes. False (and `at` anywhere) when the bytes before `end` hold no whole value. Safe on any bytes,
// but does not tell whether a string is UTF-8 or an encoding is the canonical one: see ValueView::validate.
bool read_value(const char*& at, const char* end, ValueToken& token);

// A whole encoded value, borrowed. Bytes of any origin: every access is checked and answers kCorruption.
class ValueView {
 public:
  ValueView() : bytes_("\0", 1) {}  // null
  explicit ValueView(std::string_view bytes) : bytes_(bytes) {}

  std::string_view bytes() const { return bytes_; }
  // The value itself; members of containers stay encoded.
  Result<ValueToken> read() const;
  // The value of the member `name`, or nothing if there is none or this is no object.
  Result<std::optional<ValueView>> find(std::string_view name) const;
  // The item at `index`, or nothing if there is none or this is no array.
  Result<std::optional<ValueView>> at(uint32_t index) const;
  // That this is one value in its canonical encoding and within the limits: structure, nesting, size, UTF-8, unique
  // names. What ValueWriter made, and what a checksum covers, need not be validated again.
  Status validate() const;

 private:
  std::string_view bytes_;
};

// Type and value are the same: 1, 1.0 and true differ; NaN is NaN; -0.0 is not 0.0; the order of members is free.
// REQUIRES: both valid (damage makes them differ, never fails).
bool same(ValueView a, ValueView b);

// A key, or a name under the rules for keys (`what` begins the message): 1 to 1,024 bytes of UTF-8 without NUL.
// kInvalidUnicode, kInvalidKey.
Status check_key(std::string_view key, std::string_view what = "key");

// Walks the items of an array or the members of an object in order:
//   for (ValueItems items(view); items.next();) use(items.name(), items.value());
class ValueItems {
 public:
  explicit ValueItems(ValueView container);
  // False at the end, on damage, and at once for a scalar.
  bool next();
  uint32_t count() const { return count_; }
  std::string_view name() const { return name_; }  // empty in an array
  ValueView value() const { return value_; }
  // Whether the walk ended because of damage.
  Status status() const;

 private:
  const char* at_ = nullptr;
  const char* end_ = nullptr;
  uint32_t count_ = 0;
  uint32_t left_ = 0;
  bool object_ = false;
  bool damaged_ = false;
  std::string_view name_;
  ValueView value_;
};

// Builds one value. Every appending call answers false when it would pass a limit; error() then says which, and only
// clear() or destruction may follow. Strings must be UTF-8 and the names of one object distinct: that is the caller's
// duty, checked by ValueView::validate.
class ValueWriter {
 public:
  ValueWriter() { clear(); }
  ~ValueWriter();
  ValueWriter(const ValueWriter&) = delete;
  ValueWriter& operator=(const ValueWriter&) = delete;

  [[nodiscard]] bool null() { return put_tag(value_format::kNull); }
  [[nodiscard]] bool boolean(bool v) { return put_tag(v ? value_format::kTrue : value_format::kFalse); }
  [[nodiscard]] bool integer(int64_t v);
  [[nodiscard]] bool real(double v);
  [[nodiscard]] bool string(std::string_view utf8) { return ++frame_->count, put_string(utf8); }
  [[nodiscard]] bool bytes(std::string_view v);
  // Appends a value that is encoded already, with whatever it contains. REQUIRES: valid.
  [[nodiscard]] bool value(ValueView encoded);

  // `count_hint`: how many will follow, if known; it saves a copy when it is right.
  [[nodiscard]] bool begin_array(size_t count_hint = 0) { return begin(value_format::kArray, count_hint); }
  [[nodiscard]] bool begin_object(size_t count_hint = 0) { return begin(value_format::kObject, count_hint); }
  // Before each value of an object.
  [[nodiscard]] bool name(std::string_view utf8) { return put_string(utf8); }
  [[nodiscard]] bool end();
  // Takes the innermost open container back, with what was appended to it. REQUIRES: there is one.
  void abandon() {
    at_ = buffer_ + frame_->start;
    --frame_;
    --frame_->count;
  }

  // REQUIRES: exactly one value was appended and every container ended. Valid until the next change.
  std::string_view result() const { return std::string_view(buffer_, size()); }
  size_t size() const { return static_cast<size_t>(at_ - buffer_); }
  // OK, kNestingTooDeep or kValueTooLarge (no path in the message).
  Status error() const;
  // Starts anew; the buffer is kept for the next value unless it is large.
  void clear();

 private:
  struct Frame {
    uint32_t start;  // of the tag
    uint32_t count;
    uint8_t width_code;
    bool object;
  };
  static constexpr size_t kSlack = 16;  // integer() writes 8 bytes and keeps fewer
  static constexpr size_t kKeptBytes = size_t{1} << 20;

  bool reserve(size_t n) { return static_cast<size_t>(limit_ - at_) >= n || grow(n); }
  bool grow(size_t n);
  bool put_tag(unsigned tag);
  bool put_string(std::string_view text);
  bool put_long(unsigned tag, std::string_view bytes);
  bool begin(unsigned tag, size_t count_hint);
  bool end_large();
  static void copy_short(char* to, const char* from, size_t n);

  char* buffer_ = nullptr;
  char* at_ = nullptr;
  char* limit_ = nullptr;  // kSlack before the end
  Frame* frame_ = nullptr;
  Code error_ = Code::kOk;
  Frame frames_[kMaxValueNesting + 1];  // [0] counts the values at the top
};

// ---- inline parts: these decide how long a put and a get take ----

inline bool read_value(const char*& at, const char* end, ValueToken& token) {
  using namespace value_format;
  if (at == end) return false;
  const unsigned tag = static_cast<uint8_t>(*at++);
  const auto left = static_cast<size_t>(end - at);
  if (tag >= kShortString) {
    const size_t n = tag - kShortString;
    if (n > left) return false;
    token.type = ValueType::kString;
    token.bytes = std::string_view(at, n);
    at += n;
    return true;
  }
  if (tag >= kSmallInteger) {
    token.type = ValueType::kInteger;
    token.integer = static_cast<int>(tag) - kSmallInteger + kLeastSmall;
    return true;
  }
  if (tag >= kInteger) {
    const size_t n = tag - kInteger + 1;
    if (n > 8 || n > left) return false;
    uint64_t bits = 0;
    if (left >= 8) {
      bits = load_word(at);
    } else {
      for (size_t i = 0; i < n; ++i) bits |= uint64_t{static_cast<uint8_t>(at[i])} << (8 * i);
    }
    const auto unused = static_cast<unsigned>(64 - 8 * n);
    token.type = ValueType::kInteger;
    token.integer = static_cast<int64_t>(bits << unused) >> unused;
    at += n;
    return true;
  }
  if (tag <= kFloat) {
    if (tag < kFloat) {
      token.type = tag == kNull ? ValueType::kNull : ValueType::kBoolean;
      token.boolean = tag == kTrue;
      return true;
    }
    if (left < 8) return false;
    token.type = ValueType::kFloat;
    token.real = std::bit_cast<double>(load_word(at));
    at += 8;
    return true;
  }
  // What is left has a length of 1, 2 or 4 bytes.
  const unsigned code = tag & 3;
  const size_t width = size_t{1} << code;
  const unsigned kind = tag & ~3u;
  if (tag < kArray || tag >= kBytes + 4 || code == 3 || left < width) return false;
  const size_t size = load(at, width);
  if (size > left - width) return false;
  at += width;
  if (kind == kString || kind == kBytes) {
    token.type = kind == kString ? ValueType::kString : ValueType::kBytes;
    token.bytes = std::string_view(at, size);
    at += size;
    return true;
  }
  if (size < width) return false;
  token.type = kind == kArray ? ValueType::kArray : ValueType::kObject;
  token.count = load(at, width);
  const size_t table = table_bytes(token.count, width, kind == kObject);
  if (table > size - width) return false;
  token.bytes = std::string_view(at + width, size - width - table);
  token.table = std::string_view(at + size - table, table);
  at += size;
  return true;
}

inline void ValueWriter::copy_short(char* to, const char* from, size_t n) {
  if (n >= 8) {
    if (n > 16) {
      std::memcpy(to, from, n);
      return;
    }
    std::memcpy(to + n - 8, from + n - 8, 8);
    std::memcpy(to, from, 8);
  } else if (n >= 4) {
    std::memcpy(to + n - 4, from + n - 4, 4);
    std::memcpy(to, from, 4);
  } else if (n > 0) {
    to[0] = from[0];
    to[n / 2] = from[n / 2];
    to[n - 1] = from[n - 1];
  }
}

inline bool ValueWriter::put_tag(unsigned tag) {
  if (!reserve(1)) return false;
  ++frame_->count;
  *at_++ = static_cast<char>(tag);
  return true;
}

inline bool ValueWriter::integer(int64_t v) {
  using namespace value_format;
  if (v >= kLeastSmall && v <= kGreatestSmall) {
    return put_tag(static_cast<unsigned>(kSmallInteger + static_cast<int>(v) - kLeastSmall));
  }
  if (!reserve(9)) return false;
  ++frame_->count;
  const size_t n = integer_bytes(v);
  *at_ = static_cast<char>(kInteger + n - 1);
  store_word(at_ + 1, static_cast<uint64_t>(v));
  at_ += 1 + n;
  return true;
}

inline bool ValueWriter::real(double v) {
  using namespace value_format;
  if (!reserve(9)) return false;
  ++frame_->count;
  const uint64_t bits = v != v ? kNan : std::bit_cast<uint64_t>(v);
  *at_ = static_cast<char>(kFloat);
  store_word(at_ + 1, bits);
  at_ += 9;
  return true;
}

inline bool ValueWriter::put_string(std::string_view text) {
  using namespace value_format;
  if (text.size() > kGreatestShort) return put_long(kString, text);
  if (!reserve(1 + text.size())) return false;
  *at_ = static_cast<char>(kShortString + text.size());
  copy_short(at_ + 1, text.data(), text.size());
  at_ += 1 + text.size();
  return true;
}

inline bool ValueWriter::begin(unsigned tag, size_t count_hint) {
  if (frame_ == frames_ + kMaxValueNesting) {
    error_ = Code::kNestingTooDeep;
    return false;
  }
  const unsigned code = count_hint <= 16 ? 0 : count_hint < 4096 ? 1 : 2;
  const size_t head = 1 + (size_t{2} << code);
  if (!reserve(head)) return false;
  ++frame_->count;
  *++frame_ = Frame{static_cast<uint32_t>(at_ - buffer_), 0, static_cast<uint8_t>(code), tag == value_format::kObject};
  *at_ = static_cast<char>(tag + code);
  at_ += head;
  return true;
}

inline bool ValueWriter::end() {
  char* head = buffer_ + frame_->start;
  const auto size = static_cast<size_t>(at_ - head) - 2;
  if (frame_->count > value_format::kStride || frame_->width_code != 0 || size > 0xFF) return end_large();
  head[1] = static_cast<char>(size);
  head[2] = static_cast<char>(frame_->count);
  --frame_;
  return true;
}

}  // namespace strata
