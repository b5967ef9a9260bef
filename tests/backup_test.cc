// Backups beside work: each holds exactly what was there when it was made, history and past included, and can be worked
// on. Whatever happens on the way (a crash at any point, a fault of any call, damage in what is copied), what lies
// there afterwards is the whole copy or no database.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "engine_driver.h"
#include "testing/crash_fs.h"
#include "testing/crash_player.h"
#include "testing/fault_fs.h"
#include "testing/random.h"
#include "testing/test_clock.h"

namespace strata {
namespace {

using testing::Crash;
using testing::CrashFileSystem;
using testing::FaultFileSystem;
using testing::ModelDb;
using testing::Random;
using testing::RandomOp;

const std::string kCopy = "copy";

// A database under random work, and the oracle beside it.
class Work {
 public:
  Work(os::FileSystem& fs, Durability durability, uint64_t seed, const testing::RandomOptions& options)
      : fs_(fs), durability_(durability), driver_(driver_options("db")), ops_(seed, options) {
    EXPECT_TRUE(driver_.open().is_ok());
  }
  Work(os::FileSystem& fs, Durability durability, uint64_t seed)
      : Work(fs, durability, seed, {.keys = 30, .branches = 4, .largest_value = 9000, .retention_micros = 600}) {}

  DriverOptions driver_options(const std::string& folder) {
    DriverOptions options;
    options.fs = &fs_;
    options.clock = &clock_;
    options.durability = durability_;
    options.folder = folder;
    return options;
  }

  void steps(int count) {
    for (int i = 0; i < count; ++i) {
      const RandomOp op = ops_.next(model_, moments_);
      bool changed = false;
      const Status done = driver_.run(op, &model_, &changed);
      ASSERT_TRUE(done.is_ok()) << describe(op) << ": " << done.to_string();
      if (changed && moments_.size() < 6) moments_.push_back(*driver_.timestamp());
    }
  }

  // What is wrong with the copy in that folder; empty if nothing is.
  std::string examine(os::FileSystem& fs, const std::string& folder, bool read_only) {
    DriverOptions options = driver_options(folder);
    options.fs = &fs;
    EngineDriver copy(options);
    const Status opened = copy.open(read_only);
    if (!opened.is_ok()) return opened.to_string();
    const auto differs = Comparison(copy.session(), model_).all(moments_);
    if (differs.has_value()) return *differs;
    const auto verified = copy.session().verify(nullptr);
    if (!verified.is_ok()) return verified.status().to_string();
    if (!verified->ok) return verified->problems.at(0);
    if (read_only) return "";
    const Status audited = audit_nodes(copy.database());
    if (!audited.is_ok()) return audited.to_string();
    ModelDb model = model_;
    testing::RandomOps ops(1, {.keys = 30});
    for (int i = 0; i < 5; ++i) {
      bool changed = false;
      const RandomOp op = ops.next(model, moments_);
      const Status done = copy.run(op, &model, &changed);
      if (!done.is_ok()) return describe(op) + ": " + done.to_string();
    }
    const Status closed = copy.close();
    if (!closed.is_ok()) return closed.to_string();
    const Status again = copy.open();
    return again.is_ok() ? Comparison(copy.session(), model).all(moments_).value_or("") : again.to_string();
  }

  EngineDriver& driver() { return driver_; }
  const ModelDb& model() const { return model_; }

 private:
  os::FileSystem& fs_;
  const Durability durability_;
  testing::TestClock clock_;
  EngineDriver driver_;
  testing::RandomOps ops_;
  ModelDb model_;
  std::vector<uint64_t> moments_;
};

bool is_no_database(Code code) { return code == Code::kDatabaseNotFound || code == Code::kNotADatabase; }

TEST(BackupTest, HoldsWhatWasThereAtAnyTime) {
  const uint64_t seed = testing::test_seed(31);
  const auto runs = static_cast<int>(testing::scaled(12));
  uint64_t copies = 0;
  for (int run = 0; run < runs; ++run) {
    const auto memory = os::make_memory_file_system();
    const auto durability = run % 2 == 0 ? Durability::kBuffered : Durability::kStrict;
    Work work(*memory, durability, seed + static_cast<uint64_t>(run));
    for (int part = 0; part < 8; ++part) {
      work.steps(part * 10);
      if (::testing::Test::HasFatalFailure()) return;
      const std::string folder = "copies/" + std::to_string(part);
      const auto made = work.driver().session().backup(folder, nullptr);
      ASSERT_TRUE(made.is_ok()) << made.status().to_string();
      EXPECT_EQ(made->timestamp, *work.driver().timestamp());
      EXPECT_EQ(made->path, folder);
      EXPECT_EQ(work.examine(*memory, folder, part % 3 == 0), "") << "seed " << seed + static_cast<uint64_t>(run);
      ++copies;
    }
  }
  std::printf("counted: %llu copies, seed %llu\n", static_cast<unsigned long long>(copies),
              static_cast<unsigned long long>(seed));
}

TEST(BackupTest, ACopyOfACopyAndOfAReadOnlyOne) {
  const auto memory = os::make_memory_file_system();
  Work work(*memory, Durability::kBuffered, testing::test_seed(32));
  work.steps(120);
  ASSERT_TRUE(work.driver().session().backup("first", nullptr).is_ok());
  EngineDriver first(work.driver_options("first"));
  ASSERT_TRUE(first.open(true).is_ok());
  ASSERT_TRUE(first.session().backup("second", nullptr).is_ok());
  ASSERT_TRUE(first.close().is_ok());
  EXPECT_EQ(work.examine(*memory, "second", false), "");
}

TEST(BackupTest, OnlyIntoANewOrEmptyFolder) {
  const auto memory = os::make_memory_file_system();
  Work work(*memory, Durability::kBuffered, 1);
  work.steps(20);
  const auto refused = [&](const std::string& folder) {
    return work.driver().session().backup(folder, nullptr).status().code();
  };
  EXPECT_EQ(refused("db"), Code::kBackupExists);
  ASSERT_TRUE(memory->create_folder("empty").is_ok());
  EXPECT_EQ(refused("empty"), Code::kOk);
  EXPECT_EQ(refused("empty"), Code::kBackupExists);
  ASSERT_TRUE(memory->create_folder("other").is_ok());
  ASSERT_TRUE(memory->open("other/file", os::OpenMode::kCreateNew).is_ok());
  EXPECT_EQ(refused("other"), Code::kBackupExists);
  EXPECT_EQ(memory->list("other")->size(), 1u);
  EXPECT_EQ(refused("other/file"), Code::kBackupExists);
}

TEST(BackupTest, IsEndedByItsProgressAndLeavesNothing) {
  const auto memory = os::make_memory_file_system();
  Work work(*memory, Durability::kBuffered, 1);
  work.steps(150);
  uint64_t calls = 0;
  uint64_t last = 0;
  const auto count = [&](uint64_t done, uint64_t total) {
    EXPECT_LE(last, done);
    EXPECT_LE(done, total);
    last = done;
    ++calls;
    return true;
  };
  ASSERT_TRUE(work.driver().session().backup(kCopy, count).is_ok());
  ASSERT_GT(calls, 2u);
  for (uint64_t stop = 0; stop < calls; ++stop) {
    uint64_t seen = 0;
    const auto ended = work.driver().session().backup("other", [&](uint64_t, uint64_t) { return seen++ != stop; });
    EXPECT_EQ(ended.status().code(), Code::kInvalidArgument);
    EXPECT_FALSE(*memory->exists("other"));
  }
  const auto nested = work.driver().session().backup("other", [&](uint64_t, uint64_t) {
    EXPECT_EQ(work.driver().session().backup("third", nullptr).status().code(), Code::kCompactionActive);
    EXPECT_EQ(work.driver().session().compact(std::nullopt, nullptr).status().code(), Code::kCompactionActive);
    return true;
  });
  EXPECT_TRUE(nested.is_ok());
}

TEST(BackupTest, ACrashLeavesAllOrNoDatabase) {
  const uint64_t seed = testing::test_seed(33);
  const uint64_t wanted = testing::scaled(1500);
  uint64_t images = 0;
  uint64_t whole = 0;
  for (uint64_t round = 0; images < wanted; ++round) {
    CrashFileSystem fs;
    Work work(fs, round % 2 == 0 ? Durability::kBuffered : Durability::kStrict, seed + round);
    work.steps(60);
    if (::testing::Test::HasFatalFailure()) return;
    const uint64_t begun = fs.position();
    ASSERT_TRUE(work.driver().session().backup(kCopy, nullptr).is_ok());
    const uint64_t done = fs.position();
    Random random(seed + round);
    images += testing::for_each_crash(fs, random, 4, [&](const Crash& crash) {
      if (crash.point < begun) return true;
      CrashFileSystem disk(crash.image);
      // Read-only first: what makes a new database of an empty folder must not hide what was there.
      EngineDriver copy([&] {
        DriverOptions options = work.driver_options(kCopy);
        options.fs = &disk;
        return options;
      }());
      const Status opened = copy.open(true);
      if (opened.is_ok()) {
        EXPECT_TRUE(copy.close().is_ok());
      }
      const bool excused = crash.returned < done && is_no_database(opened.code());
      const std::string problem = excused ? "" : work.examine(disk, kCopy, false);
      if (!excused) ++whole;
      EXPECT_EQ(problem, "") << crash.what << crash.player->story(20) << "\n  seed " << seed + round;
      if (opened.code() == Code::kNotADatabase) {
        EXPECT_EQ(copy.open(false).code(), Code::kNotADatabase) << "taken for an empty folder: " << crash.what;
      }
      return problem.empty();
    });
  }
  EXPECT_GT(whole, 0u);
  std::printf("counted: %llu crash states, %llu whole copies, seed %llu\n", static_cast<unsigned long long>(images),
              static_cast<unsigned long long>(whole), static_cast<unsigned long long>(seed));
}

TEST(BackupTest, AFaultLeavesAllOrNoDatabase) {
  const uint64_t seed = testing::test_seed(34);
  const auto memory = os::make_memory_file_system();
  FaultFileSystem fs(*memory);
  Work work(fs, Durability::kBuffered, seed);
  work.steps(100);
  // The first one opens files that the others find open.
  ASSERT_TRUE(work.driver().session().backup("first", nullptr).is_ok());
  fs.forget_calls();
  ASSERT_TRUE(work.driver().session().backup("healthy", nullptr).is_ok());
  const uint64_t calls = fs.call_count();
  uint64_t faults = 0;
  for (uint64_t at = 0; at < calls; ++at) {
    for (const bool forever : {false, true}) {
      const std::string folder = "copy-" + std::to_string(at) + (forever ? "-on" : "");
      fs.inject({.at = at, .forever = forever, .code = at % 2 == 0 ? Code::kIoError : Code::kDiskFull, .written = 0.5});
      const auto made = work.driver().session().backup(folder, nullptr);
      fs.heal();
      ++faults;
      EXPECT_FALSE(made.is_ok()) << "call " << at;
      EXPECT_GT(made.status().message().size(), 10u);
      // Only when the very last step fails it may be there, whole.
      EngineDriver copy(work.driver_options(folder));
      const Status opened = copy.open(true);
      const bool is_none = is_no_database(opened.code());
      EXPECT_TRUE(is_none || work.examine(*memory, folder, true).empty()) << "call " << at << " " << opened.to_string();
      EXPECT_TRUE(is_none || forever || at + 3 >= calls) << "call " << at;
    }
  }
  // The database itself never noticed.
  EXPECT_FALSE(Comparison(work.driver().session(), work.model()).all({}).has_value());
  work.steps(20);
  EXPECT_TRUE(work.driver().session().backup("last", nullptr).is_ok());
  EXPECT_EQ(work.examine(*memory, "last", false), "");
  std::printf("counted: %llu faults, seed %llu\n", static_cast<unsigned long long>(faults),
              static_cast<unsigned long long>(seed));
}

TEST(BackupTest, DamageIsFoundAndNotCopied) {
  const uint64_t seed = testing::test_seed(35);
  Random random(seed);
  const auto memory = os::make_memory_file_system();
  Work work(*memory, Durability::kBuffered, seed, {.keys = 40, .branches = 3, .largest_value = 9000});
  work.steps(200);
  ASSERT_TRUE(work.driver().close().is_ok());
  uint64_t found = 0;
  uint64_t right = 0;
  const uint64_t rounds = testing::scaled(400);
  for (uint64_t round = 0; round < rounds; ++round) {
    std::vector<std::string> names = *memory->list("db");
    std::erase(names, "index");  // a folder, which no copy has
    const std::string path = "db/" + names[random.below(names.size())];
    const auto file = *memory->open(path, os::OpenMode::kReadWrite);
    if (*file->size() == 0) continue;
    const uint64_t offset = random.below(*file->size());
    char byte = 0;
    ASSERT_TRUE(file->read(offset, 1, &byte).is_ok());
    const char bad = static_cast<char>(byte ^ (1 << random.below(8)));
    ASSERT_TRUE(file->write(offset, {&bad, 1}).is_ok());
    {
      EngineDriver driver(work.driver_options("db"));
      Status status = driver.open(true);
      const std::string folder = "copy-" + std::to_string(round);
      if (status.is_ok()) status = driver.session().backup(folder, nullptr).status();
      if (status.is_ok()) {
        EXPECT_EQ(work.examine(*memory, folder, true), "") << path << " at " << offset;
        ++right;
      } else {
        const bool says_so =
            status.code() == Code::kCorruption || is_no_database(status.code()) || status.code() == Code::kFormatTooNew;
        EXPECT_TRUE(says_so) << status.to_string();
        EXPECT_FALSE(*memory->exists(folder));
        ++found;
      }
    }
    ASSERT_TRUE(file->write(offset, {&byte, 1}).is_ok());
  }
  EXPECT_GT(found, rounds / 4);
  std::printf("counted: %llu flips refused, %llu without effect, seed %llu\n", static_cast<unsigned long long>(found),
              static_cast<unsigned long long>(right), static_cast<unsigned long long>(seed));
}

// While a writer works, each copy is one of the states that were: both keys of a commit have the same value.
TEST(BackupTest, IsOneStateWhileOthersWrite) {
  for (const Durability durability : {Durability::kBuffered, Durability::kStrict}) {
    const auto memory = os::make_memory_file_system();
    testing::TestClock clock;
    DriverOptions options;
    options.fs = memory.get();
    options.clock = &clock;
    options.durability = durability;
    EngineDriver driver(options);
    ASSERT_TRUE(driver.open().is_ok());
    std::atomic<bool> stop{false};
    std::atomic<uint64_t> written{0};
    std::thread writer([&] {
      auto session = driver.session().session();
      ASSERT_TRUE(session.is_ok());
      for (uint64_t n = 0; !stop; ++n) {
        const std::string value = std::to_string(n) + std::string(n % 50 == 0 ? 3000 : n % 200, 'x');
        Call call(**session, Call::kWait);
        ASSERT_TRUE(call.begin(false, Isolation::kSerializable, std::nullopt).is_ok());
        ASSERT_TRUE(Kv(call).put("a", value).is_ok());
        ASSERT_TRUE(Kv(call).put("b", value).is_ok());
        ASSERT_TRUE(Kv(call).put("key" + std::to_string(n % 2000), value).is_ok());
        ASSERT_TRUE(call.commit(std::nullopt).is_ok());
        written = n + 1;
      }
    });
    uint64_t last = 0;
    for (uint64_t i = 0; i < testing::scaled(12); ++i) {
      const uint64_t before = written;
      while (written < before + 50) std::this_thread::yield();
      if (i % 3 == 2) {
        EXPECT_TRUE(driver.database().checkpoint().is_ok());
      }
      const std::string folder = "copy-" + std::to_string(i);
      const auto made = driver.session().backup(folder, nullptr);
      ASSERT_TRUE(made.is_ok()) << made.status().to_string();
      DriverOptions copied = options;
      copied.folder = folder;
      EngineDriver copy(copied);
      ASSERT_TRUE(copy.open(i % 2 == 0).is_ok());
      EXPECT_EQ(*copy.timestamp(), made->timestamp);
      EXPECT_GT(made->timestamp, last);
      last = made->timestamp;
      EXPECT_TRUE(copy.session().verify(nullptr)->ok);
      Call call(copy.session(), Call::kWait);
      std::string a;
      std::string b;
      const auto found_a = Kv(call).get("a", std::nullopt, &a);
      const auto found_b = Kv(call).get("b", std::nullopt, &b);
      ASSERT_TRUE(found_a.is_ok() && found_a->has_value() && found_b.is_ok() && found_b->has_value());
      EXPECT_EQ((*found_a)->value, (*found_b)->value);
      // What was acknowledged before the backup began is in it.
      EXPECT_GE((*found_a)->version, before);
    }
    stop = true;
    writer.join();
    EXPECT_TRUE(driver.close().is_ok());
  }
}

}  // namespace
}  // namespace strata
