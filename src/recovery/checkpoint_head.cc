#include "recovery/checkpoint_head.h"

#include "base/coding.h"

namespace strata::recovery {
namespace {

constexpr uint32_t kHeadVersion = 1;       // ON DISK: never renumber
constexpr uint32_t kKeepsAll = 0;          // ON DISK: never renumber
constexpr uint32_t kKeepsForSomeTime = 1;  // ON DISK: never renumber

}  // namespace

std::string encode_head(const CheckpointHead& head) {
  std::string bytes;
  base::put_u32(bytes, kHeadVersion);
  base::put_u32(bytes, head.keep_history_micros ? kKeepsForSomeTime : kKeepsAll);
  base::put_u64(bytes, head.keep_history_micros.value_or(0));
  base::put_u64(bytes, head.state.last_commit);
  base::put_u64(bytes, head.state.last_timestamp);
  branch::put_root(bytes, head.state.evacuated);
  base::put_u64(bytes, head.cut.position);
  base::put_u64(bytes, head.cut.next_commit);
  base::put_u64(bytes, head.cut.last_timestamp);
  base::put_u64(bytes, head.clean_end);
  base::put_u64(bytes, head.oldest);
  base::put_u32(bytes, head.next_branch_id);
  base::put_u32(bytes, static_cast<uint32_t>(head.branches.size()));
  for (const branch::BranchSnapshot& snapshot : head.branches) branch::put_branch(bytes, snapshot);
  base::put_string(bytes, head.lineage);
  return bytes;
}

Result<CheckpointHead> decode_head(std::string_view bytes) {
  const auto damaged = [] {
    return Status::error(Code::kCorruption, "the head of the last checkpoint is damaged",
                         "restore the folder from a backup");
  };
  base::Reader reader(bytes);
  CheckpointHead head;
  uint32_t version = 0;
  uint32_t keeps = 0;
  uint64_t keep_micros = 0;
  uint32_t branches = 0;
  if (!reader.read_u32(version)) return damaged();
  if (version > kHeadVersion) {
    return Status::error(Code::kFormatTooNew, "the database was written by a newer version of the library",
                         "update the library");
  }
  if (!reader.read_u32(keeps) || keeps > kKeepsForSomeTime || !reader.read_u64(keep_micros) ||
      !reader.read_u64(head.state.last_commit) || !reader.read_u64(head.state.last_timestamp) ||
      !branch::read_root(reader, &head.state.evacuated) || !reader.read_u64(head.cut.position) ||
      !reader.read_u64(head.cut.next_commit) || !reader.read_u64(head.cut.last_timestamp) ||
      !reader.read_u64(head.clean_end) || !reader.read_u64(head.oldest) || !reader.read_u32(head.next_branch_id) ||
      !reader.read_u32(branches)) {
    return damaged();
  }
  if (keeps == kKeepsForSomeTime) head.keep_history_micros = keep_micros;
  for (uint32_t i = 0; i < branches; ++i) {
    branch::BranchSnapshot snapshot;
    if (!branch::read_branch(reader, &snapshot)) return damaged();
    head.branches.push_back(std::move(snapshot));
  }
  std::string_view lineage;
  if (!reader.read_string(lineage) || !reader.done()) return damaged();
  head.lineage = lineage;
  return head;
}

}  // namespace strata::recovery
