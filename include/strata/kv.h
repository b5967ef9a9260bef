// Key-value: the first primitive. Keys are 1 to 1,024 bytes of UTF-8 without NUL, values in the binary form of
// strata/value.h (REQUIRES: valid; bindings validate what they did not build themselves).
//
// Works on the session's current branch and space, in its open transaction or as a commit of its own.
// Thread safety, common errors: strata/session.h. Ownership: borrows the Call.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/key_list.h"
#include "strata/session.h"

namespace strata {

struct KvScan {
  std::string_view prefix;                // empty: all
  std::optional<std::string_view> start;  // included
  std::optional<std::string_view> end;    // excluded
  std::optional<uint64_t> limit;          // nothing: all
  bool reverse = false;
  AsOf as_of;
};

class Kv {
 public:
  explicit Kv(Call& call) : call_(call) {}

  // The new version. Errors: kInvalidKey, kValueTooLarge, kReadOnly, kTransactionTooLarge.
  Result<uint64_t> put(std::string_view key, std::string_view value);
  // Fills *value (its memory is reused) and returns version and timestamp with a view of it; nothing if absent.
  // Errors: kInvalidKey, kHistoryTrimmed.
  Result<std::optional<VersionedValue>> get(std::string_view key, AsOf as_of, std::string* value);
  Result<bool> exists(std::string_view key, AsOf as_of);
  // Whether there was something.
  Result<bool> erase(std::string_view key);
  // In key order (backwards if reverse).
  Status scan(const KvScan& what, RowList* rows);
  // The keys that start with `prefix`, in order.
  Status list(std::string_view prefix, AsOf as_of, KeyList* keys);
  // Newest first; false: it never existed.
  Result<bool> history(std::string_view key, AsOf as_of, RowList* versions);
  Result<uint64_t> count(std::string_view prefix, AsOf as_of);
  // A page of keys after `cursor` (nothing: from the start); *next is the cursor behind it, nothing at the end.
  // Errors: kInvalidCursor.
  Status page(std::string_view prefix, std::optional<uint64_t> limit, std::optional<std::string_view> cursor,
              AsOf as_of, KeyList* keys, std::optional<std::string>* next);
  // One commit each; all or nothing. Answers in the order asked for.
  struct Item {
    std::string_view key;
    std::string_view value;
  };
  Result<std::vector<uint64_t>> put_batch(std::span<const Item> items);
  Status get_batch(std::span<const std::string_view> keys, AsOf as_of, RowList* rows);
  Result<std::vector<bool>> erase_batch(std::span<const std::string_view> keys);

 private:
  Call& call_;
};

}  // namespace strata
