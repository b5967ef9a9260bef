// What the documents of a space mean, as of one root: the vectors of their texts, and which texts have none yet.
//
// A cache like the text index: a snapshot answers for exactly one root, is brought up to date by the diff of two roots,
// and is the start for a fork. What embeds texts is elsewhere: a snapshot says what it lacks, and takes from the store
// what is there the next time it is asked for. So a put pays nothing, and no commit is made for a vector.
//
// Thread safety: any thread. Two searches of one branch and space do not build the same thing twice.
// Ownership: borrows engine and store. A snapshot keeps the nodes of its root alive: the newest one of each branch and
//   space is kept, until it is far behind or its branch is deleted.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "derived/embedding_store.h"
#include "derived/text_index.h"
#include "derived/vector_snapshot.h"
#include "strata/status.h"
#include "txn/patience.h"
#include "txn/view.h"

namespace strata::derived {

// A document as the rows of a vector snapshot are named: its kind, a byte, and its key.
std::string embedded_key(DocumentKind kind, std::string_view key);
DocumentKind embedded_kind(std::string_view embedded_key);

// By document: the name of its text; nothing, where it has none or is gone.
using TextNames = std::map<std::string, std::optional<TextName>>;

struct EmbeddingSnapshot {
  txn::Head head;
  tree::Pin pin;                                  // of the head's nodes; not held in what is made for one search
  std::shared_ptr<const VectorSnapshot> vectors;  // their metadata is {"primitive": name}
  std::shared_ptr<const TextNames> waiting;       // documents whose texts have no vector yet
};
using EmbeddingSnapshotPtr = std::shared_ptr<const EmbeddingSnapshot>;

class EmbeddingIndex {
 public:
  EmbeddingIndex(txn::Engine& engine, const EmbeddingStore& store) : engine_(engine), store_(store) {}
  EmbeddingIndex(const EmbeddingIndex&) = delete;
  EmbeddingIndex& operator=(const EmbeddingIndex&) = delete;

  // The snapshot of this head if it is there and lacks nothing: cheap.
  EmbeddingSnapshotPtr find(const txn::BranchState& branch, std::string_view space, const txn::Head& head) const;
  // Likewise, made if it is not there. REQUIRES: the calling thread holds no ReadGuard. Errors: kInvalidArgument (not
  // wanted any more).
  Result<EmbeddingSnapshotPtr> catch_up(const txn::BranchPtr& branch, std::string_view space, const HeldHead& held,
                                        txn::Patience* patience);
  // What the view's own writes make of a snapshot of its head.
  Result<EmbeddingSnapshotPtr> with_writes(const EmbeddingSnapshotPtr& base, std::string_view space,
                                           const txn::View& view, txn::Patience* patience) const;
  // What a view of the past shows of the space.
  Result<EmbeddingSnapshotPtr> of_past(txn::View& view, std::string_view space, txn::Patience* patience) const;
  // The same with what the store has by now.
  Result<EmbeddingSnapshotPtr> completed(const EmbeddingSnapshotPtr& snapshot, txn::Patience* patience) const;

  // Lets go of snapshots far behind their branch, so that the nodes they keep alive do not weigh.
  void let_go_of_old();
  // Lets go of all snapshots, for good: none is kept any more.
  void release();
  uint64_t memory_bytes() const;

 private:
  using LineKey = std::pair<uint32_t, std::string>;  // id of the branch, space
  struct Line {
    explicit Line(txn::BranchPtr of) : branch(std::move(of)) {}
    const txn::BranchPtr branch;
    base::Mutex building;         // held while a snapshot is made
    EmbeddingSnapshotPtr newest;  // guarded by the index's mutex
  };
  using LinePtr = std::shared_ptr<Line>;

  LinePtr line_of(const txn::BranchPtr& branch, std::string_view space);
  EmbeddingSnapshotPtr start_of(const Line& line, std::string_view space) const;
  Status changes_since(const EmbeddingSnapshotPtr& base, std::string_view space, const HeldHead& held,
                       txn::Patience* patience, TextNames* changes) const;
  Result<std::unique_ptr<EmbeddingSnapshot>> changed(const EmbeddingSnapshot* base, const TextNames& changes,
                                                     txn::Patience* patience) const;

  txn::Engine& engine_;
  const EmbeddingStore& store_;
  mutable base::Mutex mutex_;
  bool released_ GUARDED_BY(mutex_) = false;
  std::map<LineKey, LinePtr> lines_ GUARDED_BY(mutex_);
};

}  // namespace strata::derived
