// What takes long or is large: a transaction held over very many commits, and a database larger than its cache.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "db/database.h"
#include "testing/random.h"
#include "testing/test_clock.h"
#include "txn/context.h"
#include "txn/transaction.h"
#include "txn/view.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

std::string key_of(uint64_t number) {
  char text[32];
  std::snprintf(text, sizeof(text), "default%c\x02key:%010llu", 0, static_cast<unsigned long long>(number));
  return std::string(text, 9 + 14);
}

// A value that says which key and which round wrote it.
std::string value_of(uint64_t number, uint64_t round, size_t bytes) {
  std::string value = std::to_string(number) + "/" + std::to_string(round) + "/";
  value.resize(bytes, static_cast<char>('a' + number % 26));
  return value;
}

class EnduranceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("strata-endurance-" + std::to_string(::getpid()));
    fs::remove_all(folder_);
  }
  void TearDown() override {
    database_.reset();
    fs::remove_all(folder_);
  }
  void open(size_t cache_bytes, bool in_memory) {
    db::DatabaseOptions options;
    if (!in_memory) options.fs = &os::posix_file_system();
    options.folder = folder_.string();
    options.cache_bytes = cache_bytes;
    auto opened = db::Database::open(options);
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
    database_ = std::move(*opened);
    branch_ = *database_->catalogue().find("default");
  }
  void put(std::span<const txn::Write> writes) {
    txn::CommitRequest request;
    request.branch = &branch_;
    request.writes = writes;
    const auto outcome = database_->engine().commit(request);
    ASSERT_TRUE(outcome.is_ok()) << outcome.status().to_string();
  }
  void put(uint64_t number, uint64_t round, size_t bytes) {
    const std::string key = key_of(number);
    const std::string value = value_of(number, round, bytes);
    txn::Write write;
    write.key = key;
    write.value = value;
    put({&write, 1});
  }
  txn::Context context() {
    txn::Context context;
    context.engine = &database_->engine();
    context.branch = branch_;
    return context;
  }

  fs::path folder_;
  std::shared_ptr<db::Database> database_;
  txn::BranchPtr branch_;
};

TEST_F(EnduranceTest, AHeldTransactionKeepsNoMoreThanTwiceTheLiveData) {
  const uint64_t commits = testing::scaled(100'000);
  constexpr uint64_t kKeys = 10'000;
  constexpr size_t kBytes = 100;
  open(256 << 20, true);
  for (uint64_t i = 0; i < kKeys; ++i) put(i, 0, kBytes);
  auto held = std::make_unique<txn::Transaction>(database_->engine(), branch_, txn::Transaction::Options{});
  testing::Random random(testing::test_seed(1));
  uint64_t most = 0;
  for (uint64_t i = 0; i < commits; ++i) {
    put(random.below(kKeys), i + 1, kBytes);
    if (i % 1000 == 0) most = std::max(most, database_->nodes().used_pages());
  }
  txn::Context inside = context();
  inside.transaction = held.get();
  {
    txn::View view(inside);
    ASSERT_TRUE(view.open(std::nullopt).is_ok());
    for (uint64_t i = 0; i < kKeys; i += 97) {
      const auto found = view.get(key_of(i));
      ASSERT_TRUE(found.is_ok() && found->has_value());
      EXPECT_EQ((*found)->value, value_of(i, 0, kBytes));
    }
  }
  held.reset();
  put(0, 0, kBytes);
  const uint64_t live = database_->nodes().used_pages();  // the snapshot's nodes are gone
  EXPECT_LT(most, 2 * live);
  EXPECT_GT(most, live);
  std::printf("counted: %llu commits under one held transaction, at most %.2f times the pages\n",
              static_cast<unsigned long long>(commits), static_cast<double>(most) / static_cast<double>(live));
}

TEST_F(EnduranceTest, ADatabaseLargerThanItsCache) {
  // At scale 10 a gigabyte of rows through a cache of 64 MB; the cache shrinks with the data.
  const uint64_t keys = testing::scaled(110'000);
  constexpr size_t kBytes = 900;  // the largest that stay in the tree are 1,024
  const size_t cache = std::max<size_t>(keys * kBytes / 16, 4 << 20);
  open(cache, false);
  constexpr uint64_t kBatch = 100;
  testing::Random random(testing::test_seed(1));
  const uint64_t step = 7919;  // visits every key once, out of order
  for (uint64_t i = 0; i < keys; i += kBatch) {
    std::vector<std::pair<std::string, std::string>> rows;
    for (uint64_t j = i; j < std::min(i + kBatch, keys); ++j) {
      const uint64_t number = j * step % keys;
      rows.emplace_back(key_of(number), value_of(number, 0, kBytes));
    }
    std::sort(rows.begin(), rows.end());
    std::vector<txn::Write> writes;
    for (const auto& [key, value] : rows) {
      txn::Write& write = writes.emplace_back();
      write.key = key;
      write.value = value;
    }
    put(writes);
    // Dirty nodes may reach the cache's size, and a commit may go beyond it.
    ASSERT_LT(database_->forest().stats().resident_bytes, cache * 2 + (16 << 20));
  }
  const auto check = [&](uint64_t number) {
    const txn::Context reader = context();
    txn::View view(reader);
    ASSERT_TRUE(view.open(std::nullopt).is_ok());
    const auto found = view.get(key_of(number));
    ASSERT_TRUE(found.is_ok()) << found.status().to_string();
    ASSERT_TRUE(found->has_value()) << number;
    EXPECT_EQ((*found)->value, value_of(number, 0, kBytes));
  };
  for (uint64_t i = 0; i < keys / 4; ++i) check(random.below(keys));
  const tree::ForestStats stats = database_->forest().stats();
  EXPECT_GT(stats.loads, 0u);
  EXPECT_LT(stats.resident_bytes, cache * 2 + (16 << 20));
  ASSERT_TRUE(database_->close().is_ok());
  branch_.reset();
  open(cache, false);
  for (uint64_t i = 0; i < keys / 10; ++i) check(random.below(keys));
  std::printf("counted: %llu MB of rows through a cache of %llu MB, %llu loads\n",
              static_cast<unsigned long long>(keys * kBytes >> 20), static_cast<unsigned long long>(cache >> 20),
              static_cast<unsigned long long>(stats.loads));
}

}  // namespace
}  // namespace strata
