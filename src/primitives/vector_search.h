// The one place where a search of vectors is answered.
//
// Whoever calls has checked the query, opened the view and noted for the open transaction what the search reads, so
// nothing here notes anything but search_vectors. The answer is exactly that of the view: its moment, with own writes
// on top. Thread safety: as the view. Ownership: borrows everything; `hits` gets copies.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "model/key_codec.h"
#include "model/metadata_filter.h"
#include "model/vector_codec.h"
#include "strata/vector.h"
#include "txn/context.h"
#include "txn/view.h"

namespace strata::primitives {

struct VectorQuery {
  std::string_view collection;
  model::CollectionDefinition definition;
  std::span<const float> queries;  // rows of definition.dimension components, finite
  uint64_t count = 0;              // of rows
  uint64_t k = 0;
  VectorMetric metric = VectorMetric::kCosine;
  const model::MetadataFilter* filter = nullptr;
  bool exact = false;  // compare with every vector
  uint64_t ef = 0;     // as VectorSearch has it
};

// What Vectors::search answers, on a view that the caller has opened. Notes for the open transaction what it reads,
// and nothing behind that.
Status search_vectors(const txn::Context& context, txn::View* view, const VectorSearch& what, VectorHits* hits);

// For each query the k nearest that the filter lets pass, best first, ties by key.
Status search_collection(const txn::Context& context, txn::View* view, const VectorQuery& query, VectorHits* hits);

// The same by comparing every vector of the view: right at any moment of the past, for any metric, and what others are
// measured by.
Status scan_collection(const txn::Context& context, txn::View* view, const VectorQuery& query, VectorHits* hits);

// What a list of collections says of the search structure of one: info->index and info->memory_bytes.
void describe_index(const txn::Context& context, CollectionInfo* info);

// All vectors of a collection.
model::KeySpan vectors_of(std::string_view space, std::string_view collection);

}  // namespace strata::primitives
