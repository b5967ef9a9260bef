// Vectors: collections of embeddings with metadata, searched by nearness. Collections and vectors are named by the
// rules for keys (strata/kv.h). Components are float32; metadata is an object in the binary form of strata/value.h, or
// empty for none (REQUIRES: valid).
//
// Works on the session's current branch and space, in its open transaction or as a commit of its own. Writing needs the
// collection, so it looks before it writes: outside of a transaction on the newest state, which conflicts with nothing.
// Thread safety, common errors: strata/session.h. Ownership: borrows the Call.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/key_list.h"
#include "strata/session.h"
#include "strata/vector_metric.h"

namespace strata {

struct CollectionInfo {
  std::string name;
  uint32_t dimension = 0;
  VectorMetric metric = VectorMetric::kCosine;
  uint64_t count = 0;
  std::string index;          // what answers searches: "hnsw", "scan", or "none" before the first
  uint64_t memory_bytes = 0;  // of what is kept for searches
};

// A vector as it is read. Views borrow the buffer that was given.
struct VectorEntry {
  std::string_view components;  // float32 each, little-endian, perhaps not aligned
  std::string_view metadata;    // null or an object, encoded
  uint64_t version = 0;
  std::optional<uint64_t> timestamp;  // nothing: written by the open transaction
};

// What is to be written.
struct VectorItem {
  std::string_view key;
  std::span<const float> components;
  std::string_view metadata;  // empty: none
};

struct VectorSearch {
  std::string_view collection;
  std::span<const float> queries;  // `count` rows of `dimension` components
  uint64_t count = 1;
  uint64_t dimension = 0;
  uint64_t k = 10;                     // REQUIRES: > 0
  std::optional<VectorMetric> metric;  // nothing: the collection's
  std::string_view filters;            // an array of conditions, encoded (docs/vectors.md); empty: none
  bool exact = false;                  // compare with every vector
  uint64_t ef = 0;                     // candidates kept while a graph is walked; 0: as many as serve well
  AsOf as_of;
};

// The answers to the queries of one search, best first, in one buffer. Views are valid until the next change.
class VectorHits {
 public:
  size_t queries() const { return ends_.size(); }
  // Those of a query are begin(query) … end(query) - 1.
  size_t begin(size_t query) const { return query == 0 ? 0 : ends_[query - 1]; }
  size_t end(size_t query) const { return ends_[query]; }
  std::string_view key(size_t hit) const {
    return std::string_view(buffer_).substr(hits_[hit].offset, hits_[hit].key_bytes);
  }
  std::string_view metadata(size_t hit) const {
    return std::string_view(buffer_).substr(hits_[hit].offset + hits_[hit].key_bytes, hits_[hit].metadata_bytes);
  }
  float score(size_t hit) const { return hits_[hit].score; }

  void add(std::string_view key, float score, std::string_view metadata) {
    hits_.push_back({buffer_.size(), static_cast<uint32_t>(key.size()), static_cast<uint32_t>(metadata.size()), score});
    buffer_.append(key).append(metadata);
  }
  void end_query() { ends_.push_back(hits_.size()); }
  void clear() {
    hits_.clear();
    ends_.clear();
    buffer_.clear();
  }

 private:
  struct Hit {
    uint64_t offset;
    uint32_t key_bytes;
    uint32_t metadata_bytes;
    float score;
  };
  std::vector<Hit> hits_;
  std::vector<size_t> ends_;
  std::string buffer_;
};

class Vectors {
 public:
  explicit Vectors(Call& call) : call_(call) {}

  // ---- collections ----
  // The collection's new version. Errors: kInvalidKey, kOutOfRange (the dimension), kCollectionExists, kReadOnly.
  Result<uint64_t> create_collection(std::string_view name, int64_t dimension, VectorMetric metric);
  // With its vectors. Whether there was one. Errors: kInvalidKey, kReadOnly, kTransactionTooLarge.
  Result<bool> erase_collection(std::string_view name);
  // By name. kHistoryTrimmed.
  Result<std::vector<CollectionInfo>> list_collections(AsOf as_of);

  // ---- vectors ----
  // All or nothing; the new versions in the order of the items. Of a key given twice the last item counts, and both get
  // its version. `batch`: errors name the item's place. Errors: kCollectionNotFound, kInvalidKey, kDimensionMismatch,
  // kInvalidVector, kZeroVector, kValueTooLarge, kReadOnly, kTransactionTooLarge.
  Result<std::vector<uint64_t>> upsert(std::string_view collection, std::span<const VectorItem> items, bool batch);
  // Fills *buffer (its memory is reused) and answers with views of it; nothing if absent, with its collection or
  // without. Errors: kInvalidKey, kHistoryTrimmed.
  Result<std::optional<VectorEntry>> get(std::string_view collection, std::string_view key, AsOf as_of,
                                         std::string* buffer);
  // Whether there was something. Errors: kInvalidKey, kReadOnly.
  Result<bool> erase(std::string_view collection, std::string_view key);
  // The keys that start with `prefix`, in order. Errors: kCollectionNotFound, kHistoryTrimmed.
  Status list(std::string_view collection, std::string_view prefix, std::optional<uint64_t> limit, AsOf as_of,
              KeyList* keys);
  // Newest first; false: it never existed. Values are as stored: see entry_of.
  Result<bool> history(std::string_view collection, std::string_view key, AsOf as_of, RowList* versions);
  // A value of history(), diffs and conflicts: its parts, one made of parts, whether two are the same one.
  static Result<VectorEntry> entry_of(std::string_view value);
  static Result<std::string> value_of(std::span<const float> components, std::string_view metadata);  // kInvalidVector
  static bool same_value(std::string_view a, std::string_view b);

  // ---- search ----
  // The k nearest of each query, best first, ties by key; all of them if there are fewer. Inside a transaction its own
  // writes take part, and definition and whole collection count as read. Errors: kCollectionNotFound, kInvalidFilter,
  // kInvalidType (of filters), kDimensionMismatch, kInvalidVector, kZeroVector, kHistoryTrimmed.
  Status search(const VectorSearch& what, VectorHits* hits);

 private:
  Call& call_;
};

}  // namespace strata
