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
         op.kind != RandomOp::Kind::kRollback && op.kind != RandomOp::Kind::kSearch;
}
// What is kept there makes searches quick: what becomes of it is nobody's loss.
constexpr std::string_view kCacheFolder = "/index";
bool is_of_a_cache(const testing::Call& call) { return call.path.find(kCacheFolder) != std::string::npos; }

// What a session does before and after it meets its fault.
constexpr testing::RandomOptions kScripts[] = {
    {.keys = 16, .branches = 3},
    {.keys = 6, .branches = 2, .retention_micros = 30},
    {.keys = 8, .branches = 4, .largest_value = 60'000},  // records larger than a segment
    {.keys = 3, .branches = 0, .largest_value = 4000, .branch_ops = false, .retention_micros = 10},
    {.keys = 24, .branches = 3, .largest_value = 20'000},
    {.keys = 100, .branches = 6, .largest_value = 1500, .maintenance = false},
    {.keys = 8, .branches = 4, .largest_value = 2000, .bundles = true, .retention_micros = 60},
    {.keys = 8, .branches = 3, .percent_vectors = 80},
};
constexpr uint64_t kSteps = 48;

bool changes_files(const testing::Call& call) {
  return call.operation == Operation::kWrite || call.operation == Operation::kSync;
}

// One session of work that meets one fault.
class FaultRun {
 public:
  FaultRun(Durability durability, uint64_t seed, const testing::RandomOptions& script)
      : fs_(*memory_), ops_(seed, script) {
    options_.fs = &fs_;
    options_.clock = &clock_;
    options_.durability = durability;
    options_.rows_of_a_slice = 5;
  }

  // What was wrong; empty if nothing was.
  const std::string& problem() const { return problem_; }
  uint64_t calls() const { return fs_.call_count(); }
  uint64_t failures() const { return fs_.failures(); }
  // Whether some operation failed.
  bool told() const { return told_; }

  void run(const std::function<void(FaultFileSystem&)>& inject) {
    inject(fs_);
    EngineDriver driver(options_);
    work(driver);
    if (problem_.empty()) reopen(driver);
  }

 private:
  void work(EngineDriver& driver) {
    Status failed = driver.open();
    RandomOp op;
    uint64_t step = 0;
    for (; step < kSteps && failed.is_ok(); ++step) {
      op = next_op(driver);
      ModelDb next = model_;
      bool changed = false;
      failed = driver.run(op, &next, &changed);
      if (!failed.is_ok()) break;
      model_ = std::move(next);
      const auto now = driver.timestamp();
      if (now.is_ok() && changed) moments_.push_back(*now);
    }
    if (failed.is_ok() && driver.is_open()) failed = driver.close();
    if (failed.is_ok()) return;
    told_ = true;
    const std::string what = (step == 0 ? "open" : describe(op)) + ": " + failed.to_string();
    if (failed.code() != Code::kIoError && failed.code() != Code::kDiskFull) problem_ = "another error in " + what;
    if (failed.message().size() < 10) problem_ = "an error without words in " + what;
    if (failed.message().find(kCacheFolder) != std::string::npos) problem_ = "a cache was told of in " + what;
    if (driver.is_open()) after_failure(driver, op, failed);
    if (!problem_.empty()) problem_ += "\n  after " + what;
    // The failed operation may have reached the disk.
    if (is_commit(op) || op.keep_micros.has_value()) pending_ = op;
  }

  // Retention counts back from the last change, and must leave something.
  RandomOp next_op(EngineDriver& driver) {
    RandomOp op = ops_.next(model_, moments_);
    if (op.keep_micros.has_value()) {
      const uint64_t last = driver.last_change();
      op.keep_micros = std::min(*op.keep_micros, last);
      cut_ = last - *op.keep_micros;
    }
    return op;
  }

  void after_failure(EngineDriver& driver, const RandomOp& op, const Status& failed) {
    auto differs = Comparison(driver.session(), model_).all({});
    if (differs.has_value() && op.keep_micros.has_value()) {
      // What a compaction forgets is forgotten before it gives back the space, which is what failed then.
      ModelDb forgotten = model_;
      forgotten.trim(cut_);
      const auto still = Comparison(driver.session(), forgotten).all({});
      differs = still.has_value() ? std::optional(*differs + "; with it " + *still) : std::nullopt;
    }
    // Reads may fail with the disk, but not answer wrongly.
    if (differs.has_value() && differs->find("simulated") == std::string::npos) {
      problem_ = "read after the failure: " + *differs;
    }
    const std::vector<testing::Call> calls = fs_.calls();
    const auto broken = std::find_if(calls.begin(), calls.end(),
                                     [](const testing::Call& call) { return call.failed && !is_of_a_cache(call); });
    if (!is_commit(op) || broken == calls.end() || !changes_files(*broken)) return;
    if (broken->path.starts_with(driver.bundle_path())) return check_writable(driver);
    // A write or a sync of the commit failed: this database cannot be sure of its disk any more.
    fs_.heal();
    Call call(driver.session(), Call::kWait);
    const Status refused = Kv(call).put("one more", "\x01").status();
    if (refused.is_ok()) problem_ = "a write was taken after a failed one: " + describe(*broken);
    if (!refused.is_ok() && (refused.code() != failed.code() || !refused.message().starts_with(failed.message()))) {
      problem_ = "the first error was not kept: " + refused.to_string();
    }
  }

  // A bundle is no part of the database.
  void check_writable(EngineDriver& driver) {
    fs_.heal();
    RandomOp op;
    op.writes.push_back({"default", "one more", "\x01"});
    bool changed = false;
    const Status taken = driver.run(op, &model_, &changed);
    if (!taken.is_ok()) problem_ = "no write was taken after that of a bundle failed: " + taken.to_string();
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
      model_.fork(pending_->source, pending_->branch, fork_timestamp(driver), *now);
    } else if (pending_->kind == RandomOp::Kind::kCompact) {
      model_.trim(cut_);
    } else {
      driver.on_model(*pending_, *now, &model_);
    }
  }

  // What the fork that failed would have answered, if it was made.
  uint64_t fork_timestamp(EngineDriver& driver) const {
    if (pending_->as_of.has_value()) return *pending_->as_of;
    Call call(driver.session(), Call::kWait);
    const auto made = Branches(call).get(pending_->branch);
    const uint64_t found = made.is_ok() && made->has_value() ? (*made)->fork_timestamp.value_or(0) : 0;
    // Between the last change and the fork itself nothing but maintenance took a time.
    const uint64_t last_change = moments_.empty() ? 0 : moments_.back();
    return found >= last_change && found <= created_at(made) ? found : last_change;
  }
  static uint64_t created_at(const Result<std::optional<BranchInfo>>& made) {
    return made.is_ok() && made->has_value() ? (*made)->created_at : 0;
  }

  const std::unique_ptr<os::FileSystem> memory_ = os::make_memory_file_system();
  FaultFileSystem fs_;
  testing::TestClock clock_;
  DriverOptions options_;
  testing::RandomOps ops_;
  ModelDb model_;
  std::vector<uint64_t> moments_;
  uint64_t cut_ = 0;  // of the last compaction that forgot something
  std::optional<RandomOp> pending_;
  bool told_ = false;
  std::string problem_;
};

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

// Over all tests of a run.
class Total : public ::testing::Environment {
 public:
  void TearDown() override {
    std::printf("counted: %llu runs that met a fault, in %zu scripts of %llu steps, seed %llu\n",
                static_cast<unsigned long long>(runs), std::size(kScripts), static_cast<unsigned long long>(kSteps),
                static_cast<unsigned long long>(testing::test_seed(7)));
  }
  uint64_t runs = 0;
};
Total& total = *static_cast<Total*>(::testing::AddGlobalTestEnvironment(new Total));

// Every call of a script fails in every way, or as many of them, evenly spread, as there is time for.
void fail_each_call(Durability durability, size_t script) {
  const uint64_t seed = testing::test_seed(7) + script;
  FaultRun healthy(durability, seed, kScripts[script]);
  healthy.run([](FaultFileSystem&) {});
  ASSERT_EQ(healthy.problem(), "");
  const uint64_t ways = healthy.calls() * std::size(kKinds);
  const uint64_t wanted = std::max<uint64_t>(testing::scaled(300), 20);
  const uint64_t step = std::max<uint64_t>(1, ways / wanted);
  for (uint64_t i = seed % step; i < ways; i += step) {
    const Kind& kind = kKinds[i % std::size(kKinds)];
    const uint64_t at = i / std::size(kKinds);
    FaultRun run(durability, seed, kScripts[script]);
    run.run([&](FaultFileSystem& fs) {
      fs.inject({.at = at, .forever = kind.forever, .code = kind.code, .written = kind.written});
    });
    ASSERT_EQ(run.problem(), "") << kind.name << " at call " << at << " of " << healthy.calls() << " of script "
                                 << script;
    total.runs += run.failures() > 0 ? 1 : 0;
  }
}

TEST(FaultTest, EachCallFailsBuffered) {
  for (size_t script = 0; script < std::size(kScripts); ++script) fail_each_call(Durability::kBuffered, script);
}
TEST(FaultTest, EachCallFailsStrict) {
  for (size_t script = 0; script < std::size(kScripts); ++script) fail_each_call(Durability::kStrict, script);
}

TEST(FaultTest, DiskFillsUpAnywhere) {
  const uint64_t seed = testing::test_seed(7);
  uint64_t full = 0;
  const uint64_t runs = testing::scaled(60);
  for (uint64_t i = 0; i < runs; ++i) {
    FaultRun run(i % 2 == 0 ? Durability::kBuffered : Durability::kStrict, seed + i, kScripts[0]);
    run.run([&](FaultFileSystem& fs) { fs.set_budget(i * 150'000 / runs); });
    ASSERT_EQ(run.problem(), "") << "with " << i * 150'000 / runs << " bytes of room";
    full += run.failures() > 0 ? 1 : 0;
  }
  EXPECT_GT(full, runs / 4);
  total.runs += full;
}

// Files of search structures that can be neither written nor read: no operation fails, and every answer is right.
TEST(FaultTest, CallsOfTheIndexFolderFail) {
  const uint64_t seed = testing::test_seed(7);
  uint64_t met = 0;
  for (size_t script = 0; script < std::size(kScripts); ++script) {
    const uint64_t runs = std::max<uint64_t>(testing::scaled(40), 5);
    for (uint64_t i = 0; i < runs; ++i) {
      const Kind& kind = kKinds[i % std::size(kKinds)];
      FaultRun run(Durability::kBuffered, seed + script, kScripts[script]);
      run.run([&](FaultFileSystem& fs) {
        fs.inject({i / std::size(kKinds) * 5, kind.forever, kind.code, kind.written, is_of_a_cache});
      });
      ASSERT_EQ(run.problem(), "") << kind.name << " in run " << i << " of script " << script;
      ASSERT_FALSE(run.told()) << kind.name << " in run " << i << " of script " << script;
      met += run.failures() > 0 ? 1 : 0;
    }
  }
  EXPECT_GT(met, 0u);
  total.runs += met;
}

// Bundles, each of whose calls to the file system fails once: the error has a type, nothing is changed, and no file is
// left behind.
class BundleFaults {
 public:
  explicit BundleFaults(uint64_t seed) : seed_(seed) {
    options_.fs = &fs_;
    options_.clock = &clock_;
  }

  void prepare() {
    driver_ = std::make_unique<EngineDriver>(options_);
    ASSERT_TRUE(driver_->open().is_ok());
    work(25);
    since_ = *driver_->timestamp();
    work(25);
    Call call(driver_->session(), Call::kWait);
    ASSERT_TRUE(Branches(call).fork("default", "mirror", since_).is_ok());
    model_.fork("default", "mirror", since_, *driver_->timestamp());
  }

  // Every call, or as many of them, evenly spread, as there is time for. `undo`: what one that succeeded did.
  void fail_each(const std::function<Status()>& operation, const std::function<void()>& undo,
                 const std::function<void(const Status&)>& check) {
    fs_.forget_calls();
    ASSERT_TRUE(operation().is_ok());
    const uint64_t calls = fs_.call_count();
    undo();
    const uint64_t wanted = std::max<uint64_t>(testing::scaled(60), 10);
    const uint64_t step = std::max<uint64_t>(1, calls * std::size(kKinds) / wanted);
    for (uint64_t i = seed_ % step; i < calls * std::size(kKinds); i += step) {
      const Kind& kind = kKinds[i % std::size(kKinds)];
      SCOPED_TRACE(std::string(kind.name) + " at call " + std::to_string(i / std::size(kKinds)));
      fs_.inject({.at = i / std::size(kKinds), .forever = false, .code = kind.code, .written = kind.written});
      const Status status = operation();
      fs_.heal();
      if (status.is_ok()) undo();
      check(status);
      ++total.runs;
      if (::testing::Test::HasFailure()) return;
    }
  }

  void exports(AsOf since) {
    const auto operation = [&] { return bundles().write("default", kPath, since, nullptr).status(); };
    ASSERT_TRUE(operation().is_ok());
    const std::string good = bytes_of(kPath);
    const auto nothing = [] {};
    fail_each(operation, nothing, [&](const Status& status) {
      ASSERT_TRUE(status.is_ok() || status.code() == Code::kIoError || status.code() == Code::kDiskFull);
      ASSERT_EQ(bytes_of(kPath), good);
      ASSERT_EQ(*fs_.list(kFolder), std::vector<std::string>{"bundle"});
      ASSERT_EQ(differs(model_), std::nullopt);
    });
    // A disk without room for it, and a folder in the place of the file.
    fs_.set_budget(good.size() / 2);
    EXPECT_EQ(operation().code(), Code::kDiskFull);
    fs_.heal();
    EXPECT_EQ(bytes_of(kPath), good);
    EXPECT_EQ(bundles().write("default", kFolder, since, nullptr).status().code(), Code::kIoError);
    EXPECT_EQ(*fs_.list(kFolder), std::vector<std::string>{"bundle"});
  }

  // REQUIRES: exports.
  void imports(bool delta) {
    const std::string name = delta ? "mirror" : "copy";
    const auto operation = [&] { return bundles().import(kPath, name, nullptr).status(); };
    const std::string good = bytes_of(kPath);
    const auto undo = [&] {
      Call call(driver_->session(), Call::kWait);
      ASSERT_TRUE(Branches(call).remove(name).is_ok());
      if (delta) {
        ASSERT_TRUE(Branches(call).fork("default", name, since_).is_ok());
        model_.remove_branch(name);
        model_.fork("default", name, since_, *driver_->timestamp());
      }
    };
    fail_each(operation, undo, [&](const Status& status) {
      ASSERT_EQ(bytes_of(kPath), good);
      if (status.is_ok()) return;
      ASSERT_TRUE(status.code() == Code::kIoError || status.code() == Code::kDiskFull) << status.to_string();
      ASSERT_EQ(differs(model_), std::nullopt);
      reopen(name, delta, undo);
    });
  }

  uint64_t since() const { return since_; }
  void finish() {
    EXPECT_TRUE(driver_->session().verify(nullptr)->ok);
    EXPECT_TRUE(driver_->session().compact(std::nullopt, nullptr).is_ok());
    EXPECT_TRUE(audit_nodes(driver_->database()).is_ok());
    EXPECT_TRUE(driver_->close().is_ok());
  }

 private:
  static constexpr const char* kFolder = "elsewhere";
  static constexpr const char* kPath = "elsewhere/bundle";

  Bundles bundles() { return Bundles(driver_->session()); }

  void work(int steps) {
    ASSERT_TRUE(fs_.create_folder(kFolder).is_ok());
    for (int i = 0; i < steps; ++i) {
      bool changed = false;
      ASSERT_TRUE(driver_->run(ops_.next(model_, {}), &model_, &changed).is_ok());
    }
  }

  std::string bytes_of(const std::string& path) {
    auto file = memory_->open(path, os::OpenMode::kRead);
    if (!file.is_ok()) return {};
    std::string bytes(static_cast<size_t>(*(*file)->size()), '\0');
    return *(*file)->read(0, bytes.size(), bytes.data()) == bytes.size() ? bytes : std::string();
  }

  std::optional<std::string> differs(const ModelDb& model) { return Comparison(driver_->session(), model).all({}); }

  // What a failed import leaves to the next opening: nothing to be seen, or all of it if it failed behind its last
  // record.
  void reopen(const std::string& name, bool delta, const std::function<void()>& undo) {
    (void)driver_->close();
    ASSERT_TRUE(driver_->open().is_ok());
    branch::Catalogue& catalogue = driver_->database().catalogue();
    ASSERT_EQ(catalogue.everything().size(), catalogue.count());
    if (!differs(model_)) return;
    ModelDb with_it = model_;
    const uint64_t now = *driver_->timestamp();
    if (delta) {
      with_it.add_delta(model_.branch("default"), name, now);
    } else {
      with_it.copy_branch("default", name, now);
    }
    ASSERT_EQ(differs(with_it), std::nullopt);
    undo();
  }

  const uint64_t seed_;
  const std::unique_ptr<os::FileSystem> memory_ = os::make_memory_file_system();
  FaultFileSystem fs_{*memory_};
  testing::TestClock clock_;
  DriverOptions options_;
  testing::RandomOps ops_{seed_, {.keys = 10, .largest_value = 9000, .branch_ops = false, .maintenance = false}};
  std::unique_ptr<EngineDriver> driver_;
  ModelDb model_;
  uint64_t since_ = 0;
};

TEST(FaultTest, EachCallOfABundleFails) {
  BundleFaults faults(testing::test_seed(7));
  faults.prepare();
  for (const bool delta : {false, true}) {
    SCOPED_TRACE(delta ? "a delta" : "a whole branch");
    if (!HasFatalFailure()) faults.exports(delta ? AsOf(faults.since()) : std::nullopt);
    if (!HasFailure()) faults.imports(delta);
  }
  if (!HasFailure()) faults.finish();
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
