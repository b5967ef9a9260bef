// Forking: what a fork record holds, and how a branch of the past is made from the present.
//
// A fork of the present copies two roots. A fork of the past takes the present's roots and puts the rows of keys that
// changed since back to what they were; the record carries those rows, so that replay needs no history. Where they are
// many they are put back in slices, each a record, on a branch without a name that the fork's own record shows at last:
// nobody waits longer than for one slice.
//
// Thread safety: needs the commit lock and a ReadGuard where trees are touched. Ownership: values.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "branch/past.h"
#include "storage/commit_record.h"
#include "strata/status.h"
#include "txn/engine.h"

namespace strata::branch {

// The payload of a fork record. ON DISK: source u32 | timestamp u64 | name.
struct ForkParameters {
  uint32_t source = 0;     // id of the branch forked
  uint64_t timestamp = 0;  // the state forked from
  std::string name;
};
std::string encode_fork(const ForkParameters& parameters);
bool decode_fork(std::string_view bytes, ForkParameters* parameters);

// kHistoryTrimmed.
Status check_kept(const txn::BranchState& branch, uint64_t as_of);
void add_overrides(storage::RecordBuilder* record, std::span<const RowOverride> overrides, uint64_t timestamp);
Result<RowOverrides> overrides_of(storage::LogPosition position, const storage::RecordView& view, uint64_t seed);
Status apply_overrides(std::span<const RowOverride> overrides, uint64_t exclusive_since, txn::Head* head,
                       tree::Edit* edit);

// The head of a branch just made by the record `stamp`, on the trees of `from`.
void begin_head(txn::BranchState* branch, const txn::Head& from, const txn::Stamp& stamp);

}  // namespace strata::branch
