// What the tree costs by itself, over nodes in memory: one key of 18 bytes, one row of 128 bytes, random order.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "micro_require.h"
#include "storage/node_store.h"
#include "testing/random.h"
#include "tree/forest.h"

namespace strata::tree {
namespace {

constexpr uint64_t kNeverShared = 0;
constexpr size_t kRowBytes = 128;

std::string key_of(uint64_t number) {
  char text[32];
  std::snprintf(text, sizeof(text), "agent%04u/%08x", static_cast<unsigned>(number / 1000),
                static_cast<unsigned>(number * 2654435761U));
  return text;
}

// One tree of n keys and what a commit to it needs.
class Tree {
 public:
  explicit Tree(uint64_t keys) : keys_(keys), row_(kRowBytes, 'r') {
    for (uint64_t number = 0; number < keys; ++number) {
      names_.push_back(key_of(number));
    }
    testing::Random random(1);
    for (size_t i = names_.size(); i > 1; --i) {
      std::swap(names_[i - 1], names_[random.below(i)]);
    }
    for (size_t first = 0; first < names_.size(); first += 1000) {
      Edit edit = forest_.edit(++stamp_);
      for (size_t i = first; i < std::min(first + 1000, names_.size()); ++i) {
        require(edit.put(root_, names_[i], row_, kNeverShared));
      }
      edit.finish();
    }
  }

  Forest& forest() { return forest_; }
  const Root& root() const { return root_; }
  const std::string& any_key() { return names_[random_.below(keys_)]; }

  // A commit of `puts` replaced rows.
  void commit(uint64_t puts, uint64_t exclusive_since) {
    Edit edit = forest_.edit(++stamp_);
    for (uint64_t i = 0; i < puts; ++i) {
      require(edit.put(root_, any_key(), row_, exclusive_since));
    }
    edit.finish();
  }
  uint64_t stamp() const { return stamp_; }
  void change_row() { row_[0] = static_cast<char>(row_[0] + 1); }

 private:
  const uint64_t keys_;
  std::string row_;
  std::vector<std::string> names_;
  testing::Random random_{2};
  std::unique_ptr<storage::NodeStore> store_ = storage::make_memory_node_store();
  Forest forest_{*store_, ForestOptions{.cache_bytes = size_t{1} << 32, .evictable = false}};
  Root root_;
  uint64_t stamp_ = 0;
};

void get(benchmark::State& state) {
  Tree tree(static_cast<uint64_t>(state.range(0)));
  for (auto _ : state) {
    const ReadGuard guard(tree.forest());
    auto row = require(tree.forest().get(tree.root(), tree.any_key()));
    benchmark::DoNotOptimize(row);
  }
}
BENCHMARK(get)->Arg(1000)->Arg(100'000)->Arg(1'000'000);

void get_missing(benchmark::State& state) {
  Tree tree(static_cast<uint64_t>(state.range(0)));
  for (auto _ : state) {
    const std::string key = tree.any_key() + "x";
    const ReadGuard guard(tree.forest());
    auto row = require(tree.forest().get(tree.root(), key));
    benchmark::DoNotOptimize(row);
  }
}
BENCHMARK(get_missing)->Arg(100'000);

// Commits of one replaced row each.
void put(benchmark::State& state) {
  Tree tree(static_cast<uint64_t>(state.range(0)));
  for (auto _ : state) {
    tree.commit(1, kNeverShared);
  }
}
BENCHMARK(put)->Arg(1000)->Arg(100'000)->Arg(1'000'000);

// The same while a snapshot of the start is held: nothing that it shares may be freed.
void put_under_pin(benchmark::State& state) {
  Tree tree(static_cast<uint64_t>(state.range(0)));
  const Root kept = tree.root();
  const Pin pin = tree.forest().pin(tree.stamp(), {&kept, 1});
  for (auto _ : state) {
    tree.commit(1, kNeverShared);
  }
}
BENCHMARK(put_under_pin)->Arg(100'000);

void put_thousand(benchmark::State& state) {
  Tree tree(static_cast<uint64_t>(state.range(0)));
  for (auto _ : state) {
    tree.commit(1000, kNeverShared);
  }
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(put_thousand)->Arg(100'000);

void scan_all(benchmark::State& state) {
  Tree tree(static_cast<uint64_t>(state.range(0)));
  for (auto _ : state) {
    const ReadGuard guard(tree.forest());
    Cursor cursor(tree.forest(), tree.root());
    require(cursor.seek_first());
    uint64_t bytes = 0;
    while (cursor.valid()) {
      bytes += cursor.key().size();
      require(cursor.next());
    }
    benchmark::DoNotOptimize(bytes);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(scan_all)->Arg(100'000);

// A cursor to a random key and ten steps.
void page_of_ten(benchmark::State& state) {
  Tree tree(static_cast<uint64_t>(state.range(0)));
  for (auto _ : state) {
    const ReadGuard guard(tree.forest());
    Cursor cursor(tree.forest(), tree.root());
    require(cursor.seek(tree.any_key()));
    for (int step = 0; step < 10 && cursor.valid(); ++step) {
      benchmark::DoNotOptimize(cursor.key());
      require(cursor.next());
    }
  }
}
BENCHMARK(page_of_ten)->Arg(100'000);

void rank(benchmark::State& state) {
  Tree tree(static_cast<uint64_t>(state.range(0)));
  for (auto _ : state) {
    const ReadGuard guard(tree.forest());
    auto position = require(tree.forest().rank(tree.root(), tree.any_key()));
    benchmark::DoNotOptimize(position);
  }
}
BENCHMARK(rank)->Arg(100'000);

// Ten of n rows changed since the other root.
void diff_of_ten(benchmark::State& state) {
  Tree tree(static_cast<uint64_t>(state.range(0)));
  const Root before = tree.root();
  const Pin pin = tree.forest().pin(tree.stamp(), {&before, 1});
  tree.change_row();
  tree.commit(10, kNeverShared);
  for (auto _ : state) {
    const ReadGuard guard(tree.forest());
    uint64_t changes = 0;
    require(tree.forest().diff(before, tree.root(), {}, [&](auto, Change, auto, auto) {
      ++changes;
      return true;
    }));
    benchmark::DoNotOptimize(changes);
  }
}
BENCHMARK(diff_of_ten)->Arg(1000)->Arg(100'000)->Arg(1'000'000);

}  // namespace
}  // namespace strata::tree
