#include "branch/record_chain.h"

#include <algorithm>
#include <string>

#include "branch/fork.h"

namespace strata::branch {

bool holds_versions(const storage::RecordView& view) {
  return view.kind == storage::RecordKind::kCommit || view.kind == storage::RecordKind::kImportRows;
}

Status walk_records(txn::Engine& engine, ChainPlace* place,
                    const std::function<Result<bool>(const ChainRecord&)>& visit) {
  const storage::CommitLog& log = engine.log();
  std::string scratch;
  ChainRecord at;
  for (storage::LogPosition& position = place->position; position != 0 && position >= log.begin();
       position = at.view.previous) {
    at.until = place->until;
    STRATA_ASSIGN(at.record, log.read_record(position, &scratch));
    STRATA_ASSIGN(at.view, storage::parse_record(position, at.record.body));
    if (at.view.previous >= position) {
      return Status::error(Code::kCorruption, "the records of a branch in the log lead forward in time");
    }
    STRATA_ASSIGN(const bool more, visit(at));
    if (!more) return Status::ok();
    if (at.view.kind != storage::RecordKind::kBranchFork) continue;
    ForkParameters parameters;
    if (!decode_fork(at.view.payload, &parameters)) {
      return Status::error(Code::kCorruption, "a fork record of the log is damaged");
    }
    place->until = std::min(place->until, parameters.timestamp);
  }
  return Status::ok();
}

}  // namespace strata::branch
