// Writes a branch, or what was committed on it after a moment, as a bundle.
//
// Thread safety: any thread, holding no lock and no ReadGuard; commits and compactions go on meanwhile.
// Ownership: borrows engine and file system.
#pragma once

#include <optional>
#include <string>

#include "branch/bundle_format.h"
#include "os/file_system.h"
#include "strata/session.h"
#include "strata/status.h"
#include "txn/engine.h"

namespace strata::branch {

struct ExportRequest {
  txn::BranchPtr branch;
  std::string path;
  std::optional<uint64_t> since;
  Progress progress;
};
struct Exported {
  uint64_t entries = 0;
  uint64_t bytes = 0;
};
// kHistoryTrimmed for a `since` before the kept history; kInvalidArgument when `progress` said so; I/O. Nothing is left
// behind, and what was there before stays.
Result<Exported> export_bundle(txn::Engine& engine, os::FileSystem& fs, const ExportRequest& request);

// The digest that a delta rests on, of what `row` says. Adds nothing for rows that follow from others. REQUIRES: a
// ReadGuard.
Status add_to_digest(txn::Engine& engine, std::string_view key, uint64_t version, uint64_t timestamp,
                     std::string_view value, StateDigest* digest);
// An event's value names the database of its origin in a bundle.
Status to_bundle(txn::Engine& engine, std::string_view key, std::string* value);

}  // namespace strata::branch
