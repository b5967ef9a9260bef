#include "model/iregexp.h"

#include <gtest/gtest.h>

#include <string>

namespace strata::model {
namespace {

constexpr uint64_t kPlenty = 10'000'000;

// "match", "search", "no" or "invalid".
std::string tried(std::string_view pattern, std::string_view text) {
  const IRegexp regexp(pattern);
  if (regexp.too_large()) return "too large";
  if (!regexp.valid()) return "invalid";
  uint64_t steps = kPlenty;
  if (regexp.matches(text, &steps) == IRegexp::Answer::kYes) {
    EXPECT_EQ(regexp.found_in(text, &steps), IRegexp::Answer::kYes) << pattern;
    return "match";
  }
  return regexp.found_in(text, &steps) == IRegexp::Answer::kYes ? "search" : "no";
}

struct Case {
  std::string_view pattern;
  std::string_view text;
  std::string_view expected;
};

TEST(IRegexpTest, Cases) {
  constexpr Case kCases[] = {
      {"", "", "match"},
      {"", "a", "search"},
      {"a", "a", "match"},
      {"a", "ba", "search"},
      {"a", "b", "no"},
      {"ab|cd", "cd", "match"},
      {"ab|cd", "abd", "search"},
      {"a|", "", "match"},
      {"|a||b", "b", "match"},
      {"a||b", "", "match"},
      {"a|b|c|d", "d", "match"},
      {"(a|b)(c|d)", "bc", "match"},
      {"(a|b)(c|d)", "cb", "no"},
      {"a?b", "b", "match"},
      {"a?b", "aab", "search"},
      {"a*", "aaaa", "match"},
      {"(a*)*", "aaab", "search"},
      {"(a|a)*b", "aaaaab", "match"},
      {"a+", "", "no"},
      {"a+b", "aab", "match"},
      {"a{2}", "aa", "match"},
      {"a{2}", "aaa", "search"},
      {"a{2,}", "aaaaa", "match"},
      {"a{2,3}", "aaaa", "search"},
      {"a{2,3}", "aaa", "match"},
      {"a{0}", "", "match"},
      {"(ab){1,2}c", "ababc", "match"},
      {"a{0,2}b", "aab", "match"},
      {".", "\xE2\x82\xAC", "match"},
      {".", "\n", "no"},
      {".", "\r", "no"},
      {".", "\xE2\x80\xA8", "match"},
      {"a.c",
       "a\xF0\x9F\x98\x80"
       "c",
       "match"},
      {"[abc]+", "cab", "match"},
      {"[a-c]+", "cabd", "search"},
      {"[^a-c]", "d", "match"},
      {"[^a-c]", "b", "no"},
      {"[^a]", "\n", "match"},
      {"[-a]", "-", "match"},
      {"[a-]", "-", "match"},
      {"[-]", "-", "match"},
      {"[^-]", "-", "no"},
      {"[a^]", "^", "match"},
      {"[a.]", "b", "no"},
      {"[\\]\\[\\\\\\-]+", "][\\-", "match"},
      {"[\\n-\\r]", "\n", "match"},
      {"[\xC3\xA0-\xC3\xBF]", "\xC3\xA9", "match"},
      {"\\(\\)\\*\\+\\-\\.\\?\\[\\\\\\]\\^\\{\\|\\}", "()*+-.?[\\]^{|}", "match"},
      {"\\n\\r\\t", "\n\r\t", "match"},
      {"\\p{Lu}", "\xD0\x96", "match"},
      {"\\p{Lu}", "\xD0\xB6", "no"},
      {"\\P{Lu}", "\xD0\xB6", "match"},
      {"\\p{L}+", "a\xD0\x96\xE6\xBC\xA2", "match"},
      {"\\p{Nd}+", "09\xD9\xA3", "match"},
      {"\\p{P}", "!", "match"},
      {"\\p{Zs}", " ", "match"},
      {"\\p{Sc}", "\xE2\x82\xAC", "match"},
      {"\\p{C}", "\t", "match"},
      {"[\\p{L}\\p{N}_]+", "a_1", "match"},
      {"[^\\p{L}]", "1", "match"},
      {"[\\P{L}]", "a", "no"},
      {"^ab", "ab", "match"},
      {"^b", "ab", "no"},
      {"ab$", "ab", "match"},
      {"a$", "ab", "no"},
      {"^$", "", "match"},
      {"a-b,", "a-b,", "match"},
      {"a/b:c\"'<>=&%#@!~`", "a/b:c\"'<>=&%#@!~`", "match"},
  };
  for (const Case& one : kCases)
    EXPECT_EQ(tried(one.pattern, one.text), one.expected) << one.pattern << " " << one.text;
}

TEST(IRegexpTest, Malformed) {
  for (const std::string_view pattern :
       {"(",      ")",       "a)",       "(a",      "[",     "[]",      "[^]",   "[a",    "]",   "}",      "{",
        "*",      "+a",      "?",        "a**",     "a+?",   "a{",      "a{}",   "a{,2}", "a{2", "a{3,2}", "a{x}",
        "\\",     "\\d",     "\\w",      "\\s",     "\\b",   "\\1",     "\\a",   "\\$",   "\\p", "\\p{",   "\\p{}",
        "\\p{X}", "\\p{Lx}", "\\p{Luu}", "\\p{Cs}", "[b-a]", "[a-b-c]", "[a[b]", "(?:a)", "a|*", "\xFF",   "[\\d]"}) {
    EXPECT_EQ(tried(pattern, "a"), "invalid") << pattern;
  }
}

TEST(IRegexpTest, LargeOnes) {
  EXPECT_EQ(tried("a{999}", std::string(999, 'a')), "match");
  EXPECT_TRUE(IRegexp("a{10000}").valid());
  for (const std::string_view pattern : {"a{10001}", "a{1,10001}", "((a{100}){100}){100}", "(a{9}){99999999999}"}) {
    EXPECT_EQ(tried(pattern, "a"), "too large") << pattern;
  }
  EXPECT_EQ(tried(std::string(101, '(') + std::string(101, ')'), ""), "too large");
  EXPECT_EQ(tried(std::string(99, '(') + std::string(99, ')'), ""), "match");
}

// Where backtracking takes 2^30 attempts or more.
TEST(IRegexpTest, TimeIsLinear) {
  for (const std::string_view pattern : {"(a*)*b", "(a|a)*b", "(a|aa)+b", "(a?){30}a{30}b", "(.*)(.*)(.*)(.*)b"}) {
    const IRegexp regexp(pattern);
    ASSERT_TRUE(regexp.valid()) << pattern;
    uint64_t cost[2];
    for (const size_t size : {1000, 2000}) {
      uint64_t steps = kPlenty;
      EXPECT_EQ(regexp.matches(std::string(size, 'a'), &steps), IRegexp::Answer::kNo) << pattern;
      cost[size / 1000 - 1] = kPlenty - steps;
    }
    EXPECT_LT(cost[1], 2 * cost[0] + 1000) << pattern;
  }
}

TEST(IRegexpTest, GivesUpWhenStepsAreUsedUp) {
  const IRegexp regexp("(a|b)*c");
  uint64_t steps = 100;
  EXPECT_EQ(regexp.found_in(std::string(1000, 'a'), &steps), IRegexp::Answer::kGaveUp);
  EXPECT_EQ(steps, 0u);
}

}  // namespace
}  // namespace strata::model
