#include <algorithm>
#include <string>
#include <vector>

#include "model/sorted_members.h"
#include "model/utf8.h"
#include "model/value_seek.h"
#include "model/value_table.h"
#include "strata/value.h"

namespace strata {

using namespace value_format;

namespace {

Status damaged(std::string_view what) {
  return Status::error(Code::kCorruption, "a stored value is damaged: " + std::string(what));
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
  const size_t width = model::container_width(*start);
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

bool same_within(ValueView a, ValueView b, int depth);

bool same_objects(ValueView a, ValueView b, int depth) {
  std::vector<model::Member> left;
  std::vector<model::Member> right;
  if (!model::sorted_members(a, &left) || !model::sorted_members(b, &right) || left.size() != right.size()) {
    return false;
  }
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

namespace {

Result<std::optional<ValueView>> found(model::Seek seek, const model::Slot& slot) {
  if (seek == model::Seek::kDamaged) return damaged("a container does not hold what it says");
  if (seek == model::Seek::kMissing) return std::optional<ValueView>();
  return std::optional<ValueView>(std::string_view(slot.value, static_cast<size_t>(slot.end - slot.value)));
}

}  // namespace

Result<std::optional<ValueView>> ValueView::find(std::string_view name) const {
  STRATA_ASSIGN(const ValueToken token, read());
  if (token.type != ValueType::kObject) return std::optional<ValueView>();
  model::Slot slot;
  const model::Seek seek = model::find_member(token, model::container_width(bytes_[0]), name, &slot);
  return found(seek, slot);
}

Result<std::optional<ValueView>> ValueView::at(uint32_t index) const {
  STRATA_ASSIGN(const ValueToken token, read());
  if (token.type != ValueType::kArray) return std::optional<ValueView>();
  model::Slot slot;
  const model::Seek seek = model::find_item(token, model::container_width(bytes_[0]), index, &slot);
  return found(seek, slot);
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
