// The tree keys of a batch, in one buffer, and their order.
// Thread safety: immutable once made. Ownership: owns the keys.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "txn/key_order.h"

namespace strata::primitives {

class KeyBatch {
 public:
  // `head` followed by key_of(i), for each i below `count`.
  template <typename KeyOf>
  KeyBatch(std::string_view head, size_t count, const KeyOf& key_of) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; ++i) bytes += head.size() + key_of(i).size();
    bytes_.reserve(bytes);
    ends_.reserve(count);
    for (size_t i = 0; i < count; ++i) {
      bytes_.append(head).append(key_of(i));
      ends_.push_back(bytes_.size());
    }
    order_ = txn::key_order(count, [&](size_t i) { return key_of(i); });
  }
  std::string_view operator[](size_t i) const {
    const size_t start = i == 0 ? 0 : ends_[i - 1];
    return {bytes_.data() + start, ends_[i] - start};
  }
  // Indexes by key; equal keys in the order they were given.
  const std::vector<uint32_t>& order() const { return order_; }

 private:
  std::string bytes_;
  std::vector<size_t> ends_;
  std::vector<uint32_t> order_;
};

}  // namespace strata::primitives
