// An open transaction: one snapshot of a branch, private writes on top, and what was read.
//
// Thread safety: none; a session has at most one and guards it.
// Ownership: keeps its branch and, by a pin, the nodes of its snapshot.
#pragma once

#include <optional>
#include <string>

#include "strata/session.h"
#include "strata/status.h"
#include "txn/branch_state.h"
#include "txn/engine.h"
#include "txn/read_set.h"
#include "txn/write_set.h"

namespace strata::txn {

// Keys and values of one transaction, above which it is refused.
constexpr uint64_t kMaxTransactionBytes = 1ull << 30;

class Transaction {
 public:
  struct Options {
    bool read_only = false;
    Isolation isolation = Isolation::kSerializable;
    std::optional<std::string> message;
  };
  Transaction(Engine& engine, BranchPtr branch, Options options);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // Nothing was committed if it fails; kWouldBlock leaves it open, any other error has ended it.
  Result<uint64_t> commit(bool may_wait);
  void set_message(std::string message) { options_.message = std::move(message); }

  // Adds writes, and `ensured` keys where the snapshot lacks them. Errors: kTransactionTooLarge; then nothing is added.
  Status add(std::span<const Write> writes, std::span<const std::string_view> ensured, uint64_t* versions);

  BranchState& branch() { return *branch_; }
  const Head& base() const { return base_; }
  // The newest commit of the database that the snapshot contains.
  uint64_t timestamp() const { return timestamp_; }
  bool read_only() const { return options_.read_only; }
  const WriteSet& writes() const { return writes_; }

  void note_key(std::string_view key);
  void note_range(std::string_view begin, std::string_view end);
  // A range that the writes rest on (the contents of a space that they delete): checked at every isolation.
  void rest_on_range(std::string_view begin, std::string_view end) { reads_.add_range(begin, end); }

 private:
  Result<uint64_t> snapshot_version(std::string_view key, bool* present);
  Status add_one(const Write& write, uint64_t* version);
  Status ensure(std::string_view key);

  Engine& engine_;
  BranchPtr branch_;
  Options options_;
  Head base_;
  uint64_t timestamp_ = 0;
  tree::Pin pin_;
  uint64_t ticket_ = 0;
  WriteSet writes_;
  std::vector<std::string> ensured_;
  ReadSet reads_;
};

}  // namespace strata::txn
