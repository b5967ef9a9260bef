#include "txn/validate.h"

#include <string>

namespace strata::txn {
namespace {

// A tree key as a person reads it: what follows the NUL and the tag of the space.
std::string shown(std::string_view key) {
  const size_t nul = key.find('\0');
  if (nul == std::string_view::npos || nul + 2 > key.size()) return std::string(key);
  const std::string_view user = key.substr(nul + 2, 80);
  // A name that the user gave holds no NUL; the key of something that is numbered is no text.
  const bool binary = user.find('\0') != std::string_view::npos;
  std::string text = "'";
  for (const char c : user) {
    const auto byte = static_cast<unsigned char>(c);
    if (!binary || (byte >= 0x20 && byte < 0x7F)) {
      text += c;
    } else {
      text.append("\\x").append(1, "0123456789abcdef"[byte >> 4]).append(1, "0123456789abcdef"[byte & 15]);
    }
  }
  text.append("' in space '").append(key.substr(0, nul)).append("'");
  return text;
}

Status conflict(std::string_view key) {
  return Status::error(Code::kTransactionConflict, "key " + shown(key) + " was changed by a later commit",
                       "run the transaction again: db.run(fn)");
}

// The row that stands for a key in a head; absent is an empty view (no row is empty).
Result<std::string_view> row_of(const tree::Forest& forest, const Head& head, std::string_view key) {
  STRATA_ASSIGN(auto row, forest.get(head.present, key));
  if (!row && head.deleted.id != 0) {
    STRATA_ASSIGN(row, forest.get(head.deleted, key));
  }
  return row.value_or(std::string_view());
}

Status check_key(const tree::Forest& forest, const Head& base, const Head& now, std::string_view key) {
  STRATA_ASSIGN(const std::string_view before, row_of(forest, base, key));
  STRATA_ASSIGN(const std::string_view after, row_of(forest, now, key));
  return before == after ? Status::ok() : conflict(key);
}

// A row that is new or another in the range of one of the trees. What only went away shows in the other tree of its
// head, or was a tombstone whose time was over.
Status check_range(const tree::Forest& forest, const tree::Root& before, const tree::Root& after, tree::KeyRange range,
                   bool removals) {
  std::string changed;
  bool found = false;
  STRATA_TRY(forest.diff(before, after, range,
                         [&](std::string_view key, tree::Change change, std::string_view, std::string_view) {
                           found = removals || change != tree::Change::kRemoved;
                           if (found) changed.assign(key);
                           return !found;
                         }));
  return found ? conflict(changed) : Status::ok();
}

}  // namespace

Status validate(const tree::Forest& forest, const Head& base, const Head& now, std::span<const Write> writes,
                const ReadSet* reads) {
  if (base.present == now.present && base.deleted == now.deleted) return Status::ok();
  for (const Write& write : writes) {
    if (!write.ensured) STRATA_TRY(check_key(forest, base, now, write.key));
  }
  if (reads == nullptr) return Status::ok();
  for (const std::string& key : reads->keys()) STRATA_TRY(check_key(forest, base, now, key));
  for (const ReadSet::Range& range : reads->ranges()) {
    const tree::KeyRange keys{range.begin, range.end};
    STRATA_TRY(check_range(forest, base.present, now.present, keys, true));
    STRATA_TRY(check_range(forest, base.deleted, now.deleted, keys, false));  // came and went
  }
  return Status::ok();
}

}  // namespace strata::txn
