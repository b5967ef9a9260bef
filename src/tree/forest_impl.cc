#include "tree/forest_impl.h"

#include <algorithm>
#include <thread>

#include "tree/edit_state.h"

namespace strata::tree {

ForestImpl::ForestImpl(storage::NodeStore& node_store, const ForestOptions& options)
    : store(node_store), cache(node_store, epochs, options.cache_bytes, options.evictable) {}

ForestImpl::~ForestImpl() = default;

void ForestImpl::free_or_hold(std::vector<RetiredNode>* nodes) {
  if (!ignore_pins_for_test) pins.hold(nodes);
  for (const RetiredNode& node : *nodes) cache.drop(node.id);
}

void ForestImpl::retire(std::vector<RetiredNode>* nodes) {
  const uint64_t epoch = epochs.advance();
  reclaim();
  if (nodes->empty()) return;
  const bool unseen = waiting_.empty() && epochs.oldest_reader() > epoch;
  if (unseen && pins.empty()) {
    for (const RetiredNode& node : *nodes) cache.drop(node.id);
  } else {
    for (const RetiredNode& node : *nodes) cache.set_retired(node.id, node.retired);
    if (unseen) {
      free_or_hold(nodes);
    } else {
      waiting_count_.fetch_add(nodes->size(), std::memory_order_relaxed);
      waiting_.push_back({epoch, *nodes});
    }
  }
  nodes->clear();
}

void ForestImpl::reclaim() {
  const bool any_dropped = any_dropped_.load(std::memory_order_acquire);
  if (waiting_.empty() && !any_dropped) return;
  const uint64_t oldest = epochs.oldest_reader();
  if (any_dropped) remove_dropped_pins(oldest);
  while (!waiting_.empty() && waiting_.front().epoch < oldest) {
    waiting_count_.fetch_sub(waiting_.front().nodes.size(), std::memory_order_relaxed);
    free_or_hold(&waiting_.front().nodes);
    waiting_.pop_front();
  }
}

// A guard that was entered while the pin lived may read what the pin kept, however long ago that was retired: it counts
// until no such guard is left.
void ForestImpl::unpin(uint64_t ticket) {
  base::MutexLock lock(mutex_);
  dropped_.push_back({epochs.advance(), ticket});
  any_dropped_.store(true, std::memory_order_release);
}

void ForestImpl::remove_dropped_pins(uint64_t oldest_reader) {
  base::MutexLock lock(mutex_);
  while (!dropped_.empty() && dropped_.front().epoch < oldest_reader) {
    for (const RetiredNode& node : pins.remove(dropped_.front().ticket)) cache.drop(node.id);
    dropped_.pop_front();
  }
  any_dropped_.store(!dropped_.empty(), std::memory_order_relaxed);
}

void ForestImpl::append_waiting(std::vector<RetiredNode>* nodes) const {
  for (const RetiredBatch& batch : waiting_) nodes->insert(nodes->end(), batch.nodes.begin(), batch.nodes.end());
}

void ForestImpl::append_retired(std::vector<storage::NodeId>* ids) const {
  for (const RetiredBatch& batch : waiting_) {
    for (const RetiredNode& node : batch.nodes) ids->push_back(node.id);
  }
  pins.append_held(ids);
}

uint64_t ForestImpl::retired_count() const {
  return pins.held_count() + waiting_count_.load(std::memory_order_relaxed);
}

void ForestImpl::wait_for_readers() {
  STRATA_CHECK(!epochs.inside());
  const uint64_t epoch = epochs.advance();
  while (epochs.oldest_reader() <= epoch) std::this_thread::yield();
}

}  // namespace strata::tree
