#include "strata/vector.h"

#include <algorithm>

#include "branch/diff_values.h"
#include "model/key_codec.h"
#include "model/utf8.h"
#include "model/vector_codec.h"
#include "primitives/key_batch.h"
#include "primitives/space_marker.h"
#include "primitives/vector_checks.h"
#include "primitives/vector_search.h"
#include "txn/context.h"
#include "txn/view.h"

namespace strata {
namespace {

using model::CollectionDefinition;
using model::quoted;
using model::Tag;
using model::TreeKey;
using model::VectorFault;
using primitives::vectors_of;

static_assert(static_cast<char>(Tag::kVector) == txn::kInLogTag, "vectors stay in the log");

Status check_collection(std::string_view name) { return model::check_key(name, "collection"); }

Status check_names(std::string_view collection, std::string_view key) {
  STRATA_TRY(check_collection(collection));
  return model::check_key(key);
}

// The definition; nothing if there is no such collection.
Result<std::optional<CollectionDefinition>> find_definition(const txn::Context& context, txn::View* view,
                                                            std::string_view collection) {
  STRATA_ASSIGN(const auto found, view->get(TreeKey(context.space, Tag::kCollection, collection)));
  if (!found) return std::optional<CollectionDefinition>();
  const auto definition = model::parse_collection(found->value);
  if (!definition) return Status::error(Code::kCorruption, "the definition of a collection is damaged");
  return definition;
}

// kCollectionNotFound if there is none.
Result<CollectionDefinition> definition_of(const txn::Context& context, txn::View* view, std::string_view collection) {
  STRATA_ASSIGN(const auto found, find_definition(context, view, collection));
  if (found) return *found;
  return Status::error(Code::kCollectionNotFound,
                       "collection " + quoted(collection) + " does not exist in space " + quoted(context.space),
                       "vector_create_collection(name, dimension) makes it");
}

// How errors call an item.
std::string name_of(const VectorItem& item, size_t place, bool batch) {
  std::string name = "vector " + quoted(item.key);
  if (batch) name += " (entry " + std::to_string(place) + ")";
  return name;
}

// What can be said of the items before their collection is known. *zeros: those that are zero.
Status check_items(std::span<const VectorItem> items, bool batch, std::vector<size_t>* zeros) {
  for (size_t i = 0; i < items.size(); ++i) {
    const VectorItem& item = items[i];
    const Status allowed = model::check_key(item.key, batch ? "key of entry " + std::to_string(i) : "key");
    if (!allowed.is_ok()) return allowed;
    const VectorFault fault = model::find_fault(item.components);
    if (fault == VectorFault::kNotFinite) return primitives::refuse_not_finite(name_of(item, i, batch));
    if (fault == VectorFault::kZero) zeros->push_back(i);
    if (item.metadata.size() > kMaxValueBytes - 4 * size_t{kMaxVectorDimension} - 4) {
      return Status::error(Code::kValueTooLarge, "metadata of " + name_of(item, i, batch) + " is larger than 63 MiB",
                           "keep large texts under keys of their own");
    }
  }
  return Status::ok();
}

// The writes of a batch, each key once, ready but for what their collection says.
class VectorWrites {
 public:
  VectorWrites(std::string_view space, std::string_view collection, std::span<const VectorItem> items)
      : keys_(TreeKey(space, Tag::kVector, collection, std::string_view()), items.size(),
              [&](size_t i) { return items[i].key; }),
        write_of_(items.size()) {
    // Of a key given twice the last item counts, and both get its version.
    std::vector<uint32_t> last;
    for (const uint32_t i : keys_.order()) {
      if (last.empty() || keys_[last.back()] != keys_[i]) last.push_back(i);
      last.back() = i;
      write_of_[i] = static_cast<uint32_t>(last.size() - 1);
    }
    size_t bytes = 0;
    for (const uint32_t i : last) bytes += 5 + items[i].components.size_bytes() + items[i].metadata.size();
    values_.reserve(bytes);
    std::vector<size_t> ends;
    ends.reserve(last.size());
    for (const uint32_t i : last) {
      // What no collection can have is refused when the collection is known.
      const size_t dimension = items[i].components.size();
      if (dimension >= 1 && dimension <= kMaxVectorDimension) {
        model::build_vector(items[i].components, items[i].metadata, &values_);
      }
      ends.push_back(values_.size());
    }
    writes_.resize(last.size());
    for (size_t n = 0, start = 0; n < last.size(); start = ends[n], ++n) {
      writes_[n].key = keys_[last[n]];
      writes_[n].value = std::string_view(values_).substr(start, ends[n] - start);
    }
  }

  const std::vector<txn::Write>& writes() const { return writes_; }
  // One for each item, from one for each write.
  std::vector<uint64_t> spread(const std::vector<uint64_t>& versions) const {
    std::vector<uint64_t> spread(write_of_.size());
    for (size_t i = 0; i < write_of_.size(); ++i) spread[i] = versions[write_of_[i]];
    return spread;
  }

 private:
  primitives::KeyBatch keys_;
  std::vector<uint32_t> write_of_;
  std::string values_;
  std::vector<txn::Write> writes_;
};

// What a transaction's writes into a collection rest on, at every isolation.
void rest_on_definition(const txn::Context& context, std::string_view collection) {
  if (context.transaction == nullptr) return;
  const TreeKey key(context.space, Tag::kCollection, collection);
  context.transaction->rest_on_range(key, std::string(key.view()) + '\0');
}

Status check_queries(const VectorSearch& what, const CollectionDefinition& definition, VectorMetric metric) {
  const auto name = [&](uint64_t i) { return what.count > 1 ? "query " + std::to_string(i) : std::string("query"); };
  if (what.count == 0) return Status::ok();
  if (what.dimension != definition.dimension) {
    return primitives::refuse_dimension(name(0), what.dimension, what.collection, definition.dimension);
  }
  for (uint64_t i = 0; i < what.count; ++i) {
    const VectorFault fault = model::find_fault(what.queries.subspan(i * what.dimension, what.dimension));
    if (fault == VectorFault::kNotFinite) return primitives::refuse_not_finite(name(i));
    if (fault == VectorFault::kZero && metric == VectorMetric::kCosine) return primitives::refuse_zero(name(i));
  }
  return Status::ok();
}

}  // namespace

// ---- collections ----

Result<uint64_t> Vectors::create_collection(std::string_view name, int64_t dimension, VectorMetric metric) {
  STRATA_TRY(check_collection(name));
  if (dimension < 1 || dimension > kMaxVectorDimension) {
    return Status::error(Code::kOutOfRange, "dimension is " + std::to_string(dimension) + "; 1 to 65536 is allowed",
                         "as many components as the model's embeddings have");
  }
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  const TreeKey key(context->space, Tag::kCollection, name);
  const std::string value = model::build_collection({static_cast<uint32_t>(dimension), metric});
  const auto decide = [&](txn::View& view, std::vector<txn::Write>* writes) -> Status {
    STRATA_ASSIGN(const auto found, view.get(key, false));
    if (found) {
      return Status::error(Code::kCollectionExists, "collection " + quoted(name) + " exists already",
                           "vector_list_collections() tells its dimension and metric");
    }
    txn::Write& write = writes->emplace_back();
    write.key = key;
    write.value = value;
    return Status::ok();
  };
  const primitives::SpaceMarker marker(context->space);
  std::vector<uint64_t> versions;
  STRATA_TRY(txn::update(*context, "vector_create_collection", marker.ensured(), std::cref(decide), &versions));
  return versions[0];
}

Result<bool> Vectors::erase_collection(std::string_view name) {
  STRATA_TRY(check_collection(name));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  STRATA_TRY(txn::check_writable(*context, "vector_delete_collection"));
  const TreeKey definition(context->space, Tag::kCollection, name);
  const model::KeySpan span = vectors_of(context->space, name);
  bool existed = false;
  std::vector<std::string> keys;
  const auto decide = [&](txn::View& view, std::vector<txn::Write>* writes) -> Status {
    keys.clear();
    STRATA_ASSIGN(const auto found, view.get(definition, false));
    existed = found.has_value();
    if (!existed) return Status::ok();
    // A vector that is written meanwhile would outlive its collection.
    rest_on_definition(*context, name);
    if (context->transaction != nullptr) context->transaction->rest_on_range(span.begin, span.end);
    keys.emplace_back(definition);
    const txn::ScanRange range{span.begin, span.end, std::nullopt, false, false};
    STRATA_TRY(view.scan(range, [&](std::string_view key, const VersionedValue&) { keys.emplace_back(key); }).status());
    for (const std::string& key : keys) {
      txn::Write& write = writes->emplace_back();
      write.key = key;
      write.tombstone = true;
    }
    return Status::ok();
  };
  std::vector<uint64_t> versions;
  STRATA_TRY(txn::update(*context, "vector_delete_collection", {}, std::cref(decide), &versions));
  return existed;
}

Result<std::vector<CollectionInfo>> Vectors::list_collections(AsOf as_of) {
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(as_of));
  std::vector<CollectionInfo> collections;
  Status damage;
  const model::KeySpan span = model::prefix_span(context->space, Tag::kCollection);
  const txn::ScanRange range{span.begin, span.end, std::nullopt, false, true};
  const auto visit = [&](std::string_view key, const VersionedValue& value) {
    CollectionInfo& info = collections.emplace_back();
    info.name = key.substr(span.begin.size());
    const auto definition = model::parse_collection(value.value);
    if (!definition) damage = Status::error(Code::kCorruption, "the definition of a collection is damaged");
    info.dimension = definition ? definition->dimension : 0;
    info.metric = definition ? definition->metric : VectorMetric::kCosine;
  };
  STRATA_TRY(view.scan(range, visit).status());
  STRATA_TRY(damage);
  for (CollectionInfo& info : collections) {
    const model::KeySpan vectors = vectors_of(context->space, info.name);
    STRATA_ASSIGN(info.count, view.count(vectors.begin, vectors.end));
    primitives::describe_index(*context, &info);
  }
  return collections;
}

// ---- vectors ----

Result<std::vector<uint64_t>> Vectors::upsert(std::string_view collection, std::span<const VectorItem> items,
                                              bool batch) {
  STRATA_TRY(check_collection(collection));
  std::vector<size_t> zeros;
  STRATA_TRY(check_items(items, batch, &zeros));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  const VectorWrites prepared(context->space, collection, items);
  const auto decide = [&](txn::View& view, std::vector<txn::Write>* writes) -> Status {
    STRATA_ASSIGN(const CollectionDefinition definition, definition_of(*context, &view, collection));
    for (size_t i = 0; i < items.size(); ++i) {
      const uint64_t dimension = items[i].components.size();
      if (dimension == definition.dimension) continue;
      return primitives::refuse_dimension(name_of(items[i], i, batch), dimension, collection, definition.dimension);
    }
    if (definition.metric == VectorMetric::kCosine && !zeros.empty()) {
      return primitives::refuse_zero(name_of(items[zeros[0]], zeros[0], batch));
    }
    *writes = prepared.writes();
    if (!items.empty()) rest_on_definition(*context, collection);
    return Status::ok();
  };
  const primitives::SpaceMarker marker(context->space);
  std::vector<uint64_t> versions;
  const std::string_view what = batch ? "vector_batch_upsert" : "vector_upsert";
  STRATA_TRY(txn::update(*context, what, marker.ensured(), std::cref(decide), &versions));
  return prepared.spread(versions);
}

Result<VectorEntry> Vectors::entry_of(std::string_view value) {
  model::VectorView vector;
  STRATA_TRY(model::read_vector(value, &vector));
  VectorEntry entry;
  entry.components = std::string_view(vector.floats, vector.float_bytes());
  entry.metadata = vector.metadata;
  return entry;
}

Result<std::string> Vectors::value_of(std::span<const float> components, std::string_view metadata) {
  if (components.empty() || components.size() > kMaxVectorDimension) {
    return Status::error(Code::kInvalidVector,
                         "a vector of " + std::to_string(components.size()) + " components; 1 to 65536 are allowed",
                         "give as many components as the collection was made with");
  }
  if (model::find_fault(components) == VectorFault::kNotFinite) return primitives::refuse_not_finite("vector");
  std::string value;
  model::build_vector(components, metadata, &value);
  return value;
}

bool Vectors::same_value(std::string_view a, std::string_view b) { return branch::same_value(Tag::kVector, a, b); }

Result<std::optional<VectorEntry>> Vectors::get(std::string_view collection, std::string_view key, AsOf as_of,
                                                std::string* buffer) {
  STRATA_TRY(check_names(collection, key));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(as_of));
  STRATA_ASSIGN(const auto found, view.get(TreeKey(context->space, Tag::kVector, collection, key)));
  if (!found) return std::optional<VectorEntry>();
  buffer->assign(found->value);
  STRATA_ASSIGN(VectorEntry entry, entry_of(*buffer));
  entry.version = found->version;
  entry.timestamp = found->timestamp;
  return std::optional<VectorEntry>(entry);
}

Result<bool> Vectors::erase(std::string_view collection, std::string_view key) {
  STRATA_TRY(check_names(collection, key));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  STRATA_TRY(txn::check_writable(*context, "vector_delete"));
  const TreeKey tree_key(context->space, Tag::kVector, collection, key);
  txn::Write write;
  write.key = tree_key;
  write.tombstone = true;
  // Whether the vector was there is something that a transaction has read.
  if (context->transaction != nullptr) context->transaction->note_key(tree_key);
  uint64_t version = 0;
  STRATA_TRY(txn::write(*context, {&write, 1}, {}, &version));
  return version != 0;
}

Status Vectors::list(std::string_view collection, std::string_view prefix, std::optional<uint64_t> limit, AsOf as_of,
                     KeyList* keys) {
  STRATA_TRY(check_collection(collection));
  STRATA_TRY(model::check_text(prefix, "prefix"));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(as_of));
  STRATA_TRY(definition_of(*context, &view, collection).status());
  model::KeySpan span = vectors_of(context->space, collection);
  const size_t name_at = span.begin.size();
  span.begin += prefix;
  span.end = model::prefix_successor(span.begin);
  const txn::ScanRange range{span.begin, span.end, limit, false, false};
  return view.scan(range, [&](std::string_view key, const VersionedValue&) { keys->add(key.substr(name_at)); })
      .status();
}

Result<bool> Vectors::history(std::string_view collection, std::string_view key, AsOf as_of, RowList* versions) {
  STRATA_TRY(check_names(collection, key));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(as_of));
  return view.history(TreeKey(context->space, Tag::kVector, collection, key), [&](const VersionedValue& version) {
    versions->add({}, version);
    return true;
  });
}

// ---- search ----

Status primitives::search_vectors(const txn::Context& context, txn::View* view, const VectorSearch& what,
                                  VectorHits* hits) {
  STRATA_TRY(check_collection(what.collection));
  model::MetadataFilter filter;
  if (!what.filters.empty()) {
    STRATA_ASSIGN(filter, model::MetadataFilter::parse(ValueView(what.filters)));
  }
  STRATA_ASSIGN(const CollectionDefinition definition, definition_of(context, view, what.collection));
  const VectorMetric metric = what.metric.value_or(definition.metric);
  STRATA_TRY(check_queries(what, definition, metric));
  if (view->tracked()) {
    const model::KeySpan span = vectors_of(context.space, what.collection);
    context.transaction->note_range(span.begin, span.end);
  }
  primitives::VectorQuery query;
  query.collection = what.collection;
  query.definition = definition;
  query.queries = what.queries;
  query.count = what.count;
  query.k = what.k;
  query.metric = metric;
  query.filter = filter.empty() ? nullptr : &filter;
  query.exact = what.exact;
  query.ef = what.ef;
  view->stop_noting();  // all of it is noted
  return primitives::search_collection(context, view, query, hits);
}

Status Vectors::search(const VectorSearch& what, VectorHits* hits) {
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(what.as_of));
  return primitives::search_vectors(*context, &view, what, hits);
}

}  // namespace strata
