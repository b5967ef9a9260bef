#include "primitives/json_candidates.h"

#include <algorithm>

#include "derived/caches.h"
#include "model/json_index_use.h"
#include "model/key_codec.h"
#include "primitives/json_indexes.h"
#include "txn/context.h"
#include "txn/key_order.h"

namespace strata::primitives {
namespace {

using derived::JsonIndexPlacePtr;
using derived::JsonIndexView;
using model::IndexUse;

// An index that is farther away is brought up to date.
constexpr derived::JsonIndex::Distance kNear{32, 20'000};
// Or, where that cannot be done, is of no use.
constexpr derived::JsonIndex::Distance kUseful{20'000, UINT64_MAX};

// Looking up a document costs a few times as much as meeting it on the way.
constexpr uint64_t kLookUpCosts = 4;
// So few are looked up in any case.
constexpr uint64_t kFew = 64;

bool is_worth_it(uint64_t candidates, uint64_t documents, std::optional<uint64_t> limit) {
  if (candidates <= kFew) return true;
  if (candidates > documents / kLookUpCosts) return false;
  // All candidates are put in order first. Where they are many, a walk meets as many as are wanted early.
  return !limit || *limit >= candidates || candidates / kLookUpCosts <= documents / candidates * *limit;
}

class Search {
 public:
  Search(const txn::Context& context, const CandidateRequest& request, std::optional<txn::View>* view)
      : context_(context),
        request_(request),
        view_(*view),
        span_(model::prefix_span(context.space, model::Tag::kJson)) {}

  Result<std::optional<CandidateKeys>> run() {
    std::optional<CandidateKeys> none;
    if (context_.caches == nullptr || view_->past()) return none;
    STRATA_TRY(read_definitions());
    std::optional<IndexUse> use = use_of_defined();
    if (!use) return none;
    if (use->kind == IndexUse::Kind::kNoMore) return std::optional<CandidateKeys>(std::in_place);
    ask_for_used(&*use);
    STRATA_ASSIGN(const std::unique_ptr<JsonIndexView> index, look());
    if (index == nullptr) return none;
    STRATA_ASSIGN(const Choice choice, choose(*use, *index));
    STRATA_ASSIGN(const uint64_t documents, count_documents());
    if (!is_worth_it(choice.candidates + index->changed().size(), documents, request_.limit)) return none;
    return collect(choice, *index);
  }

 private:
  Status read_definitions() {
    return visit_indexes(&*view_, context_.space, [&](std::string_view, std::string_view path) {
      JsonIndexPlacePtr place = derived::JsonIndexPlace::parse(path);
      if (place != nullptr) defined_.push_back(std::move(place));
    });
  }

  std::optional<IndexUse> use_of_defined() const {
    std::vector<model::IndexedPlace> places;
    places.reserve(defined_.size());
    for (const JsonIndexPlacePtr& place : defined_) places.push_back(place->steps());
    return model::use_indexes(request_.filter, places);
  }

  // From here on an index is called by its place among those that are used.
  void ask_for_used(IndexUse* use) {
    for (IndexUse& part : use->parts) ask_for_used(&part);
    if (use->kind != IndexUse::Kind::kRange) return;
    const JsonIndexPlacePtr& place = defined_[use->index];
    const auto found = std::find(used_.begin(), used_.end(), place);
    use->index = static_cast<size_t>(found - used_.begin());
    if (found == used_.end()) used_.push_back(place);
  }

  // Null: they are of no use now.
  Result<std::unique_ptr<JsonIndexView>> look() {
    derived::JsonIndex& indexes = context_.caches->json();
    const derived::JsonIndexRequest wanted{context_.branch, context_.space, used_, defined_};
    STRATA_ASSIGN(std::unique_ptr<JsonIndexView> index, indexes.look(wanted, view_->head(), kNear));
    if (index != nullptr) return index;
    if (!context_.may_wait) return Status::error(Code::kWouldBlock, "the indexes are behind");
    const derived::HeldHead held(*context_.engine, view_->head());
    view_.reset();  // its guard would be in the way of others
    const Result<bool> caught_up = indexes.catch_up(wanted, held, context_.keep_on);
    STRATA_TRY(derived::open_again(context_, request_.as_of, held, &view_));
    STRATA_TRY(caught_up.status());
    return indexes.look(wanted, view_->head(), *caught_up ? kNear : kUseful);
  }

  struct Choice {
    uint64_t candidates = 0;
    std::vector<const IndexUse*> ranges;
  };
  Result<Choice> choose(const IndexUse& use, const JsonIndexView& index) const {
    Choice choice;
    if (use.kind == IndexUse::Kind::kRange) {
      STRATA_ASSIGN(choice.candidates, index.count(use.index, use.codes));
      choice.ranges.push_back(&use);
      return choice;
    }
    bool first = true;
    for (const IndexUse& part : use.parts) {
      STRATA_ASSIGN(Choice of_part, choose(part, index));
      if (use.kind == IndexUse::Kind::kAllOf) {
        choice.candidates += of_part.candidates;
        choice.ranges.insert(choice.ranges.end(), of_part.ranges.begin(), of_part.ranges.end());
      } else if (first || of_part.candidates < choice.candidates) {
        choice = std::move(of_part);
      }
      first = false;
    }
    return choice;
  }

  Result<uint64_t> count_documents() const {
    const tree::Forest& forest = context_.engine->forest();
    STRATA_ASSIGN(const uint64_t end, forest.rank(view_->head().present, span_.end));
    STRATA_ASSIGN(const uint64_t begin, forest.rank(view_->head().present, span_.begin));
    return end - begin;
  }

  Result<std::optional<CandidateKeys>> collect(const Choice& choice, const JsonIndexView& index) const {
    CandidateKeys keys;
    for (const IndexUse* range : choice.ranges) STRATA_TRY(index.collect(range->index, range->codes, keys.list()));
    for (size_t i = 0; i < index.changed().size(); ++i) keys.add(index.changed()[i]);
    if (view_->own_writes() != nullptr) {
      const auto own = view_->own_writes()->ordered();
      const auto less = [](const txn::Write& write, std::string_view key) { return write.key < key; };
      for (auto write = std::lower_bound(own.begin(), own.end(), span_.begin, less);
           write != own.end() && write->key < span_.end; ++write) {
        keys.add(write->key.substr(span_.begin.size()));
      }
    }
    keys.finish();
    return std::optional<CandidateKeys>(std::move(keys));
  }

  const txn::Context& context_;
  const CandidateRequest& request_;
  std::optional<txn::View>& view_;
  const model::KeySpan span_;  // of all documents
  std::vector<JsonIndexPlacePtr> defined_;
  std::vector<JsonIndexPlacePtr> used_;
};

}  // namespace

void CandidateKeys::finish() {
  order_ = txn::key_order(keys_.size(), [this](size_t i) { return keys_[i]; });
  const auto same = [this](uint32_t a, uint32_t b) { return keys_[a] == keys_[b]; };
  order_.erase(std::unique(order_.begin(), order_.end(), same), order_.end());
}

Result<std::optional<CandidateKeys>> find_candidates(const txn::Context& context, const CandidateRequest& request,
                                                     std::optional<txn::View>* view) {
  return Search(context, request, view).run();
}

}  // namespace strata::primitives
