#include "storage/page_allocator.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/check.h"

namespace strata::storage {

void PageAllocator::reset(uint64_t first_page, PageBitmap busy) {
  busy_ = std::move(busy);
  busy_.set(Extent{0, first_page});
  stack_.clear();
  stack_.reserve(kStackPages);
  first_page_ = first_page;
  page_hint_ = first_page;
  run_hint_.fill(first_page);
}

void PageAllocator::refill() {
  std::array<uint64_t, kRefillPages> found;
  uint64_t page = page_hint_;
  for (uint64_t& slot : found) {
    page = busy_.next_clear(page);
    busy_.set(page);
    slot = page++;
  }
  page_hint_ = page;
  // The lowest on top: nodes born one after the other lie side by side in the file.
  stack_.insert(stack_.end(), found.rbegin(), found.rend());
}

uint64_t PageAllocator::take_run(uint64_t pages) {
  STRATA_ASSERT(pages > 0);
  const size_t size_class = static_cast<size_t>(std::bit_width(pages));
  const bool hinted = size_class < kClasses;
  const uint64_t class_least = hinted ? uint64_t{1} << (size_class - 1) : pages;
  uint64_t first_of_class = 0;  // where the first run long enough for the class begins
  uint64_t page = hinted ? run_hint_[size_class] : first_page_;
  for (;;) {
    page = busy_.next_clear(page);
    const uint64_t stop = busy_.next_set(page, page + pages);
    if (first_of_class == 0 && stop - page >= class_least) first_of_class = page;
    if (stop - page == pages) break;
    page = stop;
  }
  if (hinted) run_hint_[size_class] = first_of_class;
  const Extent run{page, pages};
  STRATA_CHECK(page >= first_page_ && !busy_.any(run));
  busy_.set(run);
  return page;
}

void PageAllocator::give_in_order(Extent extent) {
  STRATA_ASSERT(extent.page >= first_page_ && busy_.all(extent));
  busy_.clear(extent);
  page_hint_ = std::min(page_hint_, extent.page);
  for (size_t k = 0; k < kClasses; ++k) {
    // A run of the class that contains these pages begins less than its length before them.
    const uint64_t reach = uint64_t{1} << k;
    const uint64_t from = extent.page > first_page_ + reach ? extent.page - reach : first_page_;
    run_hint_[k] = std::min(run_hint_[k], from);
  }
}

uint64_t PageAllocator::busy_end() {
  for (uint64_t page : stack_) give_in_order({page, 1});
  stack_.clear();
  return busy_.end();
}

}  // namespace strata::storage
