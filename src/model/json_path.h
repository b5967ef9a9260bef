// A place in a document: the names and indexes that lead there from its root, and the two notations for it, a singular
// JSONPath (RFC 9535) and a JSON Pointer (RFC 6901). A JSONPath to many places is a query, which json_query.h
// describes.
//
// Thread safety: values; one object a thread. Ownership: steps and queries borrow the text they were parsed from and
// the JsonPath that parsed them; a JsonPath owns the names that its text writes with escapes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/status.h"

namespace strata::model {

constexpr size_t kMaxJsonPathBytes = size_t{64} << 10;
// RFC 9535, section 2.1: what every JSON implementation holds exactly.
constexpr int64_t kMaxJsonPathInteger = (int64_t{1} << 53) - 1;

struct JsonQuery;

struct JsonStep {
  enum class Kind : uint8_t {
    kName,   // a member of an object
    kIndex,  // an item of an array; negative: counted from the end
    kToken,  // of a pointer: a name in an object, an index or "-" in an array
  };
  Kind kind = Kind::kName;
  std::string_view text;  // of a name or token
  int64_t index = 0;
};

class JsonPath {
 public:
  JsonPath();
  ~JsonPath();
  JsonPath(const JsonPath&) = delete;
  JsonPath& operator=(const JsonPath&) = delete;

  // Once. Errors: kInvalidPath, naming the offset in bytes. A path that is well-formed but may select any number of
  // nodes is not an error: singular() says so, and query() is what it says.
  Status parse(std::string_view text);
  // As parse, for a JSON Pointer. Errors: kInvalidPatch.
  Status parse_pointer(std::string_view text);

  bool singular() const { return query_ == nullptr; }
  // REQUIRES: not singular().
  const JsonQuery& query() const { return *query_; }
  // Valid as long as this object and the text. REQUIRES: singular().
  std::span<const JsonStep> steps() const { return {more_.empty() ? few_.data() : more_.data(), count_}; }

 private:
  class Parser;
  void add(const JsonStep& step);

  static constexpr size_t kFew = 12;
  size_t count_ = 0;
  std::array<JsonStep, kFew> few_;
  std::vector<JsonStep> more_;  // all of them, once they are more than a few
  std::string unescaped_;       // never grows beyond what was reserved, so that views into it stay
  std::unique_ptr<const JsonQuery> query_;
};

// The steps as people write a path: $.name[3]['odd name'], and those of a pointer: '/name/3'. For messages: long ones
// are cut.
std::string show_path(std::span<const JsonStep> steps);

}  // namespace strata::model
