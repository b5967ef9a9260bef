// What the parts of the tree library share: cache, epochs, pins and the nodes that wait to be freed.
//
// Thread safety: as forest.h says; retire and reclaim are the editing thread's, unpin runs in any thread.
// Ownership: one a Forest; borrows the store.
// Invariants: a retired node is freed only by way of reclaim: first no reader from before its retirement is left, then
//   no pin holds it. In this order, since a reader may take a pin.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "tree/epoch.h"
#include "tree/node_cache.h"
#include "tree/pin_table.h"

namespace strata::tree {

// Nodes hidden from new readers at the end of an epoch.
struct RetiredBatch {
  uint64_t epoch;
  std::vector<RetiredNode> nodes;
};

struct EditState;

class ForestImpl {
 public:
  ForestImpl(storage::NodeStore& node_store, const ForestOptions& options);
  ~ForestImpl();

  // Nodes replaced by commit `stamp`, whose roots are published. Frees what can be freed at once; empties `nodes`.
  void retire(std::vector<RetiredNode>* nodes);
  void reclaim();
  void unpin(uint64_t ticket);
  // Retired nodes that wait for readers; ids of all nodes that are retired and not freed.
  void append_waiting(std::vector<RetiredNode>* nodes) const;
  void append_retired(std::vector<storage::NodeId>* ids) const;
  uint64_t retired_count() const;

  // Returns when every reader that entered before the call has left. REQUIRES: the calling thread is not reading.
  void wait_for_readers();

  storage::NodeStore& store;
  std::atomic<uint64_t> shared_garbage{0};
  EpochDomain epochs;
  NodeCache cache;
  PinTable pins;

  // The editing thread's.
  std::unique_ptr<EditState> spare_edit;  // its buffers are used again
  bool editing = false;

  // Rules that a test may break, to see that it would notice.
  bool ignore_pins_for_test = false;

 private:
  struct DroppedPin {
    uint64_t epoch;  // whoever reads since then or before may still need it
    uint64_t ticket;
  };
  void free_or_hold(std::vector<RetiredNode>* nodes);
  void remove_dropped_pins(uint64_t oldest_reader);

  std::deque<RetiredBatch> waiting_;  // the editing thread's
  std::atomic<uint64_t> waiting_count_{0};
  base::Mutex mutex_;
  std::deque<DroppedPin> dropped_ GUARDED_BY(mutex_);  // by any thread; still in `pins`
  std::atomic<bool> any_dropped_{false};
};

}  // namespace strata::tree
