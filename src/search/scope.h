// What one search looks at: spaces, kinds of documents, and the state that all of it is read from.
// Thread safety: one thread, one call. Ownership: borrows context and request; holds the view.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "derived/text_index.h"
#include "search/embedding_run.h"
#include "strata/search.h"
#include "txn/context.h"
#include "txn/view.h"

namespace strata::search {

class Scope {
 public:
  Scope(const txn::Context& context, const SearchRequest& request);

  // Before anything else. Errors: kInvalidSpaceName, kSpaceNotFound, kHistoryTrimmed.
  Status open();
  // Whatever is found there counts as read for the open transaction, found or not.
  void note_reads();

  const txn::Context& context() const { return context_; }
  txn::View& view() { return *view_; }
  const std::vector<std::string>& spaces() const { return spaces_; }
  // A bit each.
  uint32_t kinds() const { return kinds_; }

  // Does `work(const HeldHead&)` without the view, whose guard would be in the way of others while it lasts. The view
  // is of the same state afterwards, and notes nothing any more. REQUIRES: not a view of the past.
  template <typename Work>
  Status aside(const Work& work) {
    const derived::HeldHead& held = hold();
    view_.reset();
    STRATA_TRY(work(held));
    return reopen(held);
  }

 private:
  Status open_view();
  const derived::HeldHead& hold();
  Status reopen(const derived::HeldHead& held);

  const txn::Context& context_;
  const SearchRequest& request_;
  EmbeddingRun::Impl* const run_;  // null: none
  std::vector<std::string> spaces_;
  uint32_t kinds_ = UINT32_MAX;
  std::optional<derived::HeldHead> held_;
  std::optional<txn::View> view_;
};

}  // namespace strata::search
