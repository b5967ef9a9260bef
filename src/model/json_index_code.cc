#include "model/json_index_code.h"

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "base/coding.h"
#include "model/key_codec.h"

namespace strata::model {
namespace {

// The first byte of a code.
enum class Type : char {
  kNull = 1,
  kFalse = 2,
  kTrue = 3,
  kNumber = 4,
  kString = 5,
  kOther = 6,  // what filters compare with no literal: bytes, containers, NaN
  kEnd = 7,
};
constexpr size_t kNumberBytes = 8;
// Behind a string's bytes, where a NUL of its own is written as NUL and kEscaped.
constexpr char kNul = '\0';
constexpr char kStop = '\1';
constexpr char kEscaped = '\xff';

std::string just(Type type) { return std::string(1, static_cast<char>(type)); }

void append_number(double number, std::string* out) {
  constexpr uint64_t kSign = uint64_t{1} << 63;
  const auto bits = std::bit_cast<uint64_t>(number + 0.0);  // -0.0 becomes 0.0
  char bytes[kNumberBytes];
  base::store_be64(bytes, (bits & kSign) != 0 ? ~bits : bits | kSign);
  out->append(bytes, kNumberBytes);
}

void append_string(std::string_view text, std::string* out) {
  for (const char c : text.substr(0, kIndexedStringBytes)) {
    out->push_back(c);
    if (c == kNul) out->push_back(kEscaped);
  }
  out->push_back(kNul);
  out->push_back(kStop);
}

void append_token(const ValueToken& token, std::string* out) {
  const auto begin = [&](Type type) { out->push_back(static_cast<char>(type)); };
  switch (token.type) {
    case ValueType::kNull:
      return begin(Type::kNull);
    case ValueType::kBoolean:
      return begin(token.boolean ? Type::kTrue : Type::kFalse);
    case ValueType::kInteger:
      begin(Type::kNumber);
      return append_number(static_cast<double>(token.integer), out);
    case ValueType::kFloat:
      if (token.real != token.real) return begin(Type::kOther);
      begin(Type::kNumber);
      return append_number(token.real, out);
    case ValueType::kString:
      begin(Type::kString);
      return append_string(token.bytes, out);
    case ValueType::kBytes:
    case ValueType::kArray:
    case ValueType::kObject:
      return begin(Type::kOther);
  }
}

bool is_ordered(ValueType type) {
  return type == ValueType::kInteger || type == ValueType::kFloat || type == ValueType::kString;
}

}  // namespace

bool append_index_code(std::string_view encoded, std::string* out) {
  const char* at = encoded.data();
  ValueToken token;
  if (!read_value(at, at + encoded.size(), token)) return false;
  append_token(token, out);
  return true;
}

size_t index_code_bytes(std::string_view bytes) {
  STRATA_ASSERT(!bytes.empty());
  const auto type = static_cast<Type>(bytes[0]);
  if (type == Type::kNumber) return 1 + kNumberBytes;
  if (type != Type::kString) return 1;
  size_t at = 1;
  while (bytes[at] != kNul || bytes[at + 1] != kStop) at += bytes[at] == kNul ? 2 : 1;
  return at + 2;
}

IndexCodes all_index_codes() { return {just(Type::kNull), just(Type::kEnd)}; }

IndexCodes index_codes(JsonComparison comparison, const ValueToken& literal) {
  STRATA_ASSERT(comparison != JsonComparison::kNotEqual);
  std::string code;
  append_token(literal, &code);
  const bool or_equal = comparison == JsonComparison::kLessEqual || comparison == JsonComparison::kGreaterEqual;
  if (comparison == JsonComparison::kEqual || (or_equal && !is_ordered(literal.type))) {
    return {code, prefix_successor(code)};
  }
  if (!is_ordered(literal.type)) return {code, code};  // nothing is less than null
  const std::string type = code.substr(0, 1);
  // What is equal to the bound goes along, since what is not may have its code.
  const bool below = comparison == JsonComparison::kLess || comparison == JsonComparison::kLessEqual;
  return below ? IndexCodes{type, prefix_successor(code)} : IndexCodes{code, prefix_successor(type)};
}

IndexCodes intersection(const IndexCodes& a, const IndexCodes& b) {
  return {std::max(a.begin, b.begin), std::min(a.end, b.end)};
}

}  // namespace strata::model
