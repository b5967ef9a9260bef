// All rows of one state of a branch in key order, in short bursts, so that whoever looks at millions of them holds back
// nobody.
//
// Thread safety: one thread; not under a ReadGuard. Ownership: keeps the state's nodes and large values.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "strata/status.h"
#include "txn/engine.h"
#include "txn/row.h"

namespace strata::branch {

class RowWalk {
 public:
  // The visible state of the branch.
  RowWalk(txn::Engine& engine, const txn::BranchState& branch, bool with_deleted);
  ~RowWalk();
  RowWalk(const RowWalk&) = delete;
  RowWalk& operator=(const RowWalk&) = delete;

  const txn::Head& head() const { return head_; }
  uint64_t rows() const { return head_.present.count + (with_deleted_ ? head_.deleted.count : 0); }
  uint64_t visited() const { return visited_; }
  // Hands rows to `visit` under one ReadGuard until that says false: enough for now. False: there are no more.
  using Visitor = std::function<Result<bool>(std::string_view key, const txn::RowView& row)>;
  Result<bool> burst(const Visitor& visit);

 private:
  txn::Engine& engine_;
  const bool with_deleted_;
  txn::Head head_;
  tree::Pin pin_;
  uint64_t ticket_ = 0;
  bool begun_ = false;
  std::string last_;
  uint64_t visited_ = 0;
};

}  // namespace strata::branch
