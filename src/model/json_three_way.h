// The three-way merge of two objects: member by member, down through objects that both sides have; arrays and scalars
// are one value each. What both sides changed otherwise is handed out to be decided.
//
// Thread safety: pure. Ownership: *out and what the judge answers are the caller's.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "strata/status.h"
#include "strata/value.h"

namespace strata::model {

// A member that both sides changed, to different values; nothing: it is not there.
struct JsonClash {
  std::string_view path;  // $['a']['b']
  std::optional<ValueView> base;
  std::optional<ValueView> source;
  std::optional<ValueView> target;
};
// What becomes of it; nothing: no member.
using JsonJudge = std::function<Result<std::optional<ValueView>>(const JsonClash& clash)>;

// Members come in the target's order, then the source's new ones. No base: as from an empty object. Errors: the
// judge's, kValueTooLarge, kCorruption. REQUIRES: all are objects.
Status merge_objects(std::optional<ValueView> base, ValueView source, ValueView target, const JsonJudge& judge,
                     std::string* out);

}  // namespace strata::model
