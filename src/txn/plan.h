// One commit worked out before it is written: for each write the row it replaces, the version it gets, and what its
// record has to carry.
//
// Thread safety: none. Ownership: views borrow the write set and the nodes of the branch's tip (under a ReadGuard).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "storage/commit_log.h"
#include "storage/commit_record.h"
#include "strata/status.h"
#include "tree/forest.h"
#include "txn/head.h"
#include "txn/row.h"
#include "txn/write_set.h"

namespace strata::txn {

struct PlannedWrite {
  std::string_view key;
  std::string_view value;
  bool tombstone = false;
  bool skipped = false;      // no effect: erases what is not there, ensures what is
  bool had_present = false;  // a row of the present tree is replaced or removed
  bool had_deleted = false;  // a tombstone is replaced
  bool counts_on = false;    // `old` is the version before this one
  RowView old;               // the replaced row, if had_present or had_deleted
  uint64_t version = 1;
  uint32_t entity_offset = 0;  // in the record's body
};

// The most that the write's entity can take in a record's body.
uint64_t most_entity_bytes(const Write& write);

// Looks up what the write meets at `tip`, and leaves `edit` at that place of the present tree. `trimmed_before`:
// tombstones at or before it no longer count.
Status plan_write(const tree::Forest& forest, const Head& tip, const Write& write, uint64_t trimmed_before,
                  tree::Edit* edit, PlannedWrite* planned);

// Adds the write's entity to the record. `unit_start`: where the current retention unit begins; the first record of a
// key in a unit carries the version that it replaces.
void add_to_record(PlannedWrite* planned, uint64_t timestamp, storage::LogPosition unit_start,
                   storage::RecordBuilder* record);

// Puts the new version into the trees. `position`: of the write's entity in the log.
Status apply_write(const PlannedWrite& planned, uint64_t timestamp, storage::LogPosition position,
                   uint64_t exclusive_since, Head* head, tree::Edit* edit);

}  // namespace strata::txn
