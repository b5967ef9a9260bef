// Session.vector_*.
#include "strata/vector.h"

#include "arguments.h"
#include "convert.h"
#include "floats.h"
#include "pool.h"
#include "rows.h"
#include "session.h"
#include "vector_docs.h"
#include "vector_values.h"

namespace strata::python {
namespace {

constexpr Signature kCreate{"vector_create_collection", 3, 2, {"name", "dim", "metric"}};
constexpr Signature kDeleteCollection{"vector_delete_collection", 1, 1, {"name"}};
constexpr Signature kListCollections{"vector_list_collections", 0, 0, {"as_of"}};
constexpr Signature kUpsert{"vector_upsert", 4, 3, {"coll", "key", "vector", "metadata"}};
constexpr Signature kBatchUpsert{
    "vector_batch_upsert", 2, 1, {"coll", "entries", "keys", "vectors", "metadata", "progress"}};
constexpr Signature kGet{"vector_get", 2, 2, {"coll", "key", "as_of"}};
constexpr Signature kDelete{"vector_delete", 2, 2, {"coll", "key"}};
constexpr Signature kList{"vector_list", 2, 1, {"coll", "prefix", "limit", "as_of"}};
constexpr Signature kHistory{"vector_history", 2, 2, {"coll", "key", "as_of"}};
constexpr Signature kSearch{"vector_search", 5, 3, {"coll", "query", "k", "metric", "filters", "exact", "ef", "as_of"}};
constexpr Signature kBatchSearch{
    "vector_batch_search", 5, 3, {"coll", "queries", "k", "metric", "filters", "exact", "ef", "as_of"}};

// How many entries of a batch are converted between two calls of `progress`.
constexpr size_t kProgressStride = 4096;
// Batches of more components are written without the GIL from the start.
constexpr size_t kLongComponents = size_t{1} << 16;

// ---- arguments ----

bool metric_argument(PyObject* given, std::optional<VectorMetric>* metric) {
  metric->reset();
  if (given == nullptr || given == Py_None) return true;
  std::string_view word;
  if (!text_argument(given, "metric", &word)) return false;
  *metric = metric_of(word);
  if (*metric) return true;
  raise(Code::kUnknownMetric, "metric '" + std::string(word).substr(0, 40) + "' is not known",
        "cosine, euclidean or dot_product");
  return false;
}

bool filters_argument(PyObject* given, ValueWriter* writer) {
  writer->clear();
  if (given == nullptr || given == Py_None) return true;
  if (!PyList_Check(given) && !PyTuple_Check(given)) {
    raise_type("filters must be a list of dict, not " + type_name(given));
    return false;
  }
  return encode(given, *writer) || name_error("filters");
}

// ---- results ----

PyObject* list_of_hits(const VectorHits& hits, size_t query) {
  const VectorNames& names = names_of_vectors();
  return list_of(hits.end(query) - hits.begin(query), [&](size_t n) -> PyObject* {
    const size_t i = hits.begin(query) + n;
    Ref dict(PyDict_New());
    const bool filled = dict && set_named(dict.get(), names.key, decode_text(hits.key(i))) &&
                        set_named(dict.get(), names.score, PyFloat_FromDouble(static_cast<double>(hits.score(i)))) &&
                        set_named(dict.get(), names.metadata, decode(hits.metadata(i)));
    return filled ? dict.release() : nullptr;
  });
}

// ---- collections ----

PyObject* vector_create_collection(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view name;
  int64_t dimension = 0;
  std::optional<VectorMetric> metric;
  if (!given.parse(kCreate, arguments, count, names) || !text_argument(given[0], "collection", &name) ||
      !integer_argument(given[1], "dim", 1, &dimension) || !metric_argument(given[2], &metric)) {
    return nullptr;
  }
  const auto version = run(handle, [&](Call& call) {
    return Vectors(call).create_collection(name, dimension, metric.value_or(VectorMetric::kCosine));
  });
  return version.is_ok() ? number(*version) : raise(version.status());
}

PyObject* vector_delete_collection(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view name;
  if (!given.parse(kDeleteCollection, arguments, count, names) || !text_argument(given[0], "collection", &name)) {
    return nullptr;
  }
  const auto existed = run_long(handle, [&](Call& call) { return Vectors(call).erase_collection(name); });
  return existed.is_ok() ? PyBool_FromLong(*existed) : raise(existed.status());
}

PyObject* vector_list_collections(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  AsOf as_of;
  if (!given.parse(kListCollections, arguments, count, names) || !time_argument(given[0], "as_of", &as_of)) {
    return nullptr;
  }
  const auto found = run_long(handle, [&](Call& call) { return Vectors(call).list_collections(as_of); });
  if (!found.is_ok()) return raise(found.status());
  return list_of(found->size(), [&](size_t i) -> PyObject* {
    const CollectionInfo& info = (*found)[i];
    Ref dict(PyDict_New());
    const bool filled = dict && set(dict.get(), "name", decode_text(info.name)) &&
                        set(dict.get(), "dimension", number(info.dimension)) &&
                        set(dict.get(), "metric", decode_name(metric_name(info.metric))) &&
                        set(dict.get(), "count", number(info.count)) &&
                        set(dict.get(), "index", decode_name(info.index)) &&
                        set(dict.get(), "memory_bytes", number(info.memory_bytes));
    return filled ? dict.release() : nullptr;
  });
}

// ---- writing ----

PyObject* vector_upsert(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view collection;
  VectorItem item;
  std::vector<float> components;
  Pooled<ValueWriter> metadata;
  if (!given.parse(kUpsert, arguments, count, names) || !text_argument(given[0], "collection", &collection) ||
      !text_argument(given[1], "key", &item.key) || !append_vector(given[2], "vector", &components) ||
      !metadata_argument(given[3], "metadata", &*metadata)) {
    return nullptr;
  }
  item.components = components;
  item.metadata = metadata->size() > 0 ? metadata->result() : std::string_view();
  const auto versions = run(handle, [&](Call& call) { return Vectors(call).upsert(collection, {&item, 1}, false); });
  return versions.is_ok() ? number((*versions)[0]) : raise(versions.status());
}

// A batch as the engine takes it, and what keeps its views alive.
class VectorBatch {
 public:
  explicit VectorBatch(PyObject* progress) : progress_(progress) {}

  // [{"key", "vector", "metadata"?}]
  bool add_entries(PyObject* entries);
  // Parallel lists, the vectors perhaps one array.
  bool add_columns(PyObject* keys, PyObject* vectors, PyObject* metadata);
  // Points the items to what was collected, and tells the progress that all of it is.
  bool finish();
  const std::vector<VectorItem>& items() const { return items_; }
  size_t components() const { return vectors_.values.size(); }

 private:
  bool add_entry(PyObject* entry, size_t place);
  bool add_metadata(PyObject* metadata, size_t place);
  // After each entry: now and then the progress is told, and Ctrl-C asked for.
  bool step(size_t done, size_t total) {
    if (done % kProgressStride != 0) return true;
    return PyErr_CheckSignals() == 0 && (done >= total || report(progress_, done, total));
  }

  PyObject* progress_;
  Ref list_;
  std::vector<Ref> held_;
  FloatRows vectors_;
  std::vector<VectorItem> items_;
  std::vector<size_t> vector_ends_;
  std::string metadata_;
  std::vector<size_t> metadata_ends_;
  Pooled<ValueWriter> writer_;
};

std::string place_of(size_t place) { return "entry " + std::to_string(place); }

bool refuse_entry(size_t place) {
  raise(Code::kInvalidEntry, place_of(place) + " has other fields than key, vector and perhaps metadata",
        "each is {\"key\": ..., \"vector\": ..., \"metadata\": ...}");
  return false;
}

bool VectorBatch::add_metadata(PyObject* metadata, size_t place) {
  if (!metadata_argument(metadata, "metadata of " + place_of(place), &*writer_)) return false;
  if (writer_->size() > 0) metadata_.append(writer_->result());
  metadata_ends_.push_back(metadata_.size());
  return true;
}

bool VectorBatch::add_entry(PyObject* entry, size_t place) {
  if (!PyDict_Check(entry)) {
    raise_type("entries must be a list of dict; " + place_of(place) + " is " + type_name(entry));
    return false;
  }
  const VectorNames& names = names_of_vectors();
  Ref key = Ref::borrow(PyDict_GetItemWithError(entry, names.key));
  const Ref vector = Ref::borrow(key ? PyDict_GetItemWithError(entry, names.vector) : nullptr);
  const Ref metadata = Ref::borrow(vector ? PyDict_GetItemWithError(entry, names.metadata) : nullptr);
  if (PyErr_Occurred()) return false;
  if (!key || !vector || PyDict_GET_SIZE(entry) != (metadata ? 3 : 2)) return refuse_entry(place);
  VectorItem& item = items_.emplace_back();
  if (!text_argument(key.get(), ("key of " + place_of(place)).c_str(), &item.key)) return false;
  held_.push_back(std::move(key));
  if (!append_vector(vector.get(), "vector of " + place_of(place), &vectors_.values)) return false;
  vector_ends_.push_back(vectors_.values.size());
  return add_metadata(metadata.get(), place);
}

bool VectorBatch::add_entries(PyObject* entries) {
  if (PyUnicode_Check(entries) || PyBytes_Check(entries) || PyDict_Check(entries)) {
    raise_type("entries must be a list of dict, not " + type_name(entries));
    return false;
  }
  list_ = Ref(PySequence_Tuple(entries));
  if (!list_) return false;
  const auto total = static_cast<size_t>(PyTuple_GET_SIZE(list_.get()));
  for (size_t i = 0; i < total; ++i) {
    if (!add_entry(PyTuple_GET_ITEM(list_.get(), static_cast<Py_ssize_t>(i)), i) || !step(i + 1, total)) return false;
  }
  return true;
}

bool VectorBatch::add_columns(PyObject* keys, PyObject* vectors, PyObject* metadata) {
  std::vector<std::string_view> names;
  if (!keys_argument(keys, &list_, &names) || !rows_argument(vectors, "vectors", &vectors_)) return false;
  const bool any_metadata = metadata != nullptr && metadata != Py_None;
  if (any_metadata && (PyUnicode_Check(metadata) || PyBytes_Check(metadata) || PyDict_Check(metadata))) {
    raise_type("metadata must be a list of dict or None, not " + type_name(metadata));
    return false;
  }
  const Ref all_metadata(any_metadata ? PySequence_Tuple(metadata) : nullptr);
  if (any_metadata && !all_metadata) return false;
  const size_t total = names.size();
  const size_t count = any_metadata ? static_cast<size_t>(PyTuple_GET_SIZE(all_metadata.get())) : total;
  if (vectors_.rows != total || count != total) {
    raise(Code::kLengthMismatch,
          std::to_string(total) + " keys, " + std::to_string(vectors_.rows) + " vectors and " + std::to_string(count) +
              " metadata do not match",
          "give as many of each; metadata may be left out, and None stands for none of an entry");
    return false;
  }
  items_.resize(total);
  for (size_t i = 0; i < total; ++i) {
    items_[i].key = names[i];
    vector_ends_.push_back((i + 1) * vectors_.columns);
    PyObject* own = any_metadata ? PyTuple_GET_ITEM(all_metadata.get(), static_cast<Py_ssize_t>(i)) : nullptr;
    if (!add_metadata(own, i) || !step(i + 1, total)) return false;
  }
  return true;
}

bool VectorBatch::finish() {
  const std::span<const float> values(vectors_.values);
  size_t vector_start = 0;
  size_t metadata_start = 0;
  for (size_t i = 0; i < items_.size(); ++i) {
    items_[i].components = values.subspan(vector_start, vector_ends_[i] - vector_start);
    items_[i].metadata = std::string_view(metadata_).substr(metadata_start, metadata_ends_[i] - metadata_start);
    vector_start = vector_ends_[i];
    metadata_start = metadata_ends_[i];
  }
  return report(progress_, items_.size(), items_.size());
}

PyObject* vector_batch_upsert(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view collection;
  PyObject* progress = nullptr;
  if (!given.parse(kBatchUpsert, arguments, count, names) || !text_argument(given[0], "collection", &collection) ||
      !progress_argument(given[5], &progress)) {
    return nullptr;
  }
  const auto is_given = [&](size_t i) { return given[i] != nullptr && given[i] != Py_None; };
  VectorBatch batch(progress);
  if (is_given(1)) {
    if (is_given(2) || is_given(3) || is_given(4)) {
      return raise(Code::kInvalidArgument, "entries were given together with keys, vectors or metadata",
                   "give entries, or keys and vectors");
    }
    if (!batch.add_entries(given[1])) return nullptr;
  } else {
    if (!is_given(2) || !is_given(3)) {
      return raise_type("vector_batch_upsert needs entries, or keys and vectors");
    }
    if (!batch.add_columns(given[2], given[3], given[4])) return nullptr;
  }
  if (!batch.finish()) return nullptr;
  const auto work = [&](Call& call) { return Vectors(call).upsert(collection, batch.items(), true); };
  const auto versions = batch.components() > kLongComponents ? run_long(handle, work) : run(handle, work);
  if (!versions.is_ok()) return raise(versions.status());
  return list_of(versions->size(), [&](size_t i) { return number((*versions)[i]); });
}

PyObject* vector_delete(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view collection;
  std::string_view key;
  if (!given.parse(kDelete, arguments, count, names) || !text_argument(given[0], "collection", &collection) ||
      !text_argument(given[1], "key", &key)) {
    return nullptr;
  }
  const auto found = run(handle, [&](Call& call) { return Vectors(call).erase(collection, key); });
  return found.is_ok() ? PyBool_FromLong(*found) : raise(found.status());
}

// ---- reading ----

PyObject* vector_get(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view collection;
  std::string_view key;
  AsOf as_of;
  if (!given.parse(kGet, arguments, count, names) || !text_argument(given[0], "collection", &collection) ||
      !text_argument(given[1], "key", &key) || !time_argument(given[2], "as_of", &as_of)) {
    return nullptr;
  }
  Pooled<std::string> buffer;
  const auto found = run(handle, [&](Call& call) { return Vectors(call).get(collection, key, as_of, &*buffer); });
  if (!found.is_ok()) return raise(found.status());
  if (!found->has_value()) return Py_NewRef(Py_None);
  const VectorEntry& entry = **found;
  Ref dict(PyDict_New());
  const bool filled = dict && set_named(dict.get(), names_of_vectors().key, decode_text(key)) &&
                      set_vector(dict.get(), entry) && set(dict.get(), "version", number(entry.version)) &&
                      set(dict.get(), "timestamp", optional_number(entry.timestamp));
  return filled ? dict.release() : nullptr;
}

PyObject* vector_list(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view collection;
  std::optional<std::string_view> prefix;
  std::optional<uint64_t> limit;
  AsOf as_of;
  if (!given.parse(kList, arguments, count, names) || !text_argument(given[0], "collection", &collection) ||
      !optional_text(given[1], "prefix", &prefix) || !limit_argument(given[2], &limit) ||
      !time_argument(given[3], "as_of", &as_of)) {
    return nullptr;
  }
  Pooled<KeyList> keys;
  const Status status = run_long(handle, [&](Call& call) {
    keys->clear();
    return Vectors(call).list(collection, prefix.value_or(std::string_view()), limit, as_of, &*keys);
  });
  return status.is_ok() ? list_of_keys(*keys) : raise(status);
}

PyObject* vector_history(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view collection;
  std::string_view key;
  AsOf as_of;
  if (!given.parse(kHistory, arguments, count, names) || !text_argument(given[0], "collection", &collection) ||
      !text_argument(given[1], "key", &key) || !time_argument(given[2], "as_of", &as_of)) {
    return nullptr;
  }
  RowList rows;
  const auto existed = run(handle, [&](Call& call) {
    rows.clear();
    return Vectors(call).history(collection, key, as_of, &rows);
  });
  if (!existed.is_ok()) return raise(existed.status());
  return *existed ? list_of_versions(rows, &vector_value) : Py_NewRef(Py_None);
}

// ---- search ----

// What both searches share, behind their queries.
struct SearchArguments {
  VectorSearch what;
  Pooled<ValueWriter> filters;

  bool parse(const Arguments& given) {
    int64_t k = 0;
    int64_t ef = 0;
    if (!text_argument(given[0], "collection", &what.collection) || !integer_argument(given[2], "k", 1, &k) ||
        !metric_argument(given[3], &what.metric) || !filters_argument(given[4], &*filters) ||
        (given[5] != nullptr && !flag_argument(given[5], &what.exact)) ||
        (given[6] != nullptr && given[6] != Py_None && !integer_argument(given[6], "ef", 1, &ef)) ||
        !time_argument(given[7], "as_of", &what.as_of)) {
      return false;
    }
    what.k = static_cast<uint64_t>(k);
    what.ef = static_cast<uint64_t>(ef);
    if (filters->size() > 0) what.filters = filters->result();
    return true;
  }
};

Status search(Handle* handle, const VectorSearch& what, VectorHits* hits) {
  return run_long(handle, [&](Call& call) {
    hits->clear();
    return Vectors(call).search(what, hits);
  });
}

PyObject* vector_search(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  SearchArguments search_for;
  std::vector<float> query;
  if (!given.parse(kSearch, arguments, count, names) || !search_for.parse(given) ||
      !append_vector(given[1], "query", &query)) {
    return nullptr;
  }
  search_for.what.queries = query;
  search_for.what.dimension = query.size();
  VectorHits hits;
  const Status status = search(handle, search_for.what, &hits);
  return status.is_ok() ? list_of_hits(hits, 0) : raise(status);
}

PyObject* vector_batch_search(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  SearchArguments search_for;
  FloatRows queries;
  if (!given.parse(kBatchSearch, arguments, count, names) || !search_for.parse(given) ||
      !rows_argument(given[1], "queries", &queries)) {
    return nullptr;
  }
  search_for.what.queries = queries.values;
  search_for.what.count = queries.rows;
  search_for.what.dimension = queries.columns;
  VectorHits hits;
  const Status status = search(handle, search_for.what, &hits);
  if (!status.is_ok()) return raise(status);
  return list_of(hits.queries(), [&](size_t i) { return list_of_hits(hits, i); });
}

}  // namespace

std::span<const PyMethodDef> vector_methods() {
  static const PyMethodDef methods[] = {
      define<vector_create_collection>("vector_create_collection", kCreateDoc),
      define<vector_delete_collection>("vector_delete_collection", kDeleteCollectionDoc),
      define<vector_list_collections>("vector_list_collections", kListCollectionsDoc),
      define<vector_upsert>("vector_upsert", kUpsertDoc),
      define<vector_batch_upsert>("vector_batch_upsert", kBatchUpsertDoc),
      define<vector_get>("vector_get", kGetDoc),
      define<vector_delete>("vector_delete", kDeleteDoc),
      define<vector_list>("vector_list", kListDoc),
      define<vector_history>("vector_history", kHistoryDoc),
      define<vector_search>("vector_search", kSearchDoc),
      define<vector_batch_search>("vector_batch_search", kBatchSearchDoc),
  };
  return methods;
}

}  // namespace strata::python
