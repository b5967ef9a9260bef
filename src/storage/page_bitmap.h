// A set of pages: one bit a page, growing as pages are set; pages beyond its end are not in it.
//
// Thread safety: none; as a std::vector.
// Ownership: a value.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace strata::storage {

// Pages in a row.
struct Extent {
  uint64_t page = 0;
  uint64_t pages = 0;
  uint64_t end() const { return page + pages; }
  bool operator==(const Extent&) const = default;
};

class PageBitmap {
 public:
  bool test(uint64_t page) const {
    const uint64_t word = page / 64;
    return word < words_.size() && (words_[word] >> (page % 64) & 1) != 0;
  }
  void set(uint64_t page) {
    const uint64_t word = page / 64;
    if (word >= words_.size()) words_.resize(word + 1);
    words_[word] |= uint64_t{1} << (page % 64);
  }
  void clear(uint64_t page) {
    const uint64_t word = page / 64;
    if (word < words_.size()) words_[word] &= ~(uint64_t{1} << (page % 64));
  }
  void set(Extent extent);
  void clear(Extent extent);
  bool any(Extent extent) const { return next_set(extent.page, extent.end()) < extent.end(); }
  bool all(Extent extent) const { return next_clear(extent.page) >= extent.end(); }

  // The first page at or behind `from` that is (not) in the set; next_set answers `limit` when there is none below it.
  uint64_t next_set(uint64_t from, uint64_t limit) const;
  uint64_t next_clear(uint64_t from) const;
  // One behind the last page of the set; 0 when it is empty.
  uint64_t end() const;
  uint64_t count() const;
  // Pages for which there are bits.
  uint64_t capacity() const { return words_.size() * 64; }

  void add(const PageBitmap& other);
  void subtract(const PageBitmap& other);

  // Calls visit(Extent) for each longest run of pages in the set, in order.
  template <typename Visit>
  void for_each_run(Visit visit) const {
    const uint64_t limit = capacity();
    for (uint64_t page = next_set(0, limit); page < limit;) {
      const uint64_t stop = next_clear(page);
      visit(Extent{page, stop - page});
      page = next_set(stop, limit);
    }
  }

 private:
  std::vector<uint64_t> words_;
};

}  // namespace strata::storage
