#include "model/json_edit.h"

#include <array>
#include <bit>
#include <charconv>
#include <cstring>

#include "base/check.h"
#include "model/utf8.h"
#include "model/value_table.h"

namespace strata::model {

using namespace value_format;

namespace {

using Kind = JsonStep::Kind;

// How deep containers lie in each other below `value`, counted up to `most` + 1.
int nesting(std::string_view value, int most) {
  ValueItems items{ValueView(value)};
  if (items.count() == 0) {
    const auto tag = static_cast<uint8_t>(value[0]);
    return tag >= kArray && tag < kString ? 1 : 0;
  }
  int deepest = 0;
  while (deepest <= most && items.next()) {
    // Most members are scalars, which need no look inside.
    const auto tag = static_cast<uint8_t>(items.value().bytes()[0]);
    if (tag < kArray || tag >= kString) continue;
    if (most == 0) return 1;
    deepest = std::max(deepest, nesting(items.value().bytes(), most - 1));
  }
  return deepest + 1;
}

size_t string_bytes(size_t n) { return n <= kGreatestShort ? 1 + n : 1 + (size_t{1} << width_code(n)) + n; }

char* put(char* at, std::string_view bytes) {
  if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
  return at + bytes.size();
}

char* put_string(char* at, std::string_view text) {
  if (text.size() <= kGreatestShort) {
    *at++ = static_cast<char>(kShortString + text.size());
  } else {
    const unsigned code = width_code(text.size());
    *at++ = static_cast<char>(kString + code);
    store(at, static_cast<uint32_t>(text.size()), size_t{1} << code);
    at += size_t{1} << code;
  }
  return put(at, text);
}

// The index that a step names in an array of `count` items, or nothing. `count` itself stands for a place behind them.
std::optional<uint32_t> index_in(uint32_t count, const JsonStep& step) {
  int64_t index = step.index;
  if (step.kind == Kind::kToken) {
    const std::string_view text = step.text;
    if (text == "-") return count;
    if (text.empty() || text[0] < '0' || text[0] > '9' || (text[0] == '0' && text.size() > 1)) return std::nullopt;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), index);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  }
  if (index < 0 && (index += count) < 0) return std::nullopt;
  return index <= count ? std::optional<uint32_t>(static_cast<uint32_t>(index)) : std::nullopt;
}

// A container on the path, and how it changes.
struct Frame {
  bool object;
  bool made;  // did not exist before
  uint8_t old_width;
  uint8_t width;
  int8_t growth;  // -1, 0, 1: how many members it gains
  uint32_t count;
  uint32_t index;            // of the member that the path leads to
  std::string_view members;  // before the change
  std::string_view table;
  std::string_view name;  // of a member that is added
  size_t begin;           // what of `members` is replaced
  size_t end;
  size_t new_members;  // their bytes after the change
  char* first;         // where they are written

  uint32_t new_count() const { return static_cast<uint32_t>(static_cast<int64_t>(count) + growth); }
};

class Editor {
 public:
  Editor(std::span<const JsonStep> path, JsonChange change, std::string_view value)
      : path_(path), change_(change), value_(change == JsonChange::kRemove ? std::string_view() : value) {}

  Status run(std::optional<std::string_view> document, std::string* out) {
    if (path_.size() > kMaxValueNesting) return too_deep();
    STRATA_TRY(descend(document));
    // Each level takes three bytes at the least, so most values need not be looked at.
    const auto room = kMaxValueNesting - static_cast<int>(path_.size());
    if (value_.size() / 3 > static_cast<size_t>(room) && nesting(value_, room) > room) return too_deep();
    const size_t size = measure();
    if (size > kMaxValueBytes) {
      return Status::error(Code::kValueTooLarge, "the document would be larger than 64 MiB encoded",
                           "split it over several documents");
    }
    out->resize(size);
    return write(out->data(), size);
  }

 private:
  Status too_deep() const {
    return Status::error(
        Code::kNestingTooDeep,
        "the document would be nested deeper than " + std::to_string(kMaxValueNesting) + " at " + show_path(path_),
        "store the inner part as a document of its own");
  }
  Status misfit(size_t depth, const std::string& why) const {
    return Status::error(Code::kPathConflict, why + " at " + show_path(path_.first(depth + 1)),
                         "nothing was changed; json_get shows what is there");
  }

  Status descend(std::optional<std::string_view> document) {
    bool missing = !document;
    std::string_view here = document.value_or(std::string_view());
    for (size_t depth = 0; depth < path_.size(); ++depth) {
      Frame& frame = frames_[depth];
      const JsonStep& step = path_[depth];
      if (missing) {
        if (change_ != JsonChange::kSet || step.kind != Kind::kName) {
          return misfit(depth, "an index does not fit what does not exist");
        }
        frame = Frame{true, true, 1, 1, 1, 0, 0, {}, {}, step.text, 0, 0, 0, nullptr};
        continue;
      }
      ValueToken token;
      const char* at = here.data();
      if (!read_value(at, here.data() + here.size(), token)) return damaged_document();
      const bool object = token.type == ValueType::kObject;
      if (!object && token.type != ValueType::kArray) return misfit(depth, misfit_text(step));
      if (step.kind == (object ? Kind::kIndex : Kind::kName)) return misfit(depth, misfit_text(step));
      const auto width = static_cast<uint8_t>(container_width(here[0]));
      frame = Frame{object, false, width, width, 0, token.count, 0, token.bytes, token.table, {}, 0, 0, 0, nullptr};
      Slot slot;
      STRATA_TRY(object ? find_in_object(depth, token, &slot) : find_in_array(depth, token, &slot));
      missing = frame.growth == 1;
      here = std::string_view(slot.value, static_cast<size_t>(slot.end - slot.value));
    }
    return Status::ok();
  }

  static std::string misfit_text(const JsonStep& step) {
    if (step.kind == Kind::kToken) return "the path goes through a value that is neither object nor array";
    return step.kind == Kind::kName ? "a name does not fit a value that is not an object"
                                    : "an index does not fit a value that is not an array";
  }

  bool last(size_t depth) const { return depth + 1 == path_.size(); }
  // Whether what is not there may be put there.
  bool may_add(size_t depth) const {
    return change_ == JsonChange::kSet || (change_ == JsonChange::kAdd && last(depth));
  }

  Status find_in_object(size_t depth, const ValueToken& token, Slot* slot) {
    Frame& frame = frames_[depth];
    const std::string_view name = path_[depth].text;
    const Seek seek = find_member(token, frame.old_width, name, slot);
    if (seek == Seek::kDamaged) return damaged_document();
    if (seek == Seek::kFound) {
      replace_slot(depth, *slot);
      return Status::ok();
    }
    if (!may_add(depth)) return misfit(depth, "there is no member " + quoted(name));
    frame.name = name;
    insert(&frame, token.count, token.bytes.size());
    return Status::ok();
  }

  Status find_in_array(size_t depth, const ValueToken& token, Slot* slot) {
    Frame& frame = frames_[depth];
    const std::optional<uint32_t> index = index_in(token.count, path_[depth]);
    const bool behind = index == token.count;
    if (!index || (behind && !may_add(depth))) {
      return misfit(depth, "the array has " + std::to_string(token.count) + " items");
    }
    if (behind) {
      insert(&frame, token.count, token.bytes.size());
      return Status::ok();
    }
    if (find_item(token, frame.old_width, *index, slot) != Seek::kFound) return damaged_document();
    if (change_ == JsonChange::kAdd && last(depth)) {
      insert(&frame, *index, static_cast<size_t>(slot->start - token.bytes.data()));
    } else {
      replace_slot(depth, *slot);
    }
    return Status::ok();
  }

  void replace_slot(size_t depth, const Slot& slot) {
    Frame& frame = frames_[depth];
    const bool removed = change_ == JsonChange::kRemove && last(depth);
    frame.index = slot.index;
    frame.growth = removed ? -1 : 0;
    frame.begin = static_cast<size_t>((removed ? slot.start : slot.value) - frame.members.data());
    frame.end = static_cast<size_t>(slot.end - frame.members.data());
  }

  static void insert(Frame* frame, uint32_t index, size_t place) {
    frame->index = index;
    frame->growth = 1;
    frame->begin = frame->end = place;
  }

  // How large everything becomes, from the inside out. Returns the size of the whole.
  size_t measure() {
    size_t inner = value_.size();
    for (size_t depth = path_.size(); depth-- > 0;) {
      Frame& frame = frames_[depth];
      const bool named = frame.object && frame.growth == 1;
      frame.new_members = frame.members.size() - (frame.end - frame.begin) + inner;
      if (named) frame.new_members += string_bytes(frame.name.size());
      const auto size_at = [&](size_t width) {
        return width + frame.new_members + table_bytes(frame.new_count(), width, frame.object);
      };
      unsigned code = 0;
      while (code < 2 && width_code(size_at(size_t{1} << code)) > code) ++code;
      frame.width = static_cast<uint8_t>(1u << code);
      inner = 1 + frame.width + size_at(frame.width);
    }
    return inner;
  }

  // Front to back: heads and what lies before the place, the value, what lies behind it and tables.
  Status write(char* out, size_t size) {
    char* at = out;
    for (size_t depth = 0; depth < path_.size(); ++depth) {
      Frame& frame = frames_[depth];
      const size_t width = frame.width;
      const size_t table = table_bytes(frame.new_count(), width, frame.object);
      *at++ = static_cast<char>((frame.object ? kObject : kArray) + std::countr_zero(width));
      store(at, static_cast<uint32_t>(width + frame.new_members + table), width);
      store(at + width, frame.new_count(), width);
      frame.first = at + 2 * width;
      at = put(frame.first, frame.members.substr(0, frame.begin));
      if (frame.object && frame.growth == 1) at = put_string(at, frame.name);
    }
    at = put(at, value_);
    for (size_t depth = path_.size(); depth-- > 0;) {
      Frame& frame = frames_[depth];
      at = put(at, frame.members.substr(frame.end));
      STRATA_ASSERT(at == frame.first + frame.new_members);
      if (frame.new_count() <= kStride) continue;
      if (!write_table(frame, at)) return damaged_document();
      at += table_bytes(frame.new_count(), frame.width, frame.object);
    }
    STRATA_CHECK(at == out + size);
    return Status::ok();
  }

  // False: the members are damaged.
  static bool write_table(const Frame& frame, char* table) {
    const uint32_t count = frame.new_count();
    const bool had = !frame.table.empty();
    const size_t old_prints = frame.object && had ? frame.count : 0;
    const char* old_offsets = frame.table.data() + old_prints;
    if (old_prints > 0) {
      const size_t behind = frame.index + (frame.growth == 1 ? 0 : 1);
      char* at = put(table, frame.table.substr(0, frame.index));
      if (frame.growth == 0) *at++ = frame.table[frame.index];
      if (frame.growth == 1) *at++ = static_cast<char>(name_fingerprint(frame.name));
      put(at, frame.table.substr(behind, frame.count - behind));
    }
    char* offsets = table + (frame.object ? count : 0);
    const uint32_t rows = (count - 1) / kStride;
    const uint32_t old_rows = had ? (frame.count - 1) / kStride : 0;
    // Rows up to the place stay. Behind it they move by what the place grew, if they are still about the same members.
    const auto moved = static_cast<uint32_t>(frame.new_members - frame.members.size());
    uint32_t row = 1;
    for (; row <= rows && row <= old_rows; ++row) {
      const bool before = row * kStride <= frame.index;
      if (!before && frame.growth != 0) break;
      const uint32_t offset = load(old_offsets + (row - 1) * frame.old_width, frame.old_width);
      store(offsets + (row - 1) * frame.width, before ? offset : offset + moved, frame.width);
    }
    const bool prints = frame.object && !had;
    return (row > rows && !prints) || walk(frame, row, prints ? table : nullptr, offsets);
  }

  // Fills in the rows from `row` on, and all fingerprints if wanted, from the members as they are now written.
  static bool walk(const Frame& frame, uint32_t row, char* fingerprints, char* offsets) {
    const uint32_t count = frame.new_count();
    const char* end = frame.first + frame.new_members;
    const char* at = frame.first;
    uint32_t i = 0;
    if (row > 1 && fingerprints == nullptr) {
      const uint32_t offset = load(offsets + (row - 2) * frame.width, frame.width);
      if (offset >= frame.new_members) return false;
      at += offset;
      i = (row - 1) * kStride;
    }
    ValueToken token;
    const uint32_t stop = fingerprints != nullptr ? count : (count - 1) / kStride * kStride + 1;
    for (; i < stop; ++i) {
      if (i > 0 && i % kStride == 0) {
        store(offsets + (i / kStride - 1) * frame.width, static_cast<uint32_t>(at - frame.first), frame.width);
      }
      if (frame.object) {
        if (!read_value(at, end, token) || token.type != ValueType::kString) return false;
        if (fingerprints != nullptr) fingerprints[i] = static_cast<char>(name_fingerprint(token.bytes));
      }
      if (!read_value(at, end, token)) return false;
    }
    return true;
  }

  const std::span<const JsonStep> path_;
  const JsonChange change_;
  const std::string_view value_;
  std::array<Frame, kMaxValueNesting> frames_;
};

}  // namespace

Status damaged_document() {
  return Status::error(Code::kCorruption, "a stored document is damaged: a container does not hold what it says",
                       "verify() lists all damage");
}

Seek find_json(std::string_view document, std::span<const JsonStep> path, std::string_view* found) {
  std::string_view here = document;
  for (const JsonStep& step : path) {
    ValueToken token;
    const char* at = here.data();
    if (!read_value(at, here.data() + here.size(), token)) return Seek::kDamaged;
    Slot slot;
    Seek seek = Seek::kMissing;
    if (token.type == ValueType::kObject && step.kind != Kind::kIndex) {
      seek = find_member(token, container_width(here[0]), step.text, &slot);
    } else if (token.type == ValueType::kArray && step.kind != Kind::kName) {
      const std::optional<uint32_t> index = index_in(token.count, step);
      if (index) seek = find_item(token, container_width(here[0]), *index, &slot);
    }
    if (seek != Seek::kFound) return seek;
    here = std::string_view(slot.value, static_cast<size_t>(slot.end - slot.value));
  }
  *found = here;
  return Seek::kFound;
}

Status edit_json(std::optional<std::string_view> document, std::span<const JsonStep> path, JsonChange change,
                 std::string_view value, std::string* out) {
  STRATA_ASSERT(change != JsonChange::kRemove || !path.empty());
  return Editor(path, change, value).run(document, out);
}

}  // namespace strata::model
