// Writers, readers, transactions, branches that come and go, compactions and checkpoints at once, in both modes, in
// memory and on a real disk. Readers hold what they see against rules that every state keeps; at the end the numbers
// must be those that the writers were told, the database verifies, and no page is lost.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <mutex>
#include <thread>

#include "engine_driver.h"
#include "strata/value.h"
#include "testing/random.h"

namespace strata {
namespace {

constexpr int kAccounts = 6;
constexpr uint64_t kSum = 600;  // of all accounts, in every state of every branch
constexpr const char* kSpaces[] = {"default", "notes"};

std::string encoded(uint64_t number, size_t padding = 0) {
  ValueWriter writer;
  char digits[24];
  std::snprintf(digits, sizeof(digits), "%020llu", static_cast<unsigned long long>(number));
  EXPECT_TRUE(writer.string(std::string(padding, 'x') + digits));
  return std::string(writer.result());
}
uint64_t decoded(std::string_view value) { return std::stoull(std::string(value.substr(value.size() - 20))); }
std::string account(int number) { return "account/" + std::to_string(number); }

class World {
 public:
  World(os::FileSystem& fs, const std::string& folder, Durability durability) {
    options_.fs = &fs;
    options_.folder = folder;
    options_.database_id = 77;
    options_.segment_bytes = 64u << 10;
    options_.first_segment_bytes = 16u << 10;
    options_.unit_bytes = 128u << 10;
    options_.checkpoint_log_bytes = 128u << 10;
    open_.durability = durability;
    open_.cache_bytes = 1u << 20;
  }

  Status open(bool background) {
    options_.background = background;
    STRATA_ASSIGN(session_, db::SessionAccess::open(options_, open_));
    return Status::ok();
  }
  Session& session() { return *session_; }

  Status begin() {
    STRATA_TRY(open(true));
    Call call(*session_, Call::kWait);
    STRATA_TRY(call.begin(false, Isolation::kSerializable, std::nullopt));
    for (const char* space : kSpaces) {
      STRATA_TRY(call.space_use(space));
      for (int i = 0; i < kAccounts; ++i) {
        STRATA_TRY(Kv(call).put(account(i), encoded(kSum / kAccounts / std::size(kSpaces))).status());
      }
    }
    return call.commit(std::nullopt).status();
  }

  // Runs all of them, each in a thread and on a session of its own.
  void run(const std::vector<std::function<Status(Session&, testing::Random&)>>& jobs, uint64_t seed) {
    std::vector<std::thread> threads;
    for (const auto& job : jobs) {
      const uint64_t number = threads.size();
      threads.emplace_back([this, &job, number, seed] {
        testing::Random random(seed + number);
        auto mine = session_->session();
        const Status status = mine.is_ok() ? job(**mine, random) : mine.status();
        if (!status.is_ok()) note("job " + std::to_string(number) + ": " + status.to_string());
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  // Closes it, opens it with nothing in the background, and looks at everything.
  Status end() {
    STRATA_TRY(session_->close());
    STRATA_TRY(open(false));
    const uint64_t ids[] = {0, 1};
    for (const uint64_t id : ids) {
      if (const uint64_t found = counter(id); found != acknowledged_[id]) {
        return wrong("counter " + std::to_string(found) + ", not " + std::to_string(acknowledged_[id]));
      }
    }
    {
      Call call(*session_, Call::kWait);
      STRATA_TRY(check_sum(call, std::nullopt));
    }
    STRATA_ASSIGN(const VerifyResult verified, session_->verify(nullptr));
    if (!verified.ok) return wrong(verified.problems[0]);
    STRATA_TRY(audit_nodes(db::SessionAccess::database(*session_)));
    return session_->close();
  }

  // ---- the jobs; each ends by itself ----

  // Adds one to a counter that another thread adds to as well, and puts keys of its own, some with large values.
  Status count(Session& session, testing::Random& random, int id, uint64_t rounds) {
    Call call(session, Call::kWait);
    for (uint64_t i = 0; i < rounds; ++i) {
      const std::string key = "own/" + std::to_string(id) + "/" + std::to_string(random.below(50));
      STRATA_TRY(Kv(call).put(key, encoded(i, random.one_in(10) ? 5000 : 30)).status());
      if (random.one_in(5)) STRATA_TRY(Kv(call).erase(key).status());
      const auto add_one = [&]() -> Status {
        STRATA_ASSIGN(const uint64_t number, read(call, counter_key(id % 2), std::nullopt));
        return Kv(call).put(counter_key(id % 2), encoded(number + 1)).status();
      };
      STRATA_TRY(retried(call, add_one));
      acknowledged_[id % 2].fetch_add(1);
    }
    return Status::ok();
  }

  // Moves amounts between accounts of both spaces.
  Status transfer(Session& session, testing::Random& random, uint64_t rounds) {
    Call call(session, Call::kWait);
    for (uint64_t i = 0; i < rounds; ++i) {
      const char* from = kSpaces[random.below(2)];
      const char* to = kSpaces[random.below(2)];
      const std::string debit = account(static_cast<int>(random.below(kAccounts)));
      const std::string credit = account(static_cast<int>(random.below(kAccounts)));
      const auto move_one = [&]() -> Status {
        STRATA_TRY(call.space_use(from));
        STRATA_ASSIGN(const uint64_t there, read(call, debit, std::nullopt));
        if (there == 0) return Status::ok();
        STRATA_TRY(Kv(call).put(debit, encoded(there - 1)).status());
        STRATA_TRY(call.space_use(to));
        STRATA_ASSIGN(const uint64_t here, read(call, credit, std::nullopt));
        return Kv(call).put(credit, encoded(here + 1)).status();
      };
      STRATA_TRY(retried(call, move_one));
    }
    return Status::ok();
  }

  // Every state adds up: now, in a transaction that is held, and in the past.
  Status audit(Session& session, testing::Random& random, uint64_t rounds) {
    uint64_t least = 0;
    for (uint64_t i = 0; i < rounds; ++i) {
      Call call(session, Call::kWait);
      STRATA_TRY(call.begin(true, Isolation::kSerializable, std::nullopt));
      STRATA_TRY(check_sum(call, std::nullopt));
      STRATA_TRY(check_sum(call, std::nullopt));
      STRATA_TRY(call.commit(std::nullopt).status());
      STRATA_TRY(call.space_use("default"));
      STRATA_ASSIGN(const uint64_t number, read(call, counter_key(0), std::nullopt));
      if (number < least) return wrong("a counter went back from " + std::to_string(least));
      least = number;
      RowList versions;
      const Status looked = Kv(call).history(counter_key(0), std::nullopt, &versions).status();
      // Retention may take away what is just being read; it says so.
      if (looked.code() == Code::kHistoryTrimmed) continue;
      STRATA_TRY(looked);
      for (size_t v = 1; v < versions.size(); ++v) {
        if (decoded(versions.value(v - 1)) != decoded(versions.value(v)) + 1) return wrong("a history has a gap");
      }
      if (versions.size() > 1) {
        const Status past = check_sum(call, versions.entry(random.below(versions.size())).timestamp);
        if (!past.is_ok() && past.code() != Code::kHistoryTrimmed) return past;
      }
    }
    return Status::ok();
  }

  // Forks, writes into the fork, looks, deletes it.
  Status fork(Session& session, testing::Random& random, int id, uint64_t rounds) {
    Call call(session, Call::kWait);
    for (uint64_t i = 0; i < rounds; ++i) {
      const std::string name = "fork-" + std::to_string(id) + "-" + std::to_string(i % 3);
      STRATA_TRY(call.branch_use("default"));
      STRATA_ASSIGN(const bool there, Branches(call).exists(name));
      if (there) STRATA_TRY(Branches(call).remove(name));
      STRATA_TRY(Branches(call).fork("default", name, std::nullopt).status());
      STRATA_TRY(call.branch_use(name));
      STRATA_TRY(call.space_use("default"));
      for (uint64_t n = random.below(20); n > 0; --n) {
        STRATA_TRY(Kv(call).put("fork/" + std::to_string(n), encoded(n, 200)).status());
      }
      STRATA_TRY(check_sum(call, std::nullopt));
      STRATA_TRY(check_sum(call, std::nullopt));
    }
    return Status::ok();
  }

  // Until the others are done with so much of their work.
  Status maintain(Session& session, testing::Random& random, uint64_t rounds) {
    for (uint64_t i = 0; i < rounds; ++i) {
      switch (random.below(5)) {
        case 0:
          STRATA_TRY(session.flush());
          break;
        case 1:
          STRATA_TRY(db::SessionAccess::database(session).checkpoint());
          break;
        case 2:
          STRATA_TRY(session.compact(std::nullopt, nullptr).status());
          break;
        case 3:
          STRATA_TRY(session.compact(random.below(200'000), nullptr).status());
          break;
        default: {
          const auto verified = session.verify(nullptr);
          if (!verified.is_ok()) return wrong("verify in between: " + verified.status().to_string());
          if (!verified->ok) return wrong("verify in between finds: " + verified->problems[0]);
        }
      }
    }
    return Status::ok();
  }

  std::string problem() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return problem_;
  }
  uint64_t conflicts() const { return conflicts_.load(); }
  uint64_t counted() const { return acknowledged_[0].load() + acknowledged_[1].load(); }

 private:
  static Status wrong(const std::string& what) { return Status::error(Code::kInvalidArgument, what); }
  static std::string counter_key(uint64_t id) { return "counter/" + std::to_string(id); }

  void note(const std::string& what) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (problem_.empty()) problem_ = what;
  }

  // 0 for what is not there.
  static Result<uint64_t> read(Call& call, const std::string& key, AsOf as_of) {
    std::string value;
    STRATA_ASSIGN(const auto found, Kv(call).get(key, as_of, &value));
    return found ? decoded(found->value) : 0;
  }
  uint64_t counter(uint64_t id) {
    Call call(*session_, Call::kWait);
    const auto found = read(call, counter_key(id), std::nullopt);
    return found.is_ok() ? *found : ~uint64_t{0};
  }

  // REQUIRES: a transaction, a past moment, or a branch that nobody else writes to; else two spaces are two states.
  static Status check_sum(Call& call, AsOf as_of) {
    uint64_t sum = 0;
    for (const char* space : kSpaces) {
      STRATA_TRY(call.space_use(space));
      KvScan scan;
      scan.prefix = "account/";
      scan.as_of = as_of;
      RowList rows;
      STRATA_TRY(Kv(call).scan(scan, &rows));
      for (size_t i = 0; i < rows.size(); ++i) sum += decoded(rows.value(i));
    }
    STRATA_TRY(call.space_use("default"));
    return sum == kSum ? Status::ok() : wrong("the accounts add up to " + std::to_string(sum));
  }

  Status retried(Call& call, const std::function<Status()>& work) {
    while (true) {
      STRATA_TRY(call.space_use("default"));
      STRATA_TRY(call.begin(false, Isolation::kSerializable, std::nullopt));
      const Status worked = work();
      if (!worked.is_ok()) {
        STRATA_TRY(call.rollback());
        return worked;
      }
      const Status committed = call.commit(std::nullopt).status();
      if (committed.is_ok()) return call.space_use("default");
      if (committed.code() != Code::kTransactionConflict) return committed;
      conflicts_.fetch_add(1);
    }
  }

  db::DatabaseOptions options_;
  OpenOptions open_;
  std::unique_ptr<Session> session_;
  std::atomic<uint64_t> acknowledged_[2] = {};
  std::atomic<uint64_t> conflicts_{0};
  std::mutex mutex_;
  std::string problem_;
};

class ThreadTest : public ::testing::TestWithParam<std::tuple<bool, Durability>> {};

TEST_P(ThreadTest, EverythingAtOnce) {
  const auto& [on_disk, durability] = GetParam();
  const uint64_t seed = testing::test_seed(11);
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("strata-threads-" + std::to_string(::getpid()));
  fs::remove_all(folder);
  const std::unique_ptr<os::FileSystem> memory = os::make_memory_file_system();
  World world(on_disk ? os::posix_file_system() : *memory, folder.string(), durability);
  ASSERT_TRUE(world.begin().is_ok());
  // A real sync takes its time.
  const uint64_t n = testing::scaled(on_disk && durability == Durability::kStrict ? 60 : 400);
  using testing::Random;
  world.run({[&](Session& s, Random& r) { return world.count(s, r, 0, n); },
             [&](Session& s, Random& r) { return world.count(s, r, 1, n); },
             [&](Session& s, Random& r) { return world.count(s, r, 2, n); },
             [&](Session& s, Random& r) { return world.transfer(s, r, n); },
             [&](Session& s, Random& r) { return world.transfer(s, r, n); },
             [&](Session& s, Random& r) { return world.audit(s, r, n / 2 + 1); },
             [&](Session& s, Random& r) { return world.audit(s, r, n / 2 + 1); },
             [&](Session& s, Random& r) { return world.fork(s, r, 0, n / 8 + 1); },
             [&](Session& s, Random& r) { return world.maintain(s, r, n / 10 + 1); }},
            seed);
  EXPECT_EQ(world.problem(), "");
  const Status ended = world.end();
  EXPECT_TRUE(ended.is_ok()) << ended.to_string();
  fs::remove_all(folder);
  std::printf("counted: 9 threads, %llu counted, %llu conflicts, seed %llu\n",
              static_cast<unsigned long long>(world.counted()), static_cast<unsigned long long>(world.conflicts()),
              static_cast<unsigned long long>(seed));
}

INSTANTIATE_TEST_SUITE_P(Stores, ThreadTest,
                         ::testing::Combine(::testing::Bool(),
                                            ::testing::Values(Durability::kBuffered, Durability::kStrict)),
                         [](const auto& of) {
                           return std::string(std::get<0>(of.param) ? "Disk" : "Memory") +
                                  (std::get<1>(of.param) == Durability::kStrict ? "Strict" : "Buffered");
                         });

}  // namespace
}  // namespace strata
