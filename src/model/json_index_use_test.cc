#include "model/json_index_use.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "model/json_edit.h"
#include "model/json_query_run.h"
#include "model/json_test_support.h"
#include "testing/random.h"

namespace strata::model {
namespace {

// Indexes of some paths, and what filters make of them.
class Indexes {
 public:
  explicit Indexes(std::initializer_list<std::string_view> paths) {
    for (const std::string_view text : paths) {
      EXPECT_TRUE(paths_.emplace_back().parse(text).is_ok());
      places_.push_back(paths_.back().steps());
    }
  }

  std::optional<IndexUse> use(const JsonFilter& filter) const { return use_indexes(filter, places_); }

  // "0" is a range of index 0, "(0 1)" either of two, "[0 1]" both; "all" and "no" documents.
  std::string shown(std::string_view text) const {
    std::string unescaped;
    JsonFilter filter;
    EXPECT_TRUE(parse_filter(text, &unescaped, &filter).is_ok()) << text;
    const auto found = use(filter);
    return found ? show(*found) : "all";
  }

  // Whether the document is among those that the use leaves.
  bool leaves(const IndexUse& use, std::string_view document) const {
    const auto in_part = [&](const IndexUse& part) { return leaves(part, document); };
    switch (use.kind) {
      case IndexUse::Kind::kAllOf:
        return std::any_of(use.parts.begin(), use.parts.end(), in_part);
      case IndexUse::Kind::kAnyOf:
        return std::all_of(use.parts.begin(), use.parts.end(), in_part);
      case IndexUse::Kind::kNoMore:
        return false;
      case IndexUse::Kind::kRange:
        break;
    }
    std::string_view part;
    std::string code;
    if (find_json(document, places_[use.index], &part) != Seek::kFound) return false;
    EXPECT_TRUE(append_index_code(part, &code));
    return code >= use.codes.begin && code < use.codes.end;
  }

 private:
  static std::string show(const IndexUse& use) {
    if (use.kind == IndexUse::Kind::kRange) return std::to_string(use.index);
    if (use.kind == IndexUse::Kind::kNoMore) return "no";
    std::string parts;
    for (const IndexUse& part : use.parts) parts += (parts.empty() ? "" : " ") + show(part);
    return use.kind == IndexUse::Kind::kAllOf ? "[" + parts + "]" : "(" + parts + ")";
  }

  std::deque<JsonPath> paths_;
  std::vector<IndexedPlace> places_;
};

TEST(JsonIndexUseTest, ComparisonsOfAPlaceWithALiteralFit) {
  const Indexes indexes({"$.a", "$.b['c d'][-1]", "$"});
  for (const char* filter : {"@.a == 1", "1 == @.a", "@.a < 'x'", "'x' >= @.a", "@['a'] > null || @.a == 2.5"}) {
    EXPECT_EQ(indexes.shown(filter), "0") << filter;
  }
  EXPECT_EQ(indexes.shown("@['b'][\"c d\"][-1] >= true"), "1");
  EXPECT_EQ(indexes.shown("@ == 3"), "2");
  EXPECT_EQ(indexes.shown("@.a"), "0");
}

TEST(JsonIndexUseTest, OthersDoNot) {
  const Indexes indexes({"$.a", "$.b[0]"});
  for (const char* filter : {"@.a != 1", "!@.a", "!(@.a == 1)", "@.c == 1", "@.a.b == 1", "@.b == 1", "@.b[1] == 1",
                             "@.b['0'] == 1", "@.a == @.b", "$.a == 1", "$[0].a == 1", "length(@.a) == 1",
                             "count(@.a) > 0", "match(@.a, 'x')", "1 == 1", "@.a == 1 || @.c == 2", "@.* || @..a"}) {
    EXPECT_EQ(indexes.shown(filter), "all") << filter;
  }
}

TEST(JsonIndexUseTest, PartsAreJoined) {
  const Indexes indexes({"$.a", "$.b", "$.c"});
  EXPECT_EQ(indexes.shown("@.a == 1 && @.b == 2"), "(0 1)");
  EXPECT_EQ(indexes.shown("@.a == 1 && @.x == 2"), "0");
  EXPECT_EQ(indexes.shown("@.a == 1 || @.b == 2"), "[0 1]");
  EXPECT_EQ(indexes.shown("(@.a == 1 || @.b == 2) && @.c"), "([0 1] 2)");
  EXPECT_EQ(indexes.shown("@.a == 1 && @.b == 2 || @.c == 3"), "[(0 1) 2]");
  EXPECT_EQ(indexes.shown("(@.a > 1 && @.x) && (@.b && (@.a < 5))"), "(0 1)");
}

TEST(JsonIndexUseTest, TwoBoundsOfOnePlaceAreOneRange) {
  const Indexes indexes({"$.a"});
  EXPECT_EQ(indexes.shown("@.a > 3 && 5 > @.a"), "0");
  EXPECT_EQ(indexes.shown("@.a > 5 && @.a < 3"), "no");
  EXPECT_EQ(indexes.shown("@.a < null"), "no");
  EXPECT_EQ(indexes.shown("@.a < null || @.a == 1"), "0");
  EXPECT_EQ(indexes.shown("@.a < null || @.a == 1 && @.a == 2"), "no");
  EXPECT_EQ(indexes.shown("@.a == 1 && @.a == 'x'"), "no");
}

std::string random_filter(testing::Random* random, int depth = 0) {
  const std::vector<std::string_view> places = {"@.a", "@.b", "@.c", "@.a.b", "@.l[0]", "@.l[-1]", "@"};
  const std::vector<std::string_view> literals = {"1", "2", "1.5", "'x'", "'y'", "null", "true", "1e400", "-3"};
  const std::vector<std::string_view> comparisons = {" == ", " != ", " < ", " <= ", " > ", " >= "};
  if (depth < 3 && random->percent(55)) {
    const std::string join = random->one_in(2) ? " && " : " || ";
    std::string text = random_filter(random, depth + 1);
    for (uint64_t more = 1 + random->below(2); more > 0; --more) text += join + random_filter(random, depth + 1);
    return (random->one_in(6) ? "!(" : "(") + text + ")";
  }
  const std::string place(random->pick(places));
  if (random->one_in(5)) return (random->one_in(3) ? "!" : "") + place;
  const std::string comparison(random->pick(comparisons));
  const std::string literal(random->pick(literals));
  return random->one_in(2) ? place + comparison + literal : literal + comparison + place;
}

std::string random_document(testing::Random* random, int depth = 0) {
  const std::vector<std::string_view> scalars = {"1", "2", "1.5", "'x'", "'y'", "'z'", "null", "true", "-3"};
  const uint64_t kind = random->below(depth == 0 ? 5 : 10);
  if (depth > 2 || kind >= 5) return std::string(random->pick(scalars));
  if (kind == 4) return "[" + random_document(random, depth + 1) + "," + random_document(random, depth + 1) + "]";
  std::string text = "{";
  for (const char* name : {"'a':", "'b':", "'c':", "'l':"}) {
    if (random->one_in(2)) text += name + random_document(random, depth + 1) + ",";
  }
  return text + "}";
}

TEST(JsonIndexUseTest, NoDocumentThatFitsIsLeftOut) {
  testing::Random random(testing::test_seed(1));
  const Indexes indexes({"$.a", "$.b", "$.a.b", "$.l[0]", "$.l[-1]", "$"});
  uint64_t used = 0;
  uint64_t fitting = 0;
  uint64_t spared = 0;
  for (uint64_t round = testing::scaled(3000); round > 0; --round) {
    const std::string text = random_filter(&random);
    std::string unescaped;
    JsonFilter filter;
    const Status parsed = parse_filter(text, &unescaped, &filter);
    if (parsed.code() == Code::kInvalidPath) continue;  // a number that is none here
    const auto use = indexes.use(filter);
    if (!use) continue;
    ++used;
    for (int i = 0; i < 10; ++i) {
      const std::string document = from_json(random_document(&random));
      JsonQueryRun run(10'000);
      const auto holds = run.holds(filter, document, document);
      ASSERT_TRUE(holds.is_ok());
      fitting += *holds ? 1 : 0;
      const bool left = indexes.leaves(*use, document);
      spared += left ? 0 : 1;
      EXPECT_TRUE(left || !*holds) << text << " of " << to_json(document);
    }
  }
  EXPECT_GT(used, 0u);
  EXPECT_GT(fitting, 0u);
  EXPECT_GT(spared, fitting);
}

}  // namespace
}  // namespace strata::model
