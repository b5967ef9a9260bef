// A JSONPath (RFC 9535) that may select any number of nodes, as a tree: segments, their selectors, and the filters in
// them. All of the standard: wildcards, slices, descendants, filters, the five functions, checked for their types.
//
// Thread safety: unchanging once parsed. Ownership: borrows the text it was parsed from and the memory for what that
// writes with escapes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/iregexp.h"
#include "strata/status.h"
#include "strata/value.h"

namespace strata::model {

// How deep filters, parentheses and functions may lie in each other.
constexpr int kMaxJsonQueryNesting = 64;

struct JsonFilter;

struct JsonSelector {
  enum class Kind : uint8_t { kName, kIndex, kWildcard, kSlice, kFilter };
  Kind kind = Kind::kName;
  std::string_view name;
  int64_t index = 0;             // of an array; of a slice: its step
  std::optional<int64_t> start;  // of a slice
  std::optional<int64_t> end;
  std::unique_ptr<JsonFilter> filter;
};

struct JsonSegment {
  bool descendant = false;
  std::vector<JsonSelector> selectors;
};

struct JsonQuery {
  bool relative = false;  // begins with @
  std::vector<JsonSegment> segments;

  // Selects one node at the most.
  bool singular() const;
};

// What is compared, or given to a function.
struct JsonOperand {
  enum class Kind : uint8_t { kLiteral, kQuery, kLength, kCount, kValue };
  Kind kind = Kind::kLiteral;
  ValueToken literal;
  int8_t beyond = 0;                   // a literal above (1) or below (-1) the float that it was rounded to
  JsonQuery query;                     // kQuery, where it is singular; kCount and kValue
  std::vector<JsonOperand> arguments;  // kLength: one
};

enum class JsonComparison : uint8_t { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual };

struct JsonFilter {
  enum class Kind : uint8_t { kOr, kAnd, kNot, kExists, kCompare, kMatch, kSearch };
  Kind kind = Kind::kExists;
  std::vector<JsonFilter> parts;  // kOr, kAnd: at least two; kNot: one
  JsonQuery query;                // kExists
  JsonComparison comparison = JsonComparison::kEqual;
  std::vector<JsonOperand> operands;       // kCompare, kMatch, kSearch: two
  std::unique_ptr<const IRegexp> pattern;  // kMatch, kSearch with a literal as second operand
};

// *unescaped gets the memory for names and strings with escapes. Errors: kInvalidPath, naming the offset in bytes.
// REQUIRES: *unescaped is empty and lives as long as the query; the text is at most kMaxJsonPathBytes long.
Status parse_query(std::string_view text, std::string* unescaped, JsonQuery* query);
// A filter alone: what stands between `?` and `]`. Blanks around it are skipped.
Status parse_filter(std::string_view text, std::string* unescaped, JsonFilter* filter);

}  // namespace strata::model
