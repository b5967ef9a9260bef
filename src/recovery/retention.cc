#include "recovery/retention.h"

#include <algorithm>

#include "recovery/evacuation.h"
#include "txn/history.h"
#include "txn/row.h"

namespace strata::recovery {
namespace {

using storage::LogPosition;

// The payload of a retention record. ON DISK: the cut, u64; 0: none.
std::string encode_cut(uint64_t cut) {
  std::string bytes;
  base::put_u64(bytes, cut);
  return bytes;
}

// How many versions of a row are visible when the cut is at `cut`. Versions are numbered without gaps.
Result<uint64_t> visible_versions(txn::History& history, const txn::RowView& row, uint64_t cut) {
  if (row.timestamp <= cut) return uint64_t{row.tombstone ? 0u : 1u};
  if (row.version == 1) return uint64_t{1};
  if (cut == 0) return row.version;
  STRATA_ASSIGN(const auto at_cut, history.at(row, cut, false));
  if (!at_cut) return row.version;
  return row.version - at_cut->version + (at_cut->deleted ? 0 : 1);
}

Status ended_by_callback() {
  return Status::error(Code::kInvalidArgument, "the compaction was ended by its progress callback",
                       "nothing was changed; call it again");
}

// Counts the versions of one tree that the new cut hides, telling `progress` about each row.
Status count_hidden(txn::Engine& engine, const tree::Root& root, uint64_t old_cut, uint64_t new_cut,
                    const std::function<bool()>& next, uint64_t* hidden) {
  txn::History history(engine);
  tree::Cursor cursor(engine.forest(), root);
  STRATA_TRY(cursor.seek_first());
  while (cursor.valid()) {
    txn::RowView row;
    STRATA_TRY(txn::read_row(cursor.row(), &row));
    STRATA_ASSIGN(const uint64_t before, visible_versions(history, row, old_cut));
    STRATA_ASSIGN(const uint64_t after, visible_versions(history, row, new_cut));
    *hidden += before - std::min(before, after);
    if (!next()) return ended_by_callback();
    STRATA_TRY(cursor.next());
  }
  return Status::ok();
}

constexpr uint64_t kRowsPerReport = 4096;

Result<uint64_t> count_hidden_versions(txn::Engine& engine, const branch::Catalogue& catalogue, uint64_t cut,
                                       const Progress& progress) {
  struct Snapshot {
    txn::Head head;
    uint64_t cut;
    tree::Pin pin;
  };
  std::vector<Snapshot> snapshots;
  uint64_t total = 1;
  {
    const tree::ReadGuard guard(engine.forest());
    for (const txn::BranchPtr& branch : catalogue.all()) {
      Snapshot snapshot{branch->visible.load(), branch->trimmed_before.load(std::memory_order_acquire), {}};
      const tree::Root roots[] = {snapshot.head.present, snapshot.head.deleted};
      snapshot.pin = engine.forest().pin(snapshot.head.commit, roots);
      total += snapshot.head.present.count + snapshot.head.deleted.count;
      snapshots.push_back(std::move(snapshot));
    }
  }
  uint64_t hidden = 0;
  uint64_t done = 0;
  const std::function<bool()> next = [&] { return ++done % kRowsPerReport != 0 || !progress || progress(done, total); };
  for (const Snapshot& snapshot : snapshots) {
    const tree::ReadGuard guard(engine.forest());
    STRATA_TRY(count_hidden(engine, snapshot.head.present, snapshot.cut, std::max(cut, snapshot.cut), next, &hidden));
    STRATA_TRY(count_hidden(engine, snapshot.head.deleted, snapshot.cut, std::max(cut, snapshot.cut), next, &hidden));
  }
  if (progress && !progress(total, total)) {
    return ended_by_callback();
  }
  return hidden;
}

// Takes the tombstones at or before the cut out of a branch.
Status purge_tombstones(txn::Engine& engine, txn::BranchState& branch, uint64_t cut, tree::Edit* edit,
                        txn::Head* head) {
  std::vector<std::string> keys;
  tree::Cursor cursor(engine.forest(), branch.tip.deleted);
  STRATA_TRY(cursor.seek_first());
  while (cursor.valid()) {
    txn::RowView row;
    STRATA_TRY(txn::read_row(cursor.row(), &row));
    if (row.timestamp <= cut) keys.emplace_back(cursor.key());
    STRATA_TRY(cursor.next());
  }
  *head = branch.tip;
  bool removed = false;
  for (const std::string& key : keys) STRATA_TRY(edit->erase(head->deleted, key, branch.exclusive_since, &removed));
  return Status::ok();
}

// The start of the first unit that holds something newer than the cut: what lies before it can go.
Result<LogPosition> droppable_end(storage::CommitLog& log, uint64_t cut) {
  const std::vector<LogPosition> units = log.units();
  STRATA_ASSIGN(const LogPosition last_old, log.position_at(cut));
  if (last_old == 0) return log.begin();
  LogPosition first_new = log.end();
  uint64_t seen = 0;
  const Status walked = log.walk(last_old, [&](const storage::LogRecord& record) {
    if (++seen < 2) return Status::ok();
    first_new = record.position;
    return Status::error(Code::kInvalidArgument, "found");
  });
  if (!walked && seen < 2) return walked;
  LogPosition result = log.begin();
  for (const LogPosition unit : units) {
    if (unit <= first_new) result = std::max(result, unit);
  }
  return result;
}

struct PurgedBranch {
  txn::BranchPtr branch;
  txn::Head head;
};

Status purge_all(txn::Engine& engine, const branch::Catalogue& catalogue, uint64_t cut, tree::Edit* edit,
                 std::vector<PurgedBranch>* purged) {
  for (const txn::BranchPtr& branch : catalogue.everything()) {
    PurgedBranch one{branch, {}};
    STRATA_TRY(purge_tombstones(engine, *branch, cut, edit, &one.head));
    purged->push_back(std::move(one));
  }
  return Status::ok();
}

// `commit`: the number of the edit's record. Whoever pins such a head pins nodes as young as that.
void publish_purged(std::vector<PurgedBranch>* purged, uint64_t cut, uint64_t commit) {
  for (PurgedBranch& one : *purged) {
    one.head.commit = commit;
    one.branch->trimmed_before.store(std::max(cut, one.branch->trimmed_before.load()), std::memory_order_release);
    one.branch->tip = one.head;
    one.branch->visible.store(one.head);
  }
}

}  // namespace

Status replay_retention(txn::Engine& engine, branch::Catalogue& catalogue, const storage::LogRecord& record,
                        const storage::RecordView& view) {
  base::Reader reader(view.payload);
  uint64_t cut = 0;
  if (!reader.read_u64(cut)) return Status::error(Code::kCorruption, "a retention record of the log is damaged");
  if (cut == 0) return Status::ok();
  const tree::ReadGuard guard(engine.forest());
  tree::Edit edit = engine.forest().edit(record.commit);
  std::vector<PurgedBranch> purged;
  STRATA_TRY(purge_all(engine, catalogue, cut, &edit, &purged));
  publish_purged(&purged, cut, record.commit);
  catalogue.trim_lineage(cut);
  edit.finish();
  return Status::ok();
}

Result<uint64_t> drop_history(const RetentionParts& parts, uint64_t keep_micros, const Progress& progress) {
  txn::Engine& engine = parts.engine;
  STRATA_TRY(engine.flush());
  // From the last change of a branch: a retention record is none, so a second compaction finds nothing more to cut.
  uint64_t now = 0;
  for (const txn::BranchPtr& branch : parts.catalogue.all()) now = std::max(now, branch->visible.load().timestamp);
  const uint64_t cut = now - std::min(now, keep_micros);
  STRATA_ASSIGN(const uint64_t hidden, count_hidden_versions(engine, parts.catalogue, cut, progress));
  {
    const txn::CommitLock held = engine.lock();
    STRATA_TRY(engine.end_unit(held));
  }
  STRATA_ASSIGN(const LogPosition drop_to, droppable_end(engine.log(), cut));
  STRATA_ASSIGN(const auto needed, needed_values(engine, parts.catalogue, drop_to));
  STRATA_ASSIGN(const std::string at_cut, cut_entry(engine, cut, drop_to, engine.evacuated()));
  {
    const txn::CommitLock held = engine.lock();
    // In strict mode nothing may be under way while tips are replaced.
    STRATA_TRY(engine.settle(held));
    const tree::ReadGuard guard(engine.forest());
    txn::Stamp stamp = engine.next_stamp(held);
    tree::Edit edit = engine.forest().edit(stamp.commit);
    std::vector<PurgedBranch> purged;
    STRATA_TRY(purge_all(engine, parts.catalogue, cut, &edit, &purged));
    tree::Root evacuated = engine.evacuated();
    STRATA_TRY(evacuate(engine, needed, at_cut, &evacuated, &edit));
    storage::RecordBuilder record(engine.seed());
    record.begin(storage::RecordKind::kHorizon, 0, 0, 0, {}, encode_cut(cut));
    STRATA_TRY(engine.append_system(held, &stamp, record.finish()));
    publish_purged(&purged, cut, stamp.commit);
    parts.catalogue.trim_lineage(cut);
    engine.set_evacuated(held, evacuated);
    edit.finish();
  }
  parts.checkpointer.keep_log_from(drop_to);
  STRATA_TRY(parts.checkpointer.run());
  STRATA_TRY(parts.checkpointer.run());
  // Whoever began to read before the cut was published may be on his way into what goes now.
  engine.forest().wait_for_readers();
  STRATA_TRY(parts.checkpointer.between([&parts, drop_to] {
    const txn::CommitLock held = parts.engine.lock();
    return parts.engine.log().drop_before(std::min(drop_to, parts.checkpointer.needed_from()));
  }));
  return hidden;
}

Status collect_garbage(const RetentionParts& parts) {
  return parts.checkpointer.between([&parts] {
    const txn::CommitLock held = parts.engine.lock();
    // In strict mode the states between what is visible and the tips are nobody's roots yet, and will be visible.
    STRATA_TRY(parts.engine.settle(held));
    std::vector<tree::Root> roots = parts.catalogue.roots(held);
    roots.push_back(parts.engine.evacuated());
    return parts.engine.forest().collect(roots);
  });
}

Status shrink(const RetentionParts& parts) {
  txn::Engine& engine = parts.engine;
  STRATA_TRY(collect_garbage(parts));
  // Twice: a page freed by one checkpoint can be used again after the next.
  STRATA_TRY(parts.checkpointer.run());
  STRATA_TRY(parts.checkpointer.run());
  {
    const txn::CommitLock held = engine.lock();
    STRATA_TRY(engine.settle(held));
    const uint64_t first_page = parts.store.used_pages() + parts.store.used_pages() / 16 + 16;
    if (parts.store.total_pages() > first_page) {
      txn::Stamp stamp = engine.next_stamp(held);
      const tree::ReadGuard guard(engine.forest());
      tree::Edit edit = engine.forest().edit(stamp.commit);
      std::vector<PurgedBranch> moved;
      for (const txn::BranchPtr& branch : parts.catalogue.everything()) {
        PurgedBranch one{branch, branch->tip};
        STRATA_TRY(edit.relocate(one.head.present, first_page));
        STRATA_TRY(edit.relocate(one.head.deleted, first_page));
        moved.push_back(std::move(one));
      }
      std::vector<tree::Root> bases = parts.catalogue.merge_bases(held);
      for (tree::Root& base : bases) STRATA_TRY(edit.relocate(base, first_page));
      tree::Root evacuated = engine.evacuated();
      STRATA_TRY(edit.relocate(evacuated, first_page));
      storage::RecordBuilder record(engine.seed());
      record.begin(storage::RecordKind::kHorizon, 0, 0, 0, {}, encode_cut(0));
      STRATA_TRY(engine.append_system(held, &stamp, record.finish()));
      publish_purged(&moved, 0, stamp.commit);
      // Branches that shared nodes share the moved ones: what was born in this edit is nobody's alone.
      for (const PurgedBranch& one : moved) one.branch->exclusive_since = stamp.commit;
      parts.catalogue.replace_merge_bases(held, bases);
      engine.set_evacuated(held, evacuated);
      edit.finish();
    }
  }
  STRATA_TRY(parts.checkpointer.run());
  STRATA_TRY(collect_garbage(parts));
  STRATA_TRY(parts.checkpointer.run());
  STRATA_TRY(parts.checkpointer.run());
  return parts.checkpointer.between([&parts] { return parts.store.trim(); });
}

}  // namespace strata::recovery
