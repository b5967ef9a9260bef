// What a database does by itself, and what happens to sessions meanwhile: history that is forgotten in the background,
// a clock that is set back, a branch that is deleted and collected while a session is on it.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "db/session_impl.h"
#include "strata/branch.h"
#include "strata/kv.h"
#include "strata/session.h"
#include "testing/test_clock.h"

namespace strata {
namespace {

constexpr uint64_t kSecond = 1'000'000;

// In memory, or on files kept in memory.
class MaintenanceTest : public ::testing::TestWithParam<bool> {
 protected:
  std::unique_ptr<Session> open(std::optional<uint64_t> keep_history = std::nullopt) {
    db::DatabaseOptions database;
    database.clock = &clock_;
    database.background = false;
    OpenOptions options;
    options.keep_history_micros = keep_history;
    if (GetParam()) {
      database.fs = files_.get();
      database.folder = "db";
      auto opened = db::SessionAccess::open(database, options);
      EXPECT_TRUE(opened.is_ok()) << opened.status().to_string();
      return std::move(*opened);
    }
    auto opened = db::SessionAccess::open_memory(database, options);
    EXPECT_TRUE(opened.is_ok()) << opened.status().to_string();
    return std::move(*opened);
  }
  static db::Database& database(Session& session) { return db::SessionAccess::database(session); }
  static void put(Session& session, std::string_view key, std::string_view value) {
    Call call(session, Call::kWait);
    const auto version = Kv(call).put(key, value);
    EXPECT_TRUE(version.is_ok()) << version.status().to_string();
  }
  static Result<std::string> get(Session& session, std::string_view key, AsOf as_of = std::nullopt) {
    Call call(session, Call::kWait);
    std::string value;
    STRATA_ASSIGN(const auto found, Kv(call).get(key, as_of, &value));
    return found.has_value() ? std::string(found->value) : std::string("nothing");
  }
  static size_t versions(Session& session, std::string_view key) {
    Call call(session, Call::kWait);
    RowList rows;
    EXPECT_TRUE(Kv(call).history(key, std::nullopt, &rows).is_ok());
    return rows.size();
  }
  static uint64_t now(Session& session) { return session.info()->commit_timestamp; }
  static void step(Session& session) {
    const Status stepped = database(session).background_step();
    EXPECT_TRUE(stepped.is_ok()) << stepped.to_string();
  }
  static void use(Session& session, const char* name) {
    Call call(session, Call::kWait);
    EXPECT_TRUE(call.branch_use(name).is_ok());
  }
  static void fork(Session& session, const char* name) {
    Call call(session, Call::kWait);
    const auto forked = Branches(call).fork("default", name, std::nullopt);
    EXPECT_TRUE(forked.is_ok()) << forked.status().to_string();
  }
  static void remove(Session& session, const char* name) {
    Call call(session, Call::kWait);
    const Status removed = Branches(call).remove(name);
    EXPECT_TRUE(removed.is_ok()) << removed.to_string();
  }
  static void collect(Session& session) {
    const auto compacted = session.compact(std::nullopt, nullptr);
    EXPECT_TRUE(compacted.is_ok()) << compacted.status().to_string();
  }

  testing::TestClock clock_;
  std::unique_ptr<os::FileSystem> files_ = os::make_memory_file_system();
};
// The first segments of a log are small: that several of them are full is no reason for a checkpoint.
TEST_P(MaintenanceTest, ACheckpointWaitsForItsBytesOfLog) {
  if (!GetParam()) GTEST_SKIP() << "nothing to write to";
  const auto session = open();
  const storage::LogPosition begin = database(*session).log().end();
  const uint64_t nodes = database(*session).nodes().disk_bytes();
  const std::string value(60'000, 'v');
  for (int i = 0; storage::segment_of(database(*session).log().end()) < storage::segment_of(begin) + 3; ++i) {
    put(*session, "key" + std::to_string(i % 50), value);
    step(*session);
  }
  EXPECT_EQ(database(*session).nodes().disk_bytes(), nodes);
}

INSTANTIATE_TEST_SUITE_P(Places, MaintenanceTest, ::testing::Bool(),
                         [](const auto& place) { return place.param ? "Files" : "Memory"; });

TEST_P(MaintenanceTest, KeptHistoryIsAppliedByBackgroundWork) {
  const auto session = open(100 * kSecond);
  uint64_t last = 0;
  for (int i = 0; i < 10; ++i) {
    put(*session, "k", "v" + std::to_string(i));
    last = now(*session);
    clock_.advance(30 * kSecond);
    step(*session);
    // Of 30 seconds each, those replaced within the last 100, the one that was there at their beginning, and one more:
    // it is done once in an eighth of the time.
    EXPECT_LE(versions(*session, "k"), 6u) << i;
    EXPECT_GE(versions(*session, "k"), std::min<size_t>(static_cast<size_t>(i) + 1, 4)) << i;
  }
  EXPECT_EQ(*get(*session, "k"), "v9");
  EXPECT_EQ(*get(*session, "k", last - 85 * kSecond), "v6");
  EXPECT_EQ(get(*session, "k", last - 200 * kSecond).status().code(), Code::kHistoryTrimmed);
  // Time alone forgets nothing: it counts back from the last commit.
  const size_t kept = versions(*session, "k");
  clock_.advance(10'000 * kSecond);
  step(*session);
  EXPECT_EQ(versions(*session, "k"), kept);
  put(*session, "k", "later");
  step(*session);
  EXPECT_EQ(versions(*session, "k"), 2u);
  EXPECT_TRUE(session->verify(nullptr)->ok);
}

TEST_P(MaintenanceTest, WithoutItNothingIsForgotten) {
  const auto session = open();
  for (int i = 0; i < 10; ++i) {
    put(*session, "k", "v");
    clock_.advance(1'000'000 * kSecond);
    step(*session);
  }
  EXPECT_EQ(versions(*session, "k"), 10u);
}

TEST_P(MaintenanceTest, AnOpeningThatSaysNothingKeepsWhatWasSaid) {
  if (!GetParam()) GTEST_SKIP() << "a database in memory is opened once";
  ASSERT_TRUE(open(10 * kSecond)->close().is_ok());
  const auto session = open();
  for (int i = 0; i < 5; ++i) {
    put(*session, "k", "v");
    clock_.advance(60 * kSecond);
    step(*session);
  }
  EXPECT_EQ(versions(*session, "k"), 2u);
}

TEST_P(MaintenanceTest, ClockSetBack) {
  auto session = open(3600 * kSecond);
  put(*session, "k", "before");
  const uint64_t before = now(*session);
  clock_.step_back(7200 * kSecond);
  uint64_t last = before;
  uint64_t middle = 0;
  for (int i = 0; i < 100; ++i) {
    put(*session, "k", std::to_string(i));
    // Background work may have taken a time too.
    EXPECT_GT(now(*session), last);
    EXPECT_LE(now(*session), last + 2);
    last = now(*session);
    if (i == 49) middle = last;
    step(*session);
  }
  EXPECT_EQ(*get(*session, "k", before), "before");
  EXPECT_EQ(*get(*session, "k", middle), "49");
  EXPECT_EQ(versions(*session, "k"), 101u);
  EXPECT_GE(session->info()->uptime_secs, 0.0);
  if (GetParam()) {
    // Nor does opening it with an earlier clock change anything.
    ASSERT_TRUE(session->close().is_ok());
    clock_.step_back(1000 * 3600 * kSecond);
    session = open();
    EXPECT_GE(now(*session), last);
    put(*session, "k", "again");
    EXPECT_GT(now(*session), last);
    EXPECT_LE(now(*session), last + 2);
    EXPECT_EQ(versions(*session, "k"), 102u);
  }
  clock_.advance(10'000 * 3600 * kSecond);
  put(*session, "k", "caught up");
  EXPECT_GT(now(*session), last + kSecond);
}

TEST_P(MaintenanceTest, ADeletedBranchEnteredAfterCollection) {
  const auto session = open();
  for (int i = 0; i < 3000; ++i) put(*session, "k" + std::to_string(i), "default");
  fork(*session, "b");
  auto visitor = std::move(*session->session());
  use(*visitor, "b");
  for (int i = 0; i < 3000; ++i) put(*visitor, "k" + std::to_string(i), "fork");
  EXPECT_EQ(*get(*visitor, "k7"), "fork");
  remove(*session, "b");
  collect(*session);
  // What takes the place of what was collected.
  for (int i = 0; i < 3000; ++i) put(*session, "k" + std::to_string(i), "later");
  collect(*session);
  EXPECT_EQ(get(*visitor, "k7").status().code(), Code::kBranchNotFound);
  {
    Call call(*visitor, Call::kWait);
    EXPECT_EQ(Kv(call).count("", std::nullopt).status().code(), Code::kBranchNotFound);
    EXPECT_EQ(Kv(call).put("k7", "x").status().code(), Code::kBranchNotFound);
    EXPECT_EQ(call.begin(false, Isolation::kSerializable, std::nullopt).code(), Code::kBranchNotFound);
  }
  // Another branch of that name is another branch.
  fork(*session, "b");
  EXPECT_EQ(*get(*visitor, "k7"), "later");
  use(*visitor, "default");
  EXPECT_EQ(*get(*visitor, "k7"), "later");
}

// A transaction that was open on it goes on reading its snapshot, and cannot commit.
TEST_P(MaintenanceTest, ATransactionOnADeletedBranch) {
  const auto session = open();
  for (int i = 0; i < 2000; ++i) put(*session, "k" + std::to_string(i), "default");
  fork(*session, "b");
  auto visitor = std::move(*session->session());
  use(*visitor, "b");
  for (int i = 0; i < 2000; ++i) put(*visitor, "k" + std::to_string(i), "fork");
  Call call(*visitor, Call::kWait);
  ASSERT_TRUE(call.begin(false, Isolation::kSerializable, std::nullopt).is_ok());
  remove(*session, "b");
  collect(*session);
  for (int i = 0; i < 2000; ++i) put(*session, "k" + std::to_string(i), "later");
  collect(*session);
  for (int i = 0; i < 2000; ++i) {
    std::string value;
    const auto found = Kv(call).get("k" + std::to_string(i), std::nullopt, &value);
    if (!found.is_ok()) {
      EXPECT_EQ(found.status().code(), Code::kBranchNotFound);
      break;
    }
    ASSERT_TRUE(found->has_value());
    EXPECT_EQ((*found)->value, "fork") << i;
  }
  (void)Kv(call).put("k1", "x");
  EXPECT_EQ(call.commit(std::nullopt).status().code(), Code::kBranchNotFound);
}

// The same with all of them at once: a reader on a branch that comes and goes gets its data or is told, never others'.
TEST_P(MaintenanceTest, BranchesComeAndGoUnderReaders) {
  const auto session = open();
  for (int i = 0; i < 500; ++i) put(*session, "k" + std::to_string(i), "0");
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> read{0};
  std::atomic<uint64_t> told{0};
  std::thread reader([&] {
    auto own = std::move(*session->session());
    for (uint64_t n = 0; !stop; ++n) {
      const std::string branch = "b" + std::to_string(n % 3);
      Call call(*own, Call::kWait);
      if (!call.branch_use(branch).is_ok()) {
        ++told;
        continue;
      }
      for (int i = 0; i < 20; ++i) {
        std::string value;
        const auto found = Kv(call).get("k" + std::to_string(i * 7), std::nullopt, &value);
        if (!found.is_ok()) {
          EXPECT_EQ(found.status().code(), Code::kBranchNotFound) << found.status().to_string();
          ++told;
          break;
        }
        // Every branch of that name says of each key which it is.
        EXPECT_TRUE(found->has_value());
        if (!found->has_value()) break;
        EXPECT_TRUE((*found)->value == "0" || (*found)->value == branch) << (*found)->value << " on " << branch;
        ++read;
      }
    }
  });
  for (int round = 0; round < 60; ++round) {
    const std::string name = "b" + std::to_string(round % 3);
    fork(*session, name.c_str());
    {
      auto writer = std::move(*session->session());
      use(*writer, name.c_str());
      for (int i = 0; i < 200; ++i) put(*writer, "k" + std::to_string(i), name);
    }
    const uint64_t before = read;
    while (read < before + 5 && round % 4 == 0) std::this_thread::yield();
    remove(*session, name.c_str());
    if (round % 5 == 0) collect(*session);
  }
  stop = true;
  reader.join();
  EXPECT_GT(read, 0u);
  EXPECT_GT(told, 0u);
  EXPECT_TRUE(session->verify(nullptr)->ok);
}

}  // namespace
}  // namespace strata
