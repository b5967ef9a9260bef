#include "search/meaning.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>

#include "base/coding.h"
#include "derived/caches.h"
#include "derived/vector_query.h"
#include "index/score.h"
#include "model/metadata_filter.h"
#include "model/vector_codec.h"
#include "search/fusion.h"

namespace strata::search {
namespace {

using derived::DocumentKind;
using derived::EmbeddingSnapshotPtr;
using Role = EmbeddingRun::Impl::Role;

// Texts asked for at a time.
constexpr size_t kMostWanted = 1024;
constexpr size_t kMostWantedBytes = size_t{4} << 20;

bool is_searched(const Scope& scope, DocumentKind kind) {
  return (scope.kinds() >> static_cast<unsigned>(kind) & 1) != 0;
}

Status would_wait() { return Status::error(Code::kWouldBlock, "vectors of texts are behind"); }

// A snapshot of each space, with what the store has.
Status find_snapshots(Scope* scope, EmbeddingRun::Impl* run, txn::Patience* patience,
                      std::vector<EmbeddingSnapshotPtr>* snapshots) {
  const txn::Context& context = scope->context();
  derived::EmbeddingIndex& index = run->set->index;
  for (const std::string& space : scope->spaces()) {
    EmbeddingSnapshotPtr snapshot;
    if (scope->view().past()) {
      if (!context.may_wait) return would_wait();
      EmbeddingSnapshotPtr& kept = run->past[space];
      if (kept == nullptr) {
        STRATA_ASSIGN(kept, index.of_past(scope->view(), space, patience));
      } else {
        STRATA_ASSIGN(kept, index.completed(kept, patience));
      }
      snapshot = kept;
    } else {
      snapshot = index.find(*context.branch, space, scope->view().head());
      if (snapshot == nullptr) {
        if (!context.may_wait) return would_wait();
        STRATA_TRY(scope->aside([&](const derived::HeldHead& held) -> Status {
          STRATA_ASSIGN(snapshot, index.catch_up(context.branch, space, held, patience));
          return Status::ok();
        }));
      }
      STRATA_ASSIGN(snapshot, index.with_writes(snapshot, space, scope->view(), patience));
    }
    snapshots->push_back(std::move(snapshot));
  }
  return Status::ok();
}

// The row of a document in the tree.
model::TreeKey tree_key(std::string_view space, std::string_view document) {
  return {space, derived::document_tag(derived::embedded_kind(document)), document.substr(1)};
}

Status want_waiting(Scope* scope, const std::vector<EmbeddingSnapshotPtr>& snapshots, txn::Patience* patience,
                    EmbeddingRun::Impl* run) {
  std::set<derived::TextName> wanted;
  size_t bytes = 0;
  for (size_t i = 0; i < snapshots.size(); ++i) {
    for (const auto& [document, name] : *snapshots[i]->waiting) {
      const DocumentKind kind = derived::embedded_kind(document);
      if (!is_searched(*scope, kind) || !name || wanted.contains(*name)) continue;
      STRATA_ASSIGN(const auto row, scope->view().get(tree_key(scope->spaces()[i], document)));
      if (!row) continue;
      STRATA_TRY(patience->spend(row->value.size()));
      STRATA_ASSIGN(std::string text, derived::embedded_text(kind, row->value));
      if (derived::name_text(text) != *name) continue;  // of no state that is searched here
      wanted.insert(*name);
      bytes += text.size();
      run->want(Role::kDocument, std::move(text));
      if (wanted.size() == kMostWanted || bytes >= kMostWantedBytes) return Status::ok();
    }
  }
  return Status::ok();
}

// The run's set, or what has to be asked to know it. False: it is not known.
bool choose_set(const Scope& scope, EmbeddingRun::Impl* run) {
  if (run->set != nullptr) return true;
  derived::Embeddings::Choice choice = scope.context().caches->embeddings().of(run->embedder);
  run->set = std::move(choice.set);
  if (run->set == nullptr) run->want(Role::kProbe, std::move(choice.probe));
  return run->set != nullptr;
}

// [{"field": "primitive", "op": "in", "value": [those searched]}]
Result<model::MetadataFilter> filter_of(const Scope& scope) {
  static constexpr std::array<std::string_view, derived::kDocumentKinds> kNames = {"event", "json", "kv", "state",
                                                                                   "vector"};
  ValueWriter writer;
  bool written = writer.begin_array(1) && writer.begin_object(3) && writer.name("field") &&
                 writer.string("primitive") && writer.name("op") && writer.string("in") && writer.name("value") &&
                 writer.begin_array();
  for (size_t kind = 0; kind < kNames.size(); ++kind) {
    if (is_searched(scope, static_cast<DocumentKind>(kind))) written = written && writer.string(kNames[kind]);
  }
  written = written && writer.end() && writer.end() && writer.end();
  if (!written) return writer.error();
  return model::MetadataFilter::parse(ValueView(writer.result()));
}

SearchHit hit_of(std::string_view space, const derived::VectorHit& found) {
  SearchHit hit;
  const std::string_view key = found.key.substr(1);
  hit.primitive = static_cast<SearchPrimitive>(derived::embedded_kind(found.key));
  hit.space = space;
  hit.score = static_cast<double>(found.score);
  if (hit.primitive == SearchPrimitive::kEvent && key.size() == sizeof(uint64_t)) {
    hit.sequence = base::load_be64(key.data());
  } else {
    hit.key = key;
  }
  return hit;
}

}  // namespace

Status want_documents(Scope* scope, EmbeddingRun::Impl* run, txn::Patience* patience) {
  if (!choose_set(*scope, run)) return Status::ok();
  std::vector<EmbeddingSnapshotPtr> snapshots;
  STRATA_TRY(find_snapshots(scope, run, patience, &snapshots));
  return want_waiting(scope, snapshots, patience, run);
}

Status find_by_meaning(Scope* scope, EmbeddingRun::Impl* run, std::string_view query, size_t depth,
                       txn::Patience* patience, std::vector<SearchHit>* hits) {
  if (derived::is_blank(query)) return Status::ok();
  const bool known = choose_set(*scope, run);
  if (!run->query) run->want(Role::kQuery, derived::shortened(std::string(query)));
  if (!known) return Status::ok();
  std::vector<EmbeddingSnapshotPtr> snapshots;
  STRATA_TRY(find_snapshots(scope, run, patience, &snapshots));
  STRATA_TRY(want_waiting(scope, snapshots, patience, run));
  const uint32_t dimension = run->set->store.dimension();
  if (!run->wanted.empty() || dimension == 0) return Status::ok();  // 0: there is no document
  if (run->query->size() != dimension) {
    return Status::error(Code::kInvalidEmbedding,
                         "the embedder made a vector of " + std::to_string(run->query->size()) +
                             " components of the query, and of " + std::to_string(dimension) + " of documents",
                         "an embedder makes vectors of one length");
  }
  if (model::find_fault(*run->query) == model::VectorFault::kZero) return Status::ok();
  STRATA_ASSIGN(const model::MetadataFilter filter, filter_of(*scope));
  const bool all = (~scope->kinds() & ((1u << derived::kDocumentKinds) - 1)) == 0;
  derived::VectorReader reader(*scope->context().engine);  // of which nothing is asked
  for (size_t i = 0; i < snapshots.size(); ++i) {
    derived::VectorQuery nearest(*snapshots[i]->vectors, {depth, VectorMetric::kCosine, all ? nullptr : &filter, false},
                                 &reader);
    STRATA_ASSIGN(const auto found, nearest.run(*run->query));
    for (const derived::VectorHit& hit : found) hits->push_back(hit_of(scope->spaces()[i], hit));
  }
  std::stable_sort(hits->begin(), hits->end(), [](const SearchHit& a, const SearchHit& b) {
    return a.score != b.score ? a.score > b.score : is_before(a, b);
  });
  if (hits->size() > depth) hits->resize(depth);
  return Status::ok();
}

}  // namespace strata::search
