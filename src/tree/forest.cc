#include "tree/forest.h"

#include "base/check.h"
#include "tree/forest_impl.h"

namespace strata::tree {

// ---- ReadGuard, Pin ----

ReadGuard::ReadGuard(const Forest& forest) : slot_(forest.impl_->epochs.enter()) {}
ReadGuard::~ReadGuard() { EpochDomain::leave(slot_); }

Pin::Pin(Pin&& other) noexcept : impl_(std::exchange(other.impl_, nullptr)), ticket_(other.ticket_) {}

Pin& Pin::operator=(Pin&& other) noexcept {
  if (this != &other) {
    reset();
    impl_ = std::exchange(other.impl_, nullptr);
    ticket_ = other.ticket_;
  }
  return *this;
}

Pin::~Pin() { reset(); }

void Pin::reset() {
  if (impl_ != nullptr) std::exchange(impl_, nullptr)->unpin(ticket_);
}

// ---- Forest ----

Forest::Forest(storage::NodeStore& store, const ForestOptions& options)
    : impl_(std::make_unique<ForestImpl>(store, options)) {}
Forest::~Forest() = default;

Result<std::optional<std::string_view>> Forest::get(const Root& root, std::string_view key) const {
  if (root.id == 0) return std::optional<std::string_view>();
  STRATA_ASSERT(impl_->epochs.inside());
  Status status;
  const Node* node = impl_->cache.get(root.id, root.birth, kAnyLevel, &status);
  while (node != nullptr && !node->is_leaf()) {
    const ChildRef child = node->child(node->find_child(key));
    node = impl_->cache.get(child.id, child.birth, static_cast<int>(node->level()) - 1, &status);
  }
  if (node == nullptr) return status;
  bool exact = false;
  const uint32_t at = node->find(key, &exact);
  if (!exact) return std::optional<std::string_view>();
  return std::optional<std::string_view>(node->row(at));
}

Result<uint64_t> Forest::rank(const Root& root, std::string_view key) const {
  if (root.id == 0) return uint64_t{0};
  STRATA_ASSERT(impl_->epochs.inside());
  Status status;
  uint64_t before = 0;
  const Node* node = impl_->cache.get(root.id, root.birth, kAnyLevel, &status);
  while (node != nullptr && !node->is_leaf()) {
    const uint32_t index = node->find_child(key);
    before += node->total_before(index);
    const ChildRef child = node->child(index);
    node = impl_->cache.get(child.id, child.birth, static_cast<int>(node->level()) - 1, &status);
  }
  if (node == nullptr) return status;
  bool exact = false;
  return before + node->find(key, &exact);
}

Pin Forest::pin(uint64_t stamp, std::span<const Root> roots) const {
  for (const Root& root : roots) STRATA_CHECK(root.birth <= stamp);  // else it would not hold the youngest nodes
  Pin pin;
  pin.ticket_ = impl_->pins.add(stamp, roots);
  pin.impl_ = impl_.get();
  return pin;
}

void Forest::wait_for_readers() const { impl_->wait_for_readers(); }

void Forest::reclaim() {
  impl_->reclaim();
  impl_->cache.trim();
}

void Forest::begin_checkpoint(uint64_t cut) {
  STRATA_CHECK(!impl_->editing);
  impl_->cache.begin_writing(cut);
}

bool Forest::gather_checkpoint(size_t most, std::vector<storage::NodeImage>* images) {
  STRATA_CHECK(!impl_->editing);
  return impl_->cache.gather(most, images);
}

bool Forest::end_checkpoint(bool success, size_t most) { return impl_->cache.end_writing(success, most); }

void Forest::forget_checkpoint() { impl_->cache.allow_eviction(); }

uint64_t Forest::unwritten_bytes() const { return impl_->cache.unwritten_bytes(); }

ForestStats Forest::stats() const {
  ForestStats stats;
  stats.resident_bytes = impl_->cache.resident_bytes() + impl_->cache.evicted_bytes();
  stats.dirty_bytes = impl_->cache.dirty_bytes();
  stats.retired_nodes = impl_->retired_count();
  stats.shared_garbage = impl_->shared_garbage.load(std::memory_order_relaxed);
  stats.loads = impl_->cache.loads();
  stats.evictions = impl_->cache.evictions();
  return stats;
}

}  // namespace strata::tree
