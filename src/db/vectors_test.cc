// Search structures of vectors as a database keeps them: they follow branches, are shared by forks, come back from
// files, and answer right whatever became of these.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "db/session_impl.h"
#include "index/index_test_support.h"
#include "strata/branch.h"
#include "strata/session.h"
#include "strata/vector.h"
#include "testing/fault_fs.h"
#include "testing/random.h"
#include "testing/test_clock.h"

namespace strata {
namespace {

constexpr uint32_t kDimension = 12;
constexpr uint64_t kK = 10;
const std::string kIndexFolder = "db/index";

using Rows = std::map<std::string, std::vector<float>>;

class VectorsTest : public ::testing::Test {
 protected:
  void open(const derived::VectorIndexOptions& options = {.graph_rows = 600, .saved_rows = 50}) {
    db::DatabaseOptions database;
    database.fs = &fs_;
    database.folder = "db";
    database.clock = &clock_;
    database.background = false;
    auto opened = db::SessionAccess::open(database, {});
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
    session_ = std::move(*opened);
    index().set_options(options);
  }
  void close() {
    ASSERT_TRUE(session_->close().is_ok());
    session_.reset();
  }
  void reopen() {
    close();
    open();
  }
  db::Database& database() { return db::SessionAccess::database(*session_); }
  derived::VectorIndex& index() { return database().caches().vectors(); }
  void run_background() { database().caches().worker().run_waiting(); }

  static std::string key_of(uint64_t number) { return "k" + std::to_string(100'000 + number); }
  std::vector<float> any_vector() {
    std::vector<float> vector(kDimension);
    for (float& component : vector) component = static_cast<float>(random_.below(2001)) / 1000.0F - 1;
    return vector;
  }

  void create(VectorMetric metric = VectorMetric::kEuclidean) {
    Call call(*session_, Call::kWait);
    ASSERT_TRUE(Vectors(call).create_collection("c", kDimension, metric).is_ok());
  }
  void upsert(std::string_view branch, const Rows& rows) {
    Call call(*session_, Call::kWait);
    ASSERT_TRUE(call.branch_use(branch).is_ok());
    std::vector<VectorItem> items;
    for (const auto& [key, components] : rows) items.push_back({key, components, {}});
    const auto written = Vectors(call).upsert("c", items, true);
    ASSERT_TRUE(written.is_ok()) << written.status().to_string();
  }
  void erase(std::string_view branch, const std::string& key) {
    Call call(*session_, Call::kWait);
    ASSERT_TRUE(call.branch_use(branch).is_ok());
    ASSERT_TRUE(Vectors(call).erase("c", key).is_ok());
  }
  // New vectors under so many keys from the first on, in the rows too.
  void fill(std::string_view branch, Rows* rows, uint64_t first, uint64_t count) {
    Rows news;
    for (uint64_t i = 0; i < count; ++i) news[key_of(first + i)] = any_vector();
    upsert(branch, news);
    for (auto& [key, vector] : news) (*rows)[key] = std::move(vector);
  }

  std::vector<std::string> search(std::string_view branch, std::span<const float> query, bool exact) {
    Call call(*session_, Call::kWait);
    EXPECT_TRUE(call.branch_use(branch).is_ok());
    VectorSearch what;
    what.collection = "c";
    what.queries = query;
    what.dimension = query.size();
    what.k = kK;
    what.exact = exact;
    VectorHits hits;
    const Status searched = Vectors(call).search(what, &hits);
    EXPECT_TRUE(searched.is_ok()) << searched.to_string();
    std::vector<std::string> keys;
    for (size_t i = 0; searched.is_ok() && i < hits.end(0); ++i) keys.emplace_back(hits.key(i));
    return keys;
  }
  static std::vector<std::string> nearest(const Rows& rows, std::span<const float> query) {
    std::vector<std::pair<double, std::string>> all;
    for (const auto& [key, vector] : rows) {
      const double closeness =
          index::exact_closeness(VectorMetric::kEuclidean, vector.data(), query.data(), kDimension);
      all.emplace_back(-closeness, key);
    }
    std::sort(all.begin(), all.end());
    std::vector<std::string> keys;
    for (size_t i = 0; i < std::min<size_t>(kK, all.size()); ++i) keys.push_back(all[i].second);
    return keys;
  }
  // The part of the nearest that searches find, over some queries. Exact ones find all.
  double recall(std::string_view branch, const Rows& rows, int queries = 10) {
    double found = 0;
    for (int i = 0; i < queries; ++i) {
      const std::vector<float> query = any_vector();
      const std::vector<std::string> expected = nearest(rows, query);
      EXPECT_EQ(search(branch, query, true), expected);
      const std::vector<std::string> answer = search(branch, query, false);
      const std::set<std::string> keys(answer.begin(), answer.end());
      EXPECT_EQ(answer.size(), expected.size());
      for (const std::string& key : expected)
        found += keys.contains(key) ? 1.0 / static_cast<double>(expected.size()) : 0;
    }
    return found / queries;
  }
  std::vector<std::string> index_files() {
    const auto names = memory_->list(kIndexFolder);
    return names.is_ok() ? *names : std::vector<std::string>();
  }
  CollectionInfo info() {
    Call call(*session_, Call::kWait);
    EXPECT_TRUE(call.branch_use("default").is_ok());
    const auto all = Vectors(call).list_collections(std::nullopt);
    EXPECT_TRUE(all.is_ok() && all->size() == 1);
    return all.is_ok() && !all->empty() ? (*all)[0] : CollectionInfo();
  }

  testing::Random random_{testing::test_seed(8)};
  testing::TestClock clock_;
  const std::unique_ptr<os::FileSystem> memory_ = os::make_memory_file_system();
  testing::FaultFileSystem fs_{*memory_};
  std::unique_ptr<Session> session_;
};

TEST_F(VectorsTest, ASearchSeesEveryWrite) {
  open();
  create();
  Rows rows;
  fill("default", &rows, 0, 300);
  EXPECT_GE(recall("default", rows), 0.999);
  for (uint64_t i = 0; i < 60; ++i) {
    fill("default", &rows, random_.below(400), 1 + random_.below(4));
    const std::string key = key_of(random_.below(400));
    erase("default", key);
    rows.erase(key);
    ASSERT_GE(recall("default", rows, 1), 0.9) << "after round " << i;
    run_background();
  }
}

TEST_F(VectorsTest, ForksShareWhatTheyHaveInCommon) {
  open();
  create();
  Rows rows;
  fill("default", &rows, 0, 2000);
  EXPECT_GE(recall("default", rows, 1), 0.9);
  const uint64_t alone = index().memory_bytes();
  std::map<std::string, Rows> forks;
  for (int i = 0; i < 10; ++i) {
    const std::string name = "fork" + std::to_string(i);
    {
      Call call(*session_, Call::kWait);
      ASSERT_TRUE(Branches(call).fork("default", name, std::nullopt).is_ok());
    }
    forks[name] = rows;
    if (i % 2 == 0) fill(name, &forks[name], 1990, 20);
  }
  for (const auto& [name, expected] : forks) EXPECT_GE(recall(name, expected, 2), 0.9) << name;
  EXPECT_GE(recall("default", rows, 2), 0.9);
  EXPECT_LT(index().memory_bytes(), alone + alone / 4);
}

TEST_F(VectorsTest, ADeletedBranchTakesItsStructuresAlong) {
  open();
  create();
  Rows rows;
  fill("default", &rows, 0, 100);
  recall("default", rows, 1);
  {
    Call call(*session_, Call::kWait);
    ASSERT_TRUE(Branches(call).fork("default", "large", std::nullopt).is_ok());
  }
  const uint64_t before = index().memory_bytes();
  Rows large = rows;
  fill("large", &large, 1000, 3000);
  recall("large", large, 1);
  EXPECT_GT(index().memory_bytes(), 10 * before);
  {
    Call call(*session_, Call::kWait);
    ASSERT_TRUE(call.branch_use("default").is_ok());
    ASSERT_TRUE(Branches(call).remove("large").is_ok());
  }
  fill("default", &rows, 200, 1);
  recall("default", rows, 1);
  EXPECT_LT(index().memory_bytes(), 2 * before);
}

TEST_F(VectorsTest, OpeningMakesNothingAnew) {
  if (index::kLocksAreReported) GTEST_SKIP() << "one thread builds";
  open();
  create();
  Rows rows;
  fill("default", &rows, 0, 1000);
  EXPECT_EQ(info().index, "none");
  EXPECT_GE(recall("default", rows), 0.99);
  EXPECT_EQ(info().index, "scan");
  run_background();
  EXPECT_EQ(info().index, "hnsw");
  EXPECT_EQ(index_files().size(), 1u);
  fill("default", &rows, 500, 3);  // since the file was written
  reopen();
  EXPECT_EQ(info().index, "none");
  EXPECT_GE(recall("default", rows), 0.99);
  EXPECT_EQ(info().index, "hnsw") << "the graph came from its file";
  reopen();
  EXPECT_GE(recall("default", rows), 0.99);
}

TEST_F(VectorsTest, ADamagedFileIsDiscarded) {
  open();
  create();
  Rows rows;
  fill("default", &rows, 0, 200);
  recall("default", rows, 1);
  close();
  const std::vector<std::string> names = index_files();
  ASSERT_EQ(names.size(), 1u);
  {
    auto file = memory_->open(kIndexFolder + "/" + names[0], os::OpenMode::kReadWrite);
    ASSERT_TRUE(file.is_ok());
    char byte = 0;
    ASSERT_EQ(*(*file)->read(3000, 1, &byte), 1u);
    byte = static_cast<char>(byte ^ 4);
    ASSERT_TRUE((*file)->write(3000, {&byte, 1}).is_ok());
  }
  open();
  EXPECT_GE(recall("default", rows), 0.999);
  EXPECT_TRUE(index_files().empty());
  close();
  EXPECT_EQ(index_files().size(), 1u);
}

TEST_F(VectorsTest, ADeletedCollectionLeavesNoFile) {
  open();
  create();
  Rows rows;
  fill("default", &rows, 0, 200);
  recall("default", rows, 1);
  close();
  EXPECT_EQ(index_files().size(), 1u);
  open();  // never searched
  const auto erase_collection = [&] {
    Call call(*session_, Call::kWait);
    EXPECT_TRUE(*Vectors(call).erase_collection("c"));
  };
  erase_collection();
  close();
  EXPECT_TRUE(index_files().empty());
  open();
  create();
  fill("default", &rows, 0, 200);
  recall("default", rows, 1);
  erase_collection();
  for (int i = 0; i < 101; ++i) index().tick();
  EXPECT_EQ(index().memory_bytes(), 0u) << "what nobody can search is let go";
  close();
  EXPECT_TRUE(index_files().empty());
}

TEST_F(VectorsTest, FilesThatCannotBeReadOrWrittenAreDoneWithout) {
  if (index::kLocksAreReported) GTEST_SKIP() << "one thread builds";
  fs_.inject({.forever = true,
              .matches = [](const testing::Call& call) { return call.path.find(kIndexFolder) != std::string::npos; }});
  open();
  create();
  Rows rows;
  fill("default", &rows, 0, 700);
  EXPECT_GE(recall("default", rows), 0.99);
  run_background();
  reopen();
  EXPECT_GE(recall("default", rows), 0.99);
  close();
  EXPECT_TRUE(index_files().empty());
  EXPECT_GT(fs_.failures(), 0u);
}

// What lies in a file is on the device in the log too: what the log lost cannot come back under the same place and
// time.
TEST_F(VectorsTest, FilesHoldNothingThatTheLogMayLose) {
  if (index::kLocksAreReported) GTEST_SKIP() << "one thread builds";
  open();
  create();
  Rows rows;
  fill("default", &rows, 0, 1000);
  recall("default", rows, 1);
  bool synced = false;
  bool early = false;
  fs_.watch([&](const testing::Call& call) {
    const bool is_index = call.path.find(kIndexFolder) != std::string::npos;
    if (!is_index && call.operation == testing::Operation::kSync) synced = true;
    if (is_index && call.operation == testing::Operation::kRename && !synced) early = true;
  });
  run_background();
  fs_.watch(nullptr);
  EXPECT_EQ(index_files().size(), 1u);
  EXPECT_FALSE(early);
}

// A part with a graph, of which ever more rows are dead, and parts beside it that are merged.
TEST_F(VectorsTest, RecallHoldsOverTenRoundsOfChange) {
  if (index::kLocksAreReported) GTEST_SKIP() << "one thread builds";
  constexpr uint64_t kRows = 10'000;
  open({.graph_rows = 5000, .saved_rows = 256});
  create();
  Rows rows;
  fill("default", &rows, 0, kRows);
  recall("default", rows, 1);
  run_background();
  EXPECT_EQ(info().index, "hnsw");
  EXPECT_GE(recall("default", rows, 20), 0.99);
  for (uint64_t round = 0; round < 10; ++round) {
    Rows news;
    for (uint64_t i = 0; i < kRows / 10; ++i) news[key_of(random_.below(kRows + 1000))] = any_vector();
    upsert("default", news);
    for (auto& [key, vector] : news) rows[key] = std::move(vector);
    {
      Call call(*session_, Call::kWait);
      ASSERT_TRUE(call.begin(false, Isolation::kSerializable, std::nullopt).is_ok());
      for (uint64_t i = 0; i < kRows / 10; ++i) {
        const std::string key = key_of(random_.below(kRows + 1000));
        ASSERT_TRUE(Vectors(call).erase("c", key).is_ok());
        rows.erase(key);
      }
      ASSERT_TRUE(call.commit(std::nullopt).is_ok());
    }
    EXPECT_GE(recall("default", rows, 20), 0.99) << "round " << round;
    run_background();
    EXPECT_GE(recall("default", rows, 20), 0.99) << "round " << round << ", after background work";
  }
}

}  // namespace
}  // namespace strata
