#include "recovery/evacuation.h"

#include <optional>
#include <vector>

#include "branch/log.h"
#include "txn/history.h"
#include "txn/row.h"

namespace strata::recovery {
namespace {

using storage::LogPosition;

// Of one part of a value: fits a row of the tree.
constexpr size_t kPartBytes = 3900;
static_assert(kPartBytes <= tree::kMaxRowBytes);

// Rows in which `root` differs from `seen`: trees of branches share most of their nodes, so each is looked at once.
Status add_rows(txn::Engine& engine, const tree::Root& seen, const tree::Root& root, LogPosition drop_to,
                std::set<LogPosition>* needed) {
  Status damage;
  const auto visit = [&](std::string_view, tree::Change change, std::string_view, std::string_view bytes) {
    if (change == tree::Change::kRemoved) return true;
    txn::RowView row;
    damage = txn::read_row(bytes, &row);
    if (damage.is_ok() && row.large && row.position() < drop_to) needed->insert(row.position());
    return damage.is_ok();
  };
  STRATA_TRY(engine.forest().diff(seen, root, tree::KeyRange{}, visit));
  return damage;
}

Status put_parts(LogPosition position, std::string_view value, tree::Root* root, tree::Edit* edit) {
  uint32_t part = 0;
  for (size_t at = 0; at < value.size(); at += kPartBytes, ++part) {
    STRATA_TRY(edit->put(*root, txn::evacuated_key(position, part), value.substr(at, kPartBytes), 0));
  }
  return Status::ok();
}

}  // namespace

Result<std::set<LogPosition>> needed_values(txn::Engine& engine, branch::Catalogue& catalogue, LogPosition drop_to) {
  std::set<LogPosition> needed;
  {
    const std::vector<txn::Engine::OpenSnapshot> snapshots = engine.open_snapshots();
    std::optional<tree::ReadGuard> guard;
    std::vector<tree::Root> roots;
    {
      const txn::CommitLock held = engine.lock();
      guard.emplace(engine.forest());
      roots = catalogue.merge_bases(held);
    }
    for (const txn::Engine::OpenSnapshot& snapshot : snapshots) roots.push_back(snapshot.head.present);
    for (const txn::BranchPtr& branch : catalogue.everything()) roots.push_back(branch->visible.load().present);
    tree::Root seen;
    for (const tree::Root& root : roots) {
      STRATA_TRY(add_rows(engine, seen, root, drop_to, &needed));
      seen = root;
    }
  }
  const auto visit = [&](const storage::LogRecord& record) -> Status {
    STRATA_ASSIGN(const storage::RecordView view, storage::parse_record(record.position, record.body));
    storage::EntityReader reader(record.position, view, engine.seed());
    while (true) {
      STRATA_ASSIGN(const bool more, reader.next());
      if (!more) return Status::ok();
      const auto& before = reader.entity().before();
      if (before && before->large && before->large_position < drop_to) needed.insert(before->large_position);
    }
  };
  STRATA_TRY(engine.log().walk(drop_to, visit));
  return needed;
}

Result<std::string> cut_entry(txn::Engine& engine, uint64_t cut, LogPosition drop_to, const tree::Root& root) {
  std::string bytes;
  STRATA_ASSIGN(const LogPosition position, engine.log().position_at(cut));
  branch::BundleCommit commit;
  if (position == 0) {
    const tree::ReadGuard guard(engine.forest());
    STRATA_ASSIGN(const bool found, txn::read_evacuated(engine.forest(), root, txn::kCutEntry, &bytes));
    base::Reader reader(bytes);
    uint64_t of = 0;
    if (found && reader.read_u64(of) && branch::read_commit(reader, nullptr, &commit) && commit.timestamp >= cut) {
      return bytes;
    }
    return std::string();
  }
  if (position >= drop_to) return std::string();
  std::string scratch;
  STRATA_ASSIGN(const storage::LogRecord record, engine.log().read_record(position, &scratch));
  STRATA_ASSIGN(const storage::RecordView view, storage::parse_record(position, record.body));
  if (record.timestamp != cut || view.kind != storage::RecordKind::kCommit) return std::string();
  STRATA_TRY(branch::read_log_entry(record, view, engine.seed(), &commit));
  base::put_u64(bytes, position);
  branch::put_commit(bytes, commit, nullptr);
  return bytes;
}

Status evacuate(txn::Engine& engine, const std::set<LogPosition>& needed, std::string_view cut_entry, tree::Root* root,
                tree::Edit* edit) {
  tree::Forest& forest = engine.forest();
  const LogPosition begin = engine.log().begin();
  // What it has and nobody needs any more.
  std::vector<std::string> unneeded;
  tree::Cursor cursor(forest, *root);
  STRATA_TRY(cursor.seek_first());
  while (cursor.valid()) {
    if (!needed.contains(base::load_be64(cursor.key().data()))) unneeded.emplace_back(cursor.key());
    STRATA_TRY(cursor.next());
  }
  bool removed = false;
  for (const std::string& key : unneeded) STRATA_TRY(edit->erase(*root, key, 0, &removed));
  storage::LogWindow window(engine.log(), engine.seed());
  for (const LogPosition position : needed) {
    if (position < begin) continue;  // it is there already
    storage::EntityView entity;
    STRATA_TRY(window.read_entity(position, &entity));
    STRATA_TRY(put_parts(position, entity.value(), root, edit));
  }
  return put_parts(txn::kCutEntry, cut_entry, root, edit);
}

}  // namespace strata::recovery
