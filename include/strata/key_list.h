// Keys alone, in one buffer: what lists of names fill.
// Thread safety: none. Ownership: owns the keys; views of them live until the next change.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace strata {

class KeyList {
 public:
  size_t size() const { return ends_.size(); }
  bool empty() const { return ends_.empty(); }
  std::string_view operator[](size_t i) const {
    const size_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(buffer_).substr(begin, ends_[i] - begin);
  }
  void add(std::string_view key) {
    buffer_.append(key);
    ends_.push_back(buffer_.size());
  }
  void clear() {
    ends_.clear();
    buffer_.clear();
  }
  // Bytes it keeps for its next contents.
  size_t capacity() const { return buffer_.capacity() + ends_.capacity() * sizeof(size_t); }

 private:
  std::string buffer_;
  std::vector<size_t> ends_;
};

}  // namespace strata
