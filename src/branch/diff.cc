#include "branch/diff.h"

#include <algorithm>
#include <array>

#include "branch/diff_values.h"
#include "branch/fork.h"
#include "txn/row.h"

namespace strata::branch {
namespace {

using model::Tag;

// Takes pairs of rows in key order and makes the answer of them. In a space the primitives come in another order than
// their keys in the tree.
class Collector {
 public:
  Collector(txn::Engine& engine, const DiffRequest& request)
      : values_(engine), patience_(request.keep_on), left_(request.limit.value_or(UINT64_MAX)) {}

  Status add(std::string_view key, std::string_view a, std::string_view b) {
    STRATA_TRY(patience_.ask());
    STRATA_ASSIGN(const model::SplitKey parts, parts_of(key));
    if (primitive_of(parts.tag).empty()) return Status::ok();
    values_.forget();
    STRATA_ASSIGN(const bool same, values_.same(parts.tag, a, b));
    if (same) return Status::ok();
    if (parts.space != space_) {
      flush();
      space_ = parts.space;
    }
    const DiffChange change = a.empty() ? DiffChange::kAdded : b.empty() ? DiffChange::kRemoved : DiffChange::kModified;
    ++count_of(change);
    std::vector<DiffEntry>& entries = of_space_[static_cast<size_t>(primitive_rank(parts.tag))];
    if (entries.size() >= left_) return Status::ok();
    DiffEntry& entry = entries.emplace_back();
    entry.entity = name_of(parts);
    entry.change = change;
    STRATA_TRY(values_.show(parts, a, &entry.a));
    return values_.show(parts, b, &entry.b);
  }

  DiffResult finish() {
    flush();
    return std::move(result_);
  }

 private:
  uint64_t& count_of(DiffChange change) {
    return change == DiffChange::kAdded     ? result_.added
           : change == DiffChange::kRemoved ? result_.removed
                                            : result_.modified;
  }

  void flush() {
    for (std::vector<DiffEntry>& entries : of_space_) {
      const auto taken = std::min<uint64_t>(left_, entries.size());
      std::move(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(taken),
                std::back_inserter(result_.entries));
      left_ -= taken;
      entries.clear();
    }
  }

  RowValues values_;
  Patience patience_;
  uint64_t left_;  // entries wanted, less those of the spaces before this one
  std::string space_;
  std::array<std::vector<DiffEntry>, 6> of_space_;
  DiffResult result_;
};

// A side as it was: what differs from its head, which is all that its rows cannot say.
class PastSide {
 public:
  Status open(txn::Engine& engine, const txn::Head& head, uint64_t as_of) {
    head_ = head;
    if (as_of < head.timestamp) STRATA_TRY(rows_of_the_past(engine, head, as_of, &overrides_));
    std::sort(overrides_.begin(), overrides_.end(),
              [](const RowOverride& x, const RowOverride& y) { return x.key < y.key; });
    return Status::ok();
  }
  const RowOverrides& overrides() const { return overrides_; }

  // Empty: not there.
  Result<std::string_view> row(const tree::Forest& forest, std::string_view key) const {
    const auto at = std::lower_bound(overrides_.begin(), overrides_.end(), key,
                                     [](const RowOverride& x, std::string_view wanted) { return x.key < wanted; });
    if (at == overrides_.end() || at->key != key) {
      STRATA_ASSIGN(const auto found, forest.get(head_.present, key));
      return found.value_or(std::string_view());
    }
    if (at->row.empty()) return std::string_view();
    txn::RowView row;
    STRATA_TRY(txn::read_row(at->row, &row));
    return row.tombstone ? std::string_view() : std::string_view(at->row);
  }

 private:
  txn::Head head_;
  RowOverrides overrides_;
};

// The keys that differ between the heads, and those that either branch changed since.
Result<DiffResult> diff_of_the_past(txn::Engine& engine, const DiffRequest& request) {
  PastSide a;
  PastSide b;
  STRATA_TRY(a.open(engine, request.a, *request.as_of));
  STRATA_TRY(b.open(engine, request.b, *request.as_of));
  Patience patience(request.keep_on);
  std::vector<std::string> keys;
  Status status;
  const auto note = [&](std::string_view key, tree::Change, std::string_view, std::string_view) {
    keys.emplace_back(key);
    status = patience.ask();
    return status.is_ok();
  };
  STRATA_TRY(engine.forest().diff(request.a.present, request.b.present, tree::KeyRange{}, note));
  STRATA_TRY(status);
  for (const PastSide* side : {&a, &b}) {
    for (const RowOverride& change : side->overrides()) keys.push_back(change.key);
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  Collector collector(engine, request);
  for (const std::string& key : keys) {
    STRATA_ASSIGN(const std::string_view row_a, a.row(engine.forest(), key));
    STRATA_ASSIGN(const std::string_view row_b, b.row(engine.forest(), key));
    STRATA_TRY(collector.add(key, row_a, row_b));
  }
  return collector.finish();
}

}  // namespace

Status Patience::ask() {
  if (++calls_ % kCallsBetween != 0 || keep_on_ == nullptr || !*keep_on_ || (*keep_on_)()) return Status::ok();
  return Status::error(Code::kInvalidArgument, "the operation was ended by its caller");
}

Result<DiffResult> diff_heads(txn::Engine& engine, const DiffRequest& request) {
  if (request.as_of && *request.as_of < std::max(request.a.timestamp, request.b.timestamp)) {
    return diff_of_the_past(engine, request);
  }
  Collector collector(engine, request);
  Status status;
  const auto visit = [&](std::string_view key, tree::Change, std::string_view a, std::string_view b) {
    status = collector.add(key, a, b);
    return status.is_ok();
  };
  STRATA_TRY(engine.forest().diff(request.a.present, request.b.present, tree::KeyRange{}, visit));
  STRATA_TRY(status);
  return collector.finish();
}

}  // namespace strata::branch
