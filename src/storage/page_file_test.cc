// The page file and the memory store as their users see them.
#include <gtest/gtest.h>

#include <unistd.h>

#include <thread>

#include "base/checksum.h"
#include "base/coding.h"
#include "storage/page_format.h"
#include "storage/page_test_support.h"

namespace strata::storage {
namespace {

using page_test::kDatabaseId;
using page_test::kPath;
using page_test::node_bytes;
using page_test::open_store;
using page_test::Oracle;

Status commit_new(NodeStore& store, const std::vector<NodeId>& ids, uint64_t birth, std::string_view blob) {
  std::vector<std::string> bytes;
  std::vector<NodeImage> images;
  bytes.reserve(ids.size());
  for (NodeId id : ids) {
    bytes.push_back(node_bytes(id, birth));
    images.push_back({id, bytes.back().data()});
  }
  return store.commit(images, blob);
}

Code read_code(const NodeStore& store, NodeId id, uint64_t birth) {
  std::string out(bytes_of(id), '\0');
  return store.read(id, birth, out.data()).code();
}

// Opens, churns, commits and reopens at random on this file system.
void run_random(os::FileSystem& fs, const std::string& path, uint64_t seed, int rounds) {
  Oracle oracle(seed);
  std::unique_ptr<NodeStore> store;
  for (int round = 0; round < rounds; ++round) {
    if (store == nullptr || oracle.below(4) == 0) {
      store.reset();
      auto opened = open_store(fs, path);
      ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
      store = std::move(opened).value();
      ASSERT_EQ(store->head().sequence, oracle.acknowledged());
      ASSERT_EQ(store->previous_head() != nullptr, oracle.acknowledged() > 0);
      oracle.attach(*store);
    }
    oracle.churn(static_cast<int>(oracle.below(120)));
    ASSERT_EQ(store->used_pages(), oracle.live_pages());
    if (oracle.below(6) == 0) {
      ASSERT_TRUE(store->trim().is_ok());
    }
    if (oracle.below(6) == 0) {
      std::vector<NodeId> reachable;
      for (const auto& [id, birth] : oracle.live()) reachable.push_back(id);
      store->keep_only(reachable);
      ASSERT_EQ(store->used_pages(), oracle.live_pages());
    }
    ASSERT_TRUE(oracle.commit().is_ok());
    ASSERT_NO_FATAL_FAILURE(oracle.check(*store));
    ASSERT_LE(store->used_pages(), store->page_limit());
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(PageFileTest, AgreesWithAnOracleInMemory) {
  const uint64_t seed = page_test::test_seed();
  for (uint64_t i = 0; i < 6; ++i) {
    const std::unique_ptr<os::FileSystem> fs = os::make_memory_file_system();
    ASSERT_NO_FATAL_FAILURE(run_random(*fs, kPath, seed + i, 60));
  }
}

class FolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "page_file_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    path_ = folder_ + "/pages.strata";
  }
  void TearDown() override {
    ::unlink(path_.c_str());
    ::rmdir(folder_.c_str());
  }
  std::string folder_;
  std::string path_;
};

using PageFileOnDiskTest = FolderTest;

TEST_F(PageFileOnDiskTest, AgreesWithAnOracle) {
  ASSERT_NO_FATAL_FAILURE(run_random(os::posix_file_system(), path_, page_test::test_seed(), 60));
}

TEST(PageFileTest, AnOlderHeadOpensWhenTheNewestMetaPageIsDamaged) {
  const std::unique_ptr<os::FileSystem> fs = os::make_memory_file_system();
  Oracle oracle(page_test::test_seed());
  for (int round = 0; round < 60; ++round) {
    {
      auto store = open_store(*fs);
      ASSERT_TRUE(store.is_ok()) << store.status().to_string();
      oracle.attach(**store);
      for (uint64_t i = 1 + oracle.below(3); i > 0; --i) {
        oracle.churn(40);
        ASSERT_TRUE(oracle.commit().is_ok());
      }
    }
    std::string bytes = page_test::load(*fs);
    const uint64_t newest = oracle.acknowledged();
    const size_t at = newest % 2 * kPageBytes + oracle.below(kPageBytes);
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    page_test::save(*fs, bytes);
    auto store = open_store(*fs);
    ASSERT_TRUE(store.is_ok()) << store.status().to_string();
    EXPECT_EQ((*store)->head().sequence, newest - 1);
    EXPECT_EQ((*store)->previous_head(), nullptr);
    ASSERT_NO_FATAL_FAILURE(oracle.check(**store));
  }
}

// The meta page of head 2 is sound but its blob is not, so head 1 is opened and goes on. Were the meta page left alone,
// it would be chosen again as soon as its blob's page could be read, over nodes that are gone.
TEST(PageFileTest, AMetaPageThatWasNotChosenIsWipedBeforeItsPagesAreReused) {
  page_test::RecordedFileSystem fs;
  const std::string marker(5000, 'x');
  NodeId node = 0;
  {
    auto store = open_store(fs);
    ASSERT_TRUE(commit_new(**store, {(*store)->allocate(1)}, 1, "one").is_ok());
    node = (*store)->allocate(1);
    ASSERT_TRUE(commit_new(**store, {node}, 2, marker).is_ok());
  }
  const std::string intact = page_test::load(fs);
  std::string damaged = intact;
  const size_t blob_at = intact.find(marker);
  ASSERT_NE(blob_at, std::string::npos);
  damaged[blob_at] = 'y';
  page_test::save(fs, damaged);
  {
    auto store = open_store(fs);
    ASSERT_TRUE(store.is_ok());
    ASSERT_EQ((*store)->head().sequence, 1u);
    EXPECT_EQ((*store)->head().blob, "one");
    EXPECT_EQ((*store)->allocate(1), node);
    // The commit stops at the call behind the one that wrote the node.
    page_test::Recorder& recorder = fs.recorder();
    recorder.half_write = false;
    recorder.watch = [&] {
      std::string now(kPageBytes, '\0');
      auto file = std::move(fs.under().open(kPath, os::OpenMode::kRead)).value();
      ASSERT_TRUE(file->read(page_of(node) * kPageBytes, kPageBytes, now.data()).is_ok());
      if (now != intact.substr(page_of(node) * kPageBytes, kPageBytes)) recorder.fail_at = recorder.calls;
    };
    ASSERT_FALSE(commit_new(**store, {node}, 3, "other").is_ok());
    ASSERT_EQ(recorder.calls, recorder.fail_at + 1);
    recorder.watch = nullptr;
  }
  std::string bytes = page_test::load(fs);
  bytes[blob_at] = 'x';
  page_test::save(fs, bytes);
  auto store = open_store(fs);
  ASSERT_TRUE(store.is_ok());
  EXPECT_EQ((*store)->head().sequence, 1u);
}

TEST(PageFileTest, ANewStoreIsEmpty) {
  const std::unique_ptr<os::FileSystem> fs = os::make_memory_file_system();
  for (int opening = 0; opening < 2; ++opening) {
    auto store = open_store(*fs);
    ASSERT_TRUE(store.is_ok());
    EXPECT_EQ((*store)->head().sequence, 0u);
    EXPECT_EQ((*store)->head().blob, "");
    EXPECT_EQ((*store)->previous_head(), nullptr);
    EXPECT_EQ((*store)->used_pages(), 0u);
    EXPECT_EQ((*store)->total_pages(), 2u);
    EXPECT_EQ((*store)->disk_bytes(), 2u * kPageBytes);
    EXPECT_EQ((*store)->database_id(), kDatabaseId);
  }
  EXPECT_EQ(fs->list("/").value(), std::vector<std::string>{"pages.strata"});
}

TEST(PageFileTest, ALeftOverDraftIsReplaced) {
  const std::unique_ptr<os::FileSystem> fs = os::make_memory_file_system();
  page_test::save(*fs, "half", std::string(kPath) + ".new");
  ASSERT_TRUE(open_store(*fs).is_ok());
  EXPECT_EQ(fs->list("/").value(), std::vector<std::string>{"pages.strata"});
}

TEST(PageFileTest, PagesFreedByACommitAreReusedTwoCommitsLater) {
  const std::unique_ptr<os::FileSystem> fs = os::make_memory_file_system();
  auto store = std::move(open_store(*fs)).value();
  const NodeId wide = store->allocate(300);
  ASSERT_TRUE(commit_new(*store, {wide}, 1, "").is_ok());
  store->release(wide, true);
  EXPECT_NE(store->allocate(300), wide);
  ASSERT_TRUE(commit_new(*store, {}, 2, "").is_ok());
  EXPECT_NE(store->allocate(300), wide);
  ASSERT_TRUE(commit_new(*store, {}, 3, "").is_ok());
  EXPECT_EQ(store->allocate(300), wide);
}

TEST(PageFileTest, ANodeNeverCommittedIsFreeAtOnce) {
  const std::unique_ptr<os::FileSystem> fs = os::make_memory_file_system();
  auto store = std::move(open_store(*fs)).value();
  for (uint32_t pages : {1u, 7u}) {
    const NodeId id = store->allocate(pages);
    store->release(id, false);
    EXPECT_EQ(store->allocate(pages), id);
  }
}

TEST(PageFileTest, TrimGivesTheTailBackAndKeepsBothHeads) {
  const std::unique_ptr<os::FileSystem> fs = os::make_memory_file_system();
  auto store = std::move(open_store(*fs)).value();
  const NodeId stays = store->allocate(1);
  const NodeId wide = store->allocate(2000);
  ASSERT_TRUE(commit_new(*store, {stays, wide}, 1, "head").is_ok());
  store->release(wide, true);
  ASSERT_TRUE(commit_new(*store, {}, 2, "head").is_ok());
  ASSERT_TRUE(store->trim().is_ok());
  EXPECT_GT(store->disk_bytes(), 2000u * kPageBytes) << "the previous head still needs them";
  ASSERT_TRUE(commit_new(*store, {}, 3, "head").is_ok());
  ASSERT_TRUE(commit_new(*store, {}, 4, "head").is_ok());
  ASSERT_TRUE(store->trim().is_ok());
  EXPECT_LT(store->disk_bytes(), 20u * kPageBytes);
  EXPECT_EQ(page_test::load(*fs).size(), store->disk_bytes());
  store = std::move(open_store(*fs)).value();
  EXPECT_EQ(store->head().sequence, 4u);
  ASSERT_NE(store->previous_head(), nullptr);
  EXPECT_EQ(read_code(*store, stays, 1), Code::kOk);
}

TEST(PageFileTest, AReadChecksPlaceBirthAndBounds) {
  const std::unique_ptr<os::FileSystem> fs = os::make_memory_file_system();
  auto store = std::move(open_store(*fs)).value();
  const NodeId id = store->allocate(2);
  ASSERT_TRUE(commit_new(*store, {id}, 5, "").is_ok());
  EXPECT_EQ(read_code(*store, id, 5), Code::kOk);
  EXPECT_EQ(read_code(*store, id, 6), Code::kCorruption);
  EXPECT_EQ(read_code(*store, make_node_id(page_of(id), 1), 5), Code::kCorruption);
  EXPECT_EQ(read_code(*store, make_node_id(page_of(id) + 1, 2), 5), Code::kCorruption);
  EXPECT_EQ(read_code(*store, make_node_id(0, 1), 5), Code::kCorruption);
  EXPECT_EQ(read_code(*store, make_node_id(9, 0), 5), Code::kCorruption);
  EXPECT_EQ(read_code(*store, make_node_id((uint64_t{1} << 48) - 1, 1), 5), Code::kCorruption);
  std::string out(kPageBytes, '\0');
  const Status status = store->read(make_node_id(1000000, 1), 5, out.data());
  EXPECT_NE(status.message().find(kPath), std::string_view::npos) << status.to_string();
}

TEST(PageFileTest, KeepOnlyFreesWhatNobodyReaches) {
  const std::unique_ptr<os::FileSystem> fs = os::make_memory_file_system();
  auto store = std::move(open_store(*fs)).value();
  const NodeId reached = store->allocate(1);
  const NodeId shared = store->allocate(40);
  ASSERT_TRUE(commit_new(*store, {reached, shared}, 1, "").is_ok());
  const NodeId fresh = store->allocate(50);
  const NodeId newer = store->allocate(3);
  store->keep_only(std::vector<NodeId>{reached, newer});
  EXPECT_EQ(store->used_pages(), 4u);
  EXPECT_EQ(store->allocate(50), fresh);
  EXPECT_NE(store->allocate(40), shared) << "the newest head still keeps it";
  ASSERT_TRUE(commit_new(*store, {newer}, 2, "").is_ok());
  EXPECT_EQ(read_code(*store, shared, 1), Code::kOk) << "the previous head still keeps it";
  ASSERT_TRUE(commit_new(*store, {}, 3, "").is_ok());
  EXPECT_EQ(store->allocate(40), shared);
  EXPECT_EQ(read_code(*store, reached, 1), Code::kOk);
  EXPECT_EQ(read_code(*store, newer, 2), Code::kOk);
}

TEST(PageFileTest, IdsThatCannotBeStopCommits) {
  const NodeId far = make_node_id((uint64_t{1} << 48) - 1, 0xffff);
  for (NodeId wrong :
       {NodeId{0}, make_node_id(0, 1), make_node_id(1, 2), make_node_id(2, 0), make_node_id(3, 1), far}) {
    for (bool kept : {false, true}) {
      const std::unique_ptr<os::FileSystem> fs = os::make_memory_file_system();
      auto store = std::move(open_store(*fs)).value();
      const NodeId id = store->allocate(1);
      ASSERT_EQ(page_of(id), 2u);
      if (!kept) {
        store->release(wrong, true);
      } else if (wrong != make_node_id(3, 1)) {
        store->keep_only(std::vector<NodeId>{id, wrong});
      } else {
        store->release(id, false);
        store->release(id, false);
      }
      EXPECT_EQ(commit_new(*store, {id}, 1, "").code(), Code::kCorruption) << wrong;
      EXPECT_EQ(store->head().sequence, 0u);
    }
  }
}

// The page map has room of its own size and a little more; what it does not fill must not be taken for a node later.
TEST(PageFileTest, AMapThatNearlyFillsItsPagesLeaksNone) {
  const std::unique_ptr<os::FileSystem> fs = os::make_memory_file_system();
  auto store = std::move(open_store(*fs)).value();
  std::vector<NodeId> ids;
  for (int i = 0; i < 4600; ++i) ids.push_back(store->allocate(1));
  ASSERT_TRUE(commit_new(*store, ids, 1, "blob").is_ok());
  uint64_t live = ids.size();
  size_t next = 0;
  const auto release_every_other = [&](int count) {
    for (int i = 0; i < count; ++i, next += 2, --live) store->release(ids[next], true);
  };
  release_every_other(1930);  // two bytes of map each
  for (int step = 0; step < 40; ++step) {
    release_every_other(6);
    ASSERT_TRUE(store->commit({}, "blob").is_ok());
    store = std::move(open_store(*fs)).value();
    ASSERT_EQ(store->used_pages(), live) << "step " << step;
    ASSERT_NE(store->previous_head(), nullptr);
  }
}

TEST(PageFileTest, ReadOnlyWritesNothing) {
  const std::unique_ptr<os::FileSystem> fs = os::make_memory_file_system();
  EXPECT_EQ(open_page_file({fs.get(), kPath, kDatabaseId, true}).status().code(), Code::kCorruption);
  EXPECT_FALSE(fs->exists(kPath).value());
  {
    auto store = std::move(open_store(*fs)).value();
    ASSERT_TRUE(commit_new(*store, {store->allocate(1)}, 1, "blob").is_ok());
  }
  const std::string before = page_test::load(*fs);
  auto store = std::move(open_page_file({fs.get(), kPath, 0, true})).value();
  EXPECT_EQ(store->database_id(), kDatabaseId);
  EXPECT_EQ(store->head().blob, "blob");
  const NodeId id = store->allocate(1);
  store->release(id, false);
  EXPECT_EQ(store->commit({}, "x").code(), Code::kReadOnly);
  EXPECT_EQ(store->trim().code(), Code::kReadOnly);
  EXPECT_EQ(page_test::load(*fs), before);
}

std::string resealed(std::string file, size_t page) {
  char* const at = file.data() + page * kPageBytes;
  base::store_u32(at + kMetaChecksumOffset, base::checksum({at, kMetaChecksumOffset}, 0));
  return file;
}

TEST(PageFileTest, ForeignNewerAndBrokenFilesHaveTheirOwnErrors) {
  const std::unique_ptr<os::FileSystem> fs = os::make_memory_file_system();
  const auto code_of = [&fs](std::string_view bytes) {
    page_test::save(*fs, bytes);
    return open_store(*fs).status().code();
  };
  {
    auto store = std::move(open_store(*fs)).value();
    ASSERT_TRUE(commit_new(*store, {store->allocate(1)}, 1, "blob").is_ok());
  }
  const std::string good = page_test::load(*fs);
  EXPECT_EQ(code_of(good), Code::kOk);
  EXPECT_EQ(code_of(""), Code::kNotADatabase);
  EXPECT_EQ(code_of(std::string(20000, 'a')), Code::kNotADatabase);
  EXPECT_EQ(code_of("SQLite format 3"), Code::kNotADatabase);
  EXPECT_EQ(code_of(good.substr(0, 100)), Code::kCorruption);

  std::string newer = good;
  base::store_u32(newer.data() + kPageBytes + 8, kPageFileVersion + 1);
  EXPECT_EQ(code_of(newer), Code::kOk) << "damage, not a version: the checksum does not match";
  EXPECT_EQ(code_of(resealed(newer, 1)), Code::kFormatTooNew);

  std::string both = good;
  both[100] = both[kPageBytes + 100] = 1;
  EXPECT_EQ(code_of(both), Code::kCorruption);
  const Status status = open_store(*fs).status();
  EXPECT_NE(status.message().find("pages.strata"), std::string_view::npos);

  page_test::save(*fs, good);
  EXPECT_EQ(open_page_file({fs.get(), kPath, kDatabaseId + 1, false}).status().code(), Code::kCorruption);
  EXPECT_EQ(open_page_file({fs.get(), "/other", 0, false}).status().code(), Code::kInvalidArgument);
}

// Checksums that hold prove nothing: every field of a meta page may be anything.
TEST(PageFileTest, SealedNonsenseInAMetaPageFallsBackToTheOtherHead) {
  const std::unique_ptr<os::FileSystem> fs = os::make_memory_file_system();
  std::mt19937_64 random(page_test::test_seed());
  {
    auto store = std::move(open_store(*fs)).value();
    for (uint64_t i = 1; i < 4; ++i) {
      ASSERT_TRUE(commit_new(*store, {store->allocate(2)}, i, std::string(5000, 'b')).is_ok());
    }
  }
  const std::string good = page_test::load(*fs);
  const uint64_t ends[] = {0, 1, 2, 3, good.size() / kPageBytes, good.size(), uint64_t{1} << 52, ~uint64_t{0}};
  constexpr size_t kFirstField = 24;
  for (size_t field = kFirstField; field < 88; field += 4) {
    for (uint64_t value : ends) {
      std::string bad = good;
      base::store_u64(bad.data() + kPageBytes + field, value + random() % 2);
      page_test::save(*fs, resealed(bad, 1));
      auto store = open_store(*fs);
      ASSERT_TRUE(store.is_ok()) << store.status().to_string();
      ASSERT_TRUE((*store)->head().sequence == 2 || (*store)->head().blob == std::string(5000, 'b'));
    }
  }
}

TEST(PageFileTest, ADiskThatIsFullStopsCommitsForGood) {
  page_test::RecordedFileSystem fs;
  auto store = std::move(open_store(fs)).value();
  const NodeId id = store->allocate(1);
  ASSERT_TRUE(commit_new(*store, {id}, 1, "one").is_ok());
  fs.recorder().fail_code = Code::kDiskFull;
  fs.recorder().fail_at = fs.recorder().calls + 1;
  EXPECT_EQ(commit_new(*store, {store->allocate(200)}, 2, "two").code(), Code::kDiskFull);
  EXPECT_EQ(store->commit({}, "three").code(), Code::kDiskFull);
  EXPECT_EQ(store->trim().code(), Code::kDiskFull);
  EXPECT_EQ(store->head().blob, "one");
  EXPECT_EQ(read_code(*store, id, 1), Code::kOk);
  store = std::move(open_store(fs)).value();
  EXPECT_EQ(store->head().blob, "one");
}

TEST(PageFileTest, SpaceForAFewPagesIsTakenWhereALargeStepFails) {
  page_test::RecordedFileSystem fs;
  auto store = std::move(open_store(fs)).value();
  fs.recorder().fail_code = Code::kDiskFull;
  fs.recorder().fail_at = fs.recorder().calls;  // the first reserve
  EXPECT_TRUE(commit_new(*store, {store->allocate(1)}, 1, "one").is_ok());
  EXPECT_EQ(store->total_pages(), 5u);
}

TEST(PageFileTest, AllocatesAndReleasesInAnotherThreadDuringCommits) {
  const std::unique_ptr<os::FileSystem> fs = os::make_memory_file_system();
  auto store = std::move(open_store(*fs)).value();
  for (uint64_t round = 1; round <= 30; ++round) {
    std::vector<NodeId> ids;
    for (int i = 0; i < 50; ++i) ids.push_back(store->allocate(1));
    std::thread other([&store] {
      std::vector<NodeId> mine;
      for (int i = 0; i < 2000; ++i) mine.push_back(store->allocate(i % 10 == 0 ? 3 : 1));
      std::set<NodeId> distinct(mine.begin(), mine.end());
      EXPECT_EQ(distinct.size(), mine.size());
      for (NodeId id : mine) store->release(id, false);
    });
    const Status status = commit_new(*store, ids, round, "blob");
    other.join();
    ASSERT_TRUE(status.is_ok());
    for (NodeId id : ids) ASSERT_EQ(read_code(*store, id, round), Code::kOk);
    for (NodeId id : ids) store->release(id, true);
    ASSERT_EQ(store->used_pages(), 0u);
  }
}

TEST(PageFileDeathTest, WritingOverACommittedNodeStopsTheProcess) {
  const std::unique_ptr<os::FileSystem> fs = os::make_memory_file_system();
  auto store = std::move(open_store(*fs)).value();
  const NodeId id = store->allocate(1);
  ASSERT_TRUE(commit_new(*store, {id}, 1, "").is_ok());
  EXPECT_DEATH((void)commit_new(*store, {id}, 2, ""), "internal check failed");
}

TEST(MemoryNodeStoreTest, KeepsHeadsAndReusesTheLastReleasedFirst) {
  const std::unique_ptr<NodeStore> store = make_memory_node_store();
  EXPECT_EQ(store->head().sequence, 0u);
  EXPECT_EQ(store->previous_head(), nullptr);
  const NodeId a = store->allocate(1);
  const NodeId b = store->allocate(1);
  const NodeId wide = store->allocate(5);
  EXPECT_EQ(store->used_pages(), 7u);
  store->release(a, true);
  store->release(b, false);
  EXPECT_EQ(store->allocate(1), b);
  EXPECT_EQ(store->allocate(1), a);
  ASSERT_TRUE(store->commit({}, "one").is_ok());
  ASSERT_TRUE(store->commit({}, "two").is_ok());
  EXPECT_EQ(store->head().sequence, 2u);
  EXPECT_EQ(store->head().blob, "two");
  EXPECT_EQ(store->previous_head()->blob, "one");
  store->keep_only(std::vector<NodeId>{wide});
  EXPECT_EQ(store->used_pages(), 5u);
  EXPECT_GE(store->page_limit(), page_of(wide) + 5);
  EXPECT_EQ(store->disk_bytes(), 0u);
  EXPECT_EQ(read_code(*store, wide, 1), Code::kNotImplemented);
}

TEST(MemoryNodeStoreTest, NeverGivesAPageTwice) {
  const std::unique_ptr<NodeStore> store = make_memory_node_store();
  Oracle oracle(page_test::test_seed());
  oracle.attach(*store);
  ASSERT_NO_FATAL_FAILURE(oracle.churn(20000));
  EXPECT_EQ(store->used_pages(), oracle.live_pages());
}

}  // namespace
}  // namespace strata::storage
