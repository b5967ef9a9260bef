#include "strata/status.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>

#include "base/check.h"

namespace strata {
namespace {

Status fail() { return Status::error(Code::kDiskFull, "no room", "make some"); }
Result<int> half(int n) {
  if (n % 2 != 0) return Status::error(Code::kInvalidArgument, "odd");
  return n / 2;
}
Status try_first(bool bad, bool* went_on) {
  STRATA_TRY(bad ? fail() : Status::ok());
  *went_on = true;
  return Status::ok();
}
Result<int> quarter(int n) {
  STRATA_ASSIGN(const int h, half(n));
  STRATA_ASSIGN(const int q, half(h));
  return q;
}

TEST(StatusTest, OkHasNoText) {
  const Status status;
  EXPECT_TRUE(status.is_ok());
  EXPECT_EQ(status.code(), Code::kOk);
  EXPECT_EQ(status.message(), "");
  EXPECT_EQ(status.hint(), "");
  EXPECT_EQ(status.to_string(), "ok");
}

TEST(StatusTest, ErrorKeepsCodeMessageAndHint) {
  const Status status = fail();
  EXPECT_FALSE(status.is_ok());
  EXPECT_EQ(status.to_string(), "no room [disk_full] (make some)");
  EXPECT_EQ(Status::error(Code::kClosed, "closed").to_string(), "closed [closed]");
}

TEST(StatusTest, CopiesAreIndependentAndMovesLeaveOk) {
  Status first = fail();
  const Status copy = first;
  const Status moved = std::move(first);
  EXPECT_EQ(copy.message(), "no room");
  EXPECT_EQ(moved.message(), "no room");
  Status assigned;
  assigned = copy;
  const Status& itself = assigned;
  assigned = itself;
  EXPECT_EQ(assigned.code(), Code::kDiskFull);
}

TEST(StatusTest, CorruptionNamesFileAndOffset) {
  const Status status = Status::corruption("db/wal/1.log", 4096, "bad checksum");
  EXPECT_EQ(status.code(), Code::kCorruption);
  EXPECT_EQ(status.message(), "damaged data in db/wal/1.log at byte 4096: bad checksum");
}

// The words are public: bindings and callers compare them.
TEST(StatusTest, EveryCodeHasItsOwnWordInSnakeCase) {
  std::set<std::string_view> seen;
  for (int i = 0; i < static_cast<int>(Code::kCount_); ++i) {
    const std::string_view name = code_name(static_cast<Code>(i));
    EXPECT_FALSE(name.empty()) << i;
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos) << name;
    EXPECT_TRUE(seen.insert(name).second) << name << " twice";
  }
  EXPECT_EQ(code_name(Code::kBranchNotFound), "branch_not_found");
  EXPECT_EQ(code_name(Code::kInvalidType), "invalid_type");
}

TEST(StatusTest, CodesHaveTheKindOfTheirGroup) {
  EXPECT_EQ(code_kind(Code::kSpaceNotFound), ErrorKind::kNotFound);
  EXPECT_EQ(code_kind(Code::kUnknownIsolation), ErrorKind::kValidation);
  EXPECT_EQ(code_kind(Code::kCasMismatch), ErrorKind::kConflict);
  EXPECT_EQ(code_kind(Code::kNotImplemented), ErrorKind::kState);
  EXPECT_EQ(code_kind(Code::kTransactionTooLarge), ErrorKind::kConstraint);
  EXPECT_EQ(code_kind(Code::kPermissionDenied), ErrorKind::kAccessDenied);
  EXPECT_EQ(code_kind(Code::kDiskFull), ErrorKind::kIo);
  EXPECT_EQ(code_kind(Code::kNotADatabase), ErrorKind::kCorruption);
  EXPECT_EQ(code_kind(Code::kInvalidType), ErrorKind::kType);
}

TEST(StatusTest, TryReturnsTheErrorAtOnce) {
  bool went_on = false;
  EXPECT_EQ(try_first(true, &went_on).code(), Code::kDiskFull);
  EXPECT_FALSE(went_on);
  EXPECT_TRUE(try_first(false, &went_on).is_ok());
  EXPECT_TRUE(went_on);
}

TEST(ResultTest, AssignUnwrapsOrReturns) {
  ASSERT_TRUE(quarter(12).is_ok());
  EXPECT_EQ(*quarter(12), 3);
  EXPECT_EQ(quarter(3).status().message(), "odd");
  EXPECT_EQ(quarter(6).status().code(), Code::kInvalidArgument);
  EXPECT_TRUE(quarter(12).status().is_ok());
}

TEST(ResultTest, AMissIsAValue) {
  const Result<std::optional<int>> miss = std::optional<int>();
  EXPECT_TRUE(miss.is_ok());
  EXPECT_FALSE(miss->has_value());
}

TEST(ResultTest, MovesOwnedValues) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(5);
  const std::unique_ptr<int> owned = std::move(result).value();
  EXPECT_EQ(*owned, 5);
}

TEST(CheckDeathTest, NamesTheExpressionAndTheLine) {
  EXPECT_DEATH(STRATA_CHECK(1 + 1 == 3), "1 \\+ 1 == 3 .*status_test.cc:[0-9]+");
}

}  // namespace
}  // namespace strata
