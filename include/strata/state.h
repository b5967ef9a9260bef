// State cells: named values that are compared before they are written. Cells are named by the rules for keys
// (strata/kv.h), values are in the binary form of strata/value.h (REQUIRES: valid).
//
// Works on the session's current branch and space, in its open transaction or as a commit of its own. What compares
// runs, outside of a transaction, on the newest state under the commit lock: it never conflicts.
// Thread safety, common errors: strata/session.h. Ownership: borrows the Call.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "strata/key_list.h"
#include "strata/session.h"

namespace strata {

// What a compare-and-swap expects to find: a value (null also where there is none), or a version (0: no value).
struct Expected {
  std::string_view value = std::string_view("\0", 1);
  std::optional<uint64_t> version;  // instead of the value
};
// What it found in its place.
struct Mismatch {
  std::string value = std::string(1, '\0');  // null if there is none
  uint64_t version = 0;
};

class State {
 public:
  explicit State(Call& call) : call_(call) {}

  // The new version. Errors: kInvalidKey, kValueTooLarge, kReadOnly, kTransactionTooLarge.
  Result<uint64_t> set(std::string_view cell, std::string_view value);
  // Fills *value (its memory is reused) and returns version and timestamp with a view of it; nothing if absent.
  // Errors: kInvalidKey, kHistoryTrimmed.
  Result<std::optional<VersionedValue>> get(std::string_view cell, AsOf as_of, std::string* value);
  // Writes if the cell has no value (a stored null is one). Its version afterwards. Errors: as set.
  Result<uint64_t> init(std::string_view cell, std::string_view value);
  // Writes if the cell is as expected, else kCasMismatch and *found. The new version. Errors: as set.
  Result<uint64_t> compare_and_swap(std::string_view cell, std::string_view value, const Expected& expected,
                                    Mismatch* found);
  // Whether there was something.
  Result<bool> erase(std::string_view cell);
  // The cells whose names start with `prefix`, in order.
  Status list(std::string_view prefix, AsOf as_of, KeyList* cells);
  // Newest first; false: it never existed.
  Result<bool> history(std::string_view cell, AsOf as_of, RowList* versions);

 private:
  Call& call_;
};

}  // namespace strata
