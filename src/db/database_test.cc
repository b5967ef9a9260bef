#include "db/database.h"

#include <gtest/gtest.h>

#include <map>

#include "strata/branch.h"
#include "strata/kv.h"
#include "strata/session.h"
#include "strata/space.h"
#include "txn/context.h"
#include "txn/view.h"

namespace strata {
namespace {

class SessionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = Session::open_memory({});
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
    session_ = std::move(*opened);
  }
  uint64_t put(std::string_view key, std::string_view value) {
    Call call(*session_, Call::kWait);
    const auto version = Kv(call).put(key, value);
    EXPECT_TRUE(version.is_ok()) << version.status().to_string();
    return version.is_ok() ? *version : 0;
  }
  std::optional<std::string> get(std::string_view key, AsOf as_of = std::nullopt) {
    Call call(*session_, Call::kWait);
    std::string value;
    const auto found = Kv(call).get(key, as_of, &value);
    EXPECT_TRUE(found.is_ok()) << found.status().to_string();
    if (!found.is_ok() || !*found) return std::nullopt;
    return std::string((*found)->value);
  }
  bool erase(std::string_view key) {
    Call call(*session_, Call::kWait);
    const auto erased = Kv(call).erase(key);
    EXPECT_TRUE(erased.is_ok()) << erased.status().to_string();
    return erased.is_ok() && *erased;
  }
  uint64_t now() { return session_->info()->commit_timestamp; }

  std::unique_ptr<Session> session_;
};

TEST_F(SessionTest, VersionsCountOnOverDeletes) {
  EXPECT_EQ(put("k", "a"), 1u);
  EXPECT_EQ(put("k", "b"), 2u);
  EXPECT_TRUE(erase("k"));
  EXPECT_FALSE(erase("k"));
  EXPECT_EQ(get("k"), std::nullopt);
  EXPECT_EQ(put("k", "c"), 4u);
  EXPECT_EQ(get("k"), "c");
}

TEST_F(SessionTest, PastIsReadable) {
  std::vector<uint64_t> times;
  for (int i = 0; i < 100; ++i) {
    put("k", "v" + std::to_string(i));
    times.push_back(now());
  }
  const uint64_t before_delete = now();
  erase("k");
  for (int i = 0; i < 100; ++i) EXPECT_EQ(get("k", times[i]), "v" + std::to_string(i)) << i;
  EXPECT_EQ(get("k", times[0] - 1), std::nullopt);
  EXPECT_EQ(get("k", before_delete), "v99");
  EXPECT_EQ(get("k", now()), std::nullopt);
  Call call(*session_, Call::kWait);
  RowList versions;
  ASSERT_TRUE(*Kv(call).history("k", std::nullopt, &versions));
  ASSERT_EQ(versions.size(), 101u);
  EXPECT_TRUE(versions.entry(0).deleted);
  for (size_t i = 1; i <= 100; ++i) {
    EXPECT_EQ(versions.value(i), "v" + std::to_string(100 - i));
    EXPECT_EQ(versions.entry(i).version, 101 - i);
  }
}

TEST_F(SessionTest, LargeValuesComeFromTheLog) {
  const std::string large(100'000, 'x');
  put("k", large);
  EXPECT_EQ(get("k"), large);
  put("k", "small");
  put("k", large + "y");
  EXPECT_EQ(get("k"), large + "y");
}

TEST_F(SessionTest, ForksShareAndDiverge) {
  for (int i = 0; i < 1000; ++i) put("k" + std::to_string(i), "old");
  const uint64_t then = now();
  put("k1", "new");
  {
    Call call(*session_, Call::kWait);
    const auto forked = Branches(call).fork("default", "fork", std::nullopt);
    ASSERT_TRUE(forked.is_ok()) << forked.status().to_string();
    EXPECT_EQ(forked->key_count, 1000u);
    const auto past = Branches(call).fork("default", "past", then);
    ASSERT_TRUE(past.is_ok()) << past.status().to_string();
    EXPECT_EQ(past->timestamp, then);
    ASSERT_TRUE(call.branch_use("fork").is_ok());
  }
  EXPECT_EQ(get("k1"), "new");
  put("k1", "forked");
  erase("k2");
  EXPECT_EQ(get("k1"), "forked");
  {
    Call call(*session_, Call::kWait);
    ASSERT_TRUE(call.branch_use("past").is_ok());
  }
  EXPECT_EQ(get("k1"), "old");
  EXPECT_EQ(put("k1", "x"), 2u);
  {
    Call call(*session_, Call::kWait);
    ASSERT_TRUE(call.branch_use("default").is_ok());
  }
  EXPECT_EQ(get("k1"), "new");
  EXPECT_EQ(get("k2"), "old");
}

TEST_F(SessionTest, TransactionsSeeThemselvesAndConflict) {
  put("a", "1");
  auto other = std::move(*session_->session());
  {
    Call call(*session_, Call::kWait);
    ASSERT_TRUE(call.begin(false, Isolation::kSerializable, std::nullopt).is_ok());
    ASSERT_EQ(*Kv(call).put("a", "2"), 2u);
  }
  EXPECT_EQ(get("a"), "2");
  {
    Call call(*other, Call::kWait);
    std::string value;
    EXPECT_EQ((*Kv(call).get("a", std::nullopt, &value))->value, "1");
    ASSERT_TRUE(Kv(call).put("a", "3").is_ok());
  }
  Call call(*session_, Call::kWait);
  const auto committed = call.commit(std::nullopt);
  ASSERT_FALSE(committed.is_ok());
  EXPECT_EQ(committed.status().code(), Code::kTransactionConflict);
}

TEST_F(SessionTest, SpacesAppearWithTheirFirstWrite) {
  {
    Call call(*session_, Call::kWait);
    ASSERT_TRUE(call.space_use("s1").is_ok());
    EXPECT_FALSE(*Spaces(call).exists("s1", std::nullopt));
  }
  put("k", "v");
  Call call(*session_, Call::kWait);
  EXPECT_EQ(*Spaces(call).list(std::nullopt), (std::vector<std::string>{"default", "s1"}));
  ASSERT_TRUE(call.space_use("default").is_ok());
  EXPECT_EQ(Spaces(call).remove("s1", false).code(), Code::kSpaceNotEmpty);
  EXPECT_TRUE(Spaces(call).remove("s1", true).is_ok());
  EXPECT_EQ(*Spaces(call).list(std::nullopt), (std::vector<std::string>{"default"}));
}

TEST_F(SessionTest, ASecondCompactionCutsNothingMore) {
  put("k", "a");
  put("k", "b");
  const uint64_t last = now();
  ASSERT_TRUE(session_->compact(uint64_t{0}, nullptr).is_ok());
  const auto again = session_->compact(uint64_t{0}, nullptr);
  ASSERT_TRUE(again.is_ok());
  EXPECT_EQ(again->versions_removed, 0u);
  EXPECT_EQ(get("k", last), "b");
}

// Commits through the engine, on files in memory, closed and opened again.
class ReopenTest : public ::testing::Test {
 protected:
  db::DatabaseOptions options() {
    db::DatabaseOptions options;
    options.fs = files_.get();
    options.folder = "/db";
    options.background = false;
    options.segment_bytes = 64 << 10;
    options.first_segment_bytes = 16 << 10;
    options.unit_bytes = 128 << 10;
    return options;
  }
  void open() {
    auto opened = db::Database::open(options());
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
    database_ = std::move(*opened);
  }
  void put(std::string_view key, std::string_view value) {
    txn::CommitRequest request;
    const txn::BranchPtr branch = *database_->catalogue().find("default");
    request.branch = &branch;
    txn::Write write;
    write.key = key;
    write.value = value;
    request.writes = {&write, 1};
    const auto outcome = database_->engine().commit(request);
    ASSERT_TRUE(outcome.is_ok()) << outcome.status().to_string();
  }
  std::map<std::string, std::string> contents() {
    std::map<std::string, std::string> found;
    txn::Context context;
    context.engine = &database_->engine();
    context.branch = *database_->catalogue().find("default");
    txn::View view(context);
    EXPECT_TRUE(view.open(std::nullopt).is_ok());
    const auto scanned =
        view.scan({"", "\xff", std::nullopt, false, true},
                  [&](std::string_view key, const VersionedValue& v) { found[std::string(key)] = v.value; });
    EXPECT_TRUE(scanned.is_ok()) << scanned.status().to_string();
    return found;
  }

  std::unique_ptr<os::FileSystem> files_ = os::make_memory_file_system();
  std::shared_ptr<db::Database> database_;
};

TEST_F(ReopenTest, EverythingIsThereAgain) {
  std::map<std::string, std::string> expected;
  for (int round = 0; round < 6; ++round) {
    open();
    EXPECT_EQ(contents(), expected);
    for (int i = 0; i < 300; ++i) {
      const std::string key = "default" + std::string(1, '\0') + "\x02" + std::to_string(i * 7 % 500);
      const std::string value = std::to_string(round) + std::string(i % 50 == 0 ? 3000 : 30, 'v');
      put(key, value);
      expected[key] = value;
      if (i == 150 && round % 2 == 1) {
        ASSERT_TRUE(database_->checkpoint().is_ok());
      }
    }
    if (round == 3) {
      const auto compacted = database_->compact(uint64_t{0}, nullptr);
      ASSERT_TRUE(compacted.is_ok()) << compacted.status().to_string();
      EXPECT_EQ(contents(), expected);
    }
    const auto verified = database_->verify(nullptr);
    ASSERT_TRUE(verified.is_ok()) << verified.status().to_string();
    EXPECT_TRUE(verified->ok) << verified->problems[0];
    ASSERT_TRUE(database_->close().is_ok());
    database_.reset();
  }
}

}  // namespace
}  // namespace strata
