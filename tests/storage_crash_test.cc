// Commit log and page file together under crashes at every write and sync: a database in miniature (numbered commits,
// checkpoints with nodes, retention) is stopped, recovered, continued and stopped again. Whatever the disk kept, what
// was durable is there, commits have no gaps, and a commit that was cut off never comes back.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/coding.h"
#include "storage/commit_log.h"
#include "storage/node_store.h"
#include "testing/crash_fs.h"
#include "testing/crash_player.h"
#include "testing/promises.h"
#include "testing/random.h"

namespace strata::storage {
namespace {

using strata::testing::Crash;
using strata::testing::CrashFileSystem;
using strata::testing::Promises;
using strata::testing::Random;

constexpr uint64_t kDatabaseId = 0x0123456789abcdef;

struct Setup {
  bool strict = false;
  bool retention = false;
  std::function<bool(const std::string&)> honest = {};
};

struct NodeRef {
  NodeId id = 0;
  uint64_t birth = 0;
};

std::string node_bytes(const NodeRef& ref) {
  std::string bytes(bytes_of(ref.id), static_cast<char>('a' + ref.birth % 26));
  NodeHeader header = {0, 1, ref.id, ref.birth};
  std::memcpy(bytes.data(), &header, sizeof(header));
  return bytes;
}

// What a checkpoint says.
struct Head {
  LogPosition cut = 0;
  uint64_t next_commit = 1;
  uint64_t last_timestamp = 0;
  LogPosition clean_end = 0;
  LogPosition oldest = 0;
  std::vector<NodeRef> nodes;

  std::string encode() const {
    std::string out;
    for (const uint64_t n : {cut, next_commit, last_timestamp, clean_end, oldest}) base::put_u64(out, n);
    for (const NodeRef& node : nodes) {
      base::put_u64(out, node.id);
      base::put_u64(out, node.birth);
    }
    return out;
  }
  static Head decode(const std::string& blob) {
    Head head;
    base::Reader reader(blob);
    for (uint64_t* n : {&head.cut, &head.next_commit, &head.last_timestamp, &head.clean_end, &head.oldest}) {
      EXPECT_TRUE(blob.empty() || reader.read_u64(*n));
    }
    NodeRef node;
    while (reader.read_u64(node.id) && reader.read_u64(node.birth)) head.nodes.push_back(node);
    return head;
  }
};

// The bodies of commits 1, 2, 3… and who wrote them.
using Bodies = std::vector<std::string>;

class MiniDb {
 public:
  // `expected` are the bodies that the log may hold: each one recovered is compared.
  static Result<std::unique_ptr<MiniDb>> open(CrashFileSystem& fs, const Setup& setup, const Bodies& expected) {
    STRATA_TRY(fs.create_folder("db/log"));
    STRATA_TRY(fs.sync_folder("."));
    STRATA_TRY(fs.sync_folder("db"));
    auto db = std::unique_ptr<MiniDb>(new MiniDb(setup));
    STRATA_ASSIGN(db->store_, open_page_file({&fs, "db/pages", kDatabaseId, false}));
    db->head_ = Head::decode(db->store_->head().blob);
    STRATA_TRY(db->check_nodes());
    STRATA_TRY(db->open_log(fs, expected));
    STRATA_TRY(fs.sync_folder("db/log"));
    return db;
  }

  uint64_t commits() const { return next_commit_ - 1; }
  uint64_t durable() const { return durable_; }

  Status commit(const std::string& body) {
    STRATA_TRY(log_->prepare(body.size()));
    STRATA_TRY(log_->append(next_commit_, ++timestamp_, body).status());
    ++next_commit_;
    return setup_.strict ? sync() : Status::ok();
  }

  Status sync() {
    STRATA_TRY(log_->sync_to(log_->end()));
    durable_ = commits();
    return Status::ok();
  }

  Status checkpoint(Random& random, LogPosition clean_end = 0) {
    Head next = head_;
    next.cut = clean_end != 0 ? clean_end : log_->end();
    next.next_commit = next_commit_;
    next.last_timestamp = timestamp_;
    next.clean_end = clean_end;
    next.oldest = setup_.retention ? head_.cut : 0;
    if (clean_end == 0) STRATA_TRY(sync());
    std::vector<NodeRef> fresh;
    for (uint64_t i = random.below(5); i > 0; --i) {
      const NodeId id = store_->allocate(random.one_in(4) ? 3 : 1);
      fresh.push_back({id, next_commit_ * 16 + i});
    }
    while (next.nodes.size() > 6) {
      store_->release(next.nodes.front().id, true);
      next.nodes.erase(next.nodes.begin());
    }
    next.nodes.insert(next.nodes.end(), fresh.begin(), fresh.end());
    std::vector<std::string> bytes;
    for (const NodeRef& node : fresh) bytes.push_back(node_bytes(node));
    std::vector<NodeImage> images;
    for (size_t i = 0; i < fresh.size(); ++i) images.push_back({fresh[i].id, bytes[i].data()});
    const LogPosition droppable = head_.oldest;
    STRATA_TRY(store_->commit(images, next.encode()));
    head_ = next;
    durable_ = commits();
    return setup_.retention && droppable != 0 && clean_end == 0 ? log_->drop_before(droppable) : Status::ok();
  }

  Status close(Random& random) {
    STRATA_ASSIGN(const LogPosition end, log_->close());
    return checkpoint(random, end);
  }

  Status end_unit() { return log_->end_unit(); }
  Status prepare_next() { return log_->prepare_next(); }

 private:
  explicit MiniDb(const Setup& setup) : setup_(setup) {}

  Status check_nodes() {
    for (const NodeRef& node : head_.nodes) {
      std::string got(bytes_of(node.id), '\0');
      STRATA_TRY(store_->read(node.id, node.birth, got.data()));
      if (got.substr(sizeof(NodeHeader)) != node_bytes(node).substr(sizeof(NodeHeader))) {
        return Status::error(Code::kInvalidArgument, "a node holds another one's bytes");
      }
    }
    return Status::ok();
  }

  Status open_log(CrashFileSystem& fs, const Bodies& expected) {
    LogOptions options;
    options.fs = &fs;
    options.folder = "db/log";
    options.database_id = kDatabaseId;
    options.first_segment_bytes = 4096;
    options.segment_bytes = 8192;
    options.unit_bytes = 16384;
    const LogStart start{head_.cut, head_.next_commit, head_.last_timestamp, head_.clean_end, head_.oldest};
    next_commit_ = head_.next_commit;
    timestamp_ = head_.last_timestamp;
    const auto check = [&](const LogRecord& record, uint64_t number) {
      if (record.commit == number && number <= expected.size() && record.body == expected[number - 1]) {
        return Status::ok();
      }
      return Status::error(Code::kInvalidArgument, "commit " + std::to_string(record.commit) + " in place of " +
                                                       std::to_string(number) + " is not what was written");
    };
    STRATA_ASSIGN(log_, CommitLog::open(options, start, [&](const LogRecord& record) {
                    timestamp_ = record.timestamp;
                    return check(record, next_commit_++);
                  }));
    uint64_t number = 0;
    STRATA_TRY(log_->walk(0, [&](const LogRecord& record) {
      number = number == 0 ? record.commit : number + 1;
      return check(record, number);
    }));
    if (number != 0 && number != commits()) return Status::error(Code::kInvalidArgument, "the walk ends elsewhere");
    log_->set_staged(setup_.strict);
    durable_ = commits();
    return Status::ok();
  }

  const Setup setup_;
  std::unique_ptr<NodeStore> store_;
  std::unique_ptr<CommitLog> log_;
  Head head_;
  uint64_t next_commit_ = 1;
  uint64_t timestamp_ = 0;
  uint64_t durable_ = 0;
};

class Harness {
 public:
  Harness(const Setup& setup, uint64_t seed) : setup_(setup), random_(seed) {}

  uint64_t states() const { return states_; }
  // What was wrong; empty if nothing was.
  const std::vector<std::string>& problems() const { return problems_; }

  // Works `steps` steps from this disk, then crashes, and works on from some of the crashes.
  // `known`: commits that recovery finds on it, as it has to again if recovery itself crashes.
  void run(CrashFileSystem& fs, Bodies bodies, uint64_t known, uint64_t steps, double images_per_point, int depth) {
    Promises promises;
    promises.add({0, known, known, known});
    if (setup_.honest) fs.set_honest(setup_.honest);
    work(fs, &bodies, steps, &promises);
    if (!problems_.empty()) return;
    states_ += strata::testing::for_each_crash(fs, random_, images_per_point, [&](const Crash& crash) {
      check(crash, bodies, promises, depth);
      return problems_.empty();
    });
  }

 private:
  void work(CrashFileSystem& fs, Bodies* bodies, uint64_t steps, Promises* promises) {
    std::unique_ptr<MiniDb> db;
    const auto done = [&](const Status& status, const char* what) {
      if (!status.is_ok()) problems_.push_back(std::string(what) + ": " + status.to_string());
      return status.is_ok();
    };
    const auto open = [&] {
      auto opened = MiniDb::open(fs, setup_, *bodies);
      if (!done(opened.status(), "open")) return false;
      db = std::move(opened).value();
      bodies->resize(db->commits());
      return true;
    };
    const auto note = [&] {
      const uint64_t written = setup_.strict ? db->durable() : db->commits();
      promises->add({fs.position(), written, db->durable(), db->commits()});
    };
    if (!open()) return;
    note();
    for (uint64_t i = 0; i < steps; ++i) {
      const uint64_t dice = random_.below(100);
      if (dice < 70) {
        bodies->push_back(any_body());
        if (!done(db->commit(bodies->back()), "commit")) return;
      } else if (dice < 80) {
        if (!done(db->sync(), "sync")) return;
      } else if (dice < 89) {
        if (!done(db->checkpoint(random_), "checkpoint")) return;
      } else if (dice < 92) {
        if (!done(db->end_unit(), "end_unit")) return;
      } else if (dice < 96) {
        if (!done(db->prepare_next(), "prepare_next")) return;
      } else {
        if (dice < 98 && !done(db->close(random_), "close")) return;
        if (dice >= 98 && setup_.strict && !done(db->sync(), "sync")) return;
        if (dice < 98) note();
        db.reset();
        if (!open()) return;
      }
      note();
    }
  }

  std::string any_body() {
    // Of one size mostly, so that a commit of the past would fit in the place of another.
    if (!random_.one_in(3)) return "#" + std::to_string(1'000'000'000 + random_.below(1'000'000'000));
    const uint64_t size = random_.one_in(30) ? random_.below(12'000) : random_.below(random_.one_in(5) ? 2000 : 150);
    std::string body = "#" + std::to_string(random_.next()) + ":";
    body.resize(body.size() + size, static_cast<char>('a' + size % 26));
    return body;
  }

  void check(const Crash& crash, const Bodies& bodies, const Promises& promises, int depth) {
    const Promises::Range promised = promises.of(crash);
    CrashFileSystem fs(crash.image);
    const auto opened = MiniDb::open(fs, Setup{setup_.strict, setup_.retention}, bodies);
    const auto problem = [&](const std::string& text) {
      problems_.push_back(text + "\n    " + crash.what + crash.player->story(30));
    };
    if (!opened.is_ok()) return problem(opened.status().to_string());
    const uint64_t found = (*opened)->commits();
    if (found < promised.least || found > promised.most) {
      return problem(std::to_string(found) + " commits are there, promised were " + std::to_string(promised.least) +
                     " to " + std::to_string(promised.most));
    }
    if (depth == 0 || !random_.one_in(12)) return;
    // Recovery itself is part of the record that is crashed next.
    CrashFileSystem again(crash.image);
    run(again, bodies, found, 1 + random_.below(6), 0.3, depth - 1);
    if (!problems_.empty()) problems_.back() += "\n  which followed a " + crash.what;
  }

  const Setup setup_;
  Random random_;
  uint64_t states_ = 0;
  std::vector<std::string> problems_;
};

// Runs until so many states were seen or something was wrong.
struct Outcome {
  uint64_t states = 0;
  std::vector<std::string> problems;
};
Outcome crash_many(const Setup& setup, uint64_t states, uint64_t seed) {
  Outcome outcome;
  for (uint64_t round = 0; outcome.states < states && outcome.problems.empty(); ++round) {
    Harness harness(setup, seed + round);
    CrashFileSystem fs;
    harness.run(fs, {}, 0, 60, 1.0, 2);
    outcome.states += harness.states();
    outcome.problems = harness.problems();
    for (std::string& problem : outcome.problems) problem += "\n  in round " + std::to_string(round);
  }
  return outcome;
}

void expect_no_problem(const Setup& setup) {
  const Outcome outcome = crash_many(setup, strata::testing::scaled(2500), strata::testing::test_seed(1));
  std::printf("counted: %llu crash states\n", static_cast<unsigned long long>(outcome.states));
  for (const std::string& problem : outcome.problems) ADD_FAILURE() << problem;
}

// A harness that cannot see damage proves nothing: this one must.
void expect_problem(const Setup& setup) {
  const Outcome outcome = crash_many(setup, 60'000, strata::testing::test_seed(1));
  std::printf("found after %llu states: %s\n", static_cast<unsigned long long>(outcome.states),
              outcome.problems.empty() ? "nothing" : outcome.problems[0].c_str());
  EXPECT_FALSE(outcome.problems.empty());
}

TEST(StorageCrashTest, BufferedLosesNothingThatWasSynced) { expect_no_problem({.strict = false}); }
TEST(StorageCrashTest, StrictLosesNothing) { expect_no_problem({.strict = true}); }
TEST(StorageCrashTest, RetentionLosesNothingThatIsKept) { expect_no_problem({.strict = false, .retention = true}); }

TEST(StorageCrashTest, HarnessSeesAMissingSyncOfTheLog) {
  expect_problem(
      {.strict = true, .honest = [](const std::string& path) { return path.find("log-") == std::string::npos; }});
}
TEST(StorageCrashTest, HarnessSeesAMissingSyncOfThePageFile) {
  expect_problem({.honest = [](const std::string& path) { return path != "db/pages"; }});
}
TEST(StorageCrashTest, HarnessSeesAMissingSyncOfTheLogFolder) {
  expect_problem({.honest = [](const std::string& path) { return path != "db/log"; }});
}

}  // namespace
}  // namespace strata::storage
