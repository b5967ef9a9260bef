// Searching by meaning as a program in C++ does it: it gives the vectors that a search asks for.
#include "strata/embedding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <string>

#include "strata/branch.h"
#include "strata/kv.h"
#include "strata/search.h"
#include "strata/session.h"
#include "strata/value.h"

namespace strata {
namespace {

class EmbeddingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = Session::open_memory({});
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
    session_ = std::move(*opened);
  }

  // How often each letter from a to c is in the text.
  static std::vector<float> letters(const std::string& text) {
    std::vector<float> vector;
    for (const char letter : {'a', 'b', 'c'}) {
      vector.push_back(static_cast<float>(std::count(text.begin(), text.end(), letter)));
    }
    return vector;
  }

  void put(std::string_view key, std::string_view text) {
    ValueWriter writer;
    ASSERT_TRUE(writer.string(text));
    Call call(*session_, Call::kWait);
    ASSERT_TRUE(Kv(call).put(key, writer.result()).is_ok());
  }

  // What is asked for is noted in asked_.
  Status give(EmbeddingRun* run) {
    std::vector<float> vectors;
    for (const std::string& text : run->wanted()) {
      asked_.push_back(text);
      const std::vector<float> vector = make_(text);
      vectors.insert(vectors.end(), vector.begin(), vector.end());
    }
    Call call(*session_, Call::kWait);
    return Embedding(call).add(run, 0, vectors, vectors.size() / run->wanted().size());
  }

  // The keys of the hits, best first, or the error.
  std::string search(const std::string& query, uint64_t embedder = 1, AsOf as_of = {}) {
    EmbeddingRun run(embedder);
    SearchRequest request;
    request.query = query;
    request.mode = SearchMode::kSemantic;
    request.embedding = &run;
    request.as_of = as_of;
    while (true) {
      {
        Call call(*session_, Call::kWait);
        const auto hits = Search(call).search(request);
        if (!hits.is_ok()) return hits.status().to_string();
        if (run.wanted().empty()) {
          std::string keys;
          for (const SearchHit& hit : *hits) keys += hit.key;
          return keys;
        }
      }
      const Status given = give(&run);
      if (!given) return std::string(code_name(given.code()));
    }
  }

  std::unique_ptr<Session> session_;
  std::function<std::vector<float>(const std::string&)> make_ = letters;
  std::vector<std::string> asked_;
};

TEST_F(EmbeddingTest, AsksForWhatIsNotThere) {
  put("x", "aab");
  put("y", "cc");
  EXPECT_EQ(search("a"), "xy");
  std::sort(asked_.begin(), asked_.end());
  EXPECT_EQ(asked_, (std::vector<std::string>{"a", "aab", "cc"}));
  asked_.clear();
  EXPECT_EQ(search("c"), "yx");
  EXPECT_EQ(asked_, std::vector<std::string>{"c"});
}

TEST_F(EmbeddingTest, AForkAsksForNothingItShares) {
  put("x", "aab");
  EXPECT_EQ(search("a"), "x");
  {
    Call call(*session_, Call::kWait);
    ASSERT_TRUE(Branches(call).fork("default", "b", {}).is_ok());
    ASSERT_TRUE(call.branch_use("b").is_ok());
  }
  put("y", "ccc");
  asked_.clear();
  EXPECT_EQ(search("a"), "xy");
  EXPECT_EQ(asked_, (std::vector<std::string>{"a", "ccc"}));
}

TEST_F(EmbeddingTest, TheSameEmbedderIsKnownByItsVector) {
  put("x", "aab");
  put("y", "c");
  EXPECT_EQ(search("a"), "xy");
  asked_.clear();
  EXPECT_EQ(search("a", 2), "xy");
  ASSERT_EQ(asked_.size(), 2u);
  EXPECT_TRUE(asked_[0] == "aab" || asked_[0] == "c");  // what tells it
  EXPECT_EQ(asked_[1], "a");
}

TEST_F(EmbeddingTest, AnotherEmbedderHasItsOwnVectors) {
  put("x", "aab");
  put("y", "c");
  EXPECT_EQ(search("a"), "xy");
  make_ = [](const std::string& text) {
    std::vector<float> vector = letters(text);
    std::rotate(vector.begin(), vector.begin() + 1, vector.end());
    return vector;
  };
  asked_.clear();
  EXPECT_EQ(search("a", 2), "xy");
  EXPECT_EQ(asked_.size(), 4u);
  make_ = letters;
  asked_.clear();
  EXPECT_EQ(search("c", 1), "yx");
  EXPECT_EQ(asked_, std::vector<std::string>{"c"});
}

TEST_F(EmbeddingTest, ManyEmbeddersOneAfterAnother) {
  put("x", "aab");
  EXPECT_EQ(search("a", 1), "x");
  for (uint64_t embedder = 2; embedder < 40; ++embedder) {
    make_ = [&](const std::string& text) {
      std::vector<float> vector = letters(text);
      vector.resize(embedder + 2, 1);
      return vector;
    };
    EXPECT_EQ(search("a", embedder), "x");
  }
}

TEST_F(EmbeddingTest, WhatIsWrittenMeanwhileIsOfALaterState) {
  put("x", "aab");
  make_ = [&](const std::string& text) {
    put("z" + std::to_string(asked_.size()), "a" + std::to_string(asked_.size()));
    return letters(text);
  };
  EXPECT_EQ(search("a"), "x");
  make_ = letters;
  EXPECT_EQ(search("a").substr(0, 2), "z1");
}

TEST_F(EmbeddingTest, SeesOwnWrites) {
  put("x", "aab");
  {
    Call call(*session_, Call::kWait);
    ASSERT_TRUE(call.begin(false, Isolation::kSerializable, {}).is_ok());
  }
  put("y", "a");
  put("x", "c");
  EXPECT_EQ(search("a"), "yx");
  {
    Call call(*session_, Call::kWait);
    ASSERT_TRUE(call.rollback().is_ok());
  }
  EXPECT_EQ(search("a"), "x");
}

TEST_F(EmbeddingTest, ThePast) {
  put("x", "aab");
  const uint64_t then = session_->info()->commit_timestamp;
  put("x", "c");
  put("y", "a");
  EXPECT_EQ(search("a", 1, then), "x");
  EXPECT_EQ(asked_, (std::vector<std::string>{"a", "aab"}));
  EXPECT_EQ(search("a"), "yx");
}

TEST_F(EmbeddingTest, MoreTextsThanAreAskedForAtATime) {
  for (int i = 0; i < 2500; ++i) put("k" + std::to_string(i), "ab " + std::to_string(i));
  EXPECT_FALSE(search("a").empty());
  EXPECT_EQ(asked_.size(), 2501u);
}

TEST_F(EmbeddingTest, Follow) {
  put("x", "aab");
  EmbeddingRun run(1);
  const auto follow = [&] {
    Call call(*session_, Call::kWait);
    return Embedding(call).follow(&run);
  };
  ASSERT_TRUE(follow().is_ok());
  EXPECT_EQ(run.wanted(), std::vector<std::string>{"aab"});
  ASSERT_TRUE(give(&run).is_ok());
  ASSERT_TRUE(follow().is_ok());
  EXPECT_TRUE(run.wanted().empty());
}

TEST_F(EmbeddingTest, VectorsThatAreNone) {
  put("x", "aab");
  make_ = [](const std::string&) { return std::vector<float>{1, std::numeric_limits<float>::quiet_NaN()}; };
  EXPECT_EQ(search("a"), "invalid_embedding");
  make_ = [](const std::string&) { return std::vector<float>(70'000, 1); };
  EXPECT_EQ(search("a"), "invalid_embedding");
  make_ = letters;
  EXPECT_EQ(search("a"), "x");
  make_ = [](const std::string&) { return std::vector<float>{1}; };
  EXPECT_NE(search("a").find("invalid_embedding"), std::string::npos);
}

TEST_F(EmbeddingTest, ABranchThatIsGone) {
  {
    Call call(*session_, Call::kWait);
    ASSERT_TRUE(Branches(call).fork("default", "b", {}).is_ok());
    ASSERT_TRUE(call.branch_use("b").is_ok());
  }
  put("x", "aab");
  auto other = session_->session();
  ASSERT_TRUE(other.is_ok());
  {
    Call call(**other, Call::kWait);
    ASSERT_TRUE(call.branch_use("default").is_ok());
  }
  make_ = [&](const std::string& text) {
    Call call(**other, Call::kWait);
    EXPECT_TRUE(Branches(call).remove("b").is_ok() || !asked_.empty());
    return letters(text);
  };
  EXPECT_NE(search("a").find("branch_not_found"), std::string::npos);
}

}  // namespace
}  // namespace strata
