// Which pages may be given out, and the giving: single pages from a short stack refilled in page order, runs of pages
// first fit. The space is endless: what lies beyond the last busy page is free.
//
// Thread safety: none; the owner locks. Ownership: a value.
// Invariants:
//   1. A page is given out only if it is not busy and not on the stack; pages on the stack are busy in the bitmap.
//   2. No run of free pages that could serve a request of size class k begins below run_hint_[k].
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "storage/page_bitmap.h"

namespace strata::storage {

class PageAllocator {
 public:
  // All pages in `busy` are taken, and all below `first_page` always.
  explicit PageAllocator(uint64_t first_page) { reset(first_page, {}); }
  void reset(uint64_t first_page, PageBitmap busy);

  // The first page of so many free ones. REQUIRES: pages > 0.
  uint64_t take(uint64_t pages) { return pages == 1 ? take_page() : take_run(pages); }
  // Takes back. The single page given last is taken first, so that its cache lines are still warm.
  void give(Extent extent) {
    if (extent.pages == 1 && stack_.size() < kStackPages) {
      stack_.push_back(extent.page);
    } else {
      give_in_order(extent);
    }
  }
  // The same, but single pages too are taken in file order.
  void give_in_order(Extent extent);

  // No page at or behind this was ever given out.
  uint64_t limit() const { return busy_.capacity(); }
  // One behind the last page that is taken.
  uint64_t busy_end();

 private:
  static constexpr size_t kStackPages = 256;
  static constexpr size_t kRefillPages = 16;
  static constexpr size_t kClasses = 18;  // runs of 2^(k-1) to 2^k - 1 pages

  uint64_t take_page() {
    if (stack_.empty()) refill();
    const uint64_t page = stack_.back();
    stack_.pop_back();
    return page;
  }
  uint64_t take_run(uint64_t pages);
  void refill();

  PageBitmap busy_;
  std::vector<uint64_t> stack_;
  uint64_t first_page_ = 0;
  uint64_t page_hint_ = 0;  // no free page below
  std::array<uint64_t, kClasses> run_hint_{};
};

}  // namespace strata::storage
