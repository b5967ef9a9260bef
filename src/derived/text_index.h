// The text index: for each space of each branch that is searched, what its documents say, as of one root. A cache: it
// is made by the first search, brought up to date by the diff of two roots, and could be thrown away at any time.
//
// A snapshot answers for exactly one root. It is a list of immutable segments, and of each which documents are alive;
// catching up adds a small segment and a changed list. So branches share segments, a fork starts with its parent's
// snapshot, and a merge, a rollback or a moment of the past is a diff like any other.
//
// Segments that are worth it are kept as files. After opening, and where a branch is far from all others in memory,
// they are compared with the rows of the tree, document by document: what has the same version is taken, the rest is
// read.
//
// Thread safety: any thread. Two searches of one branch and space do not build the same thing twice.
// Ownership: borrows engine and files. A snapshot keeps the nodes of its root alive: the newest one of each branch and
//   space is kept, until release() or until its branch is deleted.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "derived/held_head.h"
#include "derived/text_documents.h"
#include "derived/text_files.h"
#include "index/text_ranking.h"
#include "strata/status.h"
#include "txn/branch_state.h"
#include "txn/engine.h"
#include "txn/patience.h"
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

struct TextIndexOptions {
  uint64_t kept_bytes = 32u << 10;           // a smaller segment is not worth a file: it is soon made again
  uint64_t kept_meanwhile_bytes = 1u << 20;  // nor, before the database is closed, one that is soon merged
};

// All branches that there are.
using ListBranches = std::function<std::vector<txn::BranchPtr>()>;

class TextIndex {
 public:
  // `files`: null where nothing is kept on disk.
  TextIndex(txn::Engine& engine, TextFiles* files, ListBranches branches)
      : engine_(engine), files_(files), branches_(std::move(branches)) {}
  TextIndex(const TextIndex&) = delete;
  TextIndex& operator=(const TextIndex&) = delete;

  void set_options(const TextIndexOptions& options) { options_ = options; }  // before any search

  // The snapshot of this very head if it is there: cheap.
  TextSnapshotPtr find(const txn::BranchState& branch, std::string_view space, const txn::Head& head) const;
  // Likewise, brought up to date if it is not. REQUIRES: the calling thread holds no ReadGuard.
  Result<TextSnapshotPtr> catch_up(const txn::BranchPtr& branch, std::string_view space, const HeldHead& held,
                                   txn::Patience* patience);
  // What the view's own writes make of a snapshot of its head.
  Result<TextSnapshotPtr> with_writes(const TextSnapshotPtr& base, std::string_view space, const txn::View& view,
                                      txn::Patience* patience) const;
  // What a view of the past shows of the space.
  static Result<TextSnapshotPtr> of_past(txn::View& view, std::string_view space);

  // Merges segments where many have gathered, keeps large ones as files, forgets deleted branches; ends early once
  // `stop` is set. A no-op when nothing is due.
  void background_step(const std::atomic<bool>& stop);
  // Lets go of all snapshots, so that nothing is kept alive for them; the next search starts with what files have.
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
  TextSnapshotPtr base_for(const Line& line, const txn::Head& head) const;
  void publish(Line* line, const TextSnapshotPtr& snapshot);
  Result<TextSnapshotPtr> make(const Line& line, const HeldHead& held, txn::Patience* patience) const;
  Result<TextSnapshotPtr> changed_since(const TextSnapshot& base, std::string_view space, const HeldHead& held,
                                        bool only_if_near, txn::Patience* patience) const;
  Result<TextSnapshotPtr> matched(std::vector<index::SegmentPtr> segments, std::string_view space, const HeldHead& held,
                                  txn::Patience* patience) const;
  TextSnapshotPtr finish(std::unique_ptr<TextSnapshot> snapshot, const HeldHead& held) const;

  // ---- at leisure (text_upkeep.cc) ----
  std::vector<LinePtr> living_lines();
  void follow(const LinePtr& line, const std::atomic<bool>& stop);
  void merge_large(const LinePtr& line);
  bool keep_files(uint64_t least_bytes);
  bool is_known(std::string_view space) const;

  txn::Engine& engine_;
  TextFiles* const files_;
  const ListBranches branches_;
  TextIndexOptions options_;
  std::atomic<bool> changed_{false};        // since files were last brought up to date
  std::atomic<uint64_t> steps_to_wait_{0};  // after a file could not be written
  mutable base::Mutex mutex_;
  std::map<LineKey, LinePtr> lines_ GUARDED_BY(mutex_);
};

}  // namespace strata::derived
