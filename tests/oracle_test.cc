// Random work on the engine and on the oracle, side by side: keys, vectors, spaces, branches, forks of the past,
// transactions held open, checkpoints, compaction, retention, reopening; everything compared, and after each round the
// reclaim oracle: a mark over all roots and pins against what the node store says is in use.
#include <gtest/gtest.h>

#include <cstdio>
#include <list>

#include "engine_driver.h"
#include "testing/random.h"
#include "testing/test_clock.h"

namespace strata {
namespace {

using testing::ModelDb;
using testing::Random;
using testing::RandomOp;

// What a held transaction writes: a string value of 23 bytes.
constexpr std::string_view kHeldValue =
    "\x97"
    "from a held transaction";

// A transaction that stays open while others commit, and the state it must go on seeing.
struct HeldTransaction {
  std::unique_ptr<Session> session;
  std::string branch;
  ModelDb snapshot;
  std::vector<std::pair<std::string, std::string>> read;      // space, key
  std::vector<std::string> logs;                              // spaces whose logs it took the length of
  std::vector<std::pair<std::string, std::string>> searched;  // space, collection
  uint64_t began_at = 0;
};

class World {
 public:
  // `validates`: whether commits are checked for conflicts, which a working engine does.
  World(uint64_t seed, Durability durability, bool validates = true)
      : random_(seed), ops_(random_.next(), {.bundles = true}), validates_(validates) {
    options_.fs = files_.get();
    options_.clock = &clock_;
    options_.durability = durability;
    options_.rows_of_a_slice = 20;
    driver_ = std::make_unique<EngineDriver>(options_);
  }

  void run(uint64_t steps) {
    if (!ok("open", driver_->open())) return;
    driver_->database().engine().set_validates(validates_);
    // Commits go either of two ways, by their size.
    if (random_.one_in(2)) driver_->database().engine().set_one_pass_limit(2000);
    for (uint64_t i = 0; i < steps && problem_.empty(); ++i) {
      step();
      if (problem_.empty() && i % kStepsBetweenChecks == kStepsBetweenChecks - 1) check();
    }
    held_.clear();
    if (problem_.empty()) check();
    if (mirror_ && mirror_->is_open()) ok("close", mirror_->close());
    if (driver_->is_open()) ok("close", driver_->close());
  }
  const std::string& problem() const { return problem_; }
  uint64_t conflicts() const { return conflicts_; }
  uint64_t deltas() const { return deltas_; }

 private:
  static constexpr uint64_t kStepsBetweenChecks = 150;
  static constexpr size_t kMostHeld = 4;

  bool ok(const std::string& what, const Status& status) {
    if (!status.is_ok() && problem_.empty()) problem_ = what + ": " + status.to_string();
    return status.is_ok();
  }

  void step() {
    const uint64_t dice = random_.below(100);
    if (dice < 3) return hold();
    if (dice < 6) return release();
    if (dice < 7) return retain();
    if (dice == 7) return mirror();
    RandomOp op = ops_.next(model_, moments_);
    if (op.kind == RandomOp::Kind::kReopen) held_.clear();
    bool changed = false;
    if (!ok(describe(op), driver_->run(op, &model_, &changed)) || !changed) return;
    // A delta brings versions of earlier moments, which who follows the branch since one of them would miss.
    if (op.kind == RandomOp::Kind::kDelta) followed_.erase(op.branch);
    const auto now = driver_->timestamp();
    if (ok("timestamp", now.status())) moments_.push_back(*now);
  }

  // Begins a transaction that reads a little, on some branch.
  void hold() {
    if (held_.size() == kMostHeld) return;
    HeldTransaction held;
    auto session = driver_->session().session();
    if (!ok("session", session.status())) return;
    held.session = std::move(*session);
    auto branch = model_.branches().begin();
    std::advance(branch, static_cast<std::ptrdiff_t>(random_.below(model_.branches().size())));
    held.branch = branch->first;
    held.snapshot = model_;
    held.began_at = moments_.size();
    Call call(*held.session, Call::kWait);
    if (!ok("branch_use", call.branch_use(held.branch))) return;
    if (!ok("begin", call.begin(false, Isolation::kSerializable, std::nullopt))) return;
    for (const std::string& space : branch->second.spaces({})) {
      const auto keys = branch->second.keys_ever(space);
      if (!keys.empty()) held.read.emplace_back(space, keys[random_.below(keys.size())]);
      if (random_.below(3) == 0) held.logs.push_back(space);
      const auto collections = branch->second.keys_ever(space, testing::ModelFamily::kCollection);
      if (!collections.empty() && random_.one_in(2)) held.searched.emplace_back(space, random_.pick(collections));
    }
    if (read_again(call, held)) held_.push_back(std::move(held));
  }

  // Whether everything that was read still reads as in the snapshot.
  bool read_again(Call& call, const HeldTransaction& held) {
    for (const auto& [space, key] : held.read) {
      if (!ok("space_use", call.space_use(space))) return false;
      std::string value;
      const auto found = Kv(call).get(key, std::nullopt, &value);
      if (!ok("get in a held transaction", found.status())) return false;
      const testing::ModelVersion* expected = held.snapshot.branch(held.branch).get(space, key, {});
      if (found->has_value() != (expected != nullptr) || (expected != nullptr && value != *expected->value)) {
        problem_ = "a held transaction reads " + key + " otherwise than when it began";
        return false;
      }
    }
    for (const std::string& space : held.logs) {
      if (!ok("space_use", call.space_use(space))) return false;
      const auto length = Events(call).length(std::nullopt);
      if (!ok("length in a held transaction", length.status())) return false;
      if (*length != held.snapshot.branch(held.branch).events(space, {}).size()) {
        problem_ = "a held transaction sees a log of another length than when it began";
        return false;
      }
    }
    for (const auto& [space, collection] : held.searched) {
      if (!ok("space_use", call.space_use(space))) return false;
      const testing::ModelCollection expected = held.snapshot.branch(held.branch).collection(space, collection, {});
      VectorCheck check(call, "a held transaction", std::nullopt);
      if (!ok("search", check.searches(collection, expected, held.began_at))) return false;
    }
    return true;
  }

  // Ends one of them: it must commit exactly if nothing that it read was changed since.
  void release() {
    if (held_.empty()) return;
    auto at = held_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_.below(held_.size())));
    HeldTransaction held = std::move(*at);
    held_.erase(at);
    Call call(*held.session, Call::kWait);
    if (!read_again(call, held)) return;
    if (held.read.empty() || random_.below(3) == 0) return void(ok("rollback", call.rollback()));
    const auto& [space, key] = held.read[0];
    ok("space_use", call.space_use(space));
    ok("put", Kv(call).put(key, kHeldValue).status());
    const auto committed = call.commit(std::nullopt);
    const auto now_there = model_.branches().find(held.branch);
    const bool same_branch = now_there != model_.branches().end() &&
                             now_there->second.created_at == held.snapshot.branch(held.branch).created_at;
    if (!same_branch) {
      if (committed.is_ok()) problem_ = "a transaction committed to a branch that was deleted";
      return;
    }
    bool changed = false;
    for (const auto& [read_space, read_key] : held.read) {
      const auto* before = held.snapshot.branch(held.branch).find(read_space, read_key, {});
      const auto* after = now_there->second.find(read_space, read_key, {});
      changed |= (before == nullptr) != (after == nullptr) || (before != nullptr && !(*before == *after));
    }
    for (const auto& [space_searched, collection] : held.searched) {
      changed |= differs(held.snapshot.branch(held.branch), now_there->second, space_searched, collection);
    }
    for (const std::string& log : held.logs) {
      const testing::ModelBranch& before = held.snapshot.branch(held.branch);
      changed |= before.events_ever(log) != now_there->second.events_ever(log) ||
                 before.events(log, {}).size() != now_there->second.events(log, {}).size();
    }
    if (changed) {
      ++conflicts_;
      if (committed.is_ok())
        problem_ = "a transaction committed though " + key + " or another key that it read was changed";
      return;
    }
    // Retention may have taken the tombstone of a key that it read as absent: that counts as a change.
    if (!committed.is_ok() && committed.status().code() == Code::kTransactionConflict && trimmed_since_ > held.began_at)
      return;
    if (!ok("commit of a held transaction", committed.status())) return;
    model_.write(held.branch, {{space, key, std::string(kHeldValue)}}, *committed);
    moments_.push_back(*committed);
  }

  // Whether a collection or one of its vectors was written between two states of a branch.
  static bool differs(const testing::ModelBranch& before, const testing::ModelBranch& after, const std::string& space,
                      const std::string& collection) {
    using testing::ModelFamily;
    const auto written = [&](const std::string& key, ModelFamily family) {
      const testing::ModelVersion* was = before.find(space, key, {}, family);
      const testing::ModelVersion* is = after.find(space, key, {}, family);
      return (was == nullptr) != (is == nullptr) || (was != nullptr && !(*was == *is));
    };
    if (written(collection, ModelFamily::kCollection)) return true;
    const std::vector<std::string> vectors = after.keys_ever(space, ModelFamily::kVector);
    return std::any_of(vectors.begin(), vectors.end(), [&](const std::string& key) {
      return testing::collection_of(key) == collection && written(key, ModelFamily::kVector);
    });
  }

  void retain() {
    if (moments_.size() < 50) return;
    // Kept history is counted back from the last change of a branch.
    const uint64_t last = driver_->last_change();
    const uint64_t kept_from = moments_[moments_.size() / 2 + random_.below(moments_.size() / 2)];
    if (kept_from > last) return;
    const auto compacted = driver_->session().compact(last - kept_from, nullptr);
    if (!ok("compact", compacted.status())) return;
    model_.trim(kept_from);
    trimmed_since_ = moments_.size() + 1;
    std::erase_if(moments_, [&](uint64_t moment) { return moment < kept_from; });
    for (HeldTransaction& held : held_) held.began_at = 0;
  }

  // Brings a second database up to date with one branch: by a bundle of all of it, or of what is new.
  void mirror() {
    if (!open_mirror()) return;
    auto at = model_.branches().begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_.below(model_.branches().size())));
    for (auto each = model_.branches().begin(); random_.below(4) != 0 && each != model_.branches().end(); ++each) {
      const auto known = followed_.find(each->first);
      if (known != followed_.end() && known->second.id == each->second.id()) at = each;
    }
    const auto& [name, branch] = *at;
    const auto now = driver_->timestamp();
    if (!ok("timestamp", now.status())) return;
    Followed& followed = followed_[name];
    const bool known = followed.id == branch.id();
    const AsOf since = known && followed.since >= branch.trimmed_before ? AsOf(followed.since) : std::nullopt;
    if (!since && mirrored_.branches().contains(kCopyOf + name)) drop_copy(kCopyOf + name);
    followed = {branch.id(), *now};
    carry(name, since);
    if (!problem_.empty()) return;
    if (random_.one_in(3) && (!ok("close", mirror_->close()) || !ok("open", mirror_->open()))) return;
    std::vector<uint64_t> some;
    for (int i = 0; i < 2 && !moments_.empty(); ++i) some.push_back(moments_[random_.below(moments_.size())]);
    if (const auto difference = Comparison(mirror_->session(), mirrored_).all(some)) {
      problem_ = "the second database: " + *difference;
    }
  }

  bool open_mirror() {
    if (mirror_) return true;
    DriverOptions options = options_;
    options.folder = "mirror";
    options.database_id = 77;
    mirror_ = std::make_unique<EngineDriver>(options);
    return ok("open a second database", mirror_->open());
  }

  void drop_copy(const std::string& copy) {
    Call call(mirror_->session(), Call::kWait);
    if (ok("branch_delete", Branches(call).remove(copy))) mirrored_.remove_branch(copy);
  }

  void carry(const std::string& name, AsOf since) {
    const std::string copy = kCopyOf + name;
    const std::string path = driver_->bundle_path();
    const auto written = Bundles(driver_->session()).write(name, path, since, nullptr);
    if (!ok("export", written.status())) return;
    const auto read = Bundles(mirror_->session()).import(path, copy, nullptr);
    if (!ok(since ? "import of a delta" : "import", read.status())) return;
    const auto imported = mirror_->timestamp();
    if (!ok("timestamp", imported.status())) return;
    const testing::ModelBranch& branch = model_.branch(name);
    if (!since) return mirrored_.copy_from(branch, copy, *imported);
    mirrored_.add_delta(branch, copy, *imported);
    ++deltas_;
    // It may have to forget what its source has forgotten, and nothing more.
    const auto found = mirror_->database().catalogue().find(copy);
    if (!ok("find", found.status())) return;
    const uint64_t cut = (*found)->trimmed_before.load();
    const uint64_t before = mirrored_.branch(copy).trimmed_before;
    if (cut < before || cut > std::max(before, branch.trimmed_before)) {
      problem_ = "a delta made a branch forget more than its source has forgotten";
    }
    mirrored_.trim_branch(copy, cut);
  }

  void check() {
    std::vector<uint64_t> some;
    for (int i = 0; i < 3 && !moments_.empty(); ++i) some.push_back(moments_[random_.below(moments_.size())]);
    if (const auto difference = Comparison(driver_->session(), model_).all(some)) {
      problem_ = *difference;
      return;
    }
    ok("audit", audit_nodes(driver_->database()));
  }

  Random random_;
  testing::RandomOps ops_;
  std::unique_ptr<os::FileSystem> files_ = os::make_memory_file_system();
  testing::TestClock clock_;
  DriverOptions options_;
  std::unique_ptr<EngineDriver> driver_;
  ModelDb model_;
  std::vector<uint64_t> moments_;
  std::list<HeldTransaction> held_;
  // The second database: its branches are copies of those of the first.
  struct Followed {
    uint64_t id = UINT64_MAX;  // in the oracle; this one: of no branch
    uint64_t since = 0;
  };
  static constexpr const char* kCopyOf = "copy-of-";
  std::unique_ptr<EngineDriver> mirror_;
  ModelDb mirrored_;
  std::map<std::string, Followed> followed_;
  uint64_t deltas_ = 0;
  uint64_t trimmed_since_ = 0;  // number of moments when retention last ran
  uint64_t conflicts_ = 0;
  std::string problem_;
  const bool validates_;
};

void run_worlds(Durability durability, const char* name) {
  const uint64_t seed = testing::test_seed(1);
  const auto worlds = testing::scaled(6);
  constexpr uint64_t kSteps = 1500;
  uint64_t conflicts = 0;
  uint64_t deltas = 0;
  for (uint64_t i = 0; i < worlds; ++i) {
    World world(seed + i, durability);
    world.run(kSteps);
    ASSERT_EQ(world.problem(), "") << "STRATA_SEED=" << seed + i << " shows it";
    conflicts += world.conflicts();
    deltas += world.deltas();
  }
  EXPECT_GT(conflicts, 0u);
  EXPECT_GT(deltas, 0u);
  std::printf("counted: %llu operations (%s), %llu conflicts, %llu deltas into a second database, seed %llu\n",
              static_cast<unsigned long long>(worlds * kSteps), name, static_cast<unsigned long long>(conflicts),
              static_cast<unsigned long long>(deltas), static_cast<unsigned long long>(seed));
}

// The control: an engine that does not check for conflicts is found out.
TEST(OracleTest, MissesTheConflictCheck) {
  const uint64_t seed = testing::test_seed(1);
  bool found = false;
  for (uint64_t i = 0; i < 20 && !found; ++i) {
    World world(seed + i, Durability::kBuffered, false);
    world.run(1500);
    found = world.problem().find("committed though") != std::string::npos;
  }
  EXPECT_TRUE(found);
}

TEST(OracleTest, BufferedAgreesWithTheOracle) { run_worlds(Durability::kBuffered, "buffered"); }
TEST(OracleTest, StrictAgreesWithTheOracle) { run_worlds(Durability::kStrict, "strict"); }

}  // namespace
}  // namespace strata
