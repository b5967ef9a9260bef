#include "branch/log.h"

#include <string>

#include "model/key_codec.h"
#include "txn/history.h"

namespace strata::branch {

Status read_log_entry(const storage::LogRecord& record, const storage::RecordView& view, uint64_t seed,
                      BundleCommit* commit) {
  commit->timestamp = record.timestamp;
  commit->message.reset();
  if (view.payload == txn::kHasMessage) commit->message = view.message;
  commit->changes = CommitChanges();
  storage::EntityReader reader(record.position, view, seed);
  while (true) {
    STRATA_ASSIGN(const bool more, reader.next());
    if (!more) return Status::ok();
    count_change(reader.entity().key(), &commit->changes);
  }
}

// An import writes its commits newest first, so the record that was written first holds the newest.
Status LogWalk::walk_imported(const LogVisitor& visit, bool* more) {
  std::string scratch;
  for (; *more && !imported_.empty(); imported_.pop_back(), passed_ = 0) {
    if (imported_.back() < engine_.log().begin()) continue;
    STRATA_ASSIGN(const storage::LogRecord record, engine_.log().read_record(imported_.back(), &scratch));
    STRATA_ASSIGN(const storage::RecordView view, storage::parse_record(record.position, record.body));
    base::Reader reader(view.payload);
    BundleCommit before;
    BundleCommit commit;
    for (uint64_t n = 0; !reader.done(); ++n, before.timestamp = commit.timestamp) {
      if (!branch::read_commit(reader, n > 0 ? &before : nullptr, &commit)) {
        return Status::error(Code::kCorruption, "a record of imported commits in the log is damaged");
      }
      if (n < passed_ || commit.timestamp > place_.until || commit.timestamp < cut_) continue;
      passed_ = n + 1;
      *more = visit(commit);
      if (!*more) return Status::ok();
    }
  }
  return Status::ok();
}

Status LogWalk::walk(const LogVisitor& visit) {
  bool more = true;
  BundleCommit commit;
  if (passed_ > 0) STRATA_TRY(walk_imported(visit, &more));
  if (!more) return Status::ok();
  const auto step = [&](const ChainRecord& at) -> Result<bool> {
    if (at.view.kind == storage::RecordKind::kImportLog && at.record.timestamp >= cut_) {
      imported_.push_back(at.record.position);
      return true;
    }
    if (!imported_.empty()) STRATA_TRY(walk_imported(visit, &more));
    if (!more || at.record.timestamp < cut_) return false;
    if (at.view.kind != storage::RecordKind::kCommit || at.record.timestamp > at.until) return true;
    STRATA_TRY(read_log_entry(at.record, at.view, engine_.seed(), &commit));
    more = visit(commit);
    if (!more) place_.position = at.view.previous;
    return more;
  };
  STRATA_TRY(walk_records(engine_, &place_, step));
  if (more) STRATA_TRY(walk_imported(visit, &more));
  return more ? walk_cut(visit) : Status::ok();
}

Status LogWalk::walk_cut(const LogVisitor& visit) {
  const storage::LogPosition position = place_.position;
  if (cut_ == 0 || position == 0 || position >= engine_.log().begin()) return Status::ok();
  std::string bytes;
  STRATA_ASSIGN(const bool found, txn::read_evacuated(engine_.forest(), engine_.evacuated(), txn::kCutEntry, &bytes));
  if (!found) return Status::ok();
  base::Reader reader(bytes);
  uint64_t of = 0;
  BundleCommit commit;
  if (!reader.read_u64(of) || !branch::read_commit(reader, nullptr, &commit) || !reader.done()) {
    return Status::error(Code::kCorruption, "the kept entry of a commit in the log of a branch is damaged");
  }
  if (of != position || commit.timestamp < cut_ || commit.timestamp > place_.until) return Status::ok();
  place_.position = 0;
  (void)visit(commit);
  return Status::ok();
}

void count_change(std::string_view tree_key, CommitChanges* changes) {
  const auto parts = model::split_key(tree_key);
  if (!parts) return;
  switch (parts->tag) {
    case model::Tag::kKv:
      ++changes->kv;
      break;
    case model::Tag::kState:
      ++changes->state;
      break;
    case model::Tag::kJson:
      ++changes->json;
      break;
    case model::Tag::kEvent:
      ++changes->event;
      break;
    case model::Tag::kCollection:
      ++changes->collection;
      break;
    case model::Tag::kVector:
      ++changes->vector;
      break;
    case model::Tag::kSpace:
    case model::Tag::kJsonIndex:
    case model::Tag::kEventType:
      break;
  }
}

}  // namespace strata::branch
