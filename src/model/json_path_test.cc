#include "model/json_path.h"

#include <gtest/gtest.h>

#include <string>

namespace strata::model {
namespace {

// The steps as show_path writes them, "many", or the offset of the error.
std::string parsed(std::string_view text) {
  JsonPath path;
  const Status status = path.parse(text);
  if (!status.is_ok()) {
    EXPECT_EQ(status.code(), Code::kInvalidPath);
    const std::string_view message = status.message();
    const size_t at = message.rfind("offset ");
    return at == std::string_view::npos ? std::string(message) : std::string(message.substr(at));
  }
  return path.singular() ? show_path(path.steps()) : "many";
}

TEST(JsonPathTest, SingularPaths) {
  EXPECT_EQ(parsed("$"), "$");
  EXPECT_EQ(parsed("$.a.b_1.\xC3\xA9"), "$.a.b_1['\xC3\xA9']");
  EXPECT_EQ(parsed("$['a'][\"b c\"][0][-1]"), "$.a['b c'][0][-1]");
  EXPECT_EQ(parsed("$ .a\t[ 'b' ]\n\r[ 3 ]"), "$.a.b[3]");
  EXPECT_EQ(parsed("$[9007199254740991][-9007199254740991]"), "$[9007199254740991][-9007199254740991]");
  EXPECT_EQ(parsed("$.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p[16]"), "$.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p[16]");
}

TEST(JsonPathTest, Escapes) {
  JsonPath path;
  ASSERT_TRUE(path.parse(R"($["\b\f\n\r\t\/\\\"'"]['\'"\u0041\u00e9\u20AC\uD83D\uDE00']["plain"])").is_ok());
  ASSERT_EQ(path.steps().size(), 3u);
  EXPECT_EQ(path.steps()[0].text, "\b\f\n\r\t/\\\"'");
  EXPECT_EQ(path.steps()[1].text, "'\"A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
  EXPECT_EQ(path.steps()[2].text, "plain");
  JsonPath nul;
  ASSERT_TRUE(nul.parse("$['\\u0000']").is_ok());
  EXPECT_EQ(nul.steps()[0].text, std::string_view("\0", 1));
}

TEST(JsonPathTest, PathsToManyPlaces) {
  for (const char* text : {"$.*", "$[*]", "$..a", "$..*", "$..[0]", "$[0,1]", "$['a', 'b'].c", "$[:]", "$[1:]",
                           "$[ 1 : 2 : 3 ]", "$[::-1]", "$[?@.a]", "$.a[?@.b==1]", "$[0, ?@.b]"}) {
    EXPECT_EQ(parsed(text), "many") << text;
  }
}

TEST(JsonPathTest, MalformedPathsNameTheOffset) {
  const std::pair<const char*, int> cases[] = {
      {"", 0},
      {"a", 0},
      {" $", 0},
      {"$ ", 2},
      {"$a", 1},
      {"$.", 2},
      {"$.a ", 4},
      {"$.1", 2},
      {"$.a-b", 3},
      {"$. a", 2},
      {"$..", 3},
      {"$... a", 3},
      {"$[", 2},
      {"$[]", 2},
      {"$[a]", 2},
      {"$['a", 4},
      {"$['a'", 5},
      {"$['a' x", 6},
      {"$['\\x']", 3},
      {"$['\\\"']", 3},
      {"$[\"\\'\"]", 3},
      {"$['\\u12']", 3},
      {"$['\\uD800']", 3},
      {"$['\\uDC00']", 3},
      {"$['\n']", 3},
      {"$['\\n\n']", 5},
      {"$['\\", 4},
      {"$[01]", 2},
      {"$[-0]", 2},
      {"$[-]", 2},
      {"$[1.5]", 3},
      {"$[9007199254740992]", 2},
      {"$[99999999999999999999]", 2},
      {"$[0,]", 4},
      {"$[,0]", 2},
      {"$[1:2:3:4]", 7},
      {"$[1:-0]", 4},
      {"$['\\uD800\\u0041']", 3},
      {"$.a[0", 5},
  };
  for (const auto& [text, offset] : cases) EXPECT_EQ(parsed(text), "offset " + std::to_string(offset)) << text;
}

TEST(JsonPathTest, LongPaths) {
  std::string text = "$";
  while (text.size() + 2 <= kMaxJsonPathBytes) text += ".a";
  JsonPath path;
  EXPECT_TRUE(path.parse(text).is_ok());
  EXPECT_EQ(path.steps().size(), (text.size() - 1) / 2);
  EXPECT_LT(show_path(path.steps()).size(), 220u);
  EXPECT_NE(parsed(text + ".a").find("64 KiB"), std::string::npos);
}

TEST(JsonPathTest, Pointers) {
  JsonPath path;
  ASSERT_TRUE(path.parse_pointer("/a~1b/~0~01//0/-").is_ok());
  ASSERT_EQ(path.steps().size(), 5u);
  const std::string_view expected[] = {"a/b", "~~1", "", "0", "-"};
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(path.steps()[i].text, expected[i]);
  JsonPath root;
  ASSERT_TRUE(root.parse_pointer("").is_ok());
  EXPECT_TRUE(root.steps().empty());
  JsonPath empty_name;
  ASSERT_TRUE(empty_name.parse_pointer("/").is_ok());
  EXPECT_EQ(empty_name.steps().size(), 1u);
  for (const char* text : {"a", "~", "/~", "/~2", "/a~"}) {
    JsonPath bad;
    EXPECT_EQ(bad.parse_pointer(text).code(), Code::kInvalidPatch) << text;
  }
}

}  // namespace
}  // namespace strata::model
