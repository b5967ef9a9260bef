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
#include "tree/forest_impl.h"

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

struct ForestTestPeer {
  static ForestImpl& impl(Forest& forest) { return *forest.impl_; }
};

// Passes everything on to another store, and spoils what is read of one node as if it had been written that way.
class TamperingStore final : public storage::NodeStore {
 public:
  explicit TamperingStore(storage::NodeStore& under) : under_(under) {}
  storage::NodeId target = 0;
  uint32_t offset = 0;
  char mask = 0;

  storage::NodeId allocate(uint32_t pages) override { return under_.allocate(pages); }
  void release(storage::NodeId id, bool committed) override { under_.release(id, committed); }
  uint64_t page_limit() const override { return under_.page_limit(); }
  Status read(storage::NodeId id, uint64_t birth, char* out) const override {
    Status status = under_.read(id, birth, out);
    if (id == target && status.is_ok()) out[offset] = static_cast<char>(out[offset] ^ mask);
    return status;
  }
  Status commit(std::span<const storage::NodeImage> images, std::string_view blob) override {
    return under_.commit(images, blob);
  }
  const storage::StoreHead& head() const override { return under_.head(); }
  const storage::StoreHead* previous_head() const override { return under_.previous_head(); }
  uint64_t used_pages() const override { return under_.used_pages(); }
  uint64_t total_pages() const override { return under_.total_pages(); }
  uint64_t disk_bytes() const override { return under_.disk_bytes(); }
  Status trim() override { return under_.trim(); }
  void keep_only(std::span<const storage::NodeId> reachable) override { under_.keep_only(reachable); }

 private:
  storage::NodeStore& under_;
};

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

constexpr size_t kAllNodes = SIZE_MAX;

// All nodes of a checkpoint at once.
inline std::vector<storage::NodeImage> gather_all(Forest& forest, uint64_t cut) {
  std::vector<storage::NodeImage> images;
  forest.begin_checkpoint(cut);
  EXPECT_FALSE(forest.gather_checkpoint(kAllNodes, &images));
  return images;
}

inline void end_all(Forest& forest, bool success) {
  EXPECT_FALSE(forest.end_checkpoint(success, kAllNodes));
  forest.forget_checkpoint();
}

// Makes everything so far clean.
inline void checkpoint(Forest& forest, storage::NodeStore& store, uint64_t cut, const std::vector<Root>& roots) {
  const Pin pin = forest.pin(cut, roots);
  const std::vector<storage::NodeImage> images = gather_all(forest, cut);
  expect_ok(store.commit(images, "head"));
  end_all(forest, true);
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
