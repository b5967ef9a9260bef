#include "storage/page_bitmap.h"

#include <algorithm>

namespace strata::storage {
namespace {

// Calls update(word, mask) for every word that the extent touches.
template <typename Update>
void for_each_word(Extent extent, Update update) {
  for (uint64_t page = extent.page; page < extent.end();) {
    const uint64_t bit = page % 64;
    const uint64_t bits = std::min<uint64_t>(64 - bit, extent.end() - page);
    const uint64_t ones = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
    update(page / 64, ones << bit);
    page += bits;
  }
}

}  // namespace

void PageBitmap::set(Extent extent) {
  if (extent.pages == 0) return;
  const uint64_t words = (extent.end() + 63) / 64;
  if (words > words_.size()) words_.resize(words);
  for_each_word(extent, [this](uint64_t word, uint64_t mask) { words_[word] |= mask; });
}

void PageBitmap::clear(Extent extent) {
  const uint64_t end = std::min(extent.end(), capacity());
  if (extent.page >= end) return;
  for_each_word({extent.page, end - extent.page}, [this](uint64_t word, uint64_t mask) { words_[word] &= ~mask; });
}

uint64_t PageBitmap::next_set(uint64_t from, uint64_t limit) const {
  const uint64_t stop = std::min(limit, capacity());
  if (from >= stop) return limit;
  uint64_t word = from / 64;
  uint64_t bits = words_[word] & (~uint64_t{0} << (from % 64));
  while (bits == 0) {
    if (++word * 64 >= stop) return limit;
    bits = words_[word];
  }
  return std::min(limit, word * 64 + static_cast<uint64_t>(std::countr_zero(bits)));
}

uint64_t PageBitmap::next_clear(uint64_t from) const {
  if (from >= capacity()) return from;
  uint64_t word = from / 64;
  uint64_t bits = ~words_[word] & (~uint64_t{0} << (from % 64));
  while (bits == 0) {
    if (++word == words_.size()) return capacity();
    bits = ~words_[word];
  }
  return word * 64 + static_cast<uint64_t>(std::countr_zero(bits));
}

uint64_t PageBitmap::end() const {
  for (size_t word = words_.size(); word-- > 0;) {
    if (words_[word] != 0) return word * 64 + static_cast<uint64_t>(std::bit_width(words_[word]));
  }
  return 0;
}

uint64_t PageBitmap::count() const {
  uint64_t total = 0;
  for (uint64_t word : words_) total += static_cast<uint64_t>(std::popcount(word));
  return total;
}

void PageBitmap::add(const PageBitmap& other) {
  if (other.words_.size() > words_.size()) words_.resize(other.words_.size());
  for (size_t i = 0; i < other.words_.size(); ++i) words_[i] |= other.words_[i];
}

void PageBitmap::subtract(const PageBitmap& other) {
  const size_t common = std::min(words_.size(), other.words_.size());
  for (size_t i = 0; i < common; ++i) words_[i] &= ~other.words_[i];
}

}  // namespace strata::storage
