#include "recovery/replay.h"

#include "recovery/retention.h"
#include "storage/commit_record.h"

namespace strata::recovery {

Status replay_record(txn::Engine& engine, branch::Catalogue& catalogue, const storage::LogRecord& record) {
  STRATA_ASSIGN(const storage::RecordView view, storage::parse_record(record.position, record.body));
  engine.replay_stamp(record);
  if (view.kind != storage::RecordKind::kCommit && view.kind != storage::RecordKind::kImportRows) {
    engine.end_replay_run();
  }
  switch (view.kind) {
    case storage::RecordKind::kCommit:
    case storage::RecordKind::kImportRows:
      return catalogue.replay_commit(record, view);
    case storage::RecordKind::kBranchCreate:
    case storage::RecordKind::kBranchFork:
    case storage::RecordKind::kBranchDelete:
    case storage::RecordKind::kImportBegin:
    case storage::RecordKind::kImportLog:
    case storage::RecordKind::kImportEnd:
    case storage::RecordKind::kForkRows:
      return catalogue.replay(record, view);
    case storage::RecordKind::kHorizon:
      return replay_retention(engine, catalogue, record, view);
    default:
      return Status::error(Code::kFormatTooNew, "the log holds a kind of record that this version does not know",
                           "update the library");
  }
}

}  // namespace strata::recovery
