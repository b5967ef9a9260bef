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
  if (any_unpinned_.load(std::memory_order_acquire)) {
    base::MutexLock lock(mutex_);
    for (RetiredBatch& batch : unpinned_) {
      // Behind all that wait: a later epoch only keeps them a little longer.
      if (!waiting_.empty() && waiting_.back().epoch > batch.epoch) batch.epoch = waiting_.back().epoch;
      waiting_count_.fetch_add(batch.nodes.size(), std::memory_order_relaxed);
      waiting_.push_back(std::move(batch));
    }
    unpinned_.clear();
    any_unpinned_.store(false, std::memory_order_relaxed);
  }
  if (waiting_.empty()) return;
  const uint64_t oldest = epochs.oldest_reader();
  while (!waiting_.empty() && waiting_.front().epoch < oldest) {
    waiting_count_.fetch_sub(waiting_.front().nodes.size(), std::memory_order_relaxed);
    free_or_hold(&waiting_.front().nodes);
    waiting_.pop_front();
  }
}

void ForestImpl::unpin(uint64_t ticket) {
  // In one step for append_retired: a node on its way from one list to the other would look like garbage.
  base::MutexLock lock(mutex_);
  std::vector<RetiredNode> nodes = pins.remove(ticket);
  if (nodes.empty()) return;
  unpinned_.push_back({epochs.advance(), std::move(nodes)});
  any_unpinned_.store(true, std::memory_order_release);
}

void ForestImpl::append_waiting(std::vector<RetiredNode>* nodes) const {
  for (const RetiredBatch& batch : waiting_) nodes->insert(nodes->end(), batch.nodes.begin(), batch.nodes.end());
  base::MutexLock lock(mutex_);
  for (const RetiredBatch& batch : unpinned_) nodes->insert(nodes->end(), batch.nodes.begin(), batch.nodes.end());
}

void ForestImpl::append_retired(std::vector<storage::NodeId>* ids) const {
  const auto append = [ids](const RetiredBatch& batch) {
    for (const RetiredNode& node : batch.nodes) ids->push_back(node.id);
  };
  std::for_each(waiting_.begin(), waiting_.end(), append);
  base::MutexLock lock(mutex_);
  pins.append_held(ids);
  std::for_each(unpinned_.begin(), unpinned_.end(), append);
}

uint64_t ForestImpl::retired_count() const {
  uint64_t sum = pins.held_count() + waiting_count_.load(std::memory_order_relaxed);
  base::MutexLock lock(mutex_);
  for (const RetiredBatch& batch : unpinned_) sum += batch.nodes.size();
  return sum;
}

void ForestImpl::wait_for_readers() {
  STRATA_CHECK(!epochs.inside());
  const uint64_t epoch = epochs.advance();
  while (epochs.oldest_reader() <= epoch) std::this_thread::yield();
}

}  // namespace strata::tree
