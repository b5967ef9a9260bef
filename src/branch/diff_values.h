// What rows hold, as diffs and merges look at it: whether two hold the same, what they are called, what they show.
// Thread safety: a RowValues belongs to one thread and needs a ReadGuard. Ownership: borrows the engine.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "model/key_codec.h"
#include "strata/branch.h"
#include "strata/status.h"
#include "txn/history.h"

namespace strata::branch {

// The name of the primitive whose entities lie under the tag; empty for what no diff or conflict shows (markers of
// spaces, definitions of indexes, lists of event types).
std::string_view primitive_of(model::Tag tag);

// Where the tag's entities come in the order of diffs and conflicts, which is that of the primitives' names.
int primitive_rank(model::Tag tag);

// Whether two values that lie under the tag are the same one; not of events, which RowValues compares.
bool same_value(model::Tag tag, std::string_view a, std::string_view b);

// kCorruption for bytes that are no key of a tree.
Result<model::SplitKey> parts_of(std::string_view tree_key);
EntityName name_of(const model::SplitKey& parts);

class RowValues {
 public:
  explicit RowValues(txn::Engine& engine) : history_(engine) {}

  // The value of a row's bytes. It stays until forget() or, if it lies in the row, as long as that.
  Result<std::string_view> value(std::string_view row);
  // Whether two rows hold the same: by value, and events by type and payload. An empty one: nothing is there.
  Result<bool> same(model::Tag tag, std::string_view a, std::string_view b);
  // What a diff shows of the row; nothing for an empty one.
  Status show(const model::SplitKey& parts, std::string_view row, std::optional<std::string>* shown);
  void forget() { kept_.clear(); }

 private:
  txn::History history_;
  std::deque<std::string> kept_;
};

}  // namespace strata::branch
