// Any bytes as a query, with any bytes as the document: a run stays inside of both, ends within its steps, and hands
// out nodes of the document; what is left when they are removed is valid if the document was.
#include <set>

#include "fuzz_support.h"
#include "model/json_path.h"
#include "model/json_query_run.h"

namespace {

using namespace strata;

constexpr uint64_t kSteps = 20'000;

// Queries are made of words: random bytes are rarely one.
std::string query_text(fuzz::FuzzInput& input) {
  constexpr std::string_view kWords[] = {
      ".a",       ".b",         "[0]",    "[-1]",      "[*]",       ".*",      "..*",      "..a",  "[1:]",
      "[::-1]",   "[?",         "]",      "@",         "$",         "==",      "<",        ">=",   "&&",
      "||",       "!",          "(",      ")",         "1",         "'a'",     "null",     "1.5",  "length(",
      "count(",   "value(",     "match(", "search(",   ",",         "'[a-z]'", " ",        "@.a",  "'(a|b)*'",
      "'a{2,5}'", "'\\\\p{L}'", "[0,1]",  "['a','b']", "[?@.a==1]", "[?@..*]", "[?@>$.a]", "true", "[?match(@,'a.*')]"};
  std::string text = "$";
  for (uint64_t count = input.number(1) % 12; count > 0; --count) {
    const uint64_t which = input.number(1);
    text += which < 250 ? kWords[which % std::size(kWords)] : input.bytes(1);
  }
  return text;
}

void check_run(const model::JsonPath& path, std::string_view document, bool valid) {
  std::set<const char*> nodes;
  model::JsonQueryRun run(kSteps);
  uint64_t found = 0;
  const Status status = run.select(path.query(), document, [&](std::string_view node) {
    STRATA_CHECK(node.data() >= document.data() && node.data() + node.size() <= document.data() + document.size());
    STRATA_CHECK(!valid || ValueView(node).validate().is_ok());
    STRATA_CHECK(++found <= kSteps + 1);
    nodes.insert(node.data());
    return true;
  });
  STRATA_CHECK(status.is_ok() || status.code() == Code::kQueryTooCostly || status.code() == Code::kCorruption);
  STRATA_CHECK(!valid || status.code() != Code::kCorruption);
  if (!status.is_ok() || nodes.empty()) return;
  ValueWriter out;
  const Status removed = model::remove_nodes(document, {nodes.begin(), nodes.end()}, &out);
  if (valid) STRATA_CHECK(removed.is_ok() && ValueView(out.result()).validate().is_ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  fuzz::FuzzInput input(data + 1, size - 1);
  const std::string text = data[0] % 4 == 0 ? "$" + std::string(input.bytes(input.number(1))) : query_text(input);
  const std::string document(input.rest());
  const bool valid = ValueView(document).validate().is_ok();
  model::JsonPath path;
  if (path.parse(text).is_ok() && !path.singular()) check_run(path, document, valid);
  if (valid) return 0;
  // Random bytes are rarely a document either.
  static const std::string kDocument = [] {
    ValueWriter writer;
    STRATA_CHECK(writer.begin_object() && writer.name("a") && writer.begin_array() && writer.integer(1) &&
                 writer.string("ab") && writer.begin_object() && writer.name("a") && writer.real(1.5) && writer.end() &&
                 writer.end() && writer.name("b") && writer.string("aab") && writer.end());
    return std::string(writer.result());
  }();
  model::JsonPath again;
  if (again.parse(text).is_ok() && !again.singular()) check_run(again, kDocument, true);
  return 0;
}
