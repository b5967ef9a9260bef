// The order of many keys by their bytes. Eight bytes behind what all keys share, taken as a number, settle nearly every
// comparison without a look at the keys.
// Thread safety: pure. Ownership: borrows nothing beyond the call.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

namespace strata::txn {

// Indexes 0 … count-1 in the order of key_of(index); equal keys in the order of their indexes.
template <typename KeyOf>
std::vector<uint32_t> key_order(size_t count, const KeyOf& key_of) {
  struct Headed {
    uint64_t head;
    uint32_t index;
  };
  std::vector<uint32_t> order(count);
  if (count == 0) return order;
  const std::string_view first = key_of(0);
  size_t common = first.size();
  for (uint32_t i = 1; i < count; ++i) {
    const std::string_view key = key_of(i);
    common = std::min(common, key.size());
    common = static_cast<size_t>(
        std::mismatch(key.begin(), key.begin() + static_cast<std::ptrdiff_t>(common), first.begin()).first -
        key.begin());
  }
  std::vector<Headed> headed(count);
  for (uint32_t i = 0; i < count; ++i) {
    const std::string_view rest = key_of(i).substr(common);
    uint64_t head = 0;
    for (size_t at = 0; at < 8; ++at) head = head << 8 | (at < rest.size() ? static_cast<uint8_t>(rest[at]) : 0);
    headed[i] = {head, i};
  }
  const auto less = [&](const Headed& a, const Headed& b) {
    if (a.head != b.head) return a.head < b.head;
    const int order_of_keys = key_of(a.index).compare(key_of(b.index));
    return order_of_keys != 0 ? order_of_keys < 0 : a.index < b.index;
  };
  if (!std::is_sorted(headed.begin(), headed.end(), less)) std::sort(headed.begin(), headed.end(), less);
  for (size_t i = 0; i < count; ++i) order[i] = headed[i].index;
  return order;
}

}  // namespace strata::txn
