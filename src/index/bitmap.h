// A set of row numbers: one bit a row.
// Thread safety: as a plain value. Ownership: owns its words.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "index/distance.h"

namespace strata::index {

class Bitmap {
 public:
  Bitmap() = default;
  explicit Bitmap(uint32_t rows, bool full = false) : rows_(rows), words_((rows + 63) / 64, full ? ~uint64_t{0} : 0) {
    if (full && rows % 64 != 0) words_.back() = (uint64_t{1} << (rows % 64)) - 1;
  }

  uint32_t rows() const { return rows_; }
  bool test(uint32_t row) const { return (words_[row / 64] >> (row % 64) & 1) != 0; }
  void set(uint32_t row) { words_[row / 64] |= uint64_t{1} << (row % 64); }
  void clear(uint32_t row) { words_[row / 64] &= ~(uint64_t{1} << (row % 64)); }
  // REQUIRES: of as many rows.
  void keep_those_of(const Bitmap& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
  }
  uint32_t count() const { return static_cast<uint32_t>(kernels().count_bits(words_.data(), words_.size())); }
  // In rising order.
  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (size_t i = 0; i < words_.size(); ++i) {
      for (uint64_t word = words_[i]; word != 0; word &= word - 1) {
        visit(static_cast<uint32_t>(i * 64) + static_cast<uint32_t>(std::countr_zero(word)));
      }
    }
  }
  size_t memory_bytes() const { return words_.size() * sizeof(uint64_t); }

 private:
  uint32_t rows_ = 0;
  std::vector<uint64_t> words_;
};

}  // namespace strata::index
