// What the tests of the tree share: a world of branches with a std::map beside each, over either kind of store.
//
// Thread safety: none; one thread. Ownership: owns its store and forest.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "os/file_system.h"
#include "storage/node_store.h"
#include "tree/forest.h"

namespace strata::tree {

using Oracle = std::map<std::string, std::string>;

inline uint64_t seed_of_run() {
  const char* given = std::getenv("STRATA_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("STRATA_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  // 0 to n - 1.
  uint64_t below(uint64_t n) { return std::uniform_int_distribution<uint64_t>(0, n - 1)(engine_); }
  bool one_in(uint64_t n) { return below(n) == 0; }
  std::string bytes(size_t n) {
    std::string out(n, '\0');
    for (char& c : out) c = static_cast<char>(engine_());
    return out;
  }

 private:
  std::mt19937_64 engine_;
};

inline void expect_ok(const Status& status) { ASSERT_TRUE(status.is_ok()) << status.to_string(); }

// A page file in memory, which can be opened again.
class DiskStore {
 public:
  DiskStore() : fs_(os::make_memory_file_system()) { open(); }
  storage::NodeStore& operator*() { return *store_; }
  void close() { store_.reset(); }
  void open() {
    storage::PageFileOptions options;
    options.fs = fs_.get();
    options.path = "/nodes";
    options.database_id = 7;
    auto opened = storage::open_page_file(options);
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
    store_ = std::move(opened).value();
  }

 private:
  std::unique_ptr<os::FileSystem> fs_;
  std::unique_ptr<storage::NodeStore> store_;
};

// All rows of a tree, by cursor.
inline Oracle rows_of(const Forest& forest, const Root& root) {
  Oracle rows;
  const ReadGuard guard(forest);
  Cursor cursor(forest, root);
  expect_ok(cursor.seek_first());
  while (cursor.valid()) {
    EXPECT_TRUE(rows.emplace_hint(rows.end(), cursor.key(), cursor.row())->second == cursor.row());
    expect_ok(cursor.next());
  }
  return rows;
}

inline void expect_same(const Forest& forest, const Root& root, const Oracle& oracle) {
  ASSERT_EQ(root.count, oracle.size());
  ASSERT_TRUE(rows_of(forest, root) == oracle);
}

// Adds one commit of puts to a tree.
inline void put_all(Forest& forest, Root* root, const Oracle& rows, uint64_t stamp, uint64_t exclusive_since = 0) {
  Edit edit = forest.edit(stamp);
  for (const auto& [key, row] : rows) expect_ok(edit.put(*root, key, row, exclusive_since));
  edit.finish();
}

inline Forest::Audit audit_of(Forest& forest, const std::vector<Root>& roots) {
  auto audit = forest.audit(roots);
  EXPECT_TRUE(audit.is_ok());
  for (const std::string& problem : audit->problems) ADD_FAILURE() << problem;
  return std::move(audit).value();
}

}  // namespace strata::tree
