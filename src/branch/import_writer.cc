#include "branch/import_writer.h"

#include <algorithm>

#include "base/check.h"
#include "txn/plan.h"

namespace strata::branch {
namespace {

// Of one batch: what others wait for while it is written.
constexpr size_t kBatchBytes = size_t{512} << 10;
constexpr size_t kBatchItems = 4096;

Status does_not_follow() {
  return Status::error(Code::kDeltaMismatch, "a version in the bundle does not follow those of the branch",
                       "export the whole branch");
}

}  // namespace

struct ImportWriter::Building {
  txn::Head head;
  tree::Edit edit;
  storage::LogPosition record = 0;
  storage::LogPosition unit = 0;
};

Status ImportWriter::take(std::string_view key, std::string_view value, const Item& item) {
  Item taken = item;
  taken.key_at = bytes_.size();
  taken.key_bytes = key.size();
  taken.value_bytes = value.size();
  bytes_.append(key).append(value);
  items_.push_back(taken);
  return bytes_.size() >= kBatchBytes || items_.size() >= kBatchItems ? flush_rows() : Status::ok();
}

Status ImportWriter::add(const BundleEntry& entry) {
  Item item;
  item.version = entry.version;
  item.timestamp = entry.timestamp;
  item.tombstone = entry.tombstone;
  return take(entry.key, entry.value, item);
}

Status ImportWriter::add_derived(std::string_view key, bool tombstone, uint64_t timestamp) {
  Item item;
  item.timestamp = timestamp;
  item.tombstone = tombstone;
  return take(key, {}, item);
}

Status ImportWriter::write_item(const Item& item, Building* building) {
  txn::Write write;
  write.key = std::string_view(bytes_).substr(item.key_at, item.key_bytes);
  write.value = std::string_view(bytes_).substr(item.key_at + item.key_bytes, item.value_bytes);
  write.tombstone = item.tombstone;
  txn::PlannedWrite planned;
  STRATA_TRY(txn::plan_write(engine_.forest(), building->head, write, 0, &building->edit, &planned));
  const bool derived = item.version == 0;
  if (planned.skipped) return derived ? Status::ok() : does_not_follow();
  const bool known = planned.had_present || planned.had_deleted;
  if (known && planned.old.timestamp >= item.timestamp) return does_not_follow();
  if (!derived && known && planned.old.version + 1 != item.version) {
    // Where it was exported, the deletion before it was forgotten already, and counting began anew.
    if (!planned.old.tombstone || item.version != 1) return does_not_follow();
    planned.counts_on = false;
    forgotten_ = std::max(forgotten_, planned.old.timestamp);
  }
  if (!derived) planned.version = item.version;
  txn::add_to_record(&planned, item.timestamp, building->unit, &record_);
  const storage::LogPosition at = storage::entity_position(building->record, planned.entity_offset);
  return txn::apply_write(planned, item.timestamp, at, hidden_->exclusive_since, &building->head, &building->edit);
}

Status ImportWriter::append(const txn::CommitLock& held, txn::Stamp* stamp, txn::Head head, tree::Edit edit) {
  const storage::LogPosition expected = engine_.log().end();
  STRATA_TRY(engine_.append_system(held, stamp, record_.finish()));
  STRATA_CHECK(stamp->position == expected);
  head.timestamp = stamp->timestamp;
  head.commit = stamp->commit;
  head.last_record = stamp->position;
  hidden_->tip = head;
  hidden_->visible.store(head);
  edit.finish();
  return Status::ok();
}

Status ImportWriter::flush_rows() {
  if (items_.empty()) return Status::ok();
  STRATA_TRY(engine_.have_room());
  uint64_t most_bytes = 256;
  for (const Item& item : items_) {
    txn::Write write;
    write.key = std::string_view(bytes_).substr(item.key_at, item.key_bytes);
    write.value = std::string_view(bytes_).substr(item.key_at + item.key_bytes, item.value_bytes);
    most_bytes += txn::most_entity_bytes(write);
  }
  {
    const txn::CommitLock held = engine_.lock();
    STRATA_TRY(engine_.settle(held));
    const tree::ReadGuard guard(engine_.forest());
    txn::Stamp stamp = engine_.next_stamp(held);
    // Where the record will lie has to be known before the first row is made.
    STRATA_TRY(engine_.log().prepare(most_bytes));
    record_.begin(storage::RecordKind::kImportRows, hidden_->origin.id, hidden_->tip.last_record, items_.size());
    Building building{hidden_->tip, engine_.forest().edit(stamp.commit), engine_.log().end(),
                      engine_.log().unit_start()};
    for (const Item& item : items_) STRATA_TRY(write_item(item, &building));
    STRATA_TRY(append(held, &stamp, building.head, std::move(building.edit)));
  }
  items_.clear();
  if (bytes_.capacity() > 4 * kBatchBytes) bytes_ = std::string();
  bytes_.clear();
  return Status::ok();
}

Status ImportWriter::add_commit(const BundleCommit& commit) {
  STRATA_TRY(flush_rows());
  put_commit(commits_, commit, any_commit_ ? &last_commit_ : nullptr);
  any_commit_ = true;
  last_commit_.timestamp = commit.timestamp;
  return commits_.size() >= kBatchBytes ? flush_commits() : Status::ok();
}

Status ImportWriter::flush_commits() {
  if (commits_.empty()) return Status::ok();
  {
    const txn::CommitLock held = engine_.lock();
    STRATA_TRY(engine_.settle(held));
    const tree::ReadGuard guard(engine_.forest());
    txn::Stamp stamp = engine_.next_stamp(held);
    record_.begin(storage::RecordKind::kImportLog, hidden_->origin.id, hidden_->tip.last_record, 0, {}, commits_);
    STRATA_TRY(engine_.log().prepare(record_.size() + 16));
    STRATA_TRY(append(held, &stamp, hidden_->tip, engine_.forest().edit(stamp.commit)));
  }
  commits_.clear();
  any_commit_ = false;
  return Status::ok();
}

Status ImportWriter::finish() {
  STRATA_TRY(flush_rows());
  return flush_commits();
}

}  // namespace strata::branch
