// Any bytes as a document, any condition: a document for which the condition holds is among those that indexes name.
#include <algorithm>

#include "fuzz_support.h"
#include "model/json_edit.h"
#include "model/json_index_use.h"
#include "model/json_query_run.h"

namespace {

using namespace strata;
using model::IndexUse;

constexpr uint64_t kSteps = 20'000;
constexpr std::string_view kPaths[] = {"$", "$.a", "$.b", "$.a.b", "$[0]", "$.a[-1]"};

// Conditions are made of words: random bytes are rarely one.
std::string condition_text(fuzz::FuzzInput& input) {
  constexpr std::string_view kWords[] = {"@",     "@.a",   "@.b",  "@.a.b", "@[0]", "@.a[-1]", " == ", " < ",
                                         " <= ",  " > ",   " >= ", " != ",  " && ", " || ",    "!",    "(",
                                         ")",     "1",     "-2.5", "'a'",   "''",   "null",    "true", "1e400",
                                         "'\\0'", "@.a>1", "@==1", "1<@.b", "$.a",  "@..a",    "@.*",  "length(@.a)"};
  std::string text;
  for (uint64_t count = 1 + input.number(1) % 12; count > 0; --count) {
    const uint64_t which = input.number(1);
    text += which < 250 ? std::string(kWords[which % std::size(kWords)]) : std::string(input.bytes(2));
  }
  return text;
}

bool leaves(const IndexUse& use, std::span<const model::IndexedPlace> places, std::string_view document) {
  const auto in_part = [&](const IndexUse& part) { return leaves(part, places, document); };
  if (use.kind == IndexUse::Kind::kNoMore) return false;
  if (use.kind == IndexUse::Kind::kAllOf) return std::any_of(use.parts.begin(), use.parts.end(), in_part);
  if (use.kind == IndexUse::Kind::kAnyOf) return std::all_of(use.parts.begin(), use.parts.end(), in_part);
  std::string_view part;
  if (model::find_json(document, places[use.index], &part) != model::Seek::kFound) return false;
  std::string code;
  STRATA_CHECK(model::append_index_code(part, &code) && code.size() <= model::kMaxIndexCodeBytes);
  STRATA_CHECK(model::index_code_bytes(code + "key") == code.size());
  return code >= use.codes.begin && code < use.codes.end;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::FuzzInput input(data, size);
  const std::string text = condition_text(input);
  const std::string_view document = input.rest();
  if (!ValueView(document).validate().is_ok()) return 0;
  std::string unescaped;
  model::JsonFilter filter;
  if (!model::parse_filter(text, &unescaped, &filter).is_ok()) return 0;
  model::JsonPath paths[std::size(kPaths)];
  std::vector<model::IndexedPlace> places;
  for (size_t i = 0; i < std::size(kPaths); ++i) {
    STRATA_CHECK(paths[i].parse(kPaths[i]).is_ok());
    places.push_back(paths[i].steps());
  }
  const auto use = model::use_indexes(filter, places);
  if (!use) return 0;
  model::JsonQueryRun run(kSteps);
  const Result<bool> holds = run.holds(filter, document, document);
  STRATA_CHECK(!holds.is_ok() || !*holds || leaves(*use, places, document));
  return 0;
}
