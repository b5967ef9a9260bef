// The whole engine under crashes at every write and sync: random work on a file system that records, images of what
// the disk may hold at each point, each opened and compared with the oracle, histories and past included; then worked
// on and crashed again, recovery itself included.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine_driver.h"
#include "testing/crash_fs.h"
#include "testing/crash_player.h"
#include "testing/promises.h"
#include "testing/test_clock.h"

namespace strata {
namespace {

using testing::Crash;
using testing::CrashFileSystem;
using testing::ModelDb;
using testing::Promises;
using testing::Random;
using testing::RandomOp;

// Part of the paths of files that are kept for searches.
constexpr const char* kStructures = "/index";

struct Setup {
  Durability durability = Durability::kBuffered;
  // Which syncs do something; all when empty.
  std::function<bool(const std::string& path)> honest = {};
  uint64_t percent_vectors = testing::RandomOptions().percent_vectors;
};

// The states of a database, oldest first; each commit made one.
struct State {
  uint64_t timestamp = 0;
  bool in_steps = false;   // made by an import or a fork of the past, whose records come before it
  bool compacted = false;  // made by a compaction, which may commit more than once on its way
  ModelDb model;
};
using States = std::vector<State>;

class Harness {
 public:
  Harness(const Setup& setup, uint64_t seed) : setup_(setup), random_(seed) {}

  uint64_t images() const { return images_; }
  // Those where a search structure lies, whole or torn.
  uint64_t images_with_structures() const { return images_with_structures_; }
  // The first thing that was wrong; empty if nothing was.
  const std::string& problem() const { return problem_; }

  // Works from this disk, which holds the last of these states, then crashes at each point, and works on from some.
  void run(CrashFileSystem& fs, States states, uint64_t steps, double images_per_point, int depth) {
    if (setup_.honest) fs.set_honest(setup_.honest);
    done_.clear();
    Promises promises;
    const uint64_t known = states.size() - 1;
    promises.add({0, known, known, known});
    work(fs, &states, steps, &promises);
    if (!problem_.empty()) return;
    images_ += for_each_crash(fs, random_, images_per_point, [&](const Crash& crash) {
      for (const auto& [path, bytes] : crash.image.files) {
        if (path.find(kStructures) == std::string::npos) continue;
        ++images_with_structures_;
        break;
      }
      check(crash, states, promises, depth);
      return problem_.empty();
    });
  }

 private:
  DriverOptions driver_options(CrashFileSystem& fs) {
    DriverOptions options;
    options.fs = &fs;
    options.clock = &clock_;
    options.durability = setup_.durability;
    options.rows_of_a_slice = 4;
    return options;
  }

  void work(CrashFileSystem& fs, States* states, uint64_t steps, Promises* promises) {
    EngineDriver driver(driver_options(fs));
    const auto fail = [&](const std::string& what, const Status& status) {
      problem_ = what + ": " + status.to_string() + "\n  after event " + std::to_string(fs.position());
    };
    if (const Status opened = driver.open(); !opened.is_ok()) return fail("open", opened);
    testing::RandomOptions work_options;
    work_options.keys = 24;
    work_options.branches = 4;
    work_options.largest_value = 6000;
    work_options.percent_vectors = setup_.percent_vectors;
    work_options.bundles = true;
    work_options.retention_micros = 400;
    testing::RandomOps ops(random_.next(), work_options);
    uint64_t durable = states->size() - 1;
    const auto note = [&] {
      const uint64_t now = states->size() - 1;
      if (setup_.durability == Durability::kStrict) durable = now;
      promises->add({fs.position(), now, durable, now});
    };
    states->back().timestamp = *driver.timestamp();
    note();
    for (uint64_t i = 0; i < steps; ++i) {
      if (random_.one_in(20)) clock_.step_back(random_.below(1000));
      const RandomOp op = ops.next(states->back().model, moments(*states, 1 + random_.below(states->size())));
      done_ += "\n    event " + std::to_string(fs.position()) + ": " + describe(op);
      State next = states->back();
      bool changed = false;
      if (const Status done = driver.run(op, &next.model, &changed); !done.is_ok()) return fail(describe(op), done);
      next.timestamp = *driver.timestamp();
      next.compacted = op.kind == RandomOp::Kind::kCompact;
      next.in_steps = op.kind == RandomOp::Kind::kCopy || op.kind == RandomOp::Kind::kDelta ||
                      (op.kind == RandomOp::Kind::kFork && op.as_of.has_value());
      const bool background = random_.one_in(8);
      if (background) {
        if (const Status stepped = driver.database().background_step(); !stepped.is_ok()) {
          return fail("background work", stepped);
        }
      }
      // Compaction notes what it did in the log: a commit that changes nothing to be seen.
      if (changed || next.timestamp != states->back().timestamp) states->push_back(std::move(next));
      if (background || op.kind == RandomOp::Kind::kFlush || op.kind == RandomOp::Kind::kCheckpoint ||
          op.kind == RandomOp::Kind::kReopen) {
        durable = states->size() - 1;
      }
      note();
    }
    if (const Status closed = driver.close(); !closed.is_ok()) return fail("close", closed);
    durable = states->size() - 1;
    note();
  }

  // Timestamps of some of the states.
  std::vector<uint64_t> moments(const States& states, size_t most) {
    std::vector<uint64_t> some;
    for (size_t i = 0; i < most && states.size() > 1; ++i) {
      some.push_back(states[1 + random_.below(states.size() - 1)].timestamp);
    }
    return some;
  }

  void check(const Crash& crash, const States& states, const Promises& promises, int depth) {
    const Promises::Range promised = promises.of(crash);
    CrashFileSystem fs(crash.image);
    EngineDriver driver(driver_options(fs));
    const auto fail = [&](const std::string& text) {
      problem_ = text + "\n    " + crash.what + crash.player->story(30) + "\n   work:" + done_;
    };
    const bool read_only = random_.one_in(4);
    const Status opened = driver.open(read_only);
    if (read_only && opened.code() == Code::kDatabaseNotFound && promised.least == 0) return;
    if (!opened.is_ok()) return fail((read_only ? "open read-only: " : "open: ") + opened.to_string());
    const auto timestamp = driver.timestamp();
    if (!timestamp.is_ok()) return fail(timestamp.status().to_string());
    std::string difference = "the state of " + std::to_string(*timestamp) + " was never committed";
    for (uint64_t i = promised.least; i <= promised.most; ++i) {
      if (!is_at(states, i, *timestamp)) continue;
      States past(states.begin(), states.begin() + static_cast<ptrdiff_t>(i) + 1);
      past.back().timestamp = *timestamp;
      const auto differs = Comparison(driver.session(), past.back().model).all(moments(past, 2));
      if (!differs.has_value()) return go_on(crash, std::move(past), &driver, depth);
      difference = "state " + std::to_string(i) + " of " + std::to_string(*timestamp) + ": " + *differs;
    }
    fail(difference + "\n    states " + std::to_string(promised.least) + " to " + std::to_string(promised.most) +
         " were promised, of " + std::to_string(states.size()));
  }

  static bool is_at(const States& states, uint64_t i, uint64_t timestamp) {
    // A database that was just made has no commit yet, whatever its clock says.
    if (i == 0 || states[i].timestamp == timestamp) return true;
    // What did not come to its end took times, and nothing more.
    if (i + 1 < states.size() && states[i + 1].in_steps && timestamp > states[i].timestamp &&
        timestamp < states[i + 1].timestamp) {
      return true;
    }
    return states[i].compacted && timestamp > states[i - 1].timestamp && timestamp < states[i].timestamp;
  }

  // The image holds exactly `past`: verifies it, or works on and crashes again.
  void go_on(const Crash& crash, States past, EngineDriver* driver, int depth) {
    if (random_.one_in(10)) {
      const auto verified = driver->session().verify(nullptr);
      const Status audited = driver->session().read_only() ? Status::ok() : audit_nodes(driver->database());
      if (!audited.is_ok()) {
        problem_ = audited.to_string() + "\n    " + crash.what;
      } else if (!verified.is_ok() || !verified->ok) {
        problem_ = "verify: " + (verified.is_ok() ? verified->problems.at(0) : verified.status().to_string()) +
                   "\n    " + crash.what;
      }
      return;
    }
    if (depth == 0 || !random_.one_in(16)) return;
    if (past.size() == 1) return;  // made anew: nothing that a second crash could bring back
    CrashFileSystem again(crash.image);
    run(again, std::move(past), 1 + random_.below(6), 0.3, depth - 1);
    if (!problem_.empty()) problem_ += "\n  which followed a " + crash.what;
  }

  const Setup setup_;
  Random random_;
  testing::TestClock clock_;
  uint64_t images_ = 0;
  uint64_t images_with_structures_ = 0;
  std::string done_;  // by the last run, for messages
  std::string problem_;
};

struct Outcome {
  uint64_t images = 0;
  uint64_t images_with_structures = 0;
  std::string problem;
};
Outcome crash_many(const Setup& setup, uint64_t images, uint64_t seed) {
  Outcome outcome;
  for (uint64_t round = 0; outcome.images < images && outcome.problem.empty(); ++round) {
    Harness harness(setup, seed + round);
    CrashFileSystem fs;
    harness.run(fs, States(1), 50, 0.5, 2);
    outcome.images += harness.images();
    outcome.images_with_structures += harness.images_with_structures();
    outcome.problem = harness.problem();
    if (!outcome.problem.empty()) outcome.problem += "\n  with STRATA_SEED=" + std::to_string(seed + round);
  }
  return outcome;
}

void expect_no_problem(const Setup& setup, uint64_t images = 1000) {
  const Outcome outcome = crash_many(setup, testing::scaled(images), testing::test_seed(1));
  std::printf("counted: %llu crash states, %llu of them with files of search structures\n",
              static_cast<unsigned long long>(outcome.images),
              static_cast<unsigned long long>(outcome.images_with_structures));
  EXPECT_EQ(outcome.problem, "");
  if (setup.percent_vectors > 50) {
    EXPECT_GT(outcome.images_with_structures, outcome.images / 10);
  }
}

// A harness that cannot see damage proves nothing: this one must.
void expect_problem(const std::string& path_part) {
  const auto honest = [&](const std::string& path) { return path.find(path_part) == std::string::npos; };
  for (const Durability durability : {Durability::kStrict, Durability::kBuffered}) {
    const Outcome outcome = crash_many({durability, honest}, 5000, testing::test_seed(1));
    std::printf("found after %llu states: %s\n", static_cast<unsigned long long>(outcome.images),
                outcome.problem.substr(0, outcome.problem.find('\n')).c_str());
    EXPECT_NE(outcome.problem, "");
  }
}

TEST(CrashTest, BufferedLosesNothingThatWasSynced) { expect_no_problem({.durability = Durability::kBuffered}); }
TEST(CrashTest, StrictLosesNothing) { expect_no_problem({.durability = Durability::kStrict}); }

// Mostly vectors, whose search structures lie half written beside the database, or were never synced at all: they are
// believed as far as they are right.
TEST(CrashTest, FilesOfSearchStructuresMayBeTorn) {
  expect_no_problem({.durability = Durability::kBuffered, .percent_vectors = 80}, 400);
}
TEST(CrashTest, FilesOfSearchStructuresNeedNoSync) {
  const auto honest = [](const std::string& path) { return path.find(kStructures) == std::string::npos; };
  expect_no_problem({.durability = Durability::kStrict, .honest = honest, .percent_vectors = 80}, 200);
}

TEST(CrashTest, HarnessSeesAMissingSyncOfTheLog) { expect_problem("log-"); }
TEST(CrashTest, HarnessSeesAMissingSyncOfThePageFile) { expect_problem("pages.strata"); }

}  // namespace
}  // namespace strata
