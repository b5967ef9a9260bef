#include "model/value_seek.h"

#include "base/check.h"
#include "model/value_table.h"

namespace strata::model {

using namespace value_format;

bool seek_row(const ValueToken& token, size_t width, uint32_t index, const char** at, uint32_t* first) {
  STRATA_ASSERT(index < token.count);
  const uint32_t row = token.table.empty() ? 0 : index / kStride;
  *at = token.bytes.data();
  *first = row * kStride;
  if (row == 0) return true;
  const size_t fingerprints = token.type == ValueType::kObject ? token.count : 0;
  const uint32_t offset = load(token.table.data() + fingerprints + (row - 1) * width, width);
  if (offset >= token.bytes.size()) return false;
  *at += offset;
  return true;
}

namespace {

// The member at `at`, which moves behind it. *name stays empty in an array.
bool take(const char*& at, const char* end, bool object, std::string_view* name, Slot* slot) {
  ValueToken token;
  slot->start = at;
  if (object) {
    if (!read_value(at, end, token) || token.type != ValueType::kString) return false;
    *name = token.bytes;
  }
  slot->value = at;
  if (!read_value(at, end, token)) return false;
  slot->end = at;
  return true;
}

// Member `index`, counted on from where the table leads.
bool take_at(const ValueToken& token, size_t width, uint32_t index, std::string_view* name, Slot* slot) {
  const char* at = nullptr;
  uint32_t i = 0;
  if (!seek_row(token, width, index, &at, &i)) return false;
  const char* end = token.bytes.data() + token.bytes.size();
  for (; i <= index; ++i) {
    if (!take(at, end, token.type == ValueType::kObject, name, slot)) return false;
  }
  slot->index = index;
  return true;
}

}  // namespace

Seek find_member(const ValueToken& token, size_t width, std::string_view name, Slot* slot) {
  std::string_view found;
  if (token.table.empty()) {
    const char* at = token.bytes.data();
    const char* end = at + token.bytes.size();
    for (slot->index = 0; slot->index < token.count; ++slot->index) {
      if (!take(at, end, true, &found, slot)) return Seek::kDamaged;
      if (found == name) return Seek::kFound;
    }
    return Seek::kMissing;
  }
  const std::string_view fingerprints = token.table.substr(0, token.count);
  const char wanted = static_cast<char>(name_fingerprint(name));
  for (size_t i = fingerprints.find(wanted); i != std::string_view::npos; i = fingerprints.find(wanted, i + 1)) {
    if (!take_at(token, width, static_cast<uint32_t>(i), &found, slot)) return Seek::kDamaged;
    if (found == name) return Seek::kFound;
  }
  return Seek::kMissing;
}

Seek find_item(const ValueToken& token, size_t width, uint32_t index, Slot* slot) {
  if (index >= token.count) return Seek::kMissing;
  std::string_view none;
  return take_at(token, width, index, &none, slot) ? Seek::kFound : Seek::kDamaged;
}

}  // namespace strata::model
