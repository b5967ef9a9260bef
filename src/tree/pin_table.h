// Pins, and the retired nodes that wait for them.
//
// A retired node existed in the states of the commits [birth, retired). It waits on the list of the oldest pin in that
// range and is looked at again only when that pin goes: a long-lived pin costs nothing while it is held.
//
// Thread safety: all of it, in any thread (one short lock).
// Ownership: values.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "base/mutex.h"
#include "tree/forest.h"

namespace strata::tree {

struct RetiredNode {
  storage::NodeId id;
  uint64_t birth;
  uint64_t retired;  // the commit that replaced it
};

class PinTable {
 public:
  // Returns a ticket.
  uint64_t add(uint64_t stamp, std::span<const Root> roots);
  // Returns the nodes that waited for this pin alone.
  std::vector<RetiredNode> remove(uint64_t ticket);

  // Takes those nodes that a pin holds; leaves the others in `nodes`.
  void hold(std::vector<RetiredNode>* nodes);

  // Whether there is no pin at all. A pin that another thread is just adding may be missed: whoever adds one is a
  // reader from before, or holds another pin already.
  bool empty() const { return pins_.load(std::memory_order_acquire) == 0; }
  // Whether some pin holds the node.
  bool holds(const RetiredNode& node) const;
  // Appends the roots of all pins; the ids of all nodes that wait.
  void append_roots(std::vector<Root>* roots) const;
  void append_held(std::vector<storage::NodeId>* ids) const;
  uint64_t held_count() const;

 private:
  struct Stamp {
    uint32_t pins = 0;
    std::vector<RetiredNode> waiting;
  };
  struct Ticket {
    uint64_t stamp;
    std::vector<Root> roots;
  };
  Stamp* holder_locked(const RetiredNode& node) const REQUIRES_LOCK(mutex_);

  std::atomic<uint64_t> pins_{0};
  mutable base::Mutex mutex_;
  mutable std::map<uint64_t, Stamp> stamps_ GUARDED_BY(mutex_);
  std::map<uint64_t, Ticket> tickets_ GUARDED_BY(mutex_);
  uint64_t next_ticket_ GUARDED_BY(mutex_) = 1;
  uint64_t held_ GUARDED_BY(mutex_) = 0;
};

}  // namespace strata::tree
