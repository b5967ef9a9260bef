// Random work on several branches against std::map: commits, aborts, forks, pins, deleted branches, checkpoints,
// reopening, eviction and collection; the audit after each round.
#include "tree/forest_impl.h"
#include "tree/tree_test_support.h"

namespace strata::tree {
namespace {

struct Branch {
  Root root;
  Oracle rows;
  uint64_t exclusive_since = 0;
};

struct Held {
  Pin pin;
  Root root;
  Oracle rows;
};

class World {
 public:
  World(storage::NodeStore& store, const ForestOptions& options, uint64_t seed)
      : random(seed), store_(&store), options_(options), forest_(std::make_unique<Forest>(store, options)) {
    branches.emplace_back();
  }

  // Whatever it finds, the change that follows is done where it belongs.
  void check_find(Edit& edit, const Branch& changed, const std::string& key) {
    sought = key;
    const auto found = edit.find(changed.root, sought);
    ASSERT_TRUE(found.is_ok());
    const auto row = changed.rows.find(key);
    ASSERT_EQ(found->has_value(), row != changed.rows.end());
    if (found->has_value()) {
      ASSERT_EQ(**found, row->second);
    }
  }

  void commit() {
    Branch& branch = branches[random.below(branches.size())];
    Branch changed = branch;
    Edit edit = forest().edit(++stamp);
    const uint64_t n = random.one_in(8) ? 1 + random.below(120) : 1 + random.below(4);
    std::string key = random_key();
    for (uint64_t i = 0; i < n; ++i) {
      if (!random.one_in(3)) key = random_key();
      const bool erases = random.below(100) < erase_percent;
      if (erases && !changed.rows.empty() && random.one_in(2)) key = nearest(changed.rows, key);
      const ReadGuard guard(forest());
      if (random.one_in(2)) check_find(edit, changed, random.one_in(4) ? random_key() : key);
      if (erases) {
        bool removed = false;
        expect_ok(edit.erase(changed.root, key, branch.exclusive_since, &removed));
        ASSERT_EQ(removed, changed.rows.erase(key) == 1);
      } else {
        const std::string row = random_row();
        expect_ok(edit.put(changed.root, key, row, branch.exclusive_since));
        changed.rows[key] = row;
      }
      if (random.one_in(3) && key.size() < 60) key += static_cast<char>(random.below(256));  // a run of sorts
    }
    if (random.one_in(40)) {
      expect_ok(edit.clear(changed.root, branch.exclusive_since));
      changed.rows.clear();
    }
    if (random.one_in(12)) {
      edit.abort();
      return;
    }
    branch = std::move(changed);
    edit.finish();
  }

  void fork() {
    if (branches.size() > 6) return;
    Branch& source = branches[random.below(branches.size())];
    source.exclusive_since = stamp;
    const Branch copy = source;
    branches.push_back(copy);
  }
  void drop_branch() {
    if (branches.size() > 1) branches.erase(branches.begin() + static_cast<ptrdiff_t>(random.below(branches.size())));
  }
  void pin() {
    if (held.size() > 5) return;
    const Branch& branch = branches[random.below(branches.size())];
    held.push_back({forest().pin(stamp, std::vector<Root>{branch.root}), branch.root, branch.rows});
  }
  void unpin() {
    if (!held.empty()) held.erase(held.begin() + static_cast<ptrdiff_t>(random.below(held.size())));
  }
  void checkpoint() {
    const Pin pin = forest().pin(stamp, roots());
    const std::vector<Branch> saved = branches;
    const uint64_t cut = stamp;
    const auto commits = [this] {  // beside the checkpoint
      for (uint64_t i = random.below(4); i > 0; --i) commit();
    };
    std::vector<storage::NodeImage> images;
    forest().begin_checkpoint(cut);
    commits();
    while (forest().gather_checkpoint(1 + random.below(40), &images)) commits();
    commits();
    expect_ok(store_->commit(images, "head"));
    while (forest().end_checkpoint(true, 1 + random.below(40))) commits();
    forest().forget_checkpoint();
    committed = saved;
    committed_stamp = cut;
  }
  void collect() {
    expect_ok(forest().collect(roots()));
    ASSERT_EQ(audit_of(forest(), roots()).leaked_pages, 0u);
  }
  void relocate() {
    Edit edit = forest().edit(++stamp);
    const uint64_t first_page = random.below(store_->page_limit());
    for (Branch& branch : branches) expect_ok(edit.relocate(branch.root, first_page));
    edit.finish();
    for (Branch& branch : branches) branch.exclusive_since = stamp;  // copies may be shared again
  }

  void step() {
    const uint64_t choice = random.below(100);
    if (choice < 3) return fork();
    if (choice < 5) return drop_branch();
    if (choice < 9) return pin();
    if (choice < 13) return unpin();
    if (choice < 15) return checkpoint();
    if (choice < 16) return collect();
    if (choice < 17) return relocate();
    commit();
  }

  void check() {
    for (const Branch& branch : branches) expect_same(forest(), branch.root, branch.rows);
    for (const Held& each : held) expect_same(forest(), each.root, each.rows);
    audit_of(forest(), roots());
    check_one();
  }
  // Reading single keys, ranks, cursors both ways and the difference of two states.
  void check_one() {
    const Branch& branch = branches[random.below(branches.size())];
    const ReadGuard guard(forest());
    for (int i = 0; i < 20; ++i) {
      const std::string key = random_key();
      const auto found = branch.rows.lower_bound(key);
      const auto got = forest().get(branch.root, key);
      ASSERT_TRUE(got.is_ok());
      const bool there = found != branch.rows.end() && found->first == key;
      ASSERT_EQ(got->has_value(), there);
      if (there) {
        ASSERT_EQ(**got, found->second);
      }
      const auto rank = forest().rank(branch.root, key);
      ASSERT_TRUE(rank.is_ok());
      ASSERT_EQ(*rank, static_cast<uint64_t>(std::distance(branch.rows.begin(), found)));
      check_cursor(branch, key, found);
    }
    const Branch& other = branches[random.below(branches.size())];
    check_diff(branch.root, branch.rows, other.root, other.rows);
    if (!held.empty()) check_diff(held.back().root, held.back().rows, branch.root, branch.rows);
  }

  Forest& forest() { return *forest_; }
  std::vector<Root> roots() const {
    std::vector<Root> all;
    for (const Branch& branch : branches) all.push_back(branch.root);
    return all;
  }
  // The state of the last checkpoint again, in a new forest.
  void reopen(storage::NodeStore& store) {
    store_ = &store;
    forest_ = std::make_unique<Forest>(store, options_);
    branches = committed;
    stamp = std::max(stamp, committed_stamp);
    for (Branch& branch : branches) branch.exclusive_since = stamp;
  }
  void close() {
    held.clear();
    forest_.reset();
  }

  Random random;
  std::vector<Branch> branches;
  std::string sought;  // what the last find was asked for
  std::vector<Held> held;
  std::vector<Branch> committed = std::vector<Branch>(1);
  uint64_t stamp = 0;
  uint64_t committed_stamp = 0;
  uint64_t erase_percent = 35;

 private:
  std::string random_key() {
    switch (random.below(12)) {
      case 0:
        return random.bytes(random.below(4));
      case 1:
        return std::string(random.below(40), 'p');  // prefixes of each other
      case 2:
        return std::string(random.one_in(10) ? kMaxKeyBytes - 8 : 200, 'x') + random.bytes(8);
      case 3:
        return std::string(3, static_cast<char>(0xff)) + random.bytes(2);
      default:
        return "space\0tag" + std::string(1, '\0') + std::to_string(random.below(3000));
    }
  }
  std::string random_row() {
    const uint64_t choice = random.below(60);
    return random.bytes(choice == 0 ? kMaxRowBytes : choice < 4 ? 800 + random.below(1000) : random.below(200));
  }
  static std::string nearest(const Oracle& rows, const std::string& key) {
    const auto found = rows.lower_bound(key);
    return found == rows.end() ? rows.rbegin()->first : found->first;
  }
  void check_cursor(const Branch& branch, const std::string& key, Oracle::const_iterator found) {
    Cursor cursor(forest(), branch.root);
    expect_ok(cursor.seek(key));
    ASSERT_EQ(cursor.valid(), found != branch.rows.end());
    auto at = found;
    for (int i = 0; i < 30 && cursor.valid(); ++i, ++at) {
      ASSERT_EQ(cursor.key(), at->first);
      ASSERT_EQ(cursor.row(), at->second);
      expect_ok(cursor.next());
    }
    expect_ok(cursor.seek_before(key));
    at = found;
    for (int i = 0; i < 30 && at != branch.rows.begin(); ++i) {
      --at;
      ASSERT_TRUE(cursor.valid());
      ASSERT_EQ(cursor.key(), at->first);
      expect_ok(cursor.prev());
    }
    ASSERT_EQ(cursor.valid(), at != branch.rows.begin());
  }
  void check_diff(const Root& a, const Oracle& rows_a, const Root& b, const Oracle& rows_b) {
    std::string begin = random.one_in(2) ? random_key() : std::string();
    std::string end = random.one_in(2) ? random_key() : std::string();
    const auto inside = [&](std::string_view key) { return key >= begin && (end.empty() || key < end); };
    Oracle from = rows_a;
    std::string last;
    bool first = true;
    expect_ok(
        forest().diff(a, b, {begin, end},
                      [&](std::string_view key, Change change, std::string_view old_row, std::string_view new_row) {
                        EXPECT_TRUE(first || last < key);
                        EXPECT_TRUE(inside(key));
                        first = false;
                        last = key;
                        const auto old = from.find(last);
                        EXPECT_EQ(old == from.end(), change == Change::kAdded);
                        EXPECT_TRUE(old == from.end() || old->second == old_row);
                        EXPECT_TRUE(change != Change::kModified || old_row != new_row);
                        if (change == Change::kRemoved) {
                          from.erase(last);
                        } else {
                          from[last] = new_row;
                        }
                        return true;
                      }));
    for (auto& [key, row] : rows_b) {
      ASSERT_TRUE(!inside(key) || (from.contains(key) && from[key] == row));
    }
    for (auto& [key, row] : from) {
      ASSERT_TRUE(!inside(key) || rows_b.contains(key));
    }
  }

  storage::NodeStore* store_;
  const ForestOptions options_;
  std::unique_ptr<Forest> forest_;
};

#define RUN(statement)                \
  do {                                \
    statement;                        \
    if (HasFatalFailure()) return;    \
    if (HasNonfatalFailure()) return; \
  } while (0)

TEST(ForestRandomTest, InMemory) {
  const auto store = storage::make_memory_node_store();
  ForestOptions options;
  options.evictable = false;
  World world(*store, options, seed_of_run());
  for (int round = 0; round < 150; ++round) {
    world.erase_percent = round % 3 == 2 ? 75 : 30;
    for (int i = 0; i < 40; ++i) RUN(world.step());
    RUN(world.check());
  }
  world.held.clear();
  RUN(world.collect());
  EXPECT_EQ(world.forest().stats().retired_nodes, 0u);
}

TEST(ForestRandomTest, OnDiskWithTinyCacheAndReopening) {
  DiskStore store;
  ForestOptions options;
  options.cache_bytes = 20 * storage::kPageBytes;
  World world(*store, options, seed_of_run());
  uint64_t evictions = 0;
  for (int round = 0; round < 100; ++round) {
    world.erase_percent = round % 3 == 2 ? 75 : 30;
    for (int i = 0; i < 40; ++i) RUN(world.step());
    RUN(world.check());
    if (round % 10 != 9) continue;
    evictions += world.forest().stats().evictions;
    world.close();
    store.close();
    RUN(store.open());
    world.reopen(*store);
    RUN(world.check());
    RUN(world.collect());
  }
  EXPECT_GT(evictions, 100u);
}

}  // namespace
}  // namespace strata::tree
