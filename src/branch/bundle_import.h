// Brings the branch of a bundle into a database: seen at once and whole, or not at all.
//
// The file is checked from beginning to end before anything is written. Its contents then go to a branch that nobody
// sees, batch by batch, while others commit; one last record shows it, or gives its state to the branch that a delta
// belongs to.
//
// Thread safety: any thread, holding no lock and no ReadGuard. Ownership: borrows everything.
#pragma once

#include <optional>
#include <string>

#include "branch/bundle_format.h"
#include "branch/catalogue.h"
#include "os/file_system.h"
#include "strata/session.h"
#include "strata/status.h"
#include "txn/engine.h"

namespace strata::branch {

struct ImportRequest {
  std::string path;
  std::optional<std::string> name;  // nothing: the one in the bundle
  uint64_t latest = 0;              // no timestamp may be later
  Progress progress;
};
struct Imported {
  std::string branch;
  uint64_t entries = 0;
  uint64_t keys = 0;       // of what users call keys, those that are alive
  uint64_t forgotten = 0;  // up to when the branch that a delta was added to has no history any more
};
// kBundleNotFound, kBundleDamaged, kFormatTooNew, kBranchExists; of a delta kBranchNotFound, kDeltaMismatch;
// kInvalidArgument when `progress` said so; I/O.
Result<Imported> import_bundle(txn::Engine& engine, Catalogue& catalogue, os::FileSystem& fs,
                               const ImportRequest& request);

struct Inspected {
  std::string branch;
  uint64_t entries = 0;
};
// Checks all that can be checked without a database.
Result<Inspected> inspect_bundle(os::FileSystem& fs, const std::string& path, uint64_t latest,
                                 const Progress& progress);

}  // namespace strata::branch
