#include "derived/embedding_store.h"

#include <gtest/gtest.h>

#include <string>

#include "testing/fault_fs.h"

namespace strata::derived {
namespace {

constexpr uint64_t kDatabase = 77;

class EmbeddingStoreTest : public ::testing::Test {
 protected:
  EmbeddingStore open(bool read_only = false, uint64_t database = kDatabase) {
    return EmbeddingStore({fs_.get(), "index", read_only}, database);
  }
  void fill(int rows) {
    EmbeddingStore store = open();
    for (int i = 0; i < rows; ++i) EXPECT_TRUE(store.add(text(i), vector(i)));
    store.close();
  }
  static std::string text(int i) { return "text " + std::to_string(i); }
  static std::vector<float> vector(int i) { return {static_cast<float>(i), 1, -2}; }
  // How many of the rows are there, with the right vectors.
  static int known(const EmbeddingStore& store, int rows) {
    int count = 0;
    for (int i = 0; i < rows; ++i) {
      std::vector<float> found;
      const bool there = store.read(name_text(text(i)), &found);
      EXPECT_EQ(there, store.has(name_text(text(i))));
      if (there) {
        EXPECT_EQ(found, vector(i));
      }
      count += there ? 1 : 0;
    }
    return count;
  }
  std::unique_ptr<os::File> file() {
    auto opened = fs_->open("index/embeddings", os::OpenMode::kReadWrite);
    EXPECT_TRUE(opened.is_ok());
    return std::move(*opened);
  }

  std::unique_ptr<os::FileSystem> fs_ = os::make_memory_file_system();
};

TEST_F(EmbeddingStoreTest, KeepsVectorsByText) {
  EmbeddingStore store({}, kDatabase);
  EXPECT_EQ(store.dimension(), 0u);
  EXPECT_FALSE(store.probe().has_value());
  EXPECT_TRUE(store.add("a", std::vector<float>{1, 2}));
  EXPECT_TRUE(store.add("b", std::vector<float>{3, 4}));
  EXPECT_FALSE(store.add("c", std::vector<float>{5}));
  std::vector<float> found;
  EXPECT_TRUE(store.read(name_text("b"), &found));
  EXPECT_EQ(found, (std::vector<float>{3, 4}));
  EXPECT_FALSE(store.read(name_text("c"), &found));
  EXPECT_EQ(store.probe()->text, "a");
  EXPECT_EQ(store.probe()->vector, (std::vector<float>{1, 2}));
  EXPECT_GT(store.memory_bytes(), 0u);
  store.clear();
  EXPECT_EQ(store.dimension(), 0u);
  EXPECT_FALSE(store.has(name_text("a")));
  EXPECT_TRUE(store.add("c", std::vector<float>{5}));
}

TEST_F(EmbeddingStoreTest, IsThereAfterReopening) {
  fill(1000);
  EmbeddingStore store = open();
  EXPECT_EQ(known(store, 1000), 1000);
  EXPECT_EQ(store.probe()->text, text(0));
  EXPECT_TRUE(store.add(text(1000), vector(1000)));
  EXPECT_EQ(known(open(), 1001), 1001);
}

TEST_F(EmbeddingStoreTest, WritesNothingWhenItOnlyReads) {
  EmbeddingStore nothing = open(true);
  EXPECT_TRUE(nothing.add(text(0), vector(0)));
  EXPECT_FALSE(*fs_->exists("index/embeddings"));
  fill(3);
  const uint64_t size = *file()->size();
  EmbeddingStore store = open(true);
  EXPECT_TRUE(store.add(text(3), vector(3)));
  EXPECT_EQ(known(store, 4), 4);
  EXPECT_EQ(*file()->size(), size);
  store.clear();
  EXPECT_EQ(*file()->size(), size);
}

TEST_F(EmbeddingStoreTest, OfAnotherDatabaseIsNothing) {
  fill(3);
  EXPECT_EQ(known(open(true, kDatabase + 1), 3), 0);
  EmbeddingStore store = open(false, kDatabase + 1);
  EXPECT_TRUE(store.add(text(7), vector(7)));
  EXPECT_EQ(known(open(false, kDatabase + 1), 8), 1);
}

// Whatever byte is damaged, and wherever it is cut: what is believed is right, and adding goes on.
TEST_F(EmbeddingStoreTest, DamageEndsWhatIsBelieved) {
  constexpr int kRows = 6;
  fill(kRows);
  const uint64_t size = *file()->size();
  std::string whole(size, '\0');
  ASSERT_EQ(*file()->read(0, size, whole.data()), size);
  int least = kRows;
  for (uint64_t at = 0; at < 2 * size; ++at) {
    std::string bytes = whole;
    if (at < size) {
      bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    } else {
      bytes.resize(at - size);
    }
    auto damaged = file();
    ASSERT_TRUE(damaged->truncate(0).is_ok());
    ASSERT_TRUE(damaged->write(0, bytes).is_ok());
    EmbeddingStore store = open();
    const int before = known(store, kRows);
    least = std::min(least, before);
    EXPECT_LT(before, kRows) << at;
    EXPECT_TRUE(store.add(text(kRows), vector(kRows)));
    EXPECT_EQ(known(store, kRows + 1), before + 1) << at;
    store.close();
    EXPECT_GE(known(open(), kRows + 1), before + 1) << at;
  }
  EXPECT_EQ(least, 0);
}

// Each call to the file system fails once, or all do from then on: nothing is lost that was not in the file alone.
TEST_F(EmbeddingStoreTest, FaultsCostOnlyTheFile) {
  for (const bool forever : {false, true}) {
    for (uint64_t at = 0;; ++at) {
      fs_ = os::make_memory_file_system();
      fill(4);
      testing::FaultFileSystem faulty(*fs_);
      testing::Fault fault;
      fault.at = at;
      fault.forever = forever;
      fault.written = 0.5;
      faulty.inject(fault);
      {
        EmbeddingStore store({&faulty, "index", false}, kDatabase);
        for (int i = 4; i < 8; ++i) EXPECT_TRUE(store.add(text(i), vector(i)));
        faulty.heal();
        int own = 0;
        for (int i = 4; i < 8; ++i) own += store.has(name_text(text(i))) ? 1 : 0;
        EXPECT_EQ(own, 4) << at;
        store.close();
      }
      EXPECT_GE(known(open(), 8), 4) << at;
      if (faulty.failures() == 0) break;
    }
  }
}

TEST_F(EmbeddingStoreTest, AFullDiskCostsOnlyTheFile) {
  for (uint64_t budget = 0; budget < 300; budget += 7) {
    fs_ = os::make_memory_file_system();
    testing::FaultFileSystem full(*fs_);
    full.set_budget(budget);
    EmbeddingStore store({&full, "index", false}, kDatabase);
    for (int i = 0; i < 8; ++i) EXPECT_TRUE(store.add(text(i), vector(i)));
    EXPECT_EQ(known(store, 8), 8) << budget;
    store.close();
    EXPECT_LT(known(open(), 8), 8) << budget;
  }
}

TEST(EmbeddedTextTest, StringsAndTheirNames) {
  ValueWriter writer;
  ASSERT_TRUE(writer.begin_object() && writer.name("title") && writer.string("T") && writer.name("n") &&
              writer.integer(5) && writer.name("list") && writer.begin_array() && writer.string("x") &&
              writer.string(" ") && writer.string("y") && writer.end() && writer.end());
  EXPECT_EQ(*embedded_text(DocumentKind::kKv, writer.result()), "title: T\nlist: x\nlist: y");
}

TEST(EmbeddedTextTest, NothingInIt) {
  ValueWriter writer;
  ASSERT_TRUE(writer.begin_object() && writer.name("title") && writer.string(" \n") && writer.end());
  EXPECT_EQ(*embedded_text(DocumentKind::kKv, writer.result()), "");
}

TEST(EmbeddedTextTest, IsCutWhereACharacterBegins) {
  std::string text = "x";
  while (text.size() < 2 * kMostEmbeddedBytes) text += "\xC3\xBC";
  ValueWriter writer;
  ASSERT_TRUE(writer.string(text));
  const auto cut = embedded_text(DocumentKind::kKv, writer.result());
  EXPECT_EQ(*cut, text.substr(0, kMostEmbeddedBytes - 1));
}

}  // namespace
}  // namespace strata::derived
