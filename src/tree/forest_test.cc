#include "tree/forest.h"

#include <atomic>
#include <thread>

#include "tree/tree_test_support.h"

namespace strata::tree {
namespace {

// A forest in memory with one tree.
class ForestTest : public ::testing::Test {
 protected:
  ForestTest() : store(storage::make_memory_node_store()), forest(*store, {256u << 20, false}) {}

  void put(std::string_view key, std::string_view row, uint64_t exclusive_since = 0) {
    Edit edit = forest.edit(++stamp);
    expect_ok(edit.put(root, key, row, exclusive_since));
    edit.finish();
  }
  std::optional<std::string> get(const Root& tree, std::string_view key) {
    const ReadGuard guard(forest);
    const auto found = forest.get(tree, key);
    EXPECT_TRUE(found.is_ok());
    if (!found->has_value()) return std::nullopt;
    return std::string(**found);
  }
  uint64_t leaked() { return audit_of(forest, {root}).leaked_pages; }

  std::unique_ptr<storage::NodeStore> store;
  Forest forest;
  Root root;
  uint64_t stamp = 0;
};

std::string key_of(uint64_t i) {
  char text[24];
  std::snprintf(text, sizeof(text), "key:%09llu", static_cast<unsigned long long>(i));
  return text;
}

TEST_F(ForestTest, EmptyTree) {
  EXPECT_EQ(get(root, "a"), std::nullopt);
  const ReadGuard guard(forest);
  EXPECT_EQ(*forest.rank(root, "a"), 0u);
  Cursor cursor(forest, root);
  expect_ok(cursor.seek_first());
  EXPECT_FALSE(cursor.valid());
  expect_ok(cursor.seek_last());
  EXPECT_FALSE(cursor.valid());
}

TEST_F(ForestTest, PublishedRootDoesNotChange) {
  put("a", "1");
  const Root before = root;
  const ReadGuard guard(forest);
  put("a", "2");
  put("b", "3");
  EXPECT_EQ(get(before, "a"), "1");
  EXPECT_EQ(get(before, "b"), std::nullopt);
  EXPECT_EQ(get(root, "a"), "2");
  EXPECT_EQ(root.count, 2u);
}

TEST_F(ForestTest, AbortLeavesNothingBehind) {
  for (uint64_t i = 0; i < 500; ++i) put(key_of(i), std::string(100, 'r'));
  const Root before = root;
  const uint64_t pages = store->used_pages();
  {
    Edit edit = forest.edit(++stamp);
    for (uint64_t i = 0; i < 900; ++i) expect_ok(edit.put(root, key_of(i * 3), std::string(150, 'n'), 0));
    bool removed = false;
    for (uint64_t i = 0; i < 700; ++i) expect_ok(edit.erase(root, key_of(i * 3), 0, &removed));
    // not finished: the destructor aborts
  }
  root = before;
  EXPECT_EQ(store->used_pages(), pages);
  EXPECT_EQ(leaked(), 0u);
  EXPECT_EQ(get(root, key_of(499)), std::string(100, 'r'));
}

// As commits do that wait for one sync: each builds on the one before, and all are finished later, or dropped.
TEST_F(ForestTest, SealedEditsWaitForTheirEnd) {
  for (uint64_t i = 0; i < 500; ++i) put(key_of(i), std::string(100, 'r'));
  const Root before = root;
  const auto sealed_edits = [&](char row) {
    std::vector<Edit> edits;
    for (uint64_t round = 0; round < 5; ++round) {
      Edit edit = forest.edit(++stamp);
      for (uint64_t i = 0; i < 200; ++i) expect_ok(edit.put(root, key_of(i * 2 + round), std::string(120, row), 0));
      edit.seal();
      edits.push_back(std::move(edit));
    }
    return edits;
  };
  const uint64_t pages = store->used_pages();
  std::vector<Edit> dropped = sealed_edits('d');
  while (!dropped.empty()) {
    dropped.back().abort();
    dropped.pop_back();
  }
  root = before;
  EXPECT_EQ(store->used_pages(), pages);
  EXPECT_EQ(get(root, key_of(0)), std::string(100, 'r'));
  std::vector<Edit> finished = sealed_edits('f');
  EXPECT_EQ(get(before, key_of(0)), std::string(100, 'r'));
  for (Edit& edit : finished) edit.finish();
  EXPECT_EQ(get(root, key_of(0)), std::string(120, 'f'));
  EXPECT_EQ(leaked(), 0u);
}

TEST_F(ForestTest, LargestKeysAndRows) {
  Oracle rows;
  for (int i = 0; i < 40; ++i) {
    std::string key(kMaxKeyBytes, static_cast<char>(i * 6));
    key.back() = static_cast<char>(i);
    rows[key] = std::string(kMaxRowBytes, static_cast<char>(i));
    rows[std::string(kMaxKeyBytes - 1, 'k') + static_cast<char>(i * 5)] = "";
  }
  for (const auto& [key, row] : rows) put(key, row);
  expect_same(forest, root, rows);
  EXPECT_EQ(leaked(), 0u);
  for (auto& [key, row] : rows) {
    row = "small now";
    put(key, row);
  }
  expect_same(forest, root, rows);
  Edit edit = forest.edit(++stamp);
  bool removed = false;
  for (const auto& [key, row] : rows) {
    expect_ok(edit.erase(root, key, 0, &removed));
    ASSERT_TRUE(removed);
  }
  edit.finish();
  EXPECT_EQ(root, Root());
  EXPECT_EQ(store->used_pages(), 0u);
}

// How full the pages are with 8,000 rows put in an order.
double fill_of(const std::function<uint64_t(uint64_t)>& order, bool one_commit) {
  const auto store = storage::make_memory_node_store();
  Forest forest(*store, {256u << 20, false});
  Root root;
  uint64_t stamp = 0;
  constexpr uint64_t kRows = 8000;
  const std::string row(140, 'r');
  std::optional<Edit> edit;
  for (uint64_t i = 0; i < kRows; ++i) {
    if (!edit) edit.emplace(forest.edit(++stamp));
    expect_ok(edit->put(root, key_of(order(i)), row, 0));
    if (!one_commit) {
      edit->finish();
      edit.reset();
    }
  }
  if (edit) edit->finish();
  EXPECT_EQ(audit_of(forest, {root}).leaked_pages, 0u);
  return double{kRows} * (13 + 140) / (static_cast<double>(store->used_pages()) * storage::kPageBytes);
}

TEST(ForestFillTest, AscendingAndDescendingKeysFillPagesRandomOnesHalfAndMore) {
  for (const bool one_commit : {true, false}) {
    EXPECT_GT(fill_of([](uint64_t i) { return i; }, one_commit), 0.85);
    EXPECT_GT(fill_of([](uint64_t i) { return 100000 - i; }, one_commit), 0.85);
    EXPECT_GT(fill_of([](uint64_t i) { return i * 7919 % 8000; }, one_commit), 0.6);
    // Two ascending runs side by side, as of two spaces.
    EXPECT_GT(fill_of([](uint64_t i) { return i % 2 * 50000 + i / 2; }, one_commit), 0.8);
  }
}

TEST_F(ForestTest, ErasingMostKeysGivesPagesBack) {
  for (uint64_t i = 0; i < 6000; ++i) put(key_of(i), std::string(100, 'r'));
  const uint64_t pages = store->used_pages();
  for (uint64_t i = 0; i < 6000; ++i) {
    if (i % 20 == 0) continue;
    Edit edit = forest.edit(++stamp);
    bool removed = false;
    expect_ok(edit.erase(root, key_of(i), 0, &removed));
    edit.finish();
  }
  EXPECT_EQ(root.count, 300u);
  EXPECT_LT(store->used_pages(), pages / 6);
  EXPECT_EQ(leaked(), 0u);
}

TEST_F(ForestTest, OnePinOverManyCommitsHoldsAboutTheLiveDataTwice) {
  for (uint64_t i = 0; i < 5000; ++i) put(key_of(i), std::string(140, 'a'));
  const uint64_t live = store->used_pages();
  const Root held = root;
  Pin pin = forest.pin(stamp, std::vector<Root>{root});
  Random random(seed_of_run());
  for (int i = 0; i < 200000; ++i) put(key_of(random.below(5000)), std::string(140, 'b'));
  EXPECT_LE(store->used_pages(), live * 2 + live / 10);
  EXPECT_LE(forest.stats().retired_nodes, live);
  EXPECT_EQ(get(held, key_of(17)), std::string(140, 'a'));
  EXPECT_EQ(leaked(), 0u);
  pin.reset();
  forest.reclaim();
  EXPECT_EQ(forest.stats().retired_nodes, 0u);
  EXPECT_EQ(leaked(), 0u);
  EXPECT_LE(store->used_pages(), live + live / 10);
}

TEST_F(ForestTest, NodesHeldByTwoPinsOutliveTheFirst) {
  for (uint64_t i = 0; i < 300; ++i) put(key_of(i), "a");
  const Root held = root;
  Pin older = forest.pin(stamp, std::vector<Root>{root});
  Pin same = forest.pin(stamp, std::vector<Root>{root});
  put(key_of(1), "b");
  Pin newer = forest.pin(stamp, std::vector<Root>{root});
  const Root middle = root;
  put(key_of(1), "c");
  older.reset();
  forest.reclaim();
  EXPECT_EQ(get(held, key_of(1)), "a");
  same.reset();
  forest.reclaim();
  EXPECT_EQ(get(middle, key_of(1)), "b");
  newer = Pin();
  forest.reclaim();
  EXPECT_EQ(forest.stats().retired_nodes, 0u);
  EXPECT_EQ(leaked(), 0u);
}

// The controls: with a rule of reclaiming broken, the audit must see it.
// A guard entered while a pin lives reads on what the pin kept, though it was retired before the guard was entered and
// has not been held by the pin yet, since an older guard was in the way.
TEST_F(ForestTest, AGuardOutlivesThePinThatItBeganUnder) {
  for (const bool collects : {false, true}) {
    put("a", "1");
    const Root before = root;
    Pin pin = forest.pin(stamp, std::span(&before, 1));
    std::atomic<int> step{0};
    const auto wait_for = [&step](int wanted) {
      while (step.load() < wanted) std::this_thread::yield();
    };
    std::thread older([&] {
      const ReadGuard guard(forest);
      step.store(1);
      wait_for(3);
    });
    wait_for(1);
    put("a", "2");
    std::thread reader([&] {
      const ReadGuard guard(forest);
      step.store(3);
      wait_for(4);
      EXPECT_EQ(get(before, "a"), "1");
    });
    wait_for(3);
    pin.reset();
    older.join();
    if (collects) {
      // It waits for the guards entered before, so for the reader: that one goes on at once.
      step.store(4);
      expect_ok(forest.collect(std::span(&root, 1)));
    } else {
      forest.reclaim();
      put("b", "3");  // would take the place of the node
      step.store(4);
    }
    reader.join();
    forest.reclaim();
    EXPECT_EQ(forest.stats().retired_nodes, 0u);
    EXPECT_EQ(leaked(), 0u);
  }
}

TEST_F(ForestTest, AuditSeesPinnedNodesFreed) {
  for (uint64_t i = 0; i < 1000; ++i) put(key_of(i), std::string(100, 'a'));
  const Pin pin = forest.pin(stamp, std::vector<Root>{root});
  ForestTestPeer::impl(forest).ignore_pins_for_test = true;
  for (uint64_t i = 0; i < 50; ++i) put(key_of(i * 20), "b");
  const auto audit = forest.audit(std::vector<Root>{root});
  ASSERT_TRUE(audit.is_ok());
  EXPECT_FALSE(audit->problems.empty());
}

TEST_F(ForestTest, AuditSeesSharedNodesFreed) {
  for (uint64_t i = 0; i < 1000; ++i) put(key_of(i), std::string(100, 'a'));
  const Root fork = root;
  for (uint64_t i = 0; i < 50; ++i) put(key_of(i * 20), "b", 0);  // exclusive_since ought to be the fork's stamp
  const auto audit = forest.audit(std::vector<Root>{root, fork});
  ASSERT_TRUE(audit.is_ok());
  EXPECT_FALSE(audit->problems.empty());
}

TEST_F(ForestTest, SharedNodesAreGarbageUntilCollected) {
  for (uint64_t i = 0; i < 1000; ++i) put(key_of(i), std::string(100, 'a'));
  const Root fork = root;
  const uint64_t forked_at = stamp;
  for (uint64_t i = 0; i < 50; ++i) put(key_of(i * 20), "b", forked_at);
  EXPECT_EQ(audit_of(forest, {root, fork}).leaked_pages, 0u);
  const uint64_t leaked_without_fork = leaked();  // as if the fork had been deleted
  EXPECT_GT(leaked_without_fork, 20u);
  EXPECT_GT(forest.stats().shared_garbage, 20u);
  expect_ok(forest.collect(std::vector<Root>{root}));
  EXPECT_EQ(leaked(), 0u);
  EXPECT_EQ(root.count, rows_of(forest, root).size());
}

TEST_F(ForestTest, ClearFreesWhatIsExclusive) {
  for (uint64_t i = 0; i < 3000; ++i) put(key_of(i), std::string(100, 'a'));
  Edit edit = forest.edit(++stamp);
  expect_ok(edit.clear(root, 0));
  edit.finish();
  EXPECT_EQ(root, Root());
  EXPECT_EQ(store->used_pages(), 0u);
}

TEST_F(ForestTest, DiffOfFewChangesVisitsFewNodes) {
  for (uint64_t i = 0; i < 20000; ++i) put(key_of(i), std::string(100, 'a'));
  const Root before = root;
  const ReadGuard guard(forest);
  for (const uint64_t i : {5, 10000, 19999}) put(key_of(i), "b", stamp);
  std::vector<std::string> changed;
  expect_ok(forest.diff(before, root, {}, [&](std::string_view key, Change change, std::string_view, std::string_view) {
    EXPECT_EQ(change, Change::kModified);
    changed.emplace_back(key);
    return changed.size() < 2;
  }));
  EXPECT_EQ(changed, (std::vector<std::string>{key_of(5), key_of(10000)}));  // stopped by the visitor
}

// ---- on disk ----

TEST(ForestDiskTest, RelocationEmptiesTheEndOfTheFile) {
  DiskStore store;
  Forest forest(*store, {1u << 20, true});
  Root low, high;
  Oracle rows;
  for (uint64_t i = 0; i < 3000; ++i) rows[key_of(i)] = std::string(100, 'r');
  put_all(forest, &low, rows, 1);
  put_all(forest, &high, rows, 2);
  Root shared = high;
  checkpoint(forest, *store, 2, {low, high});
  const uint64_t middle = (*store).page_limit() / 2;
  Edit clear = forest.edit(3);
  expect_ok(clear.clear(low, 0));
  clear.finish();
  for (uint64_t cut = 3; cut < 6; ++cut) checkpoint(forest, *store, cut, {high});
  Edit edit = forest.edit(6);
  expect_ok(edit.relocate(high, middle));
  expect_ok(edit.relocate(shared, middle));
  edit.finish();
  EXPECT_EQ(high, shared);
  expect_ok(forest.collect(std::vector<Root>{high}));
  EXPECT_EQ(audit_of(forest, {high}).leaked_pages, 0u);
  expect_same(forest, high, rows);
  for (uint64_t cut = 6; cut < 9; ++cut) checkpoint(forest, *store, cut, {high});
  const uint64_t before = (*store).disk_bytes();
  expect_ok((*store).trim());
  EXPECT_LT((*store).disk_bytes(), before * 2 / 3);
}

TEST(ForestDiskTest, FailedCheckpointKeepsNodesInMemory) {
  DiskStore store;
  Forest forest(*store, {8 * storage::kPageBytes, true});
  Root root;
  Oracle rows;
  for (uint64_t i = 0; i < 2000; ++i) rows[key_of(i)] = std::string(100, 'r');
  put_all(forest, &root, rows, 1);
  const auto images = gather_all(forest, 1);
  EXPECT_GT(images.size(), 40u);
  end_all(forest, false);
  expect_same(forest, root, rows);
  EXPECT_EQ(forest.stats().evictions, 0u);
  EXPECT_EQ(gather_all(forest, 1).size(), images.size());
  end_all(forest, false);
}

TEST(ForestDiskTest, VerifyNamesTheDamagedNode) {
  DiskStore disk;
  TamperingStore store(*disk);
  Forest forest(store, {1u << 20, true});
  Root root;
  Oracle rows;
  for (uint64_t i = 0; i < 2000; ++i) rows[key_of(i)] = std::string(100, 'r');
  put_all(forest, &root, rows, 1);
  checkpoint(forest, store, 1, {root});
  std::vector<std::string> problems;
  uint64_t pages = 0;
  const auto go_on = [](uint64_t) { return true; };
  expect_ok(forest.verify(std::vector<Root>{root}, &problems, &pages, go_on));
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(pages, store.used_pages());
  store.target = root.id;
  store.offset = 26;  // the number of cells
  store.mask = 1;
  expect_ok(forest.verify(std::vector<Root>{root}, &problems, &pages, go_on));
  EXPECT_EQ(problems.size(), 1u);
}

// Every byte of the root and of a leaf spoiled in turn, as if the checksum had been made anew: all operations answer,
// rightly, wrongly or with corruption, and nothing else happens.
TEST(ForestDiskTest, SpoiledNodesNeverCrash) {
  DiskStore disk;
  TamperingStore store(*disk);
  Root root;
  Oracle rows;
  for (uint64_t i = 0; i < 300; ++i) rows[key_of(i)] = std::string(30 + i % 50, 'r');
  std::vector<storage::NodeId> ids;
  {
    Forest forest(store, {1u << 20, true});
    put_all(forest, &root, rows, 1);
    for (const auto& image : gather_all(forest, 1)) ids.push_back(image.id);
    end_all(forest, false);
    checkpoint(forest, store, 1, {root});
  }
  uint64_t corrupt = 0;
  for (const storage::NodeId id : {root.id, ids[ids.size() / 2]}) {
    for (uint32_t at = 24; at < storage::kPageBytes; at += at < 600 ? 1 : 7) {
      store.target = id;
      store.offset = at;
      store.mask = static_cast<char>(at % 3 == 0 ? 0xff : 1 << at % 8);
      Forest forest(store, {1u << 20, true});
      Root changed = root;
      {
        const ReadGuard guard(forest);
        for (uint64_t i = 0; i < 300; i += 30) {
          if (!forest.get(root, key_of(i)).is_ok() || !forest.rank(root, key_of(i)).is_ok()) ++corrupt;
        }
        Cursor cursor(forest, root);
        Status status = cursor.seek_first();
        while (status.is_ok() && cursor.valid()) status = cursor.next();
        Edit edit = forest.edit(2 + at);
        bool removed = false;
        for (uint64_t i = 0; i < 300 && status.is_ok(); ++i) {
          status = i % 3 == 0 ? edit.put(changed, key_of(i), std::string(90, 'n'), 1)
                              : edit.erase(changed, key_of(i), 1, &removed);
        }
        const Status ignored = forest.diff(root, changed, {}, [](auto, auto, auto, auto) { return true; });
        if (!ignored.is_ok()) ++corrupt;
        edit.abort();
      }
    }
  }
  EXPECT_GT(corrupt, 100u);
}

}  // namespace
}  // namespace strata::tree
