// The vectors of all embedders that a database was opened with: which embedder has which.
//
// An embedder is a function that nothing is known of but a number that tells it from others in this process. Whether it
// made the vectors that are there, another time or under another number, is asked of itself: it embeds the first text
// again, and if the vectors differ they are of another model, and never compared. The first embedder of a process that
// made none of what is on disk replaces it; a later one keeps its own in memory.
//
// Thread safety: any thread. Ownership: borrows engine and file system; sets are shared by who uses them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "base/mutex.h"
#include "derived/embedding_index.h"
#include "derived/embedding_store.h"
#include "txn/engine.h"

namespace strata::derived {

struct EmbeddingSet {
  EmbeddingSet(txn::Engine& engine, EmbeddingStore::Place place)
      : store(std::move(place), engine.seed()), index(engine, store) {}
  EmbeddingStore store;
  EmbeddingIndex index;
};
using EmbeddingSetPtr = std::shared_ptr<EmbeddingSet>;

class Embeddings {
 public:
  Embeddings(txn::Engine& engine, EmbeddingStore::Place place) : engine_(engine), place_(std::move(place)) {}
  Embeddings(const Embeddings&) = delete;
  Embeddings& operator=(const Embeddings&) = delete;

  struct Choice {
    EmbeddingSetPtr set;  // null: not known yet
    std::string probe;    // then: the text whose vector says which
  };
  Choice of(uint64_t embedder);
  // The embedder's set, told by its vector of the probe.
  EmbeddingSetPtr decide(uint64_t embedder, std::span<const float> vector);

  uint64_t memory_bytes() const;
  bool in_use() const;
  // Lets go of snapshots that are far behind their branch. Now and then.
  void background_step();
  // REQUIRES: nobody searches any more.
  void close();

 private:
  std::set<EmbeddingSetPtr> all() const;
  EmbeddingSetPtr add_own(uint64_t embedder) REQUIRES_LOCK(mutex_);

  txn::Engine& engine_;
  const EmbeddingStore::Place place_;
  mutable base::Mutex mutex_;
  EmbeddingSetPtr kept_ GUARDED_BY(mutex_);        // of the file; null: nobody has asked
  bool kept_is_taken_ GUARDED_BY(mutex_) = false;  // an embedder of this process has it
  std::map<uint64_t, EmbeddingSetPtr> sets_ GUARDED_BY(mutex_);
};

}  // namespace strata::derived
