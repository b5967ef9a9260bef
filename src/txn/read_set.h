// What is validated of a transaction besides its writes: keys and ranges of its branch's present that it has read, if
// it is serializable, or that its writes rest on.
// Thread safety: none. Ownership: copies what it is given.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace strata::txn {

class ReadSet {
 public:
  struct Range {
    std::string begin;  // included
    std::string end;    // excluded
  };
  void add_key(std::string_view key) { keys_.emplace(key); }
  void add_range(std::string_view begin, std::string_view end) {
    if (begin >= end) return;
    if (!ranges_.empty() && ranges_.back().begin == begin && ranges_.back().end == end) return;
    ranges_.push_back({std::string(begin), std::string(end)});
  }
  const std::unordered_set<std::string>& keys() const { return keys_; }
  const std::vector<Range>& ranges() const { return ranges_; }
  bool empty() const { return keys_.empty() && ranges_.empty(); }

 private:
  std::unordered_set<std::string> keys_;
  std::vector<Range> ranges_;
};

}  // namespace strata::txn
