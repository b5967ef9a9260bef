// Every call that the engine makes to the file system fails, once or from then on, with and without a part of its
// bytes written: the error says what failed, nothing wrong is read meanwhile, the database takes no more writes where
// it could not be sure of them, and whatever was acknowledged is there when it is opened again on a healthy disk.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine_driver.h"
#include "testing/crash_fs.h"
#include "testing/crash_player.h"
#include "testing/fault_fs.h"
#include "testing/random.h"
#include "testing/test_clock.h"

namespace strata {
namespace {

using testing::Fault;
using testing::FaultFileSystem;
using testing::ModelDb;
using testing::Operation;
using testing::RandomOp;

bool is_commit(const RandomOp& op) {
  return op.kind != RandomOp::Kind::kFlush && op.kind != RandomOp::Kind::kCheckpoint &&
         op.kind != RandomOp::Kind::kCompact && op.kind != RandomOp::Kind::kReopen &&
         op.kind != RandomOp::Kind::kRollback;
}
bool changes_files(const testing::Call& call) {
  return call.operation == Operation::kWrite || call.operation == Operation::kSync;
}

// One session of work that meets one fault.
class FaultRun {
 public:
  FaultRun(Durability durability, uint64_t seed) : fs_(*memory_), ops_(seed, {.keys = 16, .branches = 3}) {
    options_.fs = &fs_;
    options_.clock = &clock_;
    options_.durability = durability;
  }

  // What was wrong; empty if nothing was.
  const std::string& problem() const { return problem_; }
  uint64_t calls() const { return fs_.call_count(); }
  uint64_t failures() const { return fs_.failures(); }

  void run(uint64_t steps, const std::function<void(FaultFileSystem&)>& inject) {
    inject(fs_);
    EngineDriver driver(options_);
    work(driver, steps);
    if (problem_.empty()) reopen(driver);
  }

 private:
  void work(EngineDriver& driver, uint64_t steps) {
    Status failed = driver.open();
    RandomOp op;
    for (uint64_t i = 0; i < steps && failed.is_ok(); ++i) {
      op = ops_.next(model_, {});
      ModelDb next = model_;
      bool changed = false;
      failed = driver.run(op, &next, &changed);
      if (!failed.is_ok()) break;
      model_ = std::move(next);
      if (const auto now = driver.timestamp(); now.is_ok()) last_timestamp_ = *now;
    }
    if (failed.is_ok() && driver.is_open()) failed = driver.close();
    if (failed.is_ok()) return;
    const std::string what = (steps == 0 ? "" : describe(op)) + ": " + failed.to_string();
    if (failed.code() != Code::kIoError && failed.code() != Code::kDiskFull) problem_ = "another error in " + what;
    if (failed.message().size() < 10) problem_ = "an error without words in " + what;
    if (driver.is_open()) after_failure(driver, op, failed);
    if (!problem_.empty()) problem_ += "\n  after " + what;
    // The failed operation may have reached the disk.
    if (is_commit(op) || op.kind == RandomOp::Kind::kCompact) pending_ = op;
  }

  void after_failure(EngineDriver& driver, const RandomOp& op, const Status& failed) {
    if (const auto differs = Comparison(driver.session(), model_).all({}); differs.has_value()) {
      // Reads may fail with the disk, but not answer wrongly.
      if (differs->find("simulated") == std::string::npos) problem_ = "read after the failure: " + *differs;
    }
    const std::vector<testing::Call> calls = fs_.calls();
    const auto broken = std::find_if(calls.begin(), calls.end(), [](const testing::Call& call) { return call.failed; });
    if (!is_commit(op) || broken == calls.end() || !changes_files(*broken)) return;
    // A write or a sync of the commit failed: this database cannot be sure of its disk any more.
    fs_.heal();
    Call call(driver.session(), Call::kWait);
    const Status refused = Kv(call).put("one more", "\x01").status();
    if (refused.is_ok()) problem_ = "a write was taken after a failed one: " + describe(*broken);
    if (!refused.is_ok() && (refused.code() != failed.code() || !refused.message().starts_with(failed.message()))) {
      problem_ = "the first error was not kept: " + refused.to_string();
    }
  }

  void reopen(EngineDriver& failed) {
    if (failed.is_open()) (void)failed.close();
    fs_.heal();
    EngineDriver driver(options_);
    if (const Status opened = driver.open(); !opened.is_ok()) {
      problem_ = "open on the healthy disk: " + opened.to_string();
      return;
    }
    auto differs = Comparison(driver.session(), model_).all({});
    if (differs.has_value() && pending_.has_value()) {
      // All of the failed operation, or nothing.
      apply_pending(driver);
      const auto still = Comparison(driver.session(), model_).all({});
      differs = still.has_value() ? std::optional(*differs + "; with it " + *still) : std::nullopt;
    }
    if (differs.has_value()) problem_ = "after reopening: " + *differs;
    const auto verified = driver.session().verify(nullptr);
    if (!verified.is_ok()) problem_ = "verify: " + verified.status().to_string();
    if (verified.is_ok() && !verified->ok) problem_ = "verify: " + verified->problems.at(0);
    if (const Status closed = driver.close(); !closed.is_ok()) problem_ = "close: " + closed.to_string();
    if (!problem_.empty()) problem_ += "\n  after a failed " + (pending_ ? describe(*pending_) : "call");
  }

  void apply_pending(EngineDriver& driver) {
    const auto now = driver.timestamp();
    if (!now.is_ok()) return;
    if (pending_->kind == RandomOp::Kind::kFork) {
      model_.fork(pending_->source, pending_->branch, last_timestamp_, *now);
    } else {
      driver.on_model(*pending_, *now, &model_);
    }
  }

  const std::unique_ptr<os::FileSystem> memory_ = os::make_memory_file_system();
  FaultFileSystem fs_;
  testing::TestClock clock_;
  DriverOptions options_;
  testing::RandomOps ops_;
  ModelDb model_;
  uint64_t last_timestamp_ = 0;
  std::optional<RandomOp> pending_;
  std::string problem_;
};

constexpr uint64_t kSteps = 40;

struct Kind {
  const char* name;
  Code code;
  bool forever;
  double written;
};
constexpr Kind kKinds[] = {
    {"EIO once", Code::kIoError, false, 0},          {"EIO for ever", Code::kIoError, true, 0},
    {"disk full once", Code::kDiskFull, false, 0.6}, {"disk full for ever", Code::kDiskFull, true, 1},
    {"torn EIO", Code::kIoError, false, 0.3},
};

void fail_each_call(Durability durability) {
  const uint64_t seed = testing::test_seed(7);
  FaultRun healthy(durability, seed);
  healthy.run(kSteps, [](FaultFileSystem&) {});
  ASSERT_EQ(healthy.problem(), "");
  const uint64_t calls = healthy.calls();
  const uint64_t wanted = std::max<uint64_t>(testing::scaled(1500), 20);
  const uint64_t step = std::max<uint64_t>(1, calls * std::size(kKinds) / wanted);
  uint64_t runs = 0;
  for (uint64_t i = seed % step; i < calls * std::size(kKinds); i += step) {
    const Kind& kind = kKinds[i % std::size(kKinds)];
    const uint64_t at = i / std::size(kKinds);
    FaultRun run(durability, seed);
    run.run(kSteps, [&](FaultFileSystem& fs) {
      fs.inject({.at = at, .forever = kind.forever, .code = kind.code, .written = kind.written});
    });
    ASSERT_EQ(run.problem(), "") << kind.name << " at call " << at << " of " << calls;
    ++runs;
  }
  std::printf("counted: %llu failing runs over %llu calls\n", static_cast<unsigned long long>(runs),
              static_cast<unsigned long long>(calls));
}

TEST(FaultTest, EachCallFailsBuffered) { fail_each_call(Durability::kBuffered); }
TEST(FaultTest, EachCallFailsStrict) { fail_each_call(Durability::kStrict); }

TEST(FaultTest, DiskFillsUpAnywhere) {
  const uint64_t seed = testing::test_seed(7);
  uint64_t full = 0;
  const uint64_t runs = testing::scaled(60);
  for (uint64_t i = 0; i < runs; ++i) {
    FaultRun run(i % 2 == 0 ? Durability::kBuffered : Durability::kStrict, seed + i);
    run.run(kSteps, [&](FaultFileSystem& fs) { fs.set_budget(i * 150'000 / runs); });
    ASSERT_EQ(run.problem(), "") << "with " << i * 150'000 / runs << " bytes of room";
    full += run.failures() > 0 ? 1 : 0;
  }
  EXPECT_GT(full, runs / 4);
}

// Strict: while the sync runs, and after it failed, nobody sees what it was to make durable.
TEST(FaultTest, ReaderNeverSeesWhatAFailedSyncLost) {
  testing::CrashFileSystem disk;
  FaultFileSystem fs(disk);
  testing::TestClock clock;
  DriverOptions options;
  options.fs = &fs;
  options.clock = &clock;
  options.durability = Durability::kStrict;
  EngineDriver driver(options);
  ASSERT_TRUE(driver.open().is_ok());
  const auto put = [](Session& session, std::string_view value) {
    Call call(session, Call::kWait);
    return Kv(call).put("k", value).status();
  };
  const auto get = [](Session& session) -> std::string {
    Call call(session, Call::kWait);
    std::string value;
    const auto found = Kv(call).get("k", std::nullopt, &value);
    if (!found.is_ok()) return found.status().to_string();
    return found->has_value() ? std::string((*found)->value) : "nothing";
  };
  ASSERT_TRUE(put(driver.session(), "\x01").is_ok());
  auto reader = driver.session().session();
  ASSERT_TRUE(reader.is_ok());

  std::vector<std::string> seen;
  fs.watch([&](const testing::Call& call) {
    if (call.operation == Operation::kSync) seen.push_back(get(**reader));
  });
  fs.inject({.at = 0, .matches = [](const testing::Call& call) { return call.operation == Operation::kSync; }});
  EXPECT_EQ(put(driver.session(), "\x02").code(), Code::kIoError);
  ASSERT_FALSE(seen.empty()) << "no sync was made";
  for (const std::string& value : seen) EXPECT_EQ(value, "\x01");
  fs.watch(nullptr);
  EXPECT_EQ(get(**reader), "\x01");
  EXPECT_EQ(get(driver.session()), "\x01");
  EXPECT_FALSE(put(driver.session(), "\x03").is_ok());
  EXPECT_FALSE(put(**reader, "\x03").is_ok());
  EXPECT_EQ(get(driver.session()), "\x01");

  // The disk lost what was not synced.
  testing::CrashPlayer player(disk);
  player.advance_to(player.last());
  testing::CrashFileSystem lost(player.image(testing::Loss::kUnsynced, 0));
  options.fs = &lost;
  EngineDriver again(options);
  ASSERT_TRUE(again.open().is_ok());
  EXPECT_EQ(get(again.session()), "\x01");
  EXPECT_FALSE((*reader)->close().is_ok() && driver.close().is_ok()) << "closing must tell of the failed sync";
}

}  // namespace
}  // namespace strata
