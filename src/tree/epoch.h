// Epochs: when may memory that readers could still be looking at be used again?
//
// A reader announces, in a slot of its thread, the epoch at which it entered. Who takes something out of sight asks for
// the epoch that ends then (`advance`), and may reuse it once `oldest_reader()` is greater: every reader from before is
// gone, and later ones cannot find it any more.
//
// Thread safety: all of it, in any thread. Entering is one atomic exchange, leaving one store; no locks on these ways
//   except at a thread's first use of an instance.
// Ownership: a thread's slot goes back to the instance when the thread ends, and outlives the instance if it must.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace strata::tree {

struct alignas(64) EpochSlot {
  std::atomic<uint64_t> epoch{0};  // 0: not reading
  std::atomic<bool> taken{false};
  uint32_t depth = 0;  // nested entries; the owning thread's
};

class EpochDomain {
 public:
  EpochDomain();
  ~EpochDomain();
  EpochDomain(const EpochDomain&) = delete;
  EpochDomain& operator=(const EpochDomain&) = delete;

  // The calling thread's slot, entered. Nests.
  EpochSlot* enter() const {
    EpochSlot* slot = my_slot();
    if (slot->depth++ == 0) announce(slot);
    return slot;
  }
  // REQUIRES: the thread that entered.
  static void leave(EpochSlot* slot) {
    if (--slot->depth == 0) slot->epoch.store(0, std::memory_order_release);
  }
  // Whether the calling thread is inside.
  bool inside() const { return my_slot()->depth > 0; }

  // Ends the current epoch and returns it: what was hidden before the call may be reused once oldest_reader() > it.
  uint64_t advance() { return epoch_.fetch_add(1, std::memory_order_seq_cst); }
  // The epoch of the reader that entered first, ~0 if there is none.
  uint64_t oldest_reader() const;

  struct Slots;

 private:
  EpochSlot* my_slot() const;
  void announce(EpochSlot* slot) const {
    // The exchange orders the announcement before whatever the reader loads next. Loading the epoch again makes what
    // was published before the newest advance() visible to a reader that the advancing thread did not see.
    slot->epoch.exchange(epoch_.load(std::memory_order_relaxed), std::memory_order_seq_cst);
    (void)epoch_.load(std::memory_order_seq_cst);
  }

  std::atomic<uint64_t> epoch_{1};
  const uint64_t serial_;  // tells instances apart in the threads' tables
  const std::shared_ptr<Slots> slots_;
};

// Inside for as long as it lives.
class EpochGuard {
 public:
  explicit EpochGuard(const EpochDomain& epochs) : slot_(epochs.enter()) {}
  ~EpochGuard() { EpochDomain::leave(slot_); }
  EpochGuard(const EpochGuard&) = delete;
  EpochGuard& operator=(const EpochGuard&) = delete;

 private:
  EpochSlot* slot_;
};

}  // namespace strata::tree
