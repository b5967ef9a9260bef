#include "strata/search.h"

#include <algorithm>

#include "base/coding.h"
#include "derived/caches.h"
#include "index/snippet.h"
#include "index/text_ranking.h"
#include "model/key_codec.h"
#include "primitives/vector_search.h"
#include "search/fusion.h"
#include "search/meaning.h"
#include "search/scope.h"
#include "txn/patience.h"

namespace strata {
namespace {

using derived::DocumentKind;
using derived::TextSnapshotPtr;
using model::TreeKey;

constexpr size_t kSequenceBytes = 8;

// What a call that waits for nothing does by itself; the rest may take longer than that.
constexpr size_t kMostQueryBytesAtOnce = 64u << 10;
constexpr size_t kMostHitsAtOnce = 1000;
constexpr uint64_t kMostWrittenAtOnce = 1u << 20;  // bytes, of the open transaction

class Searcher {
 public:
  Searcher(const txn::Context& context, const SearchRequest& request)
      : context_(context), request_(request), patience_(context.keep_on), scope_(context, request) {}

  Result<std::vector<SearchHit>> run() {
    EmbeddingRun::Impl* embedding = request_.embedding != nullptr ? &request_.embedding->impl() : nullptr;
    if (embedding != nullptr) embedding->want_nothing();
    STRATA_TRY(scope_.open());
    scope_.note_reads();
    STRATA_TRY(check_waits(request_.query.size() > kMostQueryBytesAtOnce));
    const auto k = static_cast<size_t>(request_.k);
    const size_t depth = request_.mode == SearchMode::kKeyword ? k : std::max(k, search::kFusedDepth);
    std::vector<SearchHit> nearest;
    if (embedding != nullptr) {
      scope_.view().stop_noting();
      STRATA_TRY(search::find_by_meaning(&scope_, embedding, request_.query, depth, &patience_, &nearest));
      if (!embedding->wanted.empty()) return nearest;
    } else if (request_.mode != SearchMode::kKeyword) {
      STRATA_TRY(find_in_collection(depth, &nearest));
    }
    scope_.view().stop_noting();
    const index::TextQuery query = index::parse_text_query(request_.query);
    index::TextRanking ranking;
    std::vector<SearchHit> hits;
    if (request_.mode != SearchMode::kSemantic && !query.empty()) {
      STRATA_TRY(find_by_words(query, depth, &ranking, &hits));
    }
    ranking.any_weights.resize(query.any.size(), 1);
    ranking.phrase_weights.resize(query.phrases.size(), 1);
    if (request_.mode != SearchMode::kKeyword) hits = search::fuse(hits, nearest, k);
    if (request_.mode == SearchMode::kSemantic) {  // nearness says more than an order
      for (SearchHit& hit : hits) hit.score = nearest[*hit.ranks.vector - 1].score;
    }
    index::SnippetMatcher matcher(query, ranking);
    for (SearchHit& hit : hits) STRATA_TRY(add_snippet(&matcher, &hit));
    return hits;
  }

 private:
  Status find_in_collection(size_t depth, std::vector<SearchHit>* nearest) {
    VectorSearch what;
    what.collection = request_.collection;
    what.queries = request_.vector;
    what.dimension = request_.vector.size();
    what.k = depth;
    VectorHits found;
    STRATA_TRY(primitives::search_vectors(context_, &scope_.view(), what, &found));
    for (size_t i = found.begin(0); i < found.end(0); ++i) {
      SearchHit& hit = nearest->emplace_back();
      hit.primitive = SearchPrimitive::kVector;
      hit.space = context_.space;
      hit.key.append(request_.collection).push_back('\0');
      hit.key.append(found.key(i));
      hit.score = static_cast<double>(found.score(i));
    }
    return Status::ok();
  }

  Status find_by_words(const index::TextQuery& query, size_t k, index::TextRanking* ranking,
                       std::vector<SearchHit>* hits) {
    STRATA_TRY(find_snapshots());
    std::vector<index::TextSource> sources;
    index::TextSearch search{query, {}, {}, scope_.kinds(), k};
    for (uint32_t group = 0; group < snapshots_.size(); ++group) {
      for (const index::LiveSegment& segment : snapshots_[group]->segments) sources.push_back({segment, group});
      for (size_t kind = 0; kind < index::kMaxKinds; ++kind) {
        search.statistics.documents[kind] += snapshots_[group]->statistics.documents[kind];
        search.statistics.units[kind] += snapshots_[group]->statistics.units[kind];
      }
    }
    search.sources = sources;
    static const KeepOn no_longer = [] { return false; };
    search.keep_on = context_.may_wait ? context_.keep_on : &no_longer;
    *ranking = index::rank_text(search);
    if (ranking->ended) return context_.may_wait ? txn::Patience::ended() : would_wait();
    STRATA_TRY(check_waits(ranking->hits.size() > kMostHitsAtOnce));
    hits->reserve(ranking->hits.size());
    for (const index::TextHit& found : ranking->hits) add_hit(sources[found.source], found, hits);
    return Status::ok();
  }

  Status find_snapshots() {
    derived::TextIndex& index = context_.caches->text();
    if (scope_.view().past()) {
      STRATA_TRY(check_waits(true));
      for (const std::string& space : scope_.spaces()) {
        STRATA_ASSIGN(TextSnapshotPtr snapshot, derived::TextIndex::of_past(scope_.view(), space));
        snapshots_.push_back(std::move(snapshot));
      }
      return Status::ok();
    }
    const txn::WriteSet* writes = scope_.view().own_writes();
    STRATA_TRY(check_waits(writes != nullptr && writes->bytes() > kMostWrittenAtOnce));
    for (const std::string& space : scope_.spaces()) {
      TextSnapshotPtr snapshot = index.find(*context_.branch, space, scope_.view().head());
      if (snapshot == nullptr) {
        STRATA_TRY(check_waits(true));
        STRATA_TRY(scope_.aside([&](const derived::HeldHead& held) -> Status {
          STRATA_ASSIGN(snapshot, index.catch_up(context_.branch, space, held, &patience_));
          return Status::ok();
        }));
      }
      STRATA_ASSIGN(snapshot, index.with_writes(snapshot, space, scope_.view(), &patience_));
      snapshots_.push_back(std::move(snapshot));
    }
    return Status::ok();
  }

  static Status would_wait() { return Status::error(Code::kWouldBlock, "this search takes long"); }
  // Before what takes long.
  Status check_waits(bool takes_long) const { return takes_long && !context_.may_wait ? would_wait() : Status::ok(); }

  void add_hit(const index::TextSource& source, const index::TextHit& found, std::vector<SearchHit>* hits) const {
    const index::TextSegment& segment = *source.live.segment;
    const auto kind = static_cast<DocumentKind>(segment.kind(found.document));
    const std::string_view key = segment.key(found.document);
    SearchHit& hit = hits->emplace_back();
    hit.primitive = static_cast<SearchPrimitive>(kind);
    hit.space = scope_.spaces()[source.group];
    hit.score = static_cast<double>(found.score);
    if (kind == DocumentKind::kEvent && key.size() == kSequenceBytes) {
      hit.sequence = base::load_be64(key.data());
    } else {
      hit.key = key;
    }
  }

  Status add_snippet(index::SnippetMatcher* matcher, SearchHit* hit) {
    const auto kind = static_cast<DocumentKind>(hit->primitive);
    std::string key = hit->key;
    if (kind == DocumentKind::kEvent && key.empty()) {
      key.resize(kSequenceBytes);
      base::store_be64(key.data(), hit->sequence);
    }
    STRATA_ASSIGN(const auto row, scope_.view().get(TreeKey(hit->space, derived::document_tag(kind), key)));
    if (!row) return Status::ok();
    STRATA_TRY(patience_.spend(row->value.size()));
    STRATA_ASSIGN(const ValueView value, derived::searched_value(kind, row->value));
    index::SnippetMaker maker(matcher);
    STRATA_TRY(derived::visit_strings(
        value, [&](index::WordTable table, std::string_view text) { return maker.add(table, text); }));
    hit->snippet = maker.snippet();
    return Status::ok();
  }

  const txn::Context& context_;
  const SearchRequest& request_;
  txn::Patience patience_;
  search::Scope scope_;
  std::vector<TextSnapshotPtr> snapshots_;  // of each space
};

}  // namespace

Result<std::vector<SearchHit>> Search::search(const SearchRequest& request) {
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  return Searcher(*context, request).run();
}

}  // namespace strata
