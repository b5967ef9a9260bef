// The text index: for each space of each branch that is searched, what its documents say, as of one root. A cache: it
// is made by the first search, brought up to date by the diff of two roots, and could be thrown away at any time.
//
// A snapshot answers for exactly one root. It is a list of immutable segments, and of each which documents are alive;
// catching up adds a small segment and a changed list. So branches share segments, a fork starts with its parent's
// snapshot, and a merge, a rollback or a moment of the past is a diff like any other.
//
// Thread safety: any thread. Two searches of one branch and space do not build the same thing twice.
// Ownership: borrows the engine. A snapshot keeps the nodes of its root alive: the newest one of each branch and space
//   is kept, until release() or until its branch is deleted.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "derived/text_documents.h"
#include "index/text_ranking.h"
#include "strata/status.h"
#include "txn/branch_state.h"
#include "txn/engine.h"
#include "txn/view.h"

namespace strata::derived {

struct TextSnapshot {
  txn::Head head;
  tree::Pin pin;  // of the head's nodes; not held in what is made for one search
  std::vector<index::LiveSegment> segments;
  index::TextStatistics statistics;
  uint64_t documents() const;
};
using TextSnapshotPtr = std::shared_ptr<const TextSnapshot>;

// A head whose nodes and values stay while it is read for longer than a call may take.
class HeldHead {
 public:
  // REQUIRES: the head's nodes are alive by a ReadGuard or a Pin.
  HeldHead(txn::Engine& engine, const txn::Head& head);
  ~HeldHead();
  HeldHead(const HeldHead&) = delete;
  HeldHead& operator=(const HeldHead&) = delete;
  const txn::Head& head() const { return head_; }

 private:
  txn::Engine& engine_;
  txn::Head head_;
  tree::Pin pin_;
  uint64_t ticket_;
};

class TextIndex {
 public:
  explicit TextIndex(txn::Engine& engine) : engine_(engine) {}
  TextIndex(const TextIndex&) = delete;
  TextIndex& operator=(const TextIndex&) = delete;

  // The snapshot of this very head if it is there: cheap.
  TextSnapshotPtr find(const txn::BranchState& branch, std::string_view space, const txn::Head& head) const;
  // Likewise, brought up to date if it is not. REQUIRES: the calling thread holds no ReadGuard.
  Result<TextSnapshotPtr> catch_up(const txn::BranchPtr& branch, std::string_view space, const HeldHead& held);
  // What the view's own writes make of a snapshot of its head.
  Result<TextSnapshotPtr> with_writes(const TextSnapshotPtr& base, std::string_view space, const txn::View& view) const;
  // What a view of the past shows of the space.
  static Result<TextSnapshotPtr> of_past(txn::View& view, std::string_view space);

  // Merges segments where many have gathered; forgets deleted branches. A no-op when nothing is due.
  void background_step();
  // Lets go of all snapshots, so that nothing is kept alive for them; the next search starts anew.
  void release();
  uint64_t memory_bytes() const;
  // Whether anything was searched.
  bool in_use() const {
    const base::MutexLock lock(mutex_);
    return !lines_.empty();
  }

 private:
  using LineKey = std::pair<uint32_t, std::string>;  // id of the branch, space
  struct Line {
    Line(txn::BranchPtr of, std::string in) : branch(std::move(of)), space(std::move(in)) {}
    const txn::BranchPtr branch;
    const std::string space;
    base::Mutex building;    // held while a snapshot is made
    TextSnapshotPtr newest;  // guarded by the index's mutex
  };
  using LinePtr = std::shared_ptr<Line>;

  LinePtr line_of(const txn::BranchPtr& branch, std::string_view space);
  TextSnapshotPtr newest_of(const Line& line) const;
  TextSnapshotPtr base_for(const Line& line, std::string_view space, const txn::Head& head) const;
  void publish(Line* line, const TextSnapshotPtr& snapshot);
  Result<TextSnapshotPtr> build(const TextSnapshotPtr& base, std::string_view space, const HeldHead& held) const;
  void follow(const LinePtr& line);
  void merge_large(const LinePtr& line);

  txn::Engine& engine_;
  mutable base::Mutex mutex_;
  std::map<LineKey, LinePtr> lines_ GUARDED_BY(mutex_);
};

}  // namespace strata::derived
