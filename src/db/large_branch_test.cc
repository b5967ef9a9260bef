// Branch operations on much data: a fork of the past that puts back many rows, a merge that would write too much.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "db/session_impl.h"
#include "strata/branch.h"
#include "strata/kv.h"
#include "strata/session.h"
#include "strata/value.h"
#include "testing/test_clock.h"

namespace strata {
namespace {

std::string text(std::string_view utf8) {
  ValueWriter writer;
  EXPECT_TRUE(writer.string(utf8));
  return std::string(writer.result());
}

class LargeBranchTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }

  void open() {
    db::DatabaseOptions database;
    database.fs = files_.get();
    database.clock = &clock_;
    database.folder = "db";
    database.background = false;
    auto opened = db::SessionAccess::open(database, {});
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
    session_ = std::move(*opened);
  }
  db::Database& database() { return db::SessionAccess::database(*session_); }
  uint64_t records() {
    const txn::CommitLock held = database().engine().lock();
    return database().engine().state(held).last_commit;
  }

  void put_many(std::string_view branch, size_t keys, std::string_view value) {
    std::vector<std::string> names;
    std::vector<Kv::Item> items;
    for (size_t i = 0; i < keys; ++i) names.push_back("key " + std::to_string(i));
    for (const std::string& name : names) items.push_back({name, value});
    Call call(*session_, Call::kWait);
    ASSERT_TRUE(call.branch_use(branch).is_ok());
    ASSERT_TRUE(Kv(call).put_batch(items).is_ok());
    ASSERT_TRUE(call.branch_use("default").is_ok());
  }
  Status fork(std::string_view source, std::string_view name, AsOf as_of) {
    Call call(*session_, Call::kWait);
    return Branches(call).fork(source, name, as_of).status();
  }
  Result<MergeResult> merge(bool dry_run) {
    Call call(*session_, Call::kWait);
    MergeRequest request;
    request.source = "work";
    request.target = "default";
    request.dry_run = dry_run;
    MergeResult result;
    STRATA_TRY(Branches(call).merge(request, &result));
    return result;
  }
  uint64_t differing(std::string_view a, std::string_view b, AsOf as_of) {
    Call call(*session_, Call::kWait);
    const auto found = Branches(call).diff({a, b, uint64_t{0}, as_of});
    EXPECT_TRUE(found.is_ok()) << found.status().to_string();
    return found.is_ok() ? found->added + found->removed + found->modified : UINT64_MAX;
  }

  std::unique_ptr<os::FileSystem> files_ = os::make_memory_file_system();
  testing::TestClock clock_;
  std::unique_ptr<Session> session_;
};

TEST_F(LargeBranchTest, AForkOfThePastHoldsNobodyForLong) {
  constexpr size_t kKeys = 4000;
  put_many("default", kKeys, text("first"));
  const uint64_t then = session_->info()->commit_timestamp;
  ASSERT_TRUE(fork("default", "kept", {}).is_ok());
  put_many("default", kKeys, text("second"));
  {
    Call call(*session_, Call::kWait);
    ASSERT_TRUE(Kv(call).erase("key 7").is_ok());
    ASSERT_TRUE(Kv(call).put("new", text("n")).is_ok());
  }
  const uint64_t before = records();
  ASSERT_TRUE(fork("default", "past", then).is_ok());
  // One record begins it, one ends it, and none in between has more than a slice.
  EXPECT_EQ(records() - before, 2 + (kKeys + 1 + branch::kRowsOfASlice - 1) / branch::kRowsOfASlice);
  for (const bool reopened : {false, true}) {
    if (reopened) {
      ASSERT_TRUE(session_->close().is_ok());
      open();
    }
    EXPECT_EQ(differing("kept", "past", {}), 0u);
    EXPECT_EQ(differing("default", "past", {}), kKeys + 1);
    EXPECT_EQ(differing("default", "past", then), 0u);
    Call call(*session_, Call::kWait);
    const auto about = Branches(call).get("past");
    ASSERT_TRUE(about.is_ok() && about->has_value());
    EXPECT_EQ((*about)->parent, "default");
    EXPECT_EQ((*about)->fork_timestamp, then);
    EXPECT_EQ((*about)->key_count, kKeys);
    EXPECT_EQ((*about)->version, 0u);
  }
  // It is a common ancestor's fork like any: what default did since comes with a merge.
  Call call(*session_, Call::kWait);
  MergeRequest request;
  request.source = "default";
  request.target = "past";
  request.strategy = MergeStrategy::kStrict;
  MergeResult result;
  ASSERT_TRUE(Branches(call).merge(request, &result).is_ok());
  EXPECT_EQ(result.keys_applied, kKeys + 1);
}

TEST_F(LargeBranchTest, AForkOfThePastThatIsRefusedLeavesNothing) {
  put_many("default", 2000, text("first"));
  const uint64_t then = session_->info()->commit_timestamp;
  put_many("default", 2000, text("second"));
  ASSERT_TRUE(fork("default", "taken", {}).is_ok());
  EXPECT_EQ(fork("default", "taken", then).code(), Code::kBranchExists);
  ASSERT_TRUE(session_->compact(uint64_t{0}).is_ok());
  EXPECT_EQ(fork("default", "past", then).code(), Code::kHistoryTrimmed);
  EXPECT_EQ(database().catalogue().everything().size(), 2u);
}

TEST_F(LargeBranchTest, AMergeOfTooMuchIsRefusedWhole) {
  ASSERT_TRUE(fork("default", "work", {}).is_ok());
  put_many("work", 100, text(std::string(3000, 'x')));
  const uint64_t before = records();
  database().engine().set_merge_limit(200'000);
  for (const bool dry_run : {true, false}) {
    const auto refused = merge(dry_run);
    ASSERT_FALSE(refused.is_ok());
    EXPECT_EQ(refused.status().code(), Code::kTransactionTooLarge);
    EXPECT_FALSE(refused.status().hint().empty());
  }
  EXPECT_EQ(records(), before);
  EXPECT_EQ(differing("default", "work", {}), 100u);
  database().engine().set_merge_limit(400'000);
  const auto merged = merge(false);
  ASSERT_TRUE(merged.is_ok()) << merged.status().to_string();
  EXPECT_EQ(merged->keys_applied, 100u);
}

}  // namespace
}  // namespace strata
