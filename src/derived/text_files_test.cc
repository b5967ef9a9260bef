#include "derived/text_files.h"

#include <gtest/gtest.h>

#include "index/text_writer.h"
#include "testing/fault_fs.h"

namespace strata::derived {
namespace {

constexpr uint64_t kId = 77;
constexpr char kFolder[] = "index";

index::SegmentPtr segment_of(std::string_view text, int documents = 3) {
  index::SegmentBuilder builder;
  for (int i = 0; i < documents; ++i) {
    builder.add_string(index::WordTable::kText, 0, text);
    builder.end_document(2, "key" + std::to_string(i), {uint64_t{100} + static_cast<uint64_t>(i), 5});
  }
  return builder.build();
}

bool never(std::string_view) { return false; }
bool always(std::string_view) { return true; }

class TextFilesTest : public ::testing::Test {
 protected:
  std::unique_ptr<TextFiles> open(uint64_t id = kId, bool read_only = false) {
    return std::make_unique<TextFiles>(*memory_, kFolder, id, read_only);
  }
  std::vector<std::string> names() { return *memory_->list(kFolder); }
  std::string read(const std::string& name) {
    const auto file = *memory_->open(os::join_path(kFolder, name), os::OpenMode::kRead);
    std::string bytes(*file->size(), '\0');
    EXPECT_EQ(*file->read(0, bytes.size(), bytes.data()), bytes.size());
    return bytes;
  }
  void write(const std::string& name, std::string_view bytes) {
    const std::string path = os::join_path(kFolder, name);
    if (*memory_->exists(path)) {
      EXPECT_TRUE(memory_->remove(path).is_ok());
    }
    const auto file = *memory_->open(path, os::OpenMode::kCreateNew);
    EXPECT_TRUE(file->write(0, bytes).is_ok());
  }
  // The bytes of a file that keeps one segment of the space "s".
  std::string kept(const index::SegmentPtr& segment) {
    EXPECT_TRUE(open()->keep({{"s", segment}}, 0, never));
    EXPECT_EQ(names(), std::vector<std::string>{"text-1"});
    return read("text-1");
  }

  const std::unique_ptr<os::FileSystem> memory_ = os::make_memory_file_system();
};

TEST_F(TextFilesTest, WhatWasKeptIsSpareUntilItIsInMemory) {
  EXPECT_FALSE(open()->has_spare("s"));
  const auto first = segment_of("red fox");
  const auto second = segment_of("hen");
  ASSERT_TRUE(open()->keep({{"s", first}, {"other", second}, {"s", first}}, 0, never));
  EXPECT_EQ(names().size(), 2u);
  const auto files = open();
  EXPECT_TRUE(files->has_spare("s") && files->has_spare("other"));
  EXPECT_FALSE(files->has_spare("") || files->has_spare("o"));
  auto loaded = files->spare("s");
  ASSERT_EQ(loaded.size(), 1u);
  EXPECT_EQ(loaded[0]->bytes(), first->bytes());
  EXPECT_FALSE(files->has_spare("s"));
  EXPECT_TRUE(files->spare("s").empty());
  loaded.clear();
  EXPECT_TRUE(files->has_spare("s"));
}

TEST_F(TextFilesTest, SmallOnesAreNotWorthAFile) {
  const auto segment = segment_of("fox");
  ASSERT_TRUE(open()->keep({{"s", segment}}, segment->bytes().size() + 1, never));
  EXPECT_FALSE(*memory_->exists(kFolder) && !names().empty());
  ASSERT_TRUE(open()->keep({{"s", segment}}, segment->bytes().size(), never));
  EXPECT_EQ(names().size(), 1u);
}

TEST_F(TextFilesTest, WhatIsWantedNoLongerIsRemoved) {
  const auto files = open();
  const auto first = segment_of("red fox");
  const auto second = segment_of("hen");
  ASSERT_TRUE(files->keep({{"s", first}, {"s", second}}, 0, never));
  const std::string second_file = read("text-2");
  ASSERT_TRUE(files->keep({{"s", second}}, 0, never));
  EXPECT_EQ(names(), std::vector<std::string>{"text-2"});
  EXPECT_EQ(read("text-2"), second_file);
}

TEST_F(TextFilesTest, WhatNobodyWantedYetStaysUntilItIsKnownThatNobodyDoes) {
  const auto segment = segment_of("fox");
  (void)kept(segment);
  const auto files = open();
  EXPECT_TRUE(files->keep({}, 0, never));
  EXPECT_EQ(names().size(), 1u);
  EXPECT_TRUE(files->keep({}, 0, [](std::string_view space) { return space != "s"; }));
  EXPECT_EQ(names().size(), 1u);
  EXPECT_TRUE(files->keep({}, 0, always));
  EXPECT_TRUE(names().empty());
}

TEST_F(TextFilesTest, WhatIsForgottenMayBeWantedAgain) {
  const auto files = open();
  const auto segment = segment_of("fox");
  ASSERT_TRUE(files->keep({{"s", segment}}, 0, never));
  EXPECT_FALSE(files->has_spare("s"));
  files->forget();
  EXPECT_TRUE(files->has_spare("s"));
  EXPECT_TRUE(files->keep({}, 0, never));
  EXPECT_EQ(names().size(), 1u);
}

TEST_F(TextFilesTest, ReadOnlyChangesNothing) {
  const std::string whole = kept(segment_of("fox"));
  const auto files = open(kId, true);
  EXPECT_EQ(files->spare("s").size(), 1u);
  EXPECT_TRUE(files->keep({{"s", segment_of("hen")}}, 0, always));
  EXPECT_EQ(read("text-1"), whole);
  write("text-1", whole.substr(1));
  EXPECT_TRUE(open(kId, true)->spare("s").empty());
  EXPECT_EQ(names().size(), 1u);
}

// Every byte, every length: never believed, never an end of the process, and gone afterwards.
TEST_F(TextFilesTest, NothingDamagedIsBelieved) {
  const std::string whole = kept(segment_of("fox jumps", 1));
  const auto expect_removed = [&](std::string_view bytes, size_t at) {
    write("text-1", bytes);
    const auto files = open();
    EXPECT_TRUE(files->spare("s").empty()) << at;
    EXPECT_TRUE(names().empty()) << at;
  };
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    expect_removed(damaged, at);
    expect_removed(std::string_view(whole).substr(0, at), at);
  }
  expect_removed(whole + "x", whole.size());
  write("text-1", whole);
  EXPECT_EQ(open()->spare("s").size(), 1u);
}

TEST_F(TextFilesTest, OfAnotherDatabaseOrUnfinishedIsUseless) {
  const std::string whole = kept(segment_of("fox"));
  EXPECT_TRUE(open(kId + 1)->spare("s").empty());
  EXPECT_TRUE(names().empty());
  write("text-4.new", whole);
  EXPECT_TRUE(open()->spare("s").empty());
  EXPECT_TRUE(names().empty());
}

// Sound files by their checksums, of other makers: as a later or earlier version of the library would leave them.
TEST_F(TextFilesTest, OfOtherRulesOrFormatIsUseless) {
  const auto segment = segment_of("fox");
  const CacheFiles later(*memory_, kFolder, kId, {kTextFilePrefix, "STRATATS", 2});
  const CacheFiles same(*memory_, kFolder, kId, {kTextFilePrefix, "STRATATS", 1});
  ASSERT_TRUE(later.save("text-1", std::string("rules\0s", 7), segment->bytes()).is_ok());
  ASSERT_TRUE(same.save("text-2", std::string("words 0\0s", 9), segment->bytes()).is_ok());
  ASSERT_TRUE(same.save("text-3", "", segment->bytes()).is_ok());
  ASSERT_TRUE(same.save("text-4", std::string(100'000, 'x'), segment->bytes()).is_ok());
  EXPECT_TRUE(open()->spare("s").empty());
  EXPECT_TRUE(names().empty());
}

// A segment whose checksum is right and whose inside is not.
TEST_F(TextFilesTest, WhatIsNoSegmentIsUseless) {
  const auto segment = segment_of("fox");
  const std::string whole = kept(segment);
  const std::string bytes(segment->bytes());
  const size_t first = whole.size() - CacheFile::kFirstPart - bytes.size();
  const std::string description = whole.substr(CacheFile::kFirstPart, first);
  const CacheFiles files(*memory_, kFolder, kId, {kTextFilePrefix, "STRATATS", 1});
  ASSERT_TRUE(files.save("text-1", description, bytes.substr(0, bytes.size() - 1)).is_ok());
  ASSERT_TRUE(files.save("text-2", description, "").is_ok());
  const auto opened = open();
  EXPECT_TRUE(opened->has_spare("s"));  // nobody has looked inside
  EXPECT_TRUE(opened->spare("s").empty());
  EXPECT_TRUE(names().empty());
}

// Whatever call fails: no file or a whole one, and nothing half written stays.
TEST_F(TextFilesTest, AFailingDiskMeansNoFile) {
  const auto segment = segment_of("fox");
  for (uint64_t at = 0; at < 40; ++at) {
    for (const double written : {0.0, 0.5, 1.0}) {
      const auto memory = os::make_memory_file_system();
      testing::FaultFileSystem fs(*memory);
      testing::Fault fault;
      fault.at = at;
      fault.written = written;
      fs.inject(fault);
      TextFiles files(fs, kFolder, kId, false);
      const bool saved = files.keep({{"s", segment}}, 0, never);
      const auto loaded = files.spare("s");
      fs.heal();
      EXPECT_TRUE(loaded.empty());  // it is in memory
      TextFiles again(*memory, kFolder, kId, false);
      const auto found = again.spare("s");
      if (saved) {
        EXPECT_EQ(found.size(), 1u) << at;
      }
      for (const auto& one : found) EXPECT_EQ(one->bytes(), segment->bytes()) << at;
      EXPECT_EQ(memory->list(kFolder).is_ok() ? memory->list(kFolder)->size() : 0, found.size()) << at;
    }
  }
}

TEST_F(TextFilesTest, AFullDiskIsLeftToTheLog) {
  testing::FaultFileSystem fs(*memory_);
  const auto segment = segment_of("fox");
  fs.set_budget((uint64_t{32} << 20) + segment->bytes().size() - 1);
  TextFiles files(fs, kFolder, kId, false);
  EXPECT_FALSE(files.keep({{"s", segment}}, 0, never));
  EXPECT_TRUE(names().empty());
  fs.heal();
  EXPECT_TRUE(files.keep({{"s", segment}}, 0, never));
  EXPECT_EQ(names().size(), 1u);
}

}  // namespace
}  // namespace strata::derived
