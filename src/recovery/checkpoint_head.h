// What a checkpoint stores beside the nodes: the heads of all branches, and the place in the log that they stand for.
//
// ON DISK (the blob of storage::StoreHead): version u32 | counters | log cut | branches, each length-prefixed |
// lineage,
//   length-prefixed.
// Thread safety: pure functions. Ownership: values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "branch/branch_codec.h"
#include "strata/status.h"
#include "txn/engine.h"

namespace strata::recovery {

struct CheckpointHead {
  txn::EngineState state;
  txn::Engine::Cut cut;                // replay begins here
  storage::LogPosition clean_end = 0;  // end of the log, if the database was closed with this checkpoint
  storage::LogPosition oldest = 0;     // first position of the log that is kept
  uint32_t next_branch_id = 1;
  std::optional<uint64_t> keep_history_micros;
  std::vector<branch::BranchSnapshot> branches;
  std::string lineage;  // what they contain of each other (branch/lineage.h)
};

std::string encode_head(const CheckpointHead& head);
// kCorruption.
Result<CheckpointHead> decode_head(std::string_view bytes);

}  // namespace strata::recovery
