// Bundles: one branch as one file, with its history, to be kept, sent and imported elsewhere (docs/bundles.md).
//
// These calls last; they hold the session only for a moment at their beginning, so that others, and the progress
// callback itself, may use it meanwhile. `path` is a file's name as the operating system takes it.
// Thread safety, common errors: strata/session.h. Ownership: borrows the Session.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "strata/session.h"

namespace strata {

struct ExportReport {
  std::string branch_id;
  uint64_t entry_count = 0;  // versions
  uint64_t bundle_size = 0;
};

struct ImportReport {
  std::string branch;
  uint64_t entry_count = 0;
  uint64_t keys_written = 0;  // living keys
};

struct BundleVerdict {
  std::string branch;
  uint64_t entry_count = 0;
  std::optional<std::string> problem;  // nothing: all of it is good
};

class Bundles {
 public:
  explicit Bundles(Session& session) : session_(session) {}

  // since: a delta, of what was committed later. An existing file is replaced when the new one is complete. Errors:
  // kBranchNotFound, kHistoryTrimmed (since), kInTransaction, I/O.
  Result<ExportReport> write(std::string_view branch, const std::string& path, AsOf since, const Progress& progress);
  // A delta goes to the branch of that name. Errors: kBundleNotFound, kBundleDamaged, kFormatTooNew,
  // kInvalidBranchName, kBranchExists, kBranchNotFound and kDeltaMismatch (of a delta), kInTransaction, kReadOnly, I/O.
  Result<ImportReport> import(const std::string& path, std::optional<std::string_view> name, const Progress& progress);
  // Damage is an answer. Errors: kBundleNotFound, kInTransaction, I/O.
  Result<BundleVerdict> validate(const std::string& path, const Progress& progress);

 private:
  Status enter(std::string_view what, bool writes);

  Session& session_;
};

}  // namespace strata
