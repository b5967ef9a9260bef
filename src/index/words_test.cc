#include "index/words.h"

#include <gtest/gtest.h>

#include <cctype>
#include <random>
#include <string>
#include <vector>

namespace strata::index {
namespace {

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> result;
  WordReader reader(text);
  size_t before = 0;
  for (Word word; reader.next(&word);) {
    EXPECT_LT(word.begin, word.end) << text;
    EXPECT_LE(word.end, text.size()) << text;
    EXPECT_GE(word.begin, before) << text;
    before = word.begin;
    result.emplace_back(word.text);
  }
  return result;
}

using Words = std::vector<std::string>;

TEST(Words, Plain) {
  EXPECT_EQ(words("The quick_brown fox, 3.14!"), (Words{"the", "quick", "brown", "fox", "3", "14"}));
  EXPECT_EQ(words(""), Words{});
  EXPECT_EQ(words(" ... --- "), Words{});
  EXPECT_EQ(words("don't stop' 'quoted'"), (Words{"don't", "stop", "quoted"}));
}

TEST(Words, CaseAndAccents) {
  EXPECT_EQ(words("Café ÉCOLE naïve"), (Words{"cafe", "ecole", "naive"}));
  EXPECT_EQ(words("Cafe\u0301s"), (Words{"cafes"}));
  EXPECT_EQ(words("Straße STRASSE"), (Words{"strasse", "strasse"}));
  EXPECT_EQ(words("ΣΊΣΥΦΟΣ σίσυφος"), (Words{"σισυφοσ", "σισυφοσ"}));
  EXPECT_EQ(words("Ёлка"), (Words{"елка"}));
  EXPECT_EQ(words("l’été"), (Words{"l'ete"}));
  EXPECT_EQ(words("İstanbul"), (Words{"istanbul"}));
}

TEST(Words, CompatibilityForms) {
  EXPECT_EQ(words("ﬁne Ｗｉｄｅ x² ①"), (Words{"fine", "wide", "x2", "1"}));
  EXPECT_EQ(words("ﷺ").size(), 4u);  // one code point, four words
}

TEST(Words, DigitsOfEveryScript) {
  EXPECT_EQ(words("٢٠٢٤ ۱۳ ४२ ๒๕ 𝟏𝟐 ０"), (Words{"2024", "13", "42", "25", "12", "0"}));
}

TEST(Words, Arabic) {
  EXPECT_EQ(words("كِتَابٌ"), (Words{"كتاب"}));
  EXPECT_EQ(words("كـتـاب"), (Words{"كتاب"}));
  EXPECT_EQ(words("أحمد"), words("احمد"));
}

TEST(Words, MarksThatMean) {
  EXPECT_EQ(words("हिन्दी"), (Words{"हिन्दी"}));
  EXPECT_EQ(words("\u0301\u0302"), Words{});
  EXPECT_EQ(words("\u093F"), Words{});  // a vowel sign without its letter
  EXPECT_EQ(words("a\u0301\u0301\u0301b"), (Words{"ab"}));
}

TEST(Words, WithoutSpaces) {
  EXPECT_EQ(words("東京都"), (Words{"東京", "京都"}));
  EXPECT_EQ(words("東"), (Words{"東"}));
  EXPECT_EQ(words("abc漢字def"), (Words{"abc", "漢字", "def"}));
  EXPECT_EQ(words("ガ"), words("カ\u3099"));
  EXPECT_EQ(words("ガ"), words("ｶﾞ"));
  EXPECT_NE(words("ガ"), words("カ"));
  EXPECT_EQ(words("한국어"), (Words{"한국", "국어"}));
  EXPECT_EQ(words("한"), words("\u1112\u1161\u11AB"));
  EXPECT_EQ(words("ไทย"), (Words{"ไท", "ทย"}));
  EXPECT_EQ(words("ที่นี่").size(), 1u);  // two letters with their marks
  EXPECT_EQ(words("東京。京都"), (Words{"東京", "京都"}));
}

TEST(Words, LettersOfPairs) {
  WordReader reader("東京都 x");
  Word word;
  ASSERT_TRUE(reader.next(&word));
  EXPECT_EQ(word.text.substr(0, word.first_letter_bytes), "東");
  EXPECT_FALSE(word.ends_run);
  ASSERT_TRUE(reader.next(&word));
  EXPECT_TRUE(word.ends_run);
  EXPECT_EQ(word.text.substr(word.first_letter_bytes), "都");
  ASSERT_TRUE(reader.next(&word));
  EXPECT_EQ(word.first_letter_bytes, 0u);
}

TEST(Words, Emoji) {
  EXPECT_EQ(words("go🚀now"), (Words{"go", "🚀", "now"}));
  EXPECT_EQ(words("👍🏽"), (Words{"👍"}));
  EXPECT_EQ(words("👩\u200D🚀"), (Words{"👩", "🚀"}));
  EXPECT_EQ(words("🇩🇪🇫🇷"), (Words{"🇩🇪", "🇫🇷"}));
  EXPECT_EQ(words("❤️"), (Words{"❤"}));
}

TEST(Words, WhatIsNotShown) {
  EXPECT_EQ(words("so\u00ADft"), (Words{"soft"}));
  EXPECT_EQ(words("two\u200Bwords"), (Words{"two", "words"}));
  EXPECT_EQ(words("\uFEFFbom"), (Words{"bom"}));
}

TEST(Words, LongAndBroken) {
  EXPECT_EQ(words(std::string(5000, 'a')), (Words{std::string(kMaxWordBytes, 'a')}));
  std::string accents;
  for (int i = 0; i < 500; ++i) accents += "ж";
  ASSERT_EQ(words(accents).size(), 1u);
  EXPECT_EQ(words(accents)[0].size(), kMaxWordBytes);
  EXPECT_EQ(words("ab\xFF"
                  "cd"),
            (Words{"ab", "cd"}));
  EXPECT_EQ(words("ab\xE6\x9D"), (Words{"ab"}));
}

// Text that is plain and text that is not take different ways to the same words.
TEST(Words, PlainAndFoldedAgree) {
  std::mt19937_64 random(7);
  const std::string letters = "abcXYZ019'' _-.\n";
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (size_t i = random() % 40; i > 0; --i) text += letters[random() % letters.size()];
    Words expected{"e"};
    for (const std::string& word : words(text)) expected.push_back(word);
    // The accent makes the reader leave the plain way, at most up to the next sign.
    EXPECT_EQ(words("é " + text), expected) << text;
    std::string spread;
    for (const char c : text) {
      spread += c;
      if (std::isalnum(static_cast<unsigned char>(c)) != 0) spread += "\u0301";
    }
    EXPECT_EQ(words(spread), words(text)) << text;
  }
}

TEST(Words, Stems) {
  EXPECT_EQ(std::string(stem("running")), "run");
  EXPECT_EQ(std::string(stem("connection")), std::string(stem("connected")));
  EXPECT_EQ(std::string(stem("is")), "is");
  EXPECT_EQ(std::string(stem("елка")), "елка");
  EXPECT_EQ(std::string(stem("")), "");
}

}  // namespace
}  // namespace strata::index
