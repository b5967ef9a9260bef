// Indexes of documents: what json_find answers with them is what it answers without.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "db/session_impl.h"
#include "strata/branch.h"
#include "strata/json.h"
#include "strata/session.h"
#include "strata/value.h"
#include "testing/random.h"
#include "testing/test_clock.h"

namespace strata {
namespace {

std::string key_of(uint64_t n) { return "d" + std::to_string(n); }

class JsonIndexTest : public ::testing::Test {
 protected:
  void SetUp() override {
    db::DatabaseOptions options;
    options.clock = &clock_;
    options.background = false;
    auto opened = db::SessionAccess::open_memory(options, {});
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
    session_ = std::move(*opened);
  }
  db::Database& database() { return db::SessionAccess::database(*session_); }
  derived::JsonIndex& index() { return database().caches().json(); }
  void pass_time(int ticks) {
    for (int i = 0; i < ticks; ++i) index().tick();
  }

  static std::string document(int64_t n) {
    ValueWriter writer;
    EXPECT_TRUE(writer.begin_object() && writer.name("n") && writer.integer(n) && writer.name("text") &&
                writer.string("t" + std::to_string(n % 7)) && writer.end());
    return std::string(writer.result());
  }
  static void set(Call& call, std::string_view key, std::string_view value) {
    const auto version = Json(call).set(key, "$", value);
    EXPECT_TRUE(version.is_ok()) << version.status().to_string();
  }
  static void create(Call& call, std::string_view name, std::string_view path) {
    const Status made = Json(call).create_index(name, path);
    EXPECT_TRUE(made.is_ok()) << made.to_string();
  }
  void fill(uint64_t documents) {
    std::vector<std::string> keys;
    std::vector<std::string> values;
    std::vector<Json::Item> items;
    for (uint64_t i = 0; i < documents; ++i) {
      keys.push_back(key_of(i));
      values.push_back(document(static_cast<int64_t>(i)));
    }
    for (uint64_t i = 0; i < documents; ++i) items.push_back({keys[i], "$", values[i]});
    Call call(*session_, Call::kWait);
    ASSERT_TRUE(Json(call).set_batch(items).is_ok());
  }
  // The keys found, with a space behind each.
  static std::string find(Call& call, std::string_view condition, std::optional<uint64_t> limit = {}, AsOf as_of = {}) {
    RowList rows;
    const Status status = Json(call).find(condition, limit, as_of, &rows);
    if (!status.is_ok()) return std::string(code_name(status.code()));
    std::string keys;
    for (size_t i = 0; i < rows.size(); ++i) keys.append(rows.key(i)).append(" ");
    return keys;
  }
  std::string find(std::string_view condition) {
    Call call(*session_, Call::kWait);
    return find(call, condition);
  }

  testing::TestClock clock_;
  std::unique_ptr<Session> session_;
};

TEST_F(JsonIndexTest, IsMadeByTheFirstQuestionThatItFits) {
  fill(1000);
  EXPECT_EQ(find("@.n == 7"), "d7 ");
  EXPECT_EQ(index().memory_bytes(), 0u);
  {
    Call call(*session_, Call::kWait);
    create(call, "by n", "$.n");
  }
  EXPECT_EQ(find("@.text == 't0' && @.x"), "");
  EXPECT_EQ(index().memory_bytes(), 0u);
  EXPECT_EQ(find("@.n == 7"), "d7 ");
  EXPECT_GT(index().memory_bytes(), 0u);
  EXPECT_EQ(find("@.n > 4 && @.n <= 6 || 996.5 < @.n"), "d5 d6 d997 d998 d999 ");
}

TEST_F(JsonIndexTest, AnswersWithoutWaitingOnceItIsThere) {
  fill(1000);
  {
    Call call(*session_, Call::kWait);
    create(call, "by n", "$.n");
  }
  {
    Call call(*session_, Call::kTry);
    EXPECT_EQ(find(call, "@.n == 7"), "would_block");
  }
  EXPECT_EQ(find("@.n == 7"), "d7 ");
  Call call(*session_, Call::kTry);
  EXPECT_EQ(find(call, "@.n == 7"), "d7 ");
  // A few changes later, too.
  for (uint64_t i = 0; i < 30; ++i) set(call, key_of(i), document(5000));
  EXPECT_EQ(find(call, "@.n == 7"), "");
  EXPECT_EQ(find(call, "@.n == 100"), "d100 ");
}

TEST_F(JsonIndexTest, ManyChangesAreTakenIn) {
  fill(1000);
  Call call(*session_, Call::kWait);
  create(call, "by n", "$.n");
  EXPECT_EQ(find(call, "@.n == 7"), "d7 ");
  for (uint64_t i = 0; i < 400; ++i) set(call, key_of(i), document(static_cast<int64_t>(i) + 5000));
  EXPECT_EQ(find(call, "@.n == 7 || @.n == 5007 || @.n == 700"), "d7 d700 ");
  ASSERT_TRUE(Json(call).erase("d7", "$").is_ok());
  EXPECT_EQ(find(call, "@.n == 5007"), "");
}

TEST_F(JsonIndexTest, ForksBeginWithWhatTheirParentHas) {
  fill(2000);
  Call call(*session_, Call::kWait);
  create(call, "by n", "$.n");
  EXPECT_EQ(find(call, "@.n == 7"), "d7 ");
  const uint64_t before = index().memory_bytes();
  for (int i = 0; i < 10; ++i) {
    const std::string name = "fork" + std::to_string(i);
    ASSERT_TRUE(Branches(call).fork("default", name, {}).is_ok());
    ASSERT_TRUE(call.branch_use(name).is_ok());
    set(call, "d7", document(5000 + i));
    EXPECT_EQ(find(call, "@.n == 7"), "");
    EXPECT_EQ(find(call, "@.n == " + std::to_string(5000 + i)), "d7 ");
  }
  EXPECT_EQ(index().memory_bytes(), before);
  // One that goes its own way copies what it changes, and its parent keeps what it had.
  for (uint64_t i = 0; i < 300; ++i) set(call, key_of(i), document(static_cast<int64_t>(i) + 6000));
  EXPECT_EQ(find(call, "@.n == 6299"), "d299 ");
  EXPECT_LT(index().memory_bytes(), 2 * before);
  ASSERT_TRUE(call.branch_use("default").is_ok());
  EXPECT_EQ(find(call, "@.n == 299 || @.n == 6299"), "d299 ");
  for (uint64_t i = 0; i < 300; ++i) set(call, key_of(i), document(static_cast<int64_t>(i) + 7000));
  EXPECT_EQ(find(call, "@.n == 299 || @.n == 7299"), "d299 ");
  ASSERT_TRUE(call.branch_use("fork9").is_ok());
  EXPECT_EQ(find(call, "@.n == 6298 || @.n == 7297 || @.n == 297"), "d298 ");
}

TEST_F(JsonIndexTest, TransactionsSeeTheirOwnStateAndWrites) {
  fill(1000);
  const auto other = *session_->session();
  Call call(*session_, Call::kWait);
  create(call, "by n", "$.n");
  ASSERT_TRUE(call.begin(false, Isolation::kSerializable, {}).is_ok());
  set(call, "mine", document(7));
  ASSERT_TRUE(Json(call).erase("d8", "$").is_ok());
  EXPECT_EQ(find(call, "@.n == 7 || @.n == 8 || @.n == 9"), "d7 d9 mine ");
  {
    // Others move the index on.
    Call theirs(*other, Call::kWait);
    for (uint64_t i = 0; i < 300; ++i) set(theirs, key_of(i), document(5000));
    EXPECT_EQ(find(theirs, "@.n == 7"), "");
  }
  EXPECT_EQ(find(call, "@.n == 7 || @.n == 8 || @.n == 9"), "d7 d9 mine ");
  ASSERT_TRUE(call.rollback().is_ok());
  EXPECT_EQ(find(call, "@.n == 7 || @.n == 8 || @.n == 9"), "");
}

TEST_F(JsonIndexTest, LetsGoOfWhatNobodyAsksFor) {
  fill(2000);
  Call call(*session_, Call::kWait);
  create(call, "by n", "$.n");
  ASSERT_TRUE(Branches(call).fork("default", "work", {}).is_ok());
  EXPECT_EQ(find(call, "@.n == 7"), "d7 ");
  ASSERT_TRUE(call.branch_use("work").is_ok());
  for (uint64_t i = 0; i < 500; ++i) set(call, key_of(i), document(5000));
  EXPECT_EQ(find(call, "@.n == 7"), "");
  const uint64_t both = index().memory_bytes();
  ASSERT_TRUE(call.branch_use("default").is_ok());
  ASSERT_TRUE(Branches(call).remove("work").is_ok());
  pass_time(20);
  EXPECT_LT(index().memory_bytes(), both);
  EXPECT_EQ(find(call, "@.n == 7"), "d7 ");
  pass_time(4000);
  EXPECT_EQ(index().memory_bytes(), 0u);
  EXPECT_EQ(find(call, "@.n == 7"), "d7 ");
  index().release();
  EXPECT_EQ(index().memory_bytes(), 0u);
  EXPECT_EQ(find(call, "@.n == 7"), "d7 ");
}

TEST_F(JsonIndexTest, MakingOneCanBeInterrupted) {
  fill(10'000);
  {
    Call call(*session_, Call::kWait);
    create(call, "by n", "$.n");
  }
  {
    int left = 2;
    const KeepOn keep_on = [&] { return --left > 0; };
    Call call(*session_, Call::kWait, &keep_on);
    EXPECT_EQ(find(call, "@.n == 7"), "invalid_argument");
    EXPECT_EQ(left, 0);
  }
  EXPECT_EQ(find("@.n == 7"), "d7 ");
}

TEST_F(JsonIndexTest, AReversedOrManyTimesChangedStateIsNoStart) {
  fill(3000);
  Call call(*session_, Call::kWait);
  create(call, "by n", "$.n");
  EXPECT_EQ(find(call, "@.n == 7"), "d7 ");
  for (uint64_t i = 0; i < 3000; ++i) set(call, key_of(i), document(static_cast<int64_t>(i) + 10'000));
  EXPECT_EQ(find(call, "@.n == 7 || @.n == 10007"), "d7 ");
}

// Random changes on two branches and in transactions: a space with indexes answers as one without.
TEST_F(JsonIndexTest, AnswersAreThoseOfAWalk) {
  testing::Random random(testing::test_seed(1));
  const std::vector<std::string_view> paths = {"$.n", "$.text", "$.a.b", "$.l[0]", "$"};
  const std::vector<std::string_view> places = {"@.n", "@.text", "@.a.b", "@.l[0]", "@", "@.other"};
  const std::vector<std::string_view> comparisons = {" == ", " < ", " <= ", " > ", " >= ", " != "};
  const auto literal = [&]() -> std::string {
    if (random.one_in(4)) return "'t" + std::to_string(random.below(7)) + "'";
    if (random.one_in(8)) return random.one_in(2) ? "null" : "true";
    return std::to_string(random.below(300));
  };
  const auto comparison = [&] {
    return std::string(random.pick(places)) + std::string(random.pick(comparisons)) + literal();
  };
  fill(300);
  Call call(*session_, Call::kWait);
  ASSERT_TRUE(Branches(call).fork("default", "work", {}).is_ok());
  uint64_t compared = 0;
  uint64_t found = 0;
  bool in_transaction = false;
  std::vector<uint64_t> moments;
  for (uint64_t step = testing::scaled(6000); step > 0; --step) {
    const std::string key = key_of(random.below(330));
    const uint64_t kind = random.below(100);
    if (kind < 35) {
      set(call, key, document(static_cast<int64_t>(random.below(300))));
    } else if (kind < 45) {
      ValueWriter value;
      ASSERT_TRUE(value.integer(static_cast<int64_t>(random.below(300))));
      const std::vector<std::string_view> changed = {"$.a.b", "$.n", "$.text", "$"};
      (void)Json(call).set(key, random.pick(changed), value.result());
    } else if (kind < 52) {
      ASSERT_TRUE(Json(call).erase(key, random.one_in(2) ? "$" : "$.n").is_ok());
    } else if (kind < 55) {
      const std::string_view path = random.pick(paths);
      if (random.one_in(2)) {
        (void)Json(call).create_index(path, path);
      } else {
        ASSERT_TRUE(Json(call).drop_index(path).is_ok());
      }
    } else if (kind < 60) {
      if (in_transaction) {
        ASSERT_TRUE(random.one_in(3) ? call.rollback().is_ok() : call.commit({}).is_ok());
        in_transaction = false;
      } else if (random.one_in(2)) {
        ASSERT_TRUE(call.begin(false, Isolation::kSerializable, {}).is_ok());
        in_transaction = true;
      }
    } else if (kind < 62 && !in_transaction) {
      ASSERT_TRUE(call.branch_use(random.one_in(2) ? "default" : "work").is_ok());
      if (random.one_in(4)) {
        MergeRequest request;
        request.source = "work";
        request.target = "default";
        MergeResult result;
        ASSERT_TRUE(Branches(call).merge(request, &result).is_ok());
      }
      moments.push_back(database().engine().visible_timestamp());
    } else if (kind < 63) {
      pass_time(static_cast<int>(random.below(20)));
    } else {
      std::string condition = comparison();
      for (uint64_t more = random.below(3); more > 0; --more) {
        condition += (random.one_in(2) ? " && " : " || ") + comparison();
      }
      // The same with what no index fits.
      const std::string walked = "!(!(" + condition + "))";
      const std::optional<uint64_t> limit = random.one_in(4) ? std::optional(random.below(5)) : std::nullopt;
      const AsOf as_of = !moments.empty() && random.one_in(6) ? AsOf(random.pick(moments)) : AsOf();
      const std::string keys = find(call, condition, limit, as_of);
      ASSERT_EQ(keys, find(call, walked, limit, as_of)) << condition << " after " << step;
      ++compared;
      found += keys.empty() ? 0 : 1;
    }
  }
  EXPECT_GT(found * 4, compared);
  EXPECT_GT(index().memory_bytes(), 0u);
}

// Whoever asks while others write, and while the index is made, let go of and moved on, finds what is there.
TEST_F(JsonIndexTest, ThreadsShareIt) {
  constexpr uint64_t kDocuments = 500;
  fill(kDocuments);
  {
    Call call(*session_, Call::kWait);
    create(call, "by n", "$.n");
  }
  const uint64_t rounds = testing::scaled(200);
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  for (uint64_t n = 0; n < 2; ++n) {
    threads.emplace_back([&, n] {
      const auto mine = *session_->session();
      for (uint64_t i = 0; i < rounds * 10; ++i) {
        Call call(*mine, Call::kWait);
        // The first half changes, the second half stays.
        set(call, key_of(i % (kDocuments / 2)), document(static_cast<int64_t>(5000 + n)));
      }
    });
  }
  for (int n = 0; n < 2; ++n) {
    threads.emplace_back([&] {
      const auto mine = *session_->session();
      while (!over.load()) {
        Call call(*mine, Call::kWait);
        EXPECT_EQ(find(call, "@.n == 300 || @.n == 499"), "d300 d499 ");
      }
    });
  }
  for (uint64_t i = 0; i < rounds; ++i) {
    pass_time(11);
    if (i % 16 == 0) index().release();
  }
  threads[0].join();
  threads[1].join();
  over.store(true);
  threads[2].join();
  threads[3].join();
  EXPECT_EQ(find("@.n < 250"), "");
}

}  // namespace
}  // namespace strata
