// Keys of the tree: space name, NUL, a tag byte that says what lies there, then the user's key.
//
// They sort by space, then by tag, then by the user key's bytes. Space names and user keys hold no NUL, so no key of
// one space is a prefix of another space's. All primitives of a branch live in one tree this way, and each of them, and
// each prefix in it, is one range.
//
// Thread safety: pure functions; a TreeKey belongs to one thread. Ownership: views borrow what they were made from.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "base/coding.h"
#include "strata/status.h"
#include "strata/value.h"

namespace strata::model {

// What a key is about. ON DISK: never renumber.
enum class Tag : uint8_t {
  kSpace = 1,       // that the space exists; the user key is empty
  kKv = 2,          // key
  kState = 3,       // cell
  kJson = 4,        // document
  kJsonIndex = 5,   // name of an index
  kEvent = 6,       // sequence, 8 bytes big-endian
  kEventType = 7,   // event type, NUL, sequence
  kCollection = 8,  // name of a collection
  kVector = 9,      // name of the collection, NUL, key
};
static_assert(static_cast<int>(Tag::kSpace) == 1 && static_cast<int>(Tag::kVector) == 9);

constexpr size_t kMaxUserKeyBytes = 1024;
constexpr size_t kMaxSpaceNameBytes = 64;
constexpr size_t kMaxBranchNameBytes = 128;
constexpr size_t kMaxTreeKeyBytes = kMaxSpaceNameBytes + 2 + 2 * kMaxUserKeyBytes + 1;

// A key under construction, on the stack.
class TreeKey {
 public:
  // REQUIRES: a valid space name; user keys within the limits.
  TreeKey(std::string_view space, Tag tag, std::string_view user = {}) {
    append(space);
    append_byte(0);
    append_byte(static_cast<uint8_t>(tag));
    append(user);
  }
  // For the tags whose user key has two parts.
  TreeKey(std::string_view space, Tag tag, std::string_view first, std::string_view second)
      : TreeKey(space, tag, first) {
    append_byte(0);
    append(second);
  }
  // An event's place.
  TreeKey(std::string_view space, Tag tag, uint64_t sequence) : TreeKey(space, tag) { append_sequence(sequence); }
  // An event's place among those of its type.
  TreeKey(std::string_view space, Tag tag, std::string_view type, uint64_t sequence) : TreeKey(space, tag, type) {
    append_byte(0);
    append_sequence(sequence);
  }

  // REQUIRES: the key ends with a sequence.
  void set_sequence(uint64_t sequence) { base::store_be64(bytes_ + size_ - 8, sequence); }

  // As long as this object.
  std::string_view view() const { return std::string_view(bytes_, size_); }
  operator std::string_view() const { return view(); }  // NOLINT: implicit on purpose

 private:
  void append(std::string_view part);
  void append_byte(uint8_t byte) { bytes_[size_++] = static_cast<char>(byte); }
  void append_sequence(uint64_t sequence) {
    base::store_be64(bytes_ + size_, sequence);
    size_ += 8;
  }

  static constexpr size_t kTail = 9;  // what append_byte and append_sequence may add after any append

  size_t size_ = 0;
  char bytes_[kMaxTreeKeyBytes + kTail];
};

struct SplitKey {
  std::string_view space;
  Tag tag;
  std::string_view user;
};
// The parts of a tree key; nothing for bytes that are none.
std::optional<SplitKey> split_key(std::string_view tree_key);

// Half-open, as tree::KeyRange.
struct KeySpan {
  std::string begin;
  std::string end;
};
// All of a space, its kSpace row included.
KeySpan space_span(std::string_view space);
// Everything under a tag whose user key starts with `prefix`.
KeySpan prefix_span(std::string_view space, Tag tag, std::string_view prefix = {});
// The least string greater than every string that starts with `prefix`; empty if there is none.
std::string prefix_successor(std::string_view prefix);

// A user's key or what is named like one (cell, document, collection, event type).
using strata::check_key;
// A prefix or bound: any UTF-8, of any length. kInvalidUnicode.
Status check_text(std::string_view text, std::string_view what);
// [A-Za-z0-9][A-Za-z0-9._/-]{0,127}. kInvalidBranchName.
Status check_branch_name(std::string_view name);
// [a-z][a-z0-9_-]{0,63}. kInvalidSpaceName.
Status check_space_name(std::string_view name);

}  // namespace strata::model
