#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "model/utf8.h"
#include "model/value_table.h"
#include "strata/value.h"

namespace strata {

using namespace value_format;

namespace {

Status damaged(std::string_view what) {
  return Status::error(Code::kCorruption, "a stored value is damaged: " + std::string(what));
}

size_t container_width(std::string_view bytes) { return size_t{1} << (static_cast<uint8_t>(bytes[0]) & 3); }

// The offset of item or member `index` within token.bytes is at or behind *at; *skip says how many lie between.
bool seek(const ValueToken& token, size_t width, uint32_t index, const char** at, uint32_t* skip) {
  *at = token.bytes.data();
  *skip = index % kStride;
  const uint32_t row = index / kStride;
  if (row == 0) return true;
  if (token.table.empty()) {
    *skip = index;
    return true;
  }
  const size_t fingerprints = token.type == ValueType::kObject ? token.count : 0;
  const uint32_t offset = load(token.table.data() + fingerprints + (row - 1) * width, width);
  if (offset >= token.bytes.size()) return false;
  *at += offset;
  return true;
}

// The whole value at `at`.
bool take(const char*& at, const char* end, ValueToken& token, ValueView& view) {
  const char* start = at;
  if (!read_value(at, end, token)) return false;
  view = ValueView(std::string_view(start, static_cast<size_t>(at - start)));
  return true;
}

bool take_member(const char*& at, const char* end, std::string_view& name, ValueView& value) {
  ValueToken token;
  if (!read_value(at, end, token) || token.type != ValueType::kString) return false;
  name = token.bytes;
  return take(at, end, token, value);
}

// ---- validation ----

Status check_text(std::string_view text) {
  return model::is_utf8(text) ? Status::ok() : damaged("a string is not UTF-8");
}

Status check_unique(std::vector<std::string_view>& names) {
  std::sort(names.begin(), names.end());
  const bool unique = std::adjacent_find(names.begin(), names.end()) == names.end();
  return unique ? Status::ok() : damaged("an object has a member twice");
}

Status check_value(const char*& at, const char* end, int depth);

Status check_container(const char* start, const ValueToken& token, int depth) {
  if (depth == kMaxValueNesting) return damaged("nesting is too deep");
  const size_t width = container_width(std::string_view(start, 1));
  const bool object = token.type == ValueType::kObject;
  const char* at = token.bytes.data();
  const char* end = at + token.bytes.size();
  const char* offsets = token.table.data() + (object && !token.table.empty() ? token.count : 0);
  std::vector<std::string_view> names;
  for (uint32_t i = 0; i < token.count; ++i) {
    if (i > 0 && i % kStride == 0) {
      if (load(offsets, width) != static_cast<size_t>(at - token.bytes.data())) return damaged("a table is wrong");
      offsets += width;
    }
    if (object) {
      ValueToken name;
      const char* name_start = at;
      if (!read_value(at, end, name) || name.type != ValueType::kString) return damaged("a member has no name");
      at = name_start;
      STRATA_TRY(check_value(at, end, depth));
      if (!token.table.empty() && static_cast<uint8_t>(token.table[i]) != model::name_fingerprint(name.bytes)) {
        return damaged("a table is wrong");
      }
      names.push_back(name.bytes);
    }
    STRATA_TRY(check_value(at, end, depth + 1));
  }
  if (at != end) return damaged("a container has bytes after its members");
  const auto size = width + token.bytes.size() + token.table.size();
  const size_t narrower = width / 2;
  if (width > 1 &&
      narrower + token.bytes.size() + table_bytes(token.count, narrower, object) < (size_t{1} << (8 * narrower))) {
    return damaged("a container is wider than it needs");
  }
  return size <= kMaxValueBytes ? check_unique(names) : damaged("too large");
}

// The value at `at`, in its one canonical form.
Status check_value(const char*& at, const char* end, int depth) {
  const char* start = at;
  ValueToken token;
  if (!read_value(at, end, token)) return damaged("it is cut short or has an unknown type");
  const unsigned tag = static_cast<uint8_t>(*start);
  switch (token.type) {
    case ValueType::kNull:
    case ValueType::kBoolean:
      return Status::ok();
    case ValueType::kInteger: {
      const bool small = token.integer >= kLeastSmall && token.integer <= kGreatestSmall;
      const size_t size = small ? 0 : integer_bytes(token.integer);
      return start + 1 + size == at ? Status::ok() : damaged("an integer is longer than it needs");
    }
    case ValueType::kFloat: {
      const bool odd = token.real != token.real && std::bit_cast<uint64_t>(token.real) != kNan;
      return odd ? damaged("a NaN is not the one that is stored") : Status::ok();
    }
    case ValueType::kString:
      if (tag < kShortString && (token.bytes.size() <= kGreatestShort || width_code(token.bytes.size()) != (tag & 3))) {
        return damaged("a length is wider than it needs");
      }
      return check_text(token.bytes);
    case ValueType::kBytes:
      return width_code(token.bytes.size()) == (tag & 3) ? Status::ok() : damaged("a length is wider than it needs");
    case ValueType::kArray:
    case ValueType::kObject:
      return check_container(start, token, depth);
  }
  return damaged("unknown type");
}

// ---- equality ----

using Member = std::pair<std::string_view, ValueView>;

bool sorted_members(ValueView object, std::vector<Member>& members) {
  ValueItems items(object);
  while (items.next()) members.emplace_back(items.name(), items.value());
  std::sort(members.begin(), members.end(), [](const Member& a, const Member& b) { return a.first < b.first; });
  return items.status().is_ok();
}

bool same_within(ValueView a, ValueView b, int depth);

bool same_objects(ValueView a, ValueView b, int depth) {
  std::vector<Member> left;
  std::vector<Member> right;
  if (!sorted_members(a, left) || !sorted_members(b, right) || left.size() != right.size()) return false;
  for (size_t i = 0; i < left.size(); ++i) {
    if (left[i].first != right[i].first || !same_within(left[i].second, right[i].second, depth + 1)) return false;
  }
  return true;
}

bool same_within(ValueView a, ValueView b, int depth) {
  if (a.bytes() == b.bytes()) return true;
  // Canonical encodings that differ can only be the same through the order of members, which changes no size.
  if (depth > kMaxValueNesting || a.bytes().size() != b.bytes().size() || a.bytes().empty()) return false;
  if (a.bytes()[0] != b.bytes()[0]) return false;
  const unsigned kind = static_cast<uint8_t>(a.bytes()[0]) & ~3u;
  if (kind == kObject) return same_objects(a, b, depth);
  if (kind != kArray) return false;
  ValueItems left(a);
  ValueItems right(b);
  if (left.count() != right.count()) return false;
  while (left.next() && right.next()) {
    if (!same_within(left.value(), right.value(), depth + 1)) return false;
  }
  return left.status().is_ok() && right.status().is_ok();
}

}  // namespace

Result<ValueToken> ValueView::read() const {
  ValueToken token;
  const char* at = bytes_.data();
  const char* end = at + bytes_.size();
  if (!read_value(at, end, token) || at != end) return damaged("it is cut short, too long or of an unknown type");
  return token;
}

Result<std::optional<ValueView>> ValueView::find(std::string_view name) const {
  STRATA_ASSIGN(const ValueToken token, read());
  if (token.type != ValueType::kObject) return std::optional<ValueView>();
  const char* end = token.bytes.data() + token.bytes.size();
  std::string_view found;
  ValueView value;
  if (token.table.empty()) {
    const char* at = token.bytes.data();
    for (uint32_t i = 0; i < token.count; ++i) {
      if (!take_member(at, end, found, value)) return damaged("a member is cut short");
      if (found == name) return std::optional<ValueView>(value);
    }
    return std::optional<ValueView>();
  }
  const std::string_view fingerprints = token.table.substr(0, token.count);
  const char wanted = static_cast<char>(model::name_fingerprint(name));
  for (size_t i = fingerprints.find(wanted); i != std::string_view::npos; i = fingerprints.find(wanted, i + 1)) {
    const char* at = nullptr;
    uint32_t skip = 0;
    if (!seek(token, container_width(bytes_), static_cast<uint32_t>(i), &at, &skip)) return damaged("a table is wrong");
    for (uint32_t step = 0; step <= skip; ++step) {
      if (!take_member(at, end, found, value)) return damaged("a member is cut short");
    }
    if (found == name) return std::optional<ValueView>(value);
  }
  return std::optional<ValueView>();
}

Result<std::optional<ValueView>> ValueView::at(uint32_t index) const {
  STRATA_ASSIGN(const ValueToken token, read());
  if (token.type != ValueType::kArray || index >= token.count) return std::optional<ValueView>();
  const char* at = nullptr;
  uint32_t skip = 0;
  if (!seek(token, container_width(bytes_), index, &at, &skip)) return damaged("a table is wrong");
  const char* end = token.bytes.data() + token.bytes.size();
  ValueToken item;
  ValueView value;
  for (uint32_t step = 0; step <= skip; ++step) {
    if (!take(at, end, item, value)) return damaged("an item is cut short");
  }
  return std::optional<ValueView>(value);
}

Status ValueView::validate() const {
  if (bytes_.size() > kMaxValueBytes) return damaged("too large");
  const char* at = bytes_.data();
  const char* end = at + bytes_.size();
  STRATA_TRY(check_value(at, end, 0));
  return at == end ? Status::ok() : damaged("bytes follow it");
}

bool same(ValueView a, ValueView b) { return same_within(a, b, 0); }

ValueItems::ValueItems(ValueView container) {
  const Result<ValueToken> token = container.read();
  damaged_ = !token.is_ok();
  if (damaged_ || (token->type != ValueType::kArray && token->type != ValueType::kObject)) return;
  at_ = token->bytes.data();
  end_ = at_ + token->bytes.size();
  count_ = left_ = token->count;
  object_ = token->type == ValueType::kObject;
}

bool ValueItems::next() {
  if (left_ == 0) {
    damaged_ = damaged_ || at_ != end_;
    return false;
  }
  ValueToken token;
  const bool whole = object_ ? take_member(at_, end_, name_, value_) : take(at_, end_, token, value_);
  if (!whole) {
    damaged_ = true;
    left_ = 0;
    at_ = end_;
    return false;
  }
  --left_;
  return true;
}

Status ValueItems::status() const { return damaged_ ? damaged("a container is cut short") : Status::ok(); }

}  // namespace strata
