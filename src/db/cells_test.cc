#include <gtest/gtest.h>

#include <thread>

#include "strata/session.h"
#include "strata/state.h"
#include "strata/value.h"

namespace strata {
namespace {

std::string integer(int64_t n) {
  ValueWriter writer;
  EXPECT_TRUE(writer.integer(n));
  return std::string(writer.result());
}

class CellsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = Session::open_memory({});
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
    session_ = std::move(*opened);
  }
  // The version written, or 0 and what was found.
  static uint64_t swap(Call& call, std::string_view value, const Expected& expected, Mismatch* found) {
    const auto version = State(call).compare_and_swap("cell", value, expected, found);
    EXPECT_TRUE(version.is_ok() || version.status().code() == Code::kCasMismatch) << version.status().to_string();
    return version.is_ok() ? *version : 0;
  }
  static std::optional<std::string> get(Call& call, std::string_view cell) {
    std::string value;
    const auto found = State(call).get(cell, std::nullopt, &value);
    EXPECT_TRUE(found.is_ok()) << found.status().to_string();
    return *found ? std::optional<std::string>(value) : std::nullopt;
  }
  std::unique_ptr<Session> session_;
};

TEST_F(CellsTest, SwapsByValue) {
  Call call(*session_, Call::kWait);
  Mismatch found;
  EXPECT_EQ(swap(call, integer(1), {integer(7), {}}, &found), 0u);
  EXPECT_EQ(found.version, 0u);
  EXPECT_EQ(found.value, std::string(1, '\0'));
  EXPECT_EQ(swap(call, integer(1), {}, &found), 1u);  // null is what an absent cell holds
  EXPECT_EQ(swap(call, integer(2), {}, &found), 0u);
  EXPECT_EQ(found.version, 1u);
  EXPECT_EQ(found.value, integer(1));
  EXPECT_EQ(swap(call, integer(2), {integer(1), {}}, &found), 2u);
  EXPECT_EQ(get(call, "cell"), integer(2));
}

TEST_F(CellsTest, SwapsByVersion) {
  Call call(*session_, Call::kWait);
  Mismatch found;
  EXPECT_EQ(swap(call, integer(1), {{}, 0}, &found), 1u);
  EXPECT_EQ(swap(call, integer(2), {{}, 0}, &found), 0u);
  EXPECT_EQ(found.version, 1u);
  EXPECT_EQ(swap(call, integer(2), {{}, 1}, &found), 2u);
  ASSERT_TRUE(*State(call).erase("cell"));
  EXPECT_EQ(swap(call, integer(3), {{}, 3}, &found), 0u);  // the deletion's version is not one to be found
  EXPECT_EQ(found.version, 0u);
  EXPECT_EQ(swap(call, integer(3), {{}, 0}, &found), 4u);
}

TEST_F(CellsTest, InitWritesOnce) {
  Call call(*session_, Call::kWait);
  EXPECT_EQ(*State(call).init("cell", integer(1)), 1u);
  EXPECT_EQ(*State(call).init("cell", integer(2)), 1u);
  EXPECT_EQ(get(call, "cell"), integer(1));
  ASSERT_TRUE(*State(call).erase("cell"));
  EXPECT_EQ(*State(call).init("cell", integer(3)), 3u);
}

TEST_F(CellsTest, InsideATransactionItSeesWhatWasWritten) {
  Call call(*session_, Call::kWait);
  ASSERT_TRUE(State(call).set("cell", integer(1)).is_ok());
  ASSERT_TRUE(call.begin(false, Isolation::kSerializable, std::nullopt).is_ok());
  Mismatch found;
  EXPECT_EQ(swap(call, integer(2), {integer(1), {}}, &found), 2u);
  EXPECT_EQ(swap(call, integer(3), {integer(1), {}}, &found), 0u);
  EXPECT_EQ(found.value, integer(2));
  EXPECT_EQ(found.version, 2u);
  EXPECT_EQ(swap(call, integer(3), {integer(2), {}}, &found), 2u);
  EXPECT_EQ(*State(call).init("cell", integer(9)), 2u);
  ASSERT_TRUE(call.commit(std::nullopt).is_ok());
  EXPECT_EQ(get(call, "cell"), integer(3));
}

// What a mismatch was answered from is part of the transaction's reads.
TEST_F(CellsTest, AComparisonInATransactionIsARead) {
  auto other = session_->session();
  ASSERT_TRUE(other.is_ok());
  Call call(*session_, Call::kWait);
  ASSERT_TRUE(call.begin(false, Isolation::kSerializable, std::nullopt).is_ok());
  Mismatch found;
  EXPECT_EQ(swap(call, integer(1), {integer(5), {}}, &found), 0u);
  ASSERT_TRUE(State(call).set("result", integer(0)).is_ok());
  {
    Call outside(**other, Call::kWait);
    ASSERT_TRUE(State(outside).set("cell", integer(5)).is_ok());
  }
  EXPECT_EQ(call.commit(std::nullopt).status().code(), Code::kTransactionConflict);
}

TEST_F(CellsTest, CountersLoseNothing) {
  constexpr int kThreads = 8;
  constexpr int kEach = 300;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      auto session = session_->session();
      ASSERT_TRUE(session.is_ok());
      for (int i = 0; i < kEach; ++i) {
        Call call(**session, Call::kWait);
        Expected expected;
        Mismatch found;
        std::string seen(1, '\0');
        while (true) {
          const int64_t now = seen.size() == 1 && seen[0] == 0 ? 0 : ValueView(seen).read()->integer;
          expected.value = seen;
          if (swap(call, integer(now + 1), expected, &found) != 0) break;
          seen = found.value;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Call call(*session_, Call::kWait);
  EXPECT_EQ(get(call, "cell"), integer(kThreads * kEach));
}

}  // namespace
}  // namespace strata
