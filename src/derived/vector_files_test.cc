#include "derived/vector_files.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "derived/vector_test_support.h"
#include "index/index_test_support.h"
#include "testing/fault_fs.h"
#include "testing/random.h"

namespace strata::derived {
namespace {

constexpr uint64_t kDatabase = 77;
const std::string kFolder = "index";

class VectorFilesTest : public ::testing::Test {
 protected:
  std::vector<VectorFiles::Kept> load(const CollectionKind& kind) {
    useless_.clear();
    return files_.load(kind, &useless_);
  }
  static std::shared_ptr<VectorSegment> some(const CollectionKind& kind, int64_t rows) {
    TestRows made;
    for (int64_t i = 0; i < rows; ++i) made["k" + std::to_string(i)] = {i, {static_cast<uint64_t>(i) + 1, 3}};
    return segment_of(kind, made);
  }
  static void add_graph(const VectorSegment& segment) {
    const std::atomic<bool> stop{false};
    segment.set_graph(index::HnswGraph::build(*segment.codes(), {}, stop));
  }
  std::string bytes_of(const std::string& name) {
    auto file = memory_->open(kFolder + "/" + name, os::OpenMode::kRead);
    EXPECT_TRUE(file.is_ok());
    std::string bytes(static_cast<size_t>(*(*file)->size()), '\0');
    EXPECT_EQ(*(*file)->read(0, bytes.size(), bytes.data()), bytes.size());
    return bytes;
  }
  void put_file(const std::string& name, std::string_view bytes) {
    const std::string path = kFolder + "/" + name;
    if (*memory_->exists(path)) {
      EXPECT_TRUE(memory_->remove(path).is_ok());
    }
    auto file = memory_->open(path, os::OpenMode::kCreateNew);
    ASSERT_TRUE(file.is_ok());
    EXPECT_TRUE((*file)->write(0, bytes).is_ok());
  }

  const std::unique_ptr<os::FileSystem> memory_ = os::make_memory_file_system();
  testing::FaultFileSystem fs_{*memory_};
  VectorFiles files_{fs_, kFolder, kDatabase};
  std::vector<std::string> useless_;
};

TEST_F(VectorFilesTest, WithoutAFolderThereAreNone) {
  EXPECT_TRUE(files_.names().empty());
  EXPECT_TRUE(load(test_kind()).empty());
  EXPECT_EQ(files_.fresh_name(), "vec-1");
}

TEST_F(VectorFilesTest, ASegmentComesBackWithItsGraph) {
  if (index::kLocksAreReported) GTEST_SKIP() << "one thread builds";
  const CollectionKind kind = test_kind();
  const auto segment = some(kind, 60);
  add_graph(*segment);
  ASSERT_TRUE(files_.save("vec-1", *segment).is_ok());
  ASSERT_TRUE(files_.save("vec-2", *some(kind, 5)).is_ok());
  EXPECT_EQ(files_.fresh_name(), "vec-3");
  auto kept = load(kind);
  std::sort(kept.begin(), kept.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_TRUE(useless_.empty());
  EXPECT_EQ(kept[0].name, "vec-1");
  EXPECT_EQ(kept[0].segment->image(), segment->image());
  ASSERT_NE(kept[0].segment->graph(), nullptr);
  EXPECT_TRUE(std::ranges::equal(kept[0].segment->graph()->words(), segment->graph()->words()));
  EXPECT_EQ(kept[1].segment->rows(), 5u);
  EXPECT_EQ(kept[1].segment->graph(), nullptr);
  ASSERT_TRUE(files_.remove("vec-1").is_ok());
  EXPECT_EQ(load(kind).size(), 1u);
}

TEST_F(VectorFilesTest, FilesOfOtherCollectionsAreLeftAlone) {
  ASSERT_TRUE(files_.save("vec-1", *some(test_kind("c"), 5)).is_ok());
  ASSERT_TRUE(files_.save("vec-2", *some(test_kind("d"), 6)).is_ok());
  ASSERT_TRUE(files_.save("vec-3", *some(test_kind("c", VectorMetric::kCosine), 7)).is_ok());
  const auto kept = load(test_kind("d"));
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0].segment->rows(), 6u);
  EXPECT_TRUE(useless_.empty());
}

TEST_F(VectorFilesTest, FilesOfAnotherDatabaseAreUseless) {
  ASSERT_TRUE(files_.save("vec-1", *some(test_kind(), 5)).is_ok());
  VectorFiles other(fs_, kFolder, kDatabase + 1);
  EXPECT_TRUE(other.load(test_kind(), &useless_).empty());
  EXPECT_EQ(useless_, std::vector<std::string>{"vec-1"});
}

TEST_F(VectorFilesTest, AnyDamageIsSeen) {
  if (index::kLocksAreReported) GTEST_SKIP() << "one thread builds";
  const CollectionKind kind = test_kind();
  const auto segment = some(kind, 30);
  add_graph(*segment);
  ASSERT_TRUE(files_.save("vec-1", *segment).is_ok());
  const std::string good = bytes_of("vec-1");
  testing::Random random(testing::test_seed(6));
  for (int i = 0; i < 500; ++i) {
    std::string bytes = good;
    const size_t at = random.below(bytes.size());
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
    put_file("vec-1", bytes);
    const auto kept = load(kind);
    // What tells the collections apart is read before the checksum: damage there makes it another's, or nobody's.
    ASSERT_TRUE(kept.empty()) << "byte " << at;
  }
  for (const size_t length : {size_t{0}, size_t{1}, size_t{63}, size_t{64}, good.size() / 2, good.size() - 1}) {
    put_file("vec-1", good.substr(0, length));
    EXPECT_TRUE(load(kind).empty()) << length;
    EXPECT_EQ(useless_.size(), 1u) << length;
  }
  put_file("vec-1", good + "x");
  EXPECT_TRUE(load(kind).empty());
  put_file("vec-1", good);
  EXPECT_EQ(load(kind).size(), 1u);
}

// Each call fails once: the file is whole or not there, and nothing lies beside it.
TEST_F(VectorFilesTest, ASaveIsWholeOrNothing) {
  const CollectionKind kind = test_kind();
  ASSERT_TRUE(files_.save("vec-1", *some(kind, 5)).is_ok());
  const auto segment = some(kind, 30);
  fs_.forget_calls();
  ASSERT_TRUE(files_.save("vec-2", *segment).is_ok());
  const uint64_t calls = fs_.call_count();
  ASSERT_TRUE(files_.remove("vec-2").is_ok());
  for (uint64_t at = 0; at < calls; ++at) {
    for (const double written : {0.0, 0.5}) {
      fs_.inject({.at = at, .code = Code::kDiskFull, .written = written});
      const Status saved = files_.save("vec-2", *segment);
      fs_.heal();
      ASSERT_FALSE(saved.is_ok()) << at;
      const std::vector<std::string> names = files_.names();
      for (const std::string& name : names) ASSERT_TRUE(name == "vec-1" || name == "vec-2") << name << " at " << at;
      ASSERT_EQ(load(kind).size(), names.size()) << at;
      if (names.size() > 1) {
        ASSERT_TRUE(files_.remove("vec-2").is_ok());
      }
    }
  }
}

TEST_F(VectorFilesTest, WhatWasLeftUnfinishedIsWrittenAnew) {
  const CollectionKind kind = test_kind();
  ASSERT_TRUE(files_.save("vec-1", *some(kind, 5)).is_ok());
  put_file("vec-2.new", "half of it");
  EXPECT_EQ(load(kind).size(), 1u);
  ASSERT_TRUE(files_.save("vec-2", *some(kind, 6)).is_ok());
  EXPECT_EQ(load(kind).size(), 2u);
  EXPECT_TRUE(useless_.empty());
}

}  // namespace
}  // namespace strata::derived
