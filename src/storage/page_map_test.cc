// The page bitmap, the allocator over it and the stored form of the page map, each against a std::set.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "storage/page_allocator.h"
#include "storage/page_bitmap.h"
#include "storage/page_format.h"
#include "storage/page_test_support.h"

namespace strata::storage {
namespace {

Extent random_extent(std::mt19937_64& random, uint64_t limit) {
  const uint64_t page = random() % limit;
  return {page, 1 + random() % (random() % 8 == 0 ? 200 : 5)};
}

TEST(PageBitmapTest, AgreesWithASet) {
  std::mt19937_64 random(page_test::test_seed());
  PageBitmap bitmap;
  std::set<uint64_t> oracle;
  for (int step = 0; step < 4000; ++step) {
    const Extent extent = random_extent(random, 1500);
    const bool setting = random() % 2 == 0;
    setting ? bitmap.set(extent) : bitmap.clear(extent);
    for (uint64_t page = extent.page; page < extent.end(); ++page) {
      setting ? void(oracle.insert(page)) : void(oracle.erase(page));
    }
    const uint64_t from = random() % 1800;
    const uint64_t limit = from + random() % 400;
    const auto next = oracle.lower_bound(from);
    ASSERT_EQ(bitmap.next_set(from, limit), next == oracle.end() ? limit : std::min(limit, *next));
    uint64_t clear = from;
    while (oracle.count(clear) != 0) ++clear;
    ASSERT_EQ(bitmap.next_clear(from), clear);
    ASSERT_EQ(bitmap.test(from), oracle.count(from) != 0);
    ASSERT_EQ(bitmap.count(), oracle.size());
    ASSERT_EQ(bitmap.end(), oracle.empty() ? 0 : *oracle.rbegin() + 1);
    const Extent probe = random_extent(random, 1800);
    uint64_t inside = 0;
    for (uint64_t page = probe.page; page < probe.end(); ++page) inside += oracle.count(page);
    ASSERT_EQ(bitmap.any(probe), inside > 0);
    ASSERT_EQ(bitmap.all(probe), inside == probe.pages);
  }
  std::set<uint64_t> visited;
  bitmap.for_each_run([&](Extent run) {
    ASSERT_TRUE(run.page == 0 || !bitmap.test(run.page - 1));
    ASSERT_FALSE(bitmap.test(run.end()));
    for (uint64_t page = run.page; page < run.end(); ++page) visited.insert(page);
  });
  EXPECT_EQ(visited, oracle);
}

TEST(PageAllocatorTest, NeverGivesAPageTwiceAndReusesWhatComesBack) {
  std::mt19937_64 random(page_test::test_seed());
  PageAllocator allocator(2);
  std::vector<Extent> held;
  std::set<uint64_t> taken;
  uint64_t most = 0;
  for (int step = 0; step < 60000; ++step) {
    // Rises and falls, so that runs are found in a fragmented space.
    const bool take = held.empty() || random() % 100 < (step / 5000 % 2 == 0 ? 60 : 40);
    if (take) {
      const uint64_t pages = random() % 3 != 0 ? 1 : 1 + random() % 12;
      const uint64_t page = allocator.take(pages);
      ASSERT_GE(page, 2u);
      ASSERT_LE(page + pages, allocator.limit());
      for (uint64_t p = page; p < page + pages; ++p) ASSERT_TRUE(taken.insert(p).second);
      held.push_back({page, pages});
    } else {
      std::swap(held[random() % held.size()], held.back());
      const Extent extent = held.back();
      held.pop_back();
      for (uint64_t p = extent.page; p < extent.end(); ++p) taken.erase(p);
      allocator.give(extent);
    }
    most = std::max<uint64_t>(most, taken.size());
  }
  EXPECT_LT(allocator.limit(), most * 3 / 2 + 2048) << "free pages were not found again";
  EXPECT_EQ(allocator.busy_end(), taken.empty() ? 2 : *taken.rbegin() + 1);
}

TEST(PageAllocatorTest, GivesSinglePagesInFileOrderAndTheLastReturnedFirst) {
  PageAllocator allocator(2);
  EXPECT_EQ(allocator.take(1), 2u);
  EXPECT_EQ(allocator.take(1), 3u);
  EXPECT_EQ(allocator.take(1), 4u);
  allocator.give({3, 1});
  allocator.give({2, 1});
  EXPECT_EQ(allocator.take(1), 2u);
  EXPECT_EQ(allocator.take(1), 3u);
}

TEST(PageAllocatorTest, FindsARunThatIsCompletedByAPageInItsMiddle) {
  PageAllocator allocator(2);
  const uint64_t first = allocator.take(9);
  allocator.take(300);
  allocator.give_in_order({first, 4});
  allocator.give_in_order({first + 5, 4});
  EXPECT_GT(allocator.take(9), first + 300);
  allocator.give_in_order({first + 4, 1});
  EXPECT_EQ(allocator.take(9), first);
}

PageMap random_map(std::mt19937_64& random, uint64_t pages) {
  PageMap map;
  for (uint64_t i = random() % 60; i > 0; --i) map.used.set(Extent{2 + random() % (pages - 20), 1 + random() % 9});
  for (uint64_t i = random() % 60; i > 0; --i) map.kept.set(Extent{2 + random() % (pages - 20), 1 + random() % 9});
  map.kept.subtract(map.used);
  return map;
}

bool same(const PageBitmap& a, const PageBitmap& b) {
  const uint64_t limit = std::max(a.capacity(), b.capacity());
  for (uint64_t page = 0; page < limit; ++page) {
    if (a.test(page) != b.test(page)) return false;
  }
  return true;
}

TEST(PageMapTest, ReadsBackAsItWasWritten) {
  std::mt19937_64 random(page_test::test_seed());
  for (int round = 0; round < 300; ++round) {
    const PageMap map = random_map(random, 700);
    const std::string bytes = encode_page_map(map);
    PageMap again;
    size_t bad = 0;
    ASSERT_TRUE(decode_page_map(bytes, 700, &again, &bad));
    ASSERT_TRUE(same(map.used, again.used) && same(map.kept, again.kept));
    // A file that is one page too short for what is in use is refused.
    if (map.used.end() > 0) {
      PageMap unread;
      ASSERT_FALSE(decode_page_map(bytes, map.used.end() - 1, &unread, &bad));
      ASSERT_LT(bad, bytes.size());
    }
  }
}

TEST(PageMapTest, AnyBytesStayWithinTheFile) {
  std::mt19937_64 random(page_test::test_seed());
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = encode_page_map(random_map(random, 400));
    for (int i = 0; i < 3 && !bytes.empty(); ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    PageMap map;
    size_t bad = 0;
    (void)decode_page_map(bytes, 400, &map, &bad);
    ASSERT_LE(map.used.end(), 400u);
    ASSERT_LE(map.kept.end(), 400u);
    ASSERT_FALSE(map.used.test(0) || map.used.test(1));
  }
}

TEST(MetaPageTest, ReadsBackAndEveryFlippedByteIsNoticed) {
  MetaPage meta;
  meta.database_id = page_test::kDatabaseId;
  meta.sequence = 77;
  meta.page_count = 9000;
  meta.map = {5, 4097, 3, 0xabcdef01};
  meta.head = {8, 1, 1, 2};
  const std::string page = encode_meta(meta);
  ASSERT_EQ(page.size(), kPageBytes);
  MetaPage again;
  ASSERT_EQ(decode_meta(page, &again), MetaState::kValid);
  EXPECT_EQ(again.database_id, meta.database_id);
  EXPECT_EQ(again.sequence, 77u);
  EXPECT_EQ(again.page_count, 9000u);
  EXPECT_EQ(again.map.extent(), (Extent{5, 3}));
  EXPECT_EQ(again.map.checksum, 0xabcdef01u);
  EXPECT_EQ(again.head.extent(), (Extent{8, 1}));
  for (size_t at = 0; at < page.size(); ++at) {
    std::string bad = page;
    bad[at] = static_cast<char>(bad[at] ^ 0x40);
    ASSERT_NE(decode_meta(bad, &again), MetaState::kValid) << at;
  }
  EXPECT_EQ(decode_meta(std::string(kPageBytes, '\0'), &again), MetaState::kBlank);
}

}  // namespace
}  // namespace strata::storage
