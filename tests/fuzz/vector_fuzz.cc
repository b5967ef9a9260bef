// Any bytes as the value of a vector, of a collection, as a key of a vector, and as a filter over any metadata: nothing
// that reads them may leave them, and what is taken for a vector is built again to the same bytes.
#include <vector>

#include "fuzz_support.h"
#include "model/metadata_filter.h"
#include "model/vector_codec.h"

namespace {

using strata::ValueView;
using strata::ValueWriter;
using strata::model::MetadataFilter;

void read_vector(std::string_view bytes) {
  strata::model::VectorView view;
  if (!strata::model::parse_vector(bytes, &view)) {
    STRATA_CHECK(!strata::model::check_vector(bytes).is_ok());
    return;
  }
  std::vector<float> components(view.dimension);
  view.copy(components.data());
  (void)strata::model::find_fault(components);
  std::string again;
  strata::model::build_vector(components, view.metadata, &again);
  STRATA_CHECK(again == bytes);
  (void)strata::model::check_vector(bytes);
}

void read_collection(std::string_view bytes) {
  const auto definition = strata::model::parse_collection(bytes);
  if (!definition) return;
  const auto again = strata::model::parse_collection(strata::model::build_collection(*definition));
  STRATA_CHECK(again && again->dimension == definition->dimension && again->metric == definition->metric);
}

// Conditions of the right shape over values of any kind, and ones of any shape.
void filter(std::string_view value, std::string_view metadata) {
  const auto parsed = MetadataFilter::parse(ValueView(metadata));
  if (parsed.is_ok()) (void)parsed->matches(ValueView(metadata));
  if (!ValueView(value).validate().is_ok()) return;
  for (const char* op : {"eq", "ne", "gt", "gte", "lt", "lte", "in", "contains", "exists"}) {
    for (const char* field : {"a", "a.b", ""}) {
      ValueWriter writer;
      const bool fits = writer.begin_array(1) && writer.begin_object(3) && writer.name("field") &&
                        writer.string(field) && writer.name("op") && writer.string(op) && writer.name("value") &&
                        writer.value(ValueView(value)) && writer.end() && writer.end();
      if (!fits) return;
      const auto one = MetadataFilter::parse(ValueView(writer.result()));
      if (!one.is_ok()) continue;
      (void)one->matches(ValueView(metadata));
      // A field is equal to its own value or is another, never both.
      const ValueView same(value);
      strata::model::FilterCondition condition = one->conditions()[0];
      condition.op = strata::model::FilterOp::kEq;
      const bool equal = MetadataFilter::holds(condition, &same);
      condition.op = strata::model::FilterOp::kNe;
      STRATA_CHECK(equal != MetadataFilter::holds(condition, &same));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  read_vector(bytes);
  read_collection(bytes);
  const auto name = strata::model::split_vector_key(bytes);
  if (name) STRATA_CHECK(name->collection.size() + 1 + name->key.size() == bytes.size());
  strata::fuzz::FuzzInput input(data, size);
  const std::string_view value = input.bytes(input.below(64));
  filter(value, input.rest());
  return 0;
}
