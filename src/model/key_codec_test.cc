#include "model/key_codec.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/utf8.h"

namespace strata::model {
namespace {

using namespace std::string_literals;

TEST(KeyCodecTest, KeysHaveTheDocumentedBytes) {
  EXPECT_EQ(TreeKey("ab", Tag::kKv, "key").view(), "ab\0\x02key"s);
  EXPECT_EQ(TreeKey("ab", Tag::kSpace).view(), "ab\0\x01"s);
  EXPECT_EQ(TreeKey("ab", Tag::kEvent, uint64_t{258}).view(), "ab\0\x06\0\0\0\0\0\0\x01\x02"s);
  EXPECT_EQ(TreeKey("ab", Tag::kEventType, "t", uint64_t{1}).view(), "ab\0\x07t\0\0\0\0\0\0\0\0\x01"s);
  EXPECT_EQ(TreeKey("ab", Tag::kVector, "c", "k").view(),
            "ab\0\x09"
            "c\0k"s);
}

TEST(KeyCodecTest, TheLargestKeyFits) {
  const std::string space(kMaxSpaceNameBytes, 's');
  const std::string user(kMaxUserKeyBytes, 'u');
  const TreeKey key(space, Tag::kVector, user, user);
  EXPECT_EQ(key.view().size(), kMaxTreeKeyBytes);
  EXPECT_EQ(split_key(key)->user, user + '\0' + user);
}

TEST(KeyCodecTest, SplitIsTheInverse) {
  const TreeKey key("space-1", Tag::kJson, "a\x01z");
  const auto parts = split_key(key);
  ASSERT_TRUE(parts.has_value());
  EXPECT_EQ(parts->space, "space-1");
  EXPECT_EQ(parts->tag, Tag::kJson);
  EXPECT_EQ(parts->user, "a\x01z");
  for (const auto& bad : {""s, "a"s, "a\0"s, "a\0\0b"s, "a\0\x0A"s, "a\0\xFF"s})
    EXPECT_FALSE(split_key(bad).has_value());
}

TEST(KeyCodecTest, OrderIsSpaceThenTagThenKey) {
  const std::vector<std::string> in_order = {
      std::string(TreeKey("a", Tag::kSpace).view()),
      std::string(TreeKey("a", Tag::kKv, "\x01").view()),
      std::string(TreeKey("a", Tag::kKv, "b").view()),
      std::string(TreeKey("a", Tag::kKv, "b\x01").view()),
      std::string(TreeKey("a", Tag::kKv, "bb").view()),
      std::string(TreeKey("a", Tag::kKv, "\xF4\x8F\xBF\xBF").view()),
      std::string(TreeKey("a", Tag::kState, "a").view()),
      std::string(TreeKey("a", Tag::kEvent, uint64_t{255}).view()),
      std::string(TreeKey("a", Tag::kEvent, uint64_t{256}).view()),
      std::string(TreeKey("a-", Tag::kSpace).view()),
      std::string(TreeKey("ab", Tag::kSpace).view()),
  };
  for (size_t i = 1; i < in_order.size(); ++i) EXPECT_LT(in_order[i - 1], in_order[i]) << i;
}

TEST(KeyCodecTest, SpansHoldExactlyTheirKeys) {
  const auto within = [](const KeySpan& span, std::string_view key) {
    return key >= span.begin && (span.end.empty() || key < span.end);
  };
  const KeySpan all = space_span("a");
  EXPECT_TRUE(within(all, TreeKey("a", Tag::kSpace)));
  EXPECT_TRUE(within(all, TreeKey("a", Tag::kVector, "\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF")));
  EXPECT_FALSE(within(all, TreeKey("ab", Tag::kSpace)));
  EXPECT_FALSE(within(all, TreeKey("a-", Tag::kKv, "k")));
  const KeySpan kv = prefix_span("a", Tag::kKv);
  EXPECT_TRUE(within(kv, TreeKey("a", Tag::kKv, "\x01")));
  EXPECT_FALSE(within(kv, TreeKey("a", Tag::kSpace)));
  EXPECT_FALSE(within(kv, TreeKey("a", Tag::kState, "\x01")));
  const KeySpan users = prefix_span("a", Tag::kKv, "user:");
  EXPECT_TRUE(within(users, TreeKey("a", Tag::kKv, "user:")));
  EXPECT_TRUE(within(users, TreeKey("a", Tag::kKv, "user:\xF4\x8F\xBF\xBF")));
  EXPECT_FALSE(within(users, TreeKey("a", Tag::kKv, "user;")));
  EXPECT_FALSE(within(users, TreeKey("a", Tag::kKv, "user")));
}

TEST(KeyCodecTest, PrefixSuccessor) {
  EXPECT_EQ(prefix_successor("a"), "b");
  EXPECT_EQ(prefix_successor("a\xFF"), "b");
  EXPECT_EQ(prefix_successor("a\xFF\xFF"), "b");
  EXPECT_EQ(prefix_successor("\xFF"), "");
  EXPECT_EQ(prefix_successor(""), "");
}

TEST(KeyCodecTest, KeysAreChecked) {
  EXPECT_TRUE(check_key("k").is_ok());
  EXPECT_TRUE(check_key(std::string(1024, 'k')).is_ok());
  EXPECT_TRUE(check_key("\x01\n\xC3\xA9\xF0\x9F\x98\x80").is_ok());
  EXPECT_EQ(check_key("").code(), Code::kInvalidKey);
  EXPECT_EQ(check_key("").message(), "key '' has 0 bytes; 1 to 1,024 are allowed");
  EXPECT_EQ(check_key(std::string(1025, 'k')).code(), Code::kInvalidKey);
  EXPECT_EQ(check_key("a\0b"s, "cell").message(), "cell 'a\\x00b' holds a NUL character");
  EXPECT_EQ(check_key("a\xFF").code(), Code::kInvalidUnicode);
  EXPECT_EQ(check_key("\xED\xA0\x80").code(), Code::kInvalidUnicode);
}

TEST(KeyCodecTest, BranchAndSpaceNamesAreChecked) {
  for (const auto& good : {"a"s, "9"s, "Main"s, "feature/x-1_2.3"s, std::string(128, 'b')}) {
    EXPECT_TRUE(check_branch_name(good).is_ok()) << good;
  }
  for (const auto& bad : {""s, "/a"s, ".a"s, "-a"s, "a b"s, "a\n"s, "\xC3\xA9"s, "a\0"s, std::string(129, 'b')}) {
    EXPECT_EQ(check_branch_name(bad).code(), Code::kInvalidBranchName) << bad;
  }
  for (const auto& good : {"a"s, "a9_-"s, std::string(64, 's')}) EXPECT_TRUE(check_space_name(good).is_ok()) << good;
  for (const auto& bad : {""s, "A"s, "9"s, "_a"s, "a.b"s, "aB"s, "a\n"s, std::string(65, 's')}) {
    EXPECT_EQ(check_space_name(bad).code(), Code::kInvalidSpaceName) << bad;
  }
  EXPECT_EQ(check_space_name("It's").message(), "space name \"It's\" is not allowed");
}

TEST(Utf8Test, WellFormedSequencesOnly) {
  for (const auto& good :
       {""s, "plain ascii text"s, "\x7F"s, "\xC2\x80"s, "\xDF\xBF"s, "\xE0\xA0\x80"s, "\xED\x9F\xBF"s, "\xEE\x80\x80"s,
        "\xEF\xBF\xBF"s, "\xF0\x90\x80\x80"s, "\xF4\x8F\xBF\xBF"s, "12345678\xC3\xA9"s}) {
    EXPECT_TRUE(is_utf8(good));
  }
  for (const auto& bad : {"\x80"s, "\xBF"s, "\xC0\x80"s, "\xC1\xBF"s, "\xC2"s, "\xC2\x41"s, "\xE0\x9F\xBF"s,
                          "\xED\xA0\x80"s, "\xED\xBF\xBF"s, "\xE1\x80"s, "\xF0\x8F\xBF\xBF"s, "\xF4\x90\x80\x80"s,
                          "\xF5\x80\x80\x80"s, "\xFF"s, "12345678\xC3"s}) {
    EXPECT_FALSE(is_utf8(bad));
  }
}

TEST(Utf8Test, QuotedIsAsPythonShowsIt) {
  EXPECT_EQ(quoted("a'b"), "\"a'b\"");
  EXPECT_EQ(quoted("a'\"b"), "'a\\'\"b'");
  EXPECT_EQ(quoted("\n\\\x01"), "'\\n\\\\\\x01'");
  EXPECT_EQ(quoted("\xC3\xA9\xC3\xA9\xC3\xA9", 2), "'\xC3\xA9\xC3\xA9'");
  EXPECT_EQ(quoted("a\xFFz"), "'a\\xffz'");
}

}  // namespace
}  // namespace strata::model
