// The best of what is offered, a bounded number of them.
// Thread safety: none. Ownership: owns its items.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace strata::index {

// IsBetter: a strict order of items, as a class, so that its call is no jump.
template <typename Item, typename IsBetter>
class Best {
 public:
  explicit Best(size_t most, IsBetter is_better = {}) : most_(most), is_better_(is_better) {
    heap_.reserve(std::min<size_t>(most, 1024));
  }

  bool full() const { return heap_.size() >= most_; }
  size_t size() const { return heap_.size(); }
  // Of those that are kept. REQUIRES: there are some.
  const Item& worst() const { return heap_.front(); }

  void offer(Item item) {
    if (full()) {
      if (heap_.empty() || !is_better_(item, heap_.front())) return;
      std::pop_heap(heap_.begin(), heap_.end(), is_better_);
      heap_.back() = std::move(item);
    } else {
      heap_.push_back(std::move(item));
    }
    std::push_heap(heap_.begin(), heap_.end(), is_better_);
  }
  // Best first; leaves this empty.
  std::vector<Item> take() {
    std::sort_heap(heap_.begin(), heap_.end(), is_better_);
    return std::move(heap_);
  }

 private:
  size_t most_;
  [[no_unique_address]] IsBetter is_better_;
  std::vector<Item> heap_;  // the worst on top
};

}  // namespace strata::index
