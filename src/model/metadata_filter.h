// Conditions on the metadata of vectors: [{"field", "op", "value"}], all of which must hold.
//
// A field is a member's name, or names with dots between them for a member of a member. What is missing, or lies in
// something that is no object, matches only `exists` with false. Numbers compare by what they are worth, integers with
// floats exactly, and NaN equals nothing; everything else is equal only to the same type and value. Order exists
// between numbers, and between strings by their code points.
//
// Thread safety: immutable once parsed; any number of threads may ask. Ownership: owns copies of what it was made from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "strata/status.h"
#include "strata/value.h"

namespace strata::model {

enum class FilterOp : uint8_t { kEq, kNe, kGt, kGte, kLt, kLte, kIn, kContains, kExists };

// One condition, for who evaluates it over many rows by other means.
struct FilterCondition {
  std::vector<std::string> path;  // the names that lead to the field; at least one
  FilterOp op = FilterOp::kEq;
  std::string value;  // encoded: of kIn an array, of kExists a boolean
};

class MetadataFilter {
 public:
  // Nothing is asked for: everything matches.
  MetadataFilter() = default;
  // `conditions` is null or an array of objects. Errors: kInvalidFilter, kInvalidType.
  static Result<MetadataFilter> parse(ValueView conditions);

  bool empty() const { return conditions_.empty(); }
  const std::vector<FilterCondition>& conditions() const { return conditions_; }
  // Whether all hold for the metadata, which is null or an object. REQUIRES: valid (damage is as what is missing).
  bool matches(ValueView metadata) const;

  // One condition, for the value of its field; null: the field is missing.
  static bool holds(const FilterCondition& condition, const ValueView* field);

 private:
  std::vector<FilterCondition> conditions_;
};

}  // namespace strata::model
