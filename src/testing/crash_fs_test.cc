#include "testing/crash_fs.h"

#include <gtest/gtest.h>

#include <set>

#include "testing/crash_player.h"

namespace strata::testing {
namespace {

using os::OpenMode;

class CrashFsTest : public ::testing::Test {
 protected:
  CrashFsTest() {
    EXPECT_TRUE(fs_.create_folder("d").is_ok());
    EXPECT_TRUE(fs_.sync_folder(".").is_ok());
  }
  std::unique_ptr<os::File> create(const std::string& path) {
    return std::move(fs_.open(path, OpenMode::kCreateNew)).value();
  }
  // A file with these bytes, name and bytes durable.
  std::unique_ptr<os::File> create_durable(const std::string& path, const std::string& bytes) {
    auto file = create(path);
    EXPECT_TRUE(file->write(0, bytes).is_ok());
    EXPECT_TRUE(file->sync().is_ok());
    EXPECT_TRUE(fs_.sync_folder(os::folder_of(path)).is_ok());
    return file;
  }
  CrashPlayer at(uint64_t point) {
    CrashPlayer player(fs_);
    player.advance_to(point);
    return player;
  }
  CrashPlayer at_end() { return at(fs_.position()); }

  CrashFileSystem fs_;
};

// "-" where there is no such file.
std::string contents(const CrashImage& image, const std::string& path) {
  const auto found = image.files.find(path);
  if (found == image.files.end()) return "-";
  std::string out(found->second->size(), '?');
  found->second->read(0, out.size(), out.data());
  return out;
}

// All that many seeds give for a file.
std::set<std::string> outcomes(const CrashPlayer& player, Loss loss, const std::string& path) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 300; ++seed) seen.insert(contents(player.image(loss, seed), path));
  return seen;
}

using Set = std::set<std::string>;

TEST_F(CrashFsTest, SyncedBytesAndNamesSurviveEverything) {
  create_durable("d/f", "hello");
  const CrashPlayer player = at_end();
  EXPECT_EQ(player.pending(), 0u);
  for (const Loss loss : kAllLosses) EXPECT_EQ(outcomes(player, loss, "d/f"), Set{"hello"}) << loss_name(loss);
}

TEST_F(CrashFsTest, UnsyncedBytesMayBeLost) {
  const auto file = create_durable("d/f", "hello");
  ASSERT_TRUE(file->write(0, "J").is_ok());
  ASSERT_TRUE(file->write(4, "y").is_ok());
  const CrashPlayer player = at_end();
  EXPECT_EQ(outcomes(player, Loss::kNothing, "d/f"), Set{"Jelly"});
  EXPECT_EQ(outcomes(player, Loss::kUnsynced, "d/f"), Set{"hello"});
  EXPECT_EQ(outcomes(player, Loss::kSubset, "d/f"), (Set{"hello", "Jello", "helly", "Jelly"}));
}

TEST_F(CrashFsTest, KilledProcessLosesAPartOfItsLastWriteOnly) {
  const auto file = create_durable("d/f", "");
  ASSERT_TRUE(file->write(0, "ab").is_ok());
  ASSERT_TRUE(file->write(2, "cd").is_ok());
  EXPECT_EQ(outcomes(at_end(), Loss::kTornLast, "d/f"), (Set{"ab", "abc", "abcd"}));
}

TEST_F(CrashFsTest, TornBytesEndAnywhere) {
  const auto file = create_durable("d/f", "");
  ASSERT_TRUE(file->write(0, "abc").is_ok());
  EXPECT_EQ(outcomes(at_end(), Loss::kTornBytes, "d/f"), (Set{"", "a", "ab", "abc"}));
}

TEST_F(CrashFsTest, TornSectorsAreAlignedInTheFile) {
  const auto file = create_durable("d/f", std::string(1200, '.'));
  ASSERT_TRUE(file->write(500, std::string(600, 'x')).is_ok());
  const Set seen = outcomes(at_end(), Loss::kTornSectors, "d/f");
  EXPECT_EQ(seen.size(), 8u);
  for (const std::string& bytes : seen) {
    EXPECT_EQ(bytes.size(), 1200u);
    for (const auto& [begin, end] : {std::pair(500, 512), std::pair(512, 1024), std::pair(1024, 1100)}) {
      const Set sector = {bytes.substr(begin, 1), bytes.substr(end - 1, 1)};
      EXPECT_EQ(sector.size(), 1u) << "torn within " << begin << "-" << end;
    }
  }
}

TEST_F(CrashFsTest, LengthMaySurviveWithoutBytes) {
  const auto file = create_durable("d/f", "");
  ASSERT_TRUE(file->write(0, "abc").is_ok());
  EXPECT_EQ(outcomes(at_end(), Loss::kLengthOnly, "d/f"), (Set{"abc", std::string(3, '\0')}));
}

TEST_F(CrashFsTest, NewBlocksMayHoldWhatARemovedFileHeld) {
  create_durable("d/kept", "public");
  create_durable("d/old", "secret");
  ASSERT_TRUE(fs_.remove("d/old").is_ok());
  const auto file = create_durable("d/f", "a");
  ASSERT_TRUE(file->write(0, "abc").is_ok());
  EXPECT_EQ(outcomes(at_end(), Loss::kStaleBlocks, "d/f"), (Set{"abc", "aec"}));
}

TEST_F(CrashFsTest, TruncateAndReserveNeedASyncToo) {
  const auto file = create_durable("d/f", "hello");
  ASSERT_TRUE(file->truncate(2).is_ok());
  ASSERT_TRUE(file->reserve(3).is_ok());
  EXPECT_EQ(outcomes(at_end(), Loss::kSubset, "d/f"), (Set{"hello", "he", std::string("he\0", 3)}));
  ASSERT_TRUE(file->sync().is_ok());
  EXPECT_EQ(outcomes(at_end(), Loss::kSubset, "d/f"), (Set{std::string("he\0", 3)}));
}

TEST_F(CrashFsTest, SyncOfAFileDoesNotKeepItsName) {
  const auto file = create("d/f");
  ASSERT_TRUE(file->write(0, "a").is_ok());
  ASSERT_TRUE(file->sync().is_ok());
  EXPECT_EQ(outcomes(at_end(), Loss::kUnsynced, "d/f"), Set{"-"});
  EXPECT_EQ(outcomes(at_end(), Loss::kSubset, "d/f"), (Set{"-", "a"}));
  EXPECT_EQ(outcomes(at_end(), Loss::kNothing, "d/f"), Set{"a"});
  ASSERT_TRUE(fs_.sync_folder("d").is_ok());
  EXPECT_EQ(outcomes(at_end(), Loss::kSubset, "d/f"), Set{"a"});
}

TEST_F(CrashFsTest, SyncOfAFolderDoesNotKeepBytes) {
  const auto file = create("d/f");
  ASSERT_TRUE(file->write(0, "a").is_ok());
  ASSERT_TRUE(fs_.sync_folder("d").is_ok());
  EXPECT_EQ(outcomes(at_end(), Loss::kUnsynced, "d/f"), Set{""});
}

TEST_F(CrashFsTest, RemovedNameMayComeBackWithItsBytes) {
  create_durable("d/f", "a");
  ASSERT_TRUE(fs_.remove("d/f").is_ok());
  EXPECT_EQ(outcomes(at_end(), Loss::kSubset, "d/f"), (Set{"-", "a"}));
  ASSERT_TRUE(fs_.sync_folder("d").is_ok());
  EXPECT_EQ(outcomes(at_end(), Loss::kSubset, "d/f"), Set{"-"});
}

TEST_F(CrashFsTest, RenameHappensWholeOrNotAtAll) {
  create_durable("d/old", "old");
  create_durable("d/new", "new");
  ASSERT_TRUE(fs_.rename("d/new", "d/old").is_ok());
  const CrashPlayer player = at_end();
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const CrashImage image = player.image(Loss::kSubset, seed);
    const std::string now = contents(image, "d/old");
    EXPECT_EQ(contents(image, "d/new"), now == "old" ? "new" : "-");
    EXPECT_TRUE(now == "old" || now == "new") << now;
  }
  ASSERT_TRUE(fs_.sync_folder("d").is_ok());
  EXPECT_EQ(outcomes(at_end(), Loss::kUnsynced, "d/old"), Set{"new"});
}

TEST_F(CrashFsTest, LostFolderTakesItsFilesAlong) {
  ASSERT_TRUE(fs_.create_folder("d/sub").is_ok());
  create_durable("d/sub/f", "a");
  EXPECT_EQ(outcomes(at_end(), Loss::kUnsynced, "d/sub/f"), Set{"-"});
  ASSERT_TRUE(fs_.sync_folder("d").is_ok());
  EXPECT_EQ(outcomes(at_end(), Loss::kUnsynced, "d/sub/f"), Set{"a"});
}

TEST_F(CrashFsTest, PointsOfTheRecordGiveThePast) {
  const auto file = create_durable("d/f", "1");
  const uint64_t before = fs_.position();
  ASSERT_TRUE(file->write(0, "2").is_ok());
  const uint64_t written = fs_.position();
  ASSERT_TRUE(file->sync().is_ok());
  EXPECT_EQ(outcomes(at(before), Loss::kSubset, "d/f"), Set{"1"});
  EXPECT_EQ(outcomes(at(written), Loss::kSubset, "d/f"), (Set{"1", "2"}));
  EXPECT_EQ(outcomes(at(written + 1), Loss::kSubset, "d/f"), Set{"2"});
}

TEST_F(CrashFsTest, ImagesCanBeWrittenAndCrashAgain) {
  create_durable("d/f", std::string(10'000, 'a'));
  const CrashImage image = at_end().image(Loss::kNothing, 0);
  CrashFileSystem second(image);
  const auto file = std::move(second.open("d/f", OpenMode::kReadWrite)).value();
  ASSERT_TRUE(file->write(5'000, "b").is_ok());
  ASSERT_TRUE(file->sync().is_ok());
  ASSERT_TRUE(file->write(5'001, "c").is_ok());
  CrashPlayer player(second);
  player.advance_to(player.last());
  std::string expected(10'000, 'a');
  expected[5'000] = 'b';
  EXPECT_EQ(contents(player.image(Loss::kUnsynced, 0), "d/f"), expected);
  expected[5'001] = 'c';
  EXPECT_EQ(contents(player.image(Loss::kNothing, 0), "d/f"), expected);
  EXPECT_EQ(contents(image, "d/f"), std::string(10'000, 'a')) << "an image must not change";
}

TEST_F(CrashFsTest, DishonestSyncsKeepNothing) {
  const auto file = create_durable("d/f", "1");
  fs_.set_honest([](const std::string& path) { return path != "d/f"; });
  ASSERT_TRUE(file->write(0, "2").is_ok());
  ASSERT_TRUE(file->sync().is_ok());
  EXPECT_EQ(outcomes(at_end(), Loss::kUnsynced, "d/f"), Set{"1"});
  fs_.set_honest(nullptr);
  ASSERT_TRUE(file->sync().is_ok());
  EXPECT_EQ(outcomes(at_end(), Loss::kUnsynced, "d/f"), Set{"2"});
}

TEST_F(CrashFsTest, BehavesLikeAFileSystemMeanwhile) {
  const auto file = create("d/f");
  ASSERT_TRUE(file->write(5, "x").is_ok());
  char out[8] = "";
  EXPECT_EQ(*file->read(0, 8, out), 6u);
  EXPECT_EQ(std::string(out, 6), std::string("\0\0\0\0\0x", 6));
  ASSERT_TRUE(file->truncate(2).is_ok());
  ASSERT_TRUE(file->reserve(6).is_ok());
  EXPECT_EQ(*file->read(0, 8, out), 6u);
  EXPECT_EQ(std::string(out, 6), std::string(6, '\0'));
  EXPECT_EQ(*fs_.list("d"), std::vector<std::string>{"f"});
  EXPECT_FALSE((*fs_.open("d/f", OpenMode::kRead))->write(0, "x").is_ok());
  EXPECT_FALSE(fs_.open("d/f", OpenMode::kCreateNew).is_ok());
  auto held = fs_.lock("d/lock", os::LockMode::kExclusive);
  ASSERT_TRUE(held.is_ok());
  EXPECT_EQ(fs_.lock("d/lock", os::LockMode::kShared).status().code(), Code::kDatabaseLocked);
  held = Status::error(Code::kClosed, "dropped");
  EXPECT_TRUE(fs_.lock("d/lock", os::LockMode::kShared).is_ok());
}

// What a harness does tens of thousands of times must not depend on the size of the record or of the files.
TEST_F(CrashFsTest, ImagesShareWhatDidNotChange) {
  for (int i = 0; i < 8; ++i) create_durable("d/" + std::to_string(i), std::string(1 << 20, 'a'));
  const CrashPlayer player = at_end();
  const CrashImage image = player.image(Loss::kSubset, 1);
  EXPECT_EQ(image.files.at("d/3").get(), player.image(Loss::kSubset, 2).files.at("d/3").get());
}

}  // namespace
}  // namespace strata::testing
