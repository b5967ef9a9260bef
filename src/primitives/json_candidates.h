// The documents that may fulfil a filter, as the indexes of a space know them.
// Thread safety: one operation. Ownership: keys are the caller's.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "model/json_query.h"
#include "strata/key_list.h"
#include "strata/status.h"
#include "txn/view.h"

namespace strata::primitives {

class CandidateKeys {
 public:
  void add(std::string_view key) { keys_.add(key); }
  KeyList* list() { return &keys_; }
  // Puts them in order, each once. Before they are looked at.
  void finish();
  size_t size() const { return order_.size(); }
  std::string_view operator[](size_t i) const { return keys_[order_[i]]; }

 private:
  KeyList keys_;
  std::vector<uint32_t> order_;
};

struct CandidateRequest {
  const model::JsonFilter& filter;
  std::optional<uint64_t> limit;
  AsOf as_of;
};

// All documents that fulfil the filter are among the answer; nothing: no index fits, or looking at all documents is
// quicker. What is read of indexes is not noted. The view is opened anew, at the same head, when an index has to be
// made for it. Errors: kWouldBlock, where that would take long; those of the trees; kInvalidArgument, interrupted.
Result<std::optional<CandidateKeys>> find_candidates(const txn::Context& context, const CandidateRequest& request,
                                                     std::optional<txn::View>* view);

}  // namespace strata::primitives
