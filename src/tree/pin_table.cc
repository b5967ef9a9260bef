#include "tree/pin_table.h"

#include "base/check.h"

namespace strata::tree {

uint64_t PinTable::add(uint64_t stamp, std::span<const Root> roots) {
  base::MutexLock lock(mutex_);
  pins_.fetch_add(1, std::memory_order_release);
  ++stamps_[stamp].pins;
  const uint64_t ticket = next_ticket_++;
  Ticket& entry = tickets_.emplace_hint(tickets_.end(), ticket, Ticket{stamp, {}})->second;
  for (const Root& root : roots) {
    if (root.id != 0) entry.roots.push_back(root);
  }
  return ticket;
}

std::vector<RetiredNode> PinTable::remove(uint64_t ticket) {
  base::MutexLock lock(mutex_);
  const auto entry = tickets_.find(ticket);
  STRATA_CHECK(entry != tickets_.end());
  const auto stamp = stamps_.find(entry->second.stamp);
  tickets_.erase(entry);
  pins_.fetch_sub(1, std::memory_order_release);
  if (--stamp->second.pins > 0) return {};
  const std::vector<RetiredNode> waiting = std::move(stamp->second.waiting);
  stamps_.erase(stamp);
  std::vector<RetiredNode> freed;
  for (const RetiredNode& node : waiting) {
    if (Stamp* next = holder_locked(node)) {
      next->waiting.push_back(node);
    } else {
      freed.push_back(node);
    }
  }
  held_ -= freed.size();
  return freed;
}

PinTable::Stamp* PinTable::holder_locked(const RetiredNode& node) const {
  const auto oldest = stamps_.lower_bound(node.birth);
  return oldest == stamps_.end() || oldest->first >= node.retired ? nullptr : &oldest->second;
}

void PinTable::hold(std::vector<RetiredNode>* nodes) {
  base::MutexLock lock(mutex_);
  if (stamps_.empty()) return;
  std::erase_if(*nodes, [this](const RetiredNode& node) NO_THREAD_SAFETY_ANALYSIS {
    Stamp* holder = holder_locked(node);
    if (holder == nullptr) return false;
    holder->waiting.push_back(node);
    ++held_;
    return true;
  });
}

bool PinTable::holds(const RetiredNode& node) const {
  base::MutexLock lock(mutex_);
  return holder_locked(node) != nullptr;
}

void PinTable::append_roots(std::vector<Root>* roots) const {
  base::MutexLock lock(mutex_);
  for (const auto& [ticket, entry] : tickets_) roots->insert(roots->end(), entry.roots.begin(), entry.roots.end());
}

void PinTable::append_held(std::vector<storage::NodeId>* ids) const {
  base::MutexLock lock(mutex_);
  for (const auto& [number, stamp] : stamps_) {
    for (const RetiredNode& node : stamp.waiting) ids->push_back(node.id);
  }
}

uint64_t PinTable::held_count() const {
  base::MutexLock lock(mutex_);
  return held_;
}

}  // namespace strata::tree
