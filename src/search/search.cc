#include "strata/search.h"

#include <algorithm>
#include <optional>

#include "derived/caches.h"
#include "index/snippet.h"
#include "index/text_ranking.h"
#include "model/key_codec.h"
#include "model/utf8.h"
#include "primitives/space_marker.h"
#include "txn/context.h"
#include "txn/patience.h"
#include "txn/view.h"

namespace strata {
namespace {

using derived::DocumentKind;
using derived::TextSnapshotPtr;
using model::Tag;
using model::TreeKey;

static_assert(static_cast<int>(SearchPrimitive::kEvent) == static_cast<int>(DocumentKind::kEvent) &&
              static_cast<int>(SearchPrimitive::kJson) == static_cast<int>(DocumentKind::kJson) &&
              static_cast<int>(SearchPrimitive::kKv) == static_cast<int>(DocumentKind::kKv) &&
              static_cast<int>(SearchPrimitive::kState) == static_cast<int>(DocumentKind::kState) &&
              static_cast<int>(SearchPrimitive::kVector) == static_cast<int>(DocumentKind::kVector));

// What a call that waits for nothing does by itself; the rest may take longer than that.
constexpr size_t kMostQueryBytesAtOnce = 64u << 10;
constexpr size_t kMostHitsAtOnce = 1000;
constexpr uint64_t kMostWrittenAtOnce = 1u << 20;  // bytes, of the open transaction

// One search: what it looks at, and the snapshots of it.
class TextSearcher {
 public:
  TextSearcher(const txn::Context& context, const SearchRequest& request)
      : context_(context), request_(request), patience_(context.keep_on) {
    if (request.spaces) {
      for (const std::string_view space : *request.spaces) spaces_.emplace_back(space);
      std::sort(spaces_.begin(), spaces_.end());
      spaces_.erase(std::unique(spaces_.begin(), spaces_.end()), spaces_.end());
    } else {
      spaces_.emplace_back(context.space);
    }
    kinds_ = request.primitives ? 0 : UINT32_MAX;
    if (request.primitives) {
      for (const SearchPrimitive primitive : *request.primitives) kinds_ |= 1u << static_cast<unsigned>(primitive);
    }
  }

  Result<std::vector<SearchHit>> run() {
    for (const std::string& space : spaces_) STRATA_TRY(model::check_space_name(space));
    STRATA_TRY(open());
    note_reads();
    STRATA_TRY(check_waits(request_.query.size() > kMostQueryBytesAtOnce));
    const index::TextQuery query = index::parse_text_query(request_.query);
    std::vector<SearchHit> hits;
    if (query.empty()) return hits;
    STRATA_TRY(find_snapshots());

    std::vector<index::TextSource> sources;
    index::TextSearch search{query, {}, {}, kinds_, static_cast<size_t>(request_.k)};
    for (uint32_t group = 0; group < snapshots_.size(); ++group) {
      for (const index::LiveSegment& segment : snapshots_[group]->segments) sources.push_back({segment, group});
      for (size_t kind = 0; kind < index::kMaxKinds; ++kind) {
        search.statistics.documents[kind] += snapshots_[group]->statistics.documents[kind];
        search.statistics.units[kind] += snapshots_[group]->statistics.units[kind];
      }
    }
    search.sources = sources;
    static const KeepOn kNoLonger = [] { return false; };
    search.keep_on = context_.may_wait ? context_.keep_on : &kNoLonger;
    const index::TextRanking ranking = index::rank_text(search);
    if (ranking.ended) return context_.may_wait ? txn::Patience::ended() : would_wait();
    STRATA_TRY(check_waits(ranking.hits.size() > kMostHitsAtOnce));
    index::SnippetMatcher matcher(query, ranking);
    for (const index::TextHit& found : ranking.hits) {
      const index::TextSource& source = sources[found.source];
      STRATA_TRY(add_hit(source, found, &matcher, &hits));
    }
    return hits;
  }

 private:
  Status open() {
    view_.emplace(context_);
    STRATA_TRY(view_->open(request_.as_of));
    if (!request_.spaces) return Status::ok();
    for (const std::string& space : spaces_) {
      if (space == primitives::kDefaultSpace || space == context_.space) continue;
      STRATA_ASSIGN(const auto marker, view_->get(TreeKey(space, Tag::kSpace), false));
      if (!marker) {
        return Status::error(Code::kSpaceNotFound, "space " + model::quoted(space) + " does not exist",
                             "space_list() names those that do");
      }
    }
    return Status::ok();
  }

  // Whatever is found there counts as read, found or not.
  void note_reads() {
    if (view_->tracked()) {
      for (const std::string& space : spaces_) {
        for (size_t kind = 0; kind < derived::kDocumentKinds; ++kind) {
          if ((kinds_ >> kind & 1) == 0) continue;
          const model::KeySpan span = model::prefix_span(space, derived::document_tag(static_cast<DocumentKind>(kind)));
          context_.transaction->note_range(span.begin, span.end);
        }
      }
    }
    view_->stop_noting();
  }

  Status find_snapshots() {
    derived::TextIndex& index = context_.caches->text();
    if (view_->past()) {
      STRATA_TRY(check_waits(true));
      for (const std::string& space : spaces_) {
        STRATA_ASSIGN(TextSnapshotPtr snapshot, derived::TextIndex::of_past(*view_, space));
        snapshots_.push_back(std::move(snapshot));
      }
      return Status::ok();
    }
    const txn::WriteSet* writes = view_->own_writes();
    STRATA_TRY(check_waits(writes != nullptr && writes->bytes() > kMostWrittenAtOnce));
    for (const std::string& space : spaces_) {
      TextSnapshotPtr snapshot = index.find(*context_.branch, space, view_->head());
      if (snapshot == nullptr) {
        STRATA_TRY(check_waits(true));
        STRATA_TRY(catch_up(space, &snapshot));
      }
      STRATA_ASSIGN(snapshot, index.with_writes(snapshot, space, *view_, &patience_));
      snapshots_.push_back(std::move(snapshot));
    }
    return Status::ok();
  }

  static Status would_wait() { return Status::error(Code::kWouldBlock, "this search takes long"); }
  // Before what takes long.
  Status check_waits(bool takes_long) const { return takes_long && !context_.may_wait ? would_wait() : Status::ok(); }

  // Without the view, whose guard would be in the way of others; its head stays.
  Status catch_up(const std::string& space, TextSnapshotPtr* snapshot) {
    if (!held_) held_.emplace(*context_.engine, view_->head());
    view_.reset();
    STRATA_ASSIGN(*snapshot, context_.caches->text().catch_up(context_.branch, space, *held_, &patience_));
    view_.emplace(context_);
    if (context_.transaction != nullptr) {
      STRATA_TRY(view_->open(request_.as_of));
    } else {
      view_->open_at(held_->head());
    }
    view_->stop_noting();
    return Status::ok();
  }

  Status add_hit(const index::TextSource& source, const index::TextHit& found, index::SnippetMatcher* matcher,
                 std::vector<SearchHit>* hits) {
    const index::TextSegment& segment = *source.live.segment;
    const auto kind = static_cast<DocumentKind>(segment.kind(found.document));
    const std::string_view key = segment.key(found.document);
    SearchHit& hit = hits->emplace_back();
    hit.primitive = static_cast<SearchPrimitive>(kind);
    hit.space = spaces_[source.group];
    hit.score = found.score;
    if (kind == DocumentKind::kEvent && key.size() == 8) {
      hit.sequence = base::load_be64(key.data());
    } else {
      hit.key = key;
    }
    STRATA_ASSIGN(const auto row, view_->get(TreeKey(hit.space, derived::document_tag(kind), key)));
    if (!row) return Status::ok();
    STRATA_TRY(patience_.spend(row->value.size()));
    STRATA_ASSIGN(const ValueView value, derived::searched_value(kind, row->value));
    index::SnippetMaker maker(matcher);
    STRATA_TRY(derived::visit_strings(
        value, [&](index::WordTable table, std::string_view text) { return maker.add(table, text); }));
    hit.snippet = maker.snippet();
    return Status::ok();
  }

  const txn::Context& context_;
  const SearchRequest& request_;
  txn::Patience patience_;
  std::vector<std::string> spaces_;
  uint32_t kinds_ = 0;
  std::optional<derived::HeldHead> held_;
  std::optional<txn::View> view_;
  std::vector<TextSnapshotPtr> snapshots_;  // of each space
};

}  // namespace

Result<std::vector<SearchHit>> Search::search(const SearchRequest& request) {
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  return TextSearcher(*context, request).run();
}

}  // namespace strata
