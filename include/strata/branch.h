// Branches: every piece of data lies on one. A fork shares all data with its source and costs the same at any size.
//
// Names: [A-Za-z0-9][A-Za-z0-9._/-]{0,127}. The branch `default` is always there.
// Thread safety, common errors: strata/session.h. Ownership: borrows the Call.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strata/session.h"

namespace strata {

struct BranchInfo {
  std::string name;
  std::string id;           // opaque, unique among databases
  std::string status;       // "active"
  uint64_t created_at = 0;  // timestamps in microseconds
  uint64_t updated_at = 0;
  uint64_t version = 0;  // commits since the branch was made
  std::optional<std::string> parent;
  std::optional<uint64_t> fork_timestamp;
  uint64_t key_count = 0;
};

struct ForkResult {
  std::string source;
  std::string destination;
  uint64_t key_count = 0;
  uint64_t timestamp = 0;  // the state forked from
};

class Branches {
 public:
  explicit Branches(Call& call) : call_(call) {}

  // Errors of the three that change: kInvalidBranchName, kBranchExists, kBranchNotFound, kBranchInUse (the default
  // branch or this handle's own), kInTransaction, kReadOnly.
  Status create(std::string_view name);
  // as_of: kHistoryTrimmed.
  Result<ForkResult> fork(std::string_view source, std::string_view destination, AsOf as_of);
  Status remove(std::string_view name);
  Result<std::optional<BranchInfo>> get(std::string_view name);
  Result<std::vector<std::string>> list();  // sorted
  Result<bool> exists(std::string_view name);

 private:
  Call& call_;
};

}  // namespace strata
