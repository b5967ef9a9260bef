// Readers beside one writer. Every commit writes one generation number into all rows of a tree, so that a reader that
// sees two generations in one state has seen a node that was freed or changed under it.
#include <atomic>
#include <mutex>
#include <thread>

#include "tree/tree_test_support.h"

namespace strata::tree {
namespace {

class Readers {
 public:
  Readers(Forest& forest, int threads) : forest_(forest) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this, i] { read(i); });
  }
  void publish(const Root& root, uint64_t stamp) {
    const std::lock_guard<std::mutex> lock(mutex_);
    root_ = root;
    stamp_ = stamp;
  }
  void stop() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
  }
  uint64_t states() const { return states_; }
  uint64_t bad() const { return bad_; }

 private:
  void read(int number) {
    std::optional<Pin> pin;
    Root pinned;
    for (uint64_t round = 0; !stop_; ++round) {
      Root root;
      {
        const ReadGuard guard(forest_);
        uint64_t stamp = 0;
        {
          const std::lock_guard<std::mutex> lock(mutex_);
          root = root_;
          stamp = stamp_;
        }
        check(root);
        if (number % 2 == 0 && round % 8 == 0) {
          pin = forest_.pin(stamp, std::vector<Root>{root});
          pinned = root;
        }
      }
      if (pin) {
        const ReadGuard guard(forest_);
        check(pinned);
      }
      // Threads come and go.
      if (number == 0 && round % 50 == 0) std::thread([this, root = pinned] { check_alone(root); }).join();
    }
  }
  void check_alone(const Root& root) {
    const ReadGuard guard(forest_);
    check(root);
  }
  void check(const Root& root) {
    Cursor cursor(forest_, root);
    Status status = cursor.seek_first();
    std::string first;
    uint64_t count = 0;
    while (status.is_ok() && cursor.valid()) {
      if (count++ == 0) first = cursor.row().substr(0, 8);
      if (cursor.row().substr(0, 8) != first) ++bad_;
      status = cursor.next();
    }
    if (!status.is_ok() || count != root.count) ++bad_;
    ++states_;
  }

  Forest& forest_;
  std::mutex mutex_;
  Root root_;
  uint64_t stamp_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> states_{0};
  std::atomic<uint64_t> bad_{0};
  std::vector<std::thread> threads_;
};

void run(Forest& forest, storage::NodeStore& store, bool on_disk) {
  Readers readers(forest, 4);
  Root root;
  constexpr uint64_t kCommits = 150;
  for (uint64_t stamp = 1; stamp <= kCommits || readers.states() < 200; ++stamp) {
    Edit edit = forest.edit(stamp);
    std::string row(120, 'r');
    std::snprintf(row.data(), 9, "%08llu", static_cast<unsigned long long>(stamp));
    for (int i = 0; i < 200; ++i) expect_ok(edit.put(root, "key" + std::to_string(i), row, 0));
    readers.publish(root, stamp);
    edit.finish();
    if (on_disk && stamp % 10 == 0) checkpoint(forest, store, stamp, {root});
    if (stamp % 40 == 0) expect_ok(forest.collect(std::vector<Root>{root}));
  }
  readers.stop();
  EXPECT_EQ(readers.bad(), 0u);
  forest.reclaim();
  EXPECT_EQ(audit_of(forest, {root}).leaked_pages, 0u);
  EXPECT_EQ(forest.stats().retired_nodes, 0u);
}

TEST(ForestThreadsTest, ReadersBesideAWriterInMemory) {
  const auto store = storage::make_memory_node_store();
  Forest forest(*store, {256u << 20, false});
  run(forest, *store, false);
}

TEST(ForestThreadsTest, ReadersBesideAWriterWithEviction) {
  DiskStore store;
  Forest forest(*store, {4 * storage::kPageBytes, true});
  run(forest, *store, true);
  EXPECT_GT(forest.stats().evictions, 0u);
}

}  // namespace
}  // namespace strata::tree
