#include "branch/past.h"

#include <algorithm>
#include <iterator>

#include "branch/record_chain.h"
#include "txn/history.h"
#include "txn/row.h"

namespace strata::branch {
namespace {

// Reading a record and finding its keys again costs about as much as passing over so many rows.
constexpr uint64_t kRowsPerKey = 10;

bool by_key(const RowOverride& a, const RowOverride& b) { return a.key < b.key; }

// What a record did later than `as_of`, as far as it belongs to the branch.
Status add_keys(const ChainRecord& at, uint64_t seed, uint64_t as_of, std::vector<std::string>* keys) {
  if (!holds_versions(at.view)) return Status::ok();
  storage::EntityReader reader(at.record.position, at.view, seed);
  while (true) {
    STRATA_ASSIGN(const bool more, reader.next());
    if (!more) return Status::ok();
    const uint64_t timestamp = reader.entity().timestamp();
    if (timestamp > as_of && timestamp <= at.until) keys->emplace_back(reader.entity().key());
  }
}

// The keys that records behind `seen` changed later than `as_of`, in order. False: they are more than `most`.
Result<bool> changed_keys(txn::Engine& engine, const txn::Head& head, storage::LogPosition seen, uint64_t as_of,
                          uint64_t most, std::vector<std::string>* keys) {
  bool few = true;
  ChainPlace place{head.last_record};
  const auto visit = [&](const ChainRecord& at) -> Result<bool> {
    if (at.record.timestamp <= as_of || at.record.position <= seen) return false;
    STRATA_TRY(add_keys(at, engine.seed(), as_of, keys));
    few = keys->size() <= most;
    return few;
  };
  STRATA_TRY(walk_records(engine, &place, visit));
  if (!few) return false;
  std::sort(keys->begin(), keys->end());
  keys->erase(std::unique(keys->begin(), keys->end()), keys->end());
  return true;
}

// Adds the row that the key had, where it is not the one it has.
Status add_override(txn::History* history, std::string_view key, std::string_view bytes, uint64_t as_of,
                    RowOverrides* overrides) {
  txn::RowView row;
  STRATA_TRY(txn::read_row(bytes, &row));
  if (row.timestamp <= as_of) return Status::ok();
  RowOverride change;
  change.key = key;
  STRATA_TRY(history->row_at(row, as_of, &change.row).status());
  overrides->push_back(std::move(change));
  return Status::ok();
}

Status add_by_keys(txn::Engine& engine, const txn::Head& head, const std::vector<std::string>& keys, uint64_t as_of,
                   RowOverrides* overrides) {
  txn::History history(engine);
  for (const std::string& key : keys) {
    STRATA_ASSIGN(auto row, engine.forest().get(head.present, key));
    if (!row) {
      STRATA_ASSIGN(row, engine.forest().get(head.deleted, key));
    }
    // What retention has taken out of the trees was deleted before the moment too.
    if (row) STRATA_TRY(add_override(&history, key, *row, as_of, overrides));
  }
  return Status::ok();
}

Status add_by_scan(txn::Engine& engine, const tree::Root& root, uint64_t as_of, RowOverrides* overrides) {
  txn::History history(engine);
  tree::Cursor cursor(engine.forest(), root);
  STRATA_TRY(cursor.seek_first());
  while (cursor.valid()) {
    STRATA_TRY(add_override(&history, cursor.key(), cursor.row(), as_of, overrides));
    STRATA_TRY(cursor.next());
  }
  return Status::ok();
}

}  // namespace

Status rows_of_the_past(txn::Engine& engine, const txn::Head& head, uint64_t as_of, RowOverrides* overrides) {
  overrides->clear();
  std::vector<std::string> keys;
  const uint64_t most = (head.present.count + head.deleted.count) / kRowsPerKey;
  STRATA_ASSIGN(const bool few, changed_keys(engine, head, 0, as_of, most, &keys));
  if (few) return add_by_keys(engine, head, keys, as_of, overrides);
  STRATA_TRY(add_by_scan(engine, head.present, as_of, overrides));
  const auto middle = static_cast<std::ptrdiff_t>(overrides->size());
  STRATA_TRY(add_by_scan(engine, head.deleted, as_of, overrides));
  std::inplace_merge(overrides->begin(), overrides->begin() + middle, overrides->end(), by_key);
  return Status::ok();
}

Status rows_since(txn::Engine& engine, const txn::Head& head, storage::LogPosition seen, uint64_t as_of,
                  RowOverrides* overrides) {
  overrides->clear();
  if (head.last_record == seen) return Status::ok();
  std::vector<std::string> keys;
  STRATA_TRY(changed_keys(engine, head, seen, as_of, UINT64_MAX, &keys).status());
  return add_by_keys(engine, head, keys, as_of, overrides);
}

Status refresh_overrides(txn::Engine& engine, const txn::Head& head, storage::LogPosition seen, uint64_t as_of,
                         RowOverrides* overrides) {
  RowOverrides newer;
  STRATA_TRY(rows_since(engine, head, seen, as_of, &newer));
  if (newer.empty()) return Status::ok();
  RowOverrides merged;
  merged.reserve(overrides->size() + newer.size());
  // Of a key in both, what was found later comes first, and stays.
  std::merge(std::make_move_iterator(newer.begin()), std::make_move_iterator(newer.end()),
             std::make_move_iterator(overrides->begin()), std::make_move_iterator(overrides->end()),
             std::back_inserter(merged), by_key);
  const auto same_key = [](const RowOverride& a, const RowOverride& b) { return a.key == b.key; };
  merged.erase(std::unique(merged.begin(), merged.end(), same_key), merged.end());
  *overrides = std::move(merged);
  return Status::ok();
}

}  // namespace strata::branch
