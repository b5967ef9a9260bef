#include "os/together.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace strata::os {
namespace {

TEST(TogetherTest, AllItemsAreDoneOnce) {
  for (const unsigned threads : {0U, 1U, 2U, 7U}) {
    std::atomic<size_t> next{0};
    std::vector<int> done(1000);
    run_together(threads, [&] {
      for (size_t item = next++; item < done.size(); item = next++) ++done[item];
    });
    EXPECT_EQ(done, std::vector<int>(1000, 1)) << threads;
  }
}

TEST(TogetherTest, EachThreadIsCalledOnceAndThisOneIsAmongThem) {
  std::mutex mutex;
  std::set<std::thread::id> seen;
  size_t calls = 0;
  run_together(3, [&] {
    const std::lock_guard<std::mutex> lock(mutex);
    seen.insert(std::this_thread::get_id());
    ++calls;
  });
  EXPECT_EQ(calls, 3U);
  EXPECT_EQ(seen.size(), 3U);
  EXPECT_TRUE(seen.contains(std::this_thread::get_id()));
}

TEST(TogetherTest, ThereIsAlwaysAThread) {
  EXPECT_GE(useful_threads(), 1U);
  EXPECT_LE(useful_threads(), 8U);
}

}  // namespace
}  // namespace strata::os
