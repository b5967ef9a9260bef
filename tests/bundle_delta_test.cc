// Deltas that somebody made up: what they say of vectors has to fit the branch that they are added to.
#include <gtest/gtest.h>

#include "bundle_parts.h"
#include "engine_driver.h"
#include "model/key_codec.h"
#include "model/vector_codec.h"
#include "testing/test_clock.h"

namespace strata {
namespace {

using model::Tag;
using model::TreeKey;

constexpr const char* kPath = "db/made-up.bundle";

// A branch with the collection `c` of cosine and three dimensions, in which is the vector `a`; and a delta on it.
class DeltaTest : public ::testing::Test {
 public:
  void SetUp() override {
    options_.fs = files_.get();
    options_.clock = &clock_;
    driver_ = std::make_unique<EngineDriver>(options_);
    ASSERT_TRUE(driver_->open().is_ok());
    uint64_t since = 0;
    {
      Call call(driver_->session(), Call::kWait);
      ASSERT_TRUE(Vectors(call).create_collection("c", 3, VectorMetric::kCosine).is_ok());
      const std::vector<float> components = {1, 2, 3};
      const VectorItem a{"a", components, {}};
      ASSERT_TRUE(Vectors(call).upsert("c", {&a, 1}, false).is_ok());
      since = *driver_->timestamp();
      ASSERT_TRUE(Branches(call).fork("default", "target", since).is_ok());
      for (int i = 0; i < 3; ++i) ASSERT_TRUE(Kv(call).put("k", "\x01").is_ok());
    }
    taken_at_ = *driver_->timestamp();
    ASSERT_TRUE(Bundles(driver_->session()).write("default", kPath, since, nullptr).is_ok());
    good_ = take_apart(read_file(*files_, kPath));
  }
  void TearDown() override { EXPECT_TRUE(driver_->close().is_ok()); }

  // Each in the order of the tree; `before_end`: how long before the last moment.
  DeltaTest& collection(const std::string& name, uint32_t dimension, VectorMetric metric, uint64_t before_end,
                        uint64_t version) {
    return add(TreeKey("default", Tag::kCollection, name), model::build_collection({dimension, metric}), before_end,
               version);
  }
  DeltaTest& no_collection(const std::string& name, uint64_t before_end, uint64_t version) {
    return add(TreeKey("default", Tag::kCollection, name), std::nullopt, before_end, version);
  }
  DeltaTest& vector(const std::string& collection, const std::string& key, const std::vector<float>& components,
                    uint64_t before_end, uint64_t version) {
    std::string value;
    model::build_vector(components, {}, &value);
    return add(TreeKey("default", Tag::kVector, collection, key), std::move(value), before_end, version);
  }
  DeltaTest& no_vector(const std::string& collection, const std::string& key, uint64_t before_end, uint64_t version) {
    return add(TreeKey("default", Tag::kVector, collection, key), std::nullopt, before_end, version);
  }

  // Of a delta of what was added, which begins anew then.
  Status import() {
    Parts parts = good_;
    parts.blocks[1].bytes.clear();
    parts.totals.entries = entries_.size();
    branch::BundleEntry before;
    for (size_t i = 0; i < entries_.size(); ++i) {
      branch::BundleEntry entry = entries_[i].entry;
      entry.key = entries_[i].key;
      entry.value = entries_[i].value;
      entry.same_key = i > 0 && entries_[i].key == entries_[i - 1].key;
      branch::put_entry(parts.blocks[1].bytes, entry, i > 0 ? &before : nullptr);
      before = entry;
    }
    write_file(*files_, kPath, put_together(parts));
    entries_.clear();
    const Status imported = Bundles(driver_->session()).import(kPath, "target", nullptr).status();
    EXPECT_EQ(driver_->database().catalogue().everything().size(), driver_->database().catalogue().count());
    return imported;
  }
  void expect_refused() {
    const Status imported = import();
    EXPECT_EQ(imported.code(), Code::kBundleDamaged) << imported.to_string();
    EXPECT_EQ(vectors_of("c"), std::vector<std::string>{"a"});
  }

  // What a search for all finds on the target.
  std::vector<std::string> vectors_of(const std::string& collection) {
    Call call(driver_->session(), Call::kWait);
    EXPECT_TRUE(call.branch_use("target").is_ok());
    std::vector<std::string> keys;
    const auto all = Vectors(call).list_collections(std::nullopt);
    EXPECT_TRUE(all.is_ok());
    for (const CollectionInfo& info : *all) {
      if (info.name != collection) continue;
      const std::vector<float> query(info.dimension, 1);
      VectorSearch what;
      what.collection = collection;
      what.queries = query;
      what.dimension = info.dimension;
      VectorHits hits;
      const Status searched = Vectors(call).search(what, &hits);
      EXPECT_TRUE(searched.is_ok()) << searched.to_string();
      for (size_t i = 0; searched.is_ok() && i < hits.end(0); ++i) keys.emplace_back(hits.key(i));
    }
    std::sort(keys.begin(), keys.end());
    return keys;
  }

 private:
  struct Entry {
    std::string key;
    std::string value;
    branch::BundleEntry entry;
  };
  DeltaTest& add(std::string_view key, std::optional<std::string> value, uint64_t before_end, uint64_t version) {
    Entry& made = entries_.emplace_back();
    made.key = key;
    made.entry.tombstone = !value.has_value();
    made.value = value.value_or("");
    made.entry.timestamp = taken_at_ - before_end;
    made.entry.version = version;
    return *this;
  }

  const std::unique_ptr<os::FileSystem> files_ = os::make_memory_file_system();
  testing::TestClock clock_;
  DriverOptions options_;
  std::unique_ptr<EngineDriver> driver_;
  uint64_t taken_at_ = 0;
  Parts good_;
  std::vector<Entry> entries_;
};

TEST_F(DeltaTest, AVectorThatFitsIsAdded) {
  const Status imported = vector("c", "b", {3, 2, 1}, 1, 1).import();
  EXPECT_TRUE(imported.is_ok()) << imported.to_string();
  EXPECT_EQ(vectors_of("c"), (std::vector<std::string>{"a", "b"}));
}

TEST_F(DeltaTest, AVectorOfAnotherDimensionIsRefused) {
  vector("c", "b", {3, 2}, 1, 1).expect_refused();
  vector("c", "a", {3, 2, 1, 0}, 1, 2).expect_refused();
}

TEST_F(DeltaTest, AZeroInACollectionOfCosineIsRefused) { vector("c", "b", {0, 0, 0}, 1, 1).expect_refused(); }

TEST_F(DeltaTest, AVectorWithoutACollectionIsRefused) {
  vector("d", "b", {3, 2}, 1, 1).expect_refused();
  collection("d", 2, VectorMetric::kCosine, 0, 1).vector("d", "b", {3, 2}, 1, 1).expect_refused();  // too early
}

TEST_F(DeltaTest, ACollectionOfItsOwnIsAdded) {
  const Status imported = collection("d", 2, VectorMetric::kCosine, 1, 1).vector("d", "b", {3, 2}, 1, 1).import();
  EXPECT_TRUE(imported.is_ok()) << imported.to_string();
  EXPECT_EQ(vectors_of("d"), std::vector<std::string>{"b"});
}

TEST_F(DeltaTest, NoVectorOutlivesItsCollection) {
  collection("c", 2, VectorMetric::kCosine, 1, 2).expect_refused();
  collection("c", 3, VectorMetric::kEuclidean, 1, 2).expect_refused();
  no_collection("c", 1, 2).expect_refused();
  // For a moment alone.
  collection("c", 2, VectorMetric::kCosine, 1, 2).vector("c", "a", {1, 2}, 0, 2).expect_refused();
  no_collection("c", 1, 2).no_vector("c", "a", 0, 2).expect_refused();
}

TEST_F(DeltaTest, ACollectionMadeAnewIsAdded) {
  const Status imported = collection("c", 2, VectorMetric::kEuclidean, 1, 2)
                              .no_vector("c", "a", 1, 2)
                              .vector("c", "b", {1, 2}, 1, 1)
                              .import();
  EXPECT_TRUE(imported.is_ok()) << imported.to_string();
  EXPECT_EQ(vectors_of("c"), std::vector<std::string>{"b"});
}

TEST_F(DeltaTest, ADeletedCollectionGoes) {
  const Status imported = no_collection("c", 1, 2).no_vector("c", "a", 1, 2).import();
  EXPECT_TRUE(imported.is_ok()) << imported.to_string();
  EXPECT_TRUE(vectors_of("c").empty());
}

}  // namespace
}  // namespace strata
