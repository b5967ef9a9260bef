#include "testing/fault_fs.h"

#include <gtest/gtest.h>

namespace strata::testing {
namespace {

using os::OpenMode;

class FaultFsTest : public ::testing::Test {
 protected:
  FaultFsTest() : memory_(os::make_memory_file_system()), fs_(*memory_) {
    EXPECT_TRUE(fs_.create_folder("d").is_ok());
    file_ = std::move(fs_.open("d/f", OpenMode::kCreateNew)).value();
    fs_.forget_calls();
  }
  static std::function<bool(const Call&)> only(Operation operation) {
    return [operation](const Call& call) { return call.operation == operation; };
  }
  uint64_t size_below() { return *(*memory_->open("d/f", OpenMode::kRead))->size(); }

  std::unique_ptr<os::FileSystem> memory_;
  FaultFileSystem fs_;
  std::unique_ptr<os::File> file_;
};

TEST_F(FaultFsTest, PassesEverythingOnAndCounts) {
  char out[4];
  EXPECT_TRUE(file_->write(3, "abc").is_ok());
  EXPECT_EQ(*file_->read(3, 4, out), 3u);
  EXPECT_TRUE(file_->sync().is_ok());
  EXPECT_TRUE(*fs_.exists("d/f"));
  const std::vector<Call> calls = fs_.calls();
  ASSERT_EQ(calls.size(), 4u);
  EXPECT_EQ(describe(calls[0]), "write d/f @3 +3");
  EXPECT_EQ(describe(calls[2]), "sync d/f");
  EXPECT_EQ(fs_.failures(), 0u);
}

TEST_F(FaultFsTest, FailsTheChosenCallOnce) {
  fs_.inject({.at = 1});
  EXPECT_TRUE(file_->write(0, "a").is_ok());
  EXPECT_EQ(file_->write(1, "b").code(), Code::kIoError);
  EXPECT_TRUE(file_->write(1, "c").is_ok());
  EXPECT_EQ(fs_.failures(), 1u);
  EXPECT_TRUE(fs_.calls()[1].failed);
}

TEST_F(FaultFsTest, FailsFromTheChosenCallOn) {
  fs_.inject({.at = 1, .forever = true, .code = Code::kDiskFull});
  EXPECT_TRUE(file_->sync().is_ok());
  EXPECT_EQ(file_->sync().code(), Code::kDiskFull);
  EXPECT_EQ(fs_.exists("d").status().code(), Code::kDiskFull);
  EXPECT_EQ(fs_.rename("d/f", "d/g").code(), Code::kDiskFull);
  fs_.heal();
  EXPECT_TRUE(file_->sync().is_ok());
  EXPECT_TRUE(*memory_->exists("d/f"));
}

TEST_F(FaultFsTest, CountsMatchingCallsOnly) {
  fs_.inject({.at = 0, .matches = only(Operation::kSync)});
  EXPECT_TRUE(file_->write(0, "a").is_ok());
  EXPECT_EQ(file_->sync().code(), Code::kIoError);
  EXPECT_TRUE(file_->sync().is_ok());
}

TEST_F(FaultFsTest, ShortWriteLeavesAPart) {
  fs_.inject({.at = 0, .code = Code::kDiskFull, .written = 0.5});
  EXPECT_EQ(file_->write(0, "12345678").code(), Code::kDiskFull);
  EXPECT_EQ(size_below(), 4u);
  fs_.inject({.at = 0, .written = 1});
  EXPECT_FALSE(file_->write(0, "12345678").is_ok());
  EXPECT_EQ(size_below(), 7u);
}

TEST_F(FaultFsTest, FailedCallsDoNotReachTheFileSystemBelow) {
  fs_.inject({.at = 0, .forever = true});
  EXPECT_FALSE(file_->write(0, "abc").is_ok());
  EXPECT_FALSE(file_->reserve(100).is_ok());
  EXPECT_FALSE(fs_.remove("d/f").is_ok());
  EXPECT_EQ(size_below(), 0u);
}

TEST_F(FaultFsTest, BudgetIsADiskThatFillsUp) {
  fs_.set_budget(10);
  EXPECT_TRUE(file_->write(0, "123456").is_ok());
  EXPECT_TRUE(file_->write(0, "654321").is_ok());  // takes no new room
  EXPECT_EQ(file_->write(6, "123456").code(), Code::kDiskFull);
  EXPECT_EQ(size_below(), 10u);
  EXPECT_EQ(**fs_.free_bytes("d"), 0u);
  ASSERT_TRUE(file_->truncate(4).is_ok());
  EXPECT_EQ(file_->reserve(20).code(), Code::kDiskFull);
  EXPECT_EQ(size_below(), 4u);
  EXPECT_TRUE(file_->reserve(10).is_ok());
  EXPECT_EQ(**fs_.free_bytes("d"), 0u);
  ASSERT_TRUE(fs_.remove("d/f").is_ok());
  EXPECT_EQ(**fs_.free_bytes("d"), 10u);
}

}  // namespace
}  // namespace strata::testing
