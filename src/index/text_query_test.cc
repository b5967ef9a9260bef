#include "index/text_query.h"

#include <gtest/gtest.h>

namespace strata::index {
namespace {

std::string shown(const std::vector<QueryTerm>& terms) {
  std::string result;
  for (const QueryTerm& term : terms) {
    if (!result.empty()) result += " | ";
    if (!term.field.empty()) result += term.field + ":";
    for (size_t i = 0; i < term.words.size(); ++i) result += (i > 0 ? "+" : "") + term.words[i];
    if (!term.prefix.empty()) result += term.prefix + "*";
    if (term.times != 1) result += " x" + std::to_string(term.times);
  }
  return result;
}

void expect(std::string_view text, std::string_view any, std::string_view phrases = "", std::string_view never = "") {
  const TextQuery query = parse_text_query(text);
  EXPECT_EQ(shown(query.any), any) << text;
  EXPECT_EQ(shown(query.phrases), phrases) << text;
  EXPECT_EQ(shown(query.never), never) << text;
}

TEST(TextQuery, Words) {
  expect("Red fox", "red | fox");
  expect("fox red fox", "fox x2 | red");
  expect("  ", "");
  expect("foo-bar", "foo | bar");
  expect("((", "");
}

TEST(TextQuery, CommonWords) {
  const TextQuery query = parse_text_query("The fox body:the the* \"the fox\"");
  ASSERT_EQ(query.any.size(), 4u);
  EXPECT_TRUE(query.any[0].common);
  for (size_t i = 1; i < 4; ++i) EXPECT_FALSE(query.any[i].common) << i;
  EXPECT_FALSE(query.phrases.at(0).common);
}

TEST(TextQuery, Phrases) {
  expect("\"Red Fox\" den", "den", "red+fox");
  expect("\"one\"", "", "one");
  expect("\"\"", "");
  expect("\"a b\" \"a b\"", "", "a+b x2");
  expect("a\"b c\"d", "a | d", "b+c");
}

TEST(TextQuery, Never) {
  expect("fox -red", "fox", "", "red");
  expect("fox -\"red hen\"", "fox", "", "red+hen");
  expect("fox -red-hen", "fox", "", "red+hen");
  expect("fox -re*", "fox", "", "re*");
  expect("-fox", "", "", "fox");
  EXPECT_TRUE(parse_text_query("-fox").empty());
  expect("--fox", "", "", "fox");
  expect("fox - red", "fox | red");
}

TEST(TextQuery, Prefixes) {
  expect("fo*", "fo*");
  expect("red-fo*", "fo* | red");
  expect("*", "");
  expect("\"red fo*\"", "", "red+fo");
}

TEST(TextQuery, Fields) {
  expect("title:fox", "title:fox");
  expect("a.b:Fox title:re* t:\"red fox\"", "a.b:fox | title:re*", "t:red+fox");
  expect("-title:fox den", "den", "", "title:fox");
  expect("title: fox", "title | fox");
  expect("12:30", "12 | 30");
  expect("_x:y", "_x:y");
  expect("http://x", "http | x");
  expect("größe:klein", "größe:klein");
  expect("title:-fox", "title | fox");
}

TEST(TextQuery, BrokenQuotes) {
  expect("\"red fox", "red | fox");
  expect("title:\"red", "title | red");
  expect("-\"red", "red");
  expect("\"a\"b\"", "b", "a");
}

TEST(TextQuery, Large) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += "w" + std::to_string(i % 5000) + " ";
  EXPECT_EQ(parse_text_query(text).any.size(), 5000u);
  EXPECT_EQ(parse_text_query(std::string(1 << 20, '"')).empty(), true);
  EXPECT_EQ(parse_text_query(std::string(1 << 20, '-')).empty(), true);
}

}  // namespace
}  // namespace strata::index
