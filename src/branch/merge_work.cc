#include <algorithm>

#include "branch/merge.h"
#include "txn/row.h"
#include "txn/transaction.h"

namespace strata::branch {

MergeWork::MergeWork(txn::Engine& engine, const MergeRequest& request, const MergeSides& sides, const KeepOn* keep_on)
    : engine_(engine), request_(request), sides_(sides), values_(engine), patience_(keep_on) {}

Result<std::string_view> MergeWork::target_row(std::string_view key) {
  STRATA_ASSIGN(const auto row, forest().get(sides_.target.present, key));
  return row.value_or(std::string_view());
}

Result<MergeVerdict> MergeWork::judge(const MergeKey& key, std::string_view target_row) {
  STRATA_ASSIGN(bool same, values_.same(key.parts.tag, key.source, key.base));
  if (same) return MergeVerdict::kNothing;
  STRATA_ASSIGN(same, values_.same(key.parts.tag, key.source, target_row));
  if (same) return MergeVerdict::kNothing;
  STRATA_ASSIGN(same, values_.same(key.parts.tag, target_row, key.base));
  return same ? MergeVerdict::kTakeSource : MergeVerdict::kConflict;
}

// ---- writing ----

Status MergeWork::check_size() const {
  if (writes_.bytes() <= engine_.merge_limit()) return Status::ok();
  return Status::error(Code::kTransactionTooLarge, "the merge holds more than 1 GiB of writes",
                       "merge into a fork of the source instead, which shares what they have in common");
}

Status MergeWork::put(std::string_view key, std::string_view value) {
  txn::Write write;
  write.key = key;
  write.value = value;
  writes_.put(write);
  return check_size();
}

Status MergeWork::erase(std::string_view key) {
  txn::Write write;
  write.key = key;
  write.tombstone = true;
  writes_.put(write);
  return check_size();
}

Status MergeWork::take_source(const MergeKey& key) {
  if (key.source.empty()) return erase(key.key);
  STRATA_ASSIGN(const std::string_view value, values_.value(key.source));
  return put(key.key, value);
}

// ---- conflicts ----

// Whether one of the three states has it.
Result<bool> MergeWork::takes_part(std::string_view key) {
  for (const tree::Root& root : {sides_.base, sides_.source.present, sides_.target.present}) {
    STRATA_ASSIGN(const auto row, forest().get(root, key));
    if (row) return true;
  }
  return false;
}

// When the branch last wrote the key or one of the parts, deletions included; 0: never, as far as is known.
Result<uint64_t> MergeWork::last_write(const txn::Head& head, std::string_view key, const tree::KeyRange& parts) {
  STRATA_ASSIGN(auto bytes, forest().get(head.present, key));
  if (!bytes) {
    STRATA_ASSIGN(bytes, forest().get(head.deleted, key));
  }
  txn::RowView row;
  if (bytes) STRATA_TRY(txn::read_row(*bytes, &row));
  uint64_t last = row.timestamp;
  if (parts.begin.empty()) return last;
  for (const tree::Root& root : {head.present, head.deleted}) {
    tree::Cursor cursor(forest(), root);
    STRATA_TRY(cursor.seek(parts.begin));
    while (cursor.valid() && cursor.key() < parts.end) {
      STRATA_TRY(ask());
      STRATA_TRY(txn::read_row(cursor.row(), &row));
      // What came and went on one side alone is no part of what is merged.
      bool counts = row.timestamp > last;
      if (counts && row.tombstone) {
        STRATA_ASSIGN(counts, takes_part(cursor.key()));
      }
      if (counts) last = row.timestamp;
      STRATA_TRY(cursor.next());
    }
  }
  return last;
}

Result<Resolution> MergeWork::resolve(const MergeKey& key, MergeConflict conflict, std::string_view* value,
                                      const tree::KeyRange& parts) {
  conflict.number = conflicts_.size();
  switch (request_.strategy) {
    case MergeStrategy::kLastWriterWins: {
      STRATA_ASSIGN(const uint64_t source, last_write(sides_.source, key.key, parts));
      STRATA_ASSIGN(const uint64_t target, last_write(sides_.target, key.key, parts));
      conflict.resolution = source >= target ? Resolution::kSource : Resolution::kTarget;
      break;
    }
    case MergeStrategy::kSource:
      conflict.resolution = Resolution::kSource;
      break;
    case MergeStrategy::kTarget:
      conflict.resolution = Resolution::kTarget;
      break;
    case MergeStrategy::kStrict:
      break;
    case MergeStrategy::kAnswers:
      if (request_.answers == nullptr) break;
      if (conflict.number >= request_.answers->size()) {
        return Status::error(Code::kInvalidArgument, "a merge has more conflicts than answers");
      }
      conflict.resolution = (*request_.answers)[conflict.number].resolution;
      *value = (*request_.answers)[conflict.number].value;
      break;
  }
  const Resolution resolution = conflict.resolution;
  conflicts_.push_back(std::move(conflict));
  return resolution;
}

Status MergeWork::describe(const MergeKey& key, std::string_view target_row, MergeConflict* conflict) {
  conflict->entity = name_of(key.parts);
  STRATA_TRY(values_.show(key.parts, key.base, &conflict->base));
  STRATA_TRY(values_.show(key.parts, key.source, &conflict->source));
  return values_.show(key.parts, target_row, &conflict->target);
}

Status MergeWork::resolve_whole(const MergeKey& key, std::string_view target_row, const CheckAnswer& check) {
  MergeConflict conflict;
  STRATA_TRY(describe(key, target_row, &conflict));
  std::string_view value;
  STRATA_ASSIGN(const Resolution resolution, resolve(key, std::move(conflict), &value));
  if (resolution == Resolution::kSource) return take_source(key);
  if (resolution != Resolution::kValue) return Status::ok();
  if (check) STRATA_TRY(check(value));
  return put(key.key, value);
}

std::vector<MergeConflict> MergeWork::take_conflicts() {
  std::stable_sort(conflicts_.begin(), conflicts_.end(), [](const MergeConflict& a, const MergeConflict& b) {
    const EntityName& x = a.entity;
    const EntityName& y = b.entity;
    // A collection in conflict stands for all that it holds, and comes when the entities by themselves are settled.
    const bool x_whole = x.primitive == "collection";
    const bool y_whole = y.primitive == "collection";
    if (x_whole != y_whole) return y_whole;
    if (x.space != y.space) return x.space < y.space;
    if (x.primitive != y.primitive) return x.primitive < y.primitive;
    if (x.collection != y.collection) return x.collection < y.collection;
    return x.key < y.key;
  });
  return std::move(conflicts_);
}

}  // namespace strata::branch
