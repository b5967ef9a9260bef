#include "txn/patience.h"

#include <gtest/gtest.h>

namespace strata::txn {
namespace {

TEST(PatienceTest, AsksOnceInAWhile) {
  int asked = 0;
  const KeepOn keep_on = [&asked] { return ++asked < 3; };
  Patience patience(&keep_on);
  int spent = 0;
  while (patience.spend(1024).is_ok()) ++spent;
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(spent, 3 * 256 - 1);
  EXPECT_EQ(patience.ask().code(), Code::kInvalidArgument);
}

TEST(PatienceTest, WithoutAQuestionItHasNoEnd) {
  Patience patience(nullptr);
  EXPECT_TRUE(patience.ask().is_ok());
  EXPECT_TRUE(patience.spend(UINT64_MAX / 2).is_ok());
}

TEST(PatienceTest, WaitsForAMutexUntilItIsNotWanted) {
  base::Mutex mutex;
  int asked = 0;
  const KeepOn keep_on = [&] {
    if (++asked == 2) mutex.unlock();  // as another thread would
    return true;
  };
  const KeepOn enough = [&] { return ++asked < 5; };
  mutex.lock();
  EXPECT_TRUE(Patience(&keep_on).lock(mutex).is_ok());
  EXPECT_EQ(Patience(&enough).lock(mutex).code(), Code::kInvalidArgument);
  EXPECT_EQ(asked, 5);
  mutex.unlock();
  EXPECT_TRUE(Patience(nullptr).lock(mutex).is_ok());
  mutex.unlock();
}

}  // namespace
}  // namespace strata::txn
