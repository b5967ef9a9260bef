// The search structures of all collections of a database: for each collection and branch the snapshot that was last
// searched, brought up to date by what differs when the next search comes.
//
// A put pays nothing. A fork finds its parent's snapshot. Graphs are built and parts merged in the background; until
// then the codes are scanned. Snapshots keep their root alive by a pin as long as they are searched; one that was not
// for a while is compared with the tree's rows instead, as one from disk is.
//
// Thread safety: any thread. Ownership: borrows engine and file system.
// Invariant: what a search is answered from has exactly the rows of its view.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "derived/vector_files.h"
#include "derived/vector_snapshot.h"
#include "derived/worker.h"
#include "strata/status.h"
#include "txn/branch_state.h"
#include "txn/view.h"

namespace strata::derived {

struct VectorIndexOptions {
  uint32_t graph_rows = 8'000;  // a part of at least so many rows gets a graph
  uint32_t saved_rows = 256;    // a part of fewer is not worth a file
};

// A collection on a branch.
struct CollectionPlace {
  CollectionKind kind;
  std::string_view begin;  // of its keys in the tree: what they all start with
  std::string_view end;
  txn::BranchPtr branch;
};

class VectorIndex {
 public:
  // `files`: null where nothing is kept on disk; not written to if `read_only`.
  VectorIndex(txn::Engine& engine, Worker& worker, VectorFiles* files, bool read_only);

  void set_options(const VectorIndexOptions& options) { options_ = options; }  // before any search

  // The collection as the view shows it, its own writes included. REQUIRES: not a view of the past.
  Result<std::shared_ptr<const VectorSnapshot>> snapshot(const CollectionPlace& place, const txn::View& view,
                                                         VectorReader* reader);

  struct Description {
    bool searched = false;  // there is something to describe
    bool has_graph = false;
    uint64_t memory_bytes = 0;
  };
  Description describe(const CollectionKind& kind, const txn::BranchState& branch) const;
  uint64_t memory_bytes() const;
  // Lets go of snapshots that nobody searches. Cheap; now and then.
  void tick();
  // Removes the files of collections that none of these branches has any more. REQUIRES: these are all.
  void remove_orphans(std::span<const txn::BranchPtr> branches);
  // Writes what is worth it. REQUIRES: the worker was stopped.
  void close();

 private:
  // What one branch was last searched by.
  struct Slot {
    uint32_t branch_id = 0;
    std::weak_ptr<txn::BranchState> branch;
    tree::Root root;
    uint64_t commit = 0;
    std::shared_ptr<const VectorSnapshot> snapshot;
    std::shared_ptr<tree::Pin> pin;  // null: the root may be gone
    uint64_t used = 0;               // tick
  };
  using SegmentPtr = std::shared_ptr<const VectorSegment>;
  struct SavedFile {
    std::string name;
    bool has_graph = false;
  };
  struct Collection {
    explicit Collection(CollectionKind made_of) : kind(std::move(made_of)) {}
    const CollectionKind kind;
    base::Mutex updating;  // one thread brings a snapshot up to date; taken before `mutex`
    bool read_files GUARDED_BY(updating) = false;
    base::Mutex saving;  // files are written under it; between the other two
    std::map<SegmentPtr, SavedFile> files GUARDED_BY(saving);
    mutable base::Mutex mutex;
    std::vector<Slot> slots GUARDED_BY(mutex);  // the last used at the end
    bool working GUARDED_BY(mutex) = false;
  };
  using CollectionPtr = std::shared_ptr<Collection>;

  CollectionPtr collection(const CollectionKind& kind);
  std::vector<CollectionPtr> collections() const;
  std::shared_ptr<const VectorSnapshot> find_current(Collection& collection, const CollectionPlace& place,
                                                     const txn::Head& head);
  Result<std::shared_ptr<const VectorSnapshot>> update(const CollectionPtr& collection, const CollectionPlace& place,
                                                       const txn::Head& head, VectorReader* reader);
  Result<std::shared_ptr<const VectorSnapshot>> changed_since(Collection& collection, const Slot& from,
                                                              const CollectionPlace& place, const txn::Head& head,
                                                              VectorReader* reader);
  Result<std::shared_ptr<const VectorSnapshot>> matched(Collection& collection, std::vector<SegmentPtr> segments,
                                                        const CollectionPlace& place, const txn::Head& head,
                                                        VectorReader* reader);
  std::vector<SegmentPtr> segments_from_files(Collection& collection) REQUIRES_LOCK(collection.updating);
  static bool is_gone(const Slot& slot);  // its branch is
  static std::vector<Slot> take_gone(Collection& collection) REQUIRES_LOCK(collection.mutex);
  // Whether the branch has no vector of the collection any more; false where it cannot be seen.
  bool is_empty_on(const CollectionKind& kind, const txn::BranchState& branch) const;
  void drop_slot_if_idle(Collection& collection, const txn::BranchState& branch);
  void put_slot(Collection& collection, Slot slot);

  // ---- in the background ----
  void work_if_due(const CollectionPtr& collection, const std::shared_ptr<const VectorSnapshot>& snapshot);
  bool merge_is_due(const VectorSnapshot& snapshot) const;
  void work(const CollectionPtr& collection, const std::atomic<bool>& stop);
  bool build_graph(const VectorSegment& segment, const std::atomic<bool>& stop) const;
  Status merge(Collection& collection, const std::shared_ptr<const VectorSnapshot>& snapshot,
               const std::atomic<bool>& stop);
  void save(Collection& collection);
  void drop_empty(Collection& collection);

  txn::Engine& engine_;
  Worker& worker_;
  VectorFiles* const files_;
  const bool read_only_;
  VectorIndexOptions options_;
  std::atomic<uint64_t> ticks_{0};
  mutable base::Mutex mutex_;
  std::map<CollectionKind, CollectionPtr> collections_ GUARDED_BY(mutex_);
};

}  // namespace strata::derived
