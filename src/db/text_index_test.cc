// The text index through the lives of a database: what its files are good for, and that no answer depends on them.
#include <gtest/gtest.h>

#include <algorithm>

#include "db/session_impl.h"
#include "strata/branch.h"
#include "strata/kv.h"
#include "strata/search.h"
#include "strata/session.h"
#include "strata/space.h"
#include "strata/value.h"
#include "testing/fault_fs.h"
#include "testing/test_clock.h"

namespace strata {
namespace {

constexpr char kIndex[] = "db/index";

std::string text_value(std::string_view text) {
  ValueWriter writer;
  EXPECT_TRUE(writer.string(text));
  return std::string(writer.result());
}

class TextIndexTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<Session>> try_open(os::FileSystem& fs, bool read_only = false) {
    db::DatabaseOptions database;
    database.clock = &clock_;
    database.background = false;
    database.fs = &fs;
    database.folder = "db";
    OpenOptions options;
    options.read_only = read_only;
    auto opened = db::SessionAccess::open(database, options);
    // Any segment is worth a file.
    if (opened) db::SessionAccess::database(**opened).caches().text().set_options({1, 1});
    return opened;
  }
  std::unique_ptr<Session> open(bool read_only = false) {
    auto opened = try_open(*files_, read_only);
    EXPECT_TRUE(opened.is_ok()) << opened.status().to_string();
    return std::move(*opened);
  }
  static void put(Session& session, int first, int last, std::string_view text) {
    for (int n = first; n < last; ++n) {
      Call call(session, Call::kWait);
      const std::string value = text_value(std::string(text) + " number n" + std::to_string(n));
      ASSERT_TRUE(Kv(call).put("key" + std::to_string(n), value).is_ok());
    }
  }
  static Result<std::vector<std::string>> search(Session& session, std::string_view query) {
    Call call(session, Call::kWait);
    SearchRequest request;
    request.query = query;
    request.k = 1000;
    STRATA_ASSIGN(const auto hits, Search(call).search(request));
    std::vector<std::string> found;
    for (const SearchHit& hit : hits) found.push_back(hit.key + " " + std::to_string(hit.score) + " " + hit.snippet);
    return found;
  }
  static std::vector<std::string> found(Session& session, std::string_view query) {
    const auto hits = search(session, query);
    EXPECT_TRUE(hits.is_ok()) << hits.status().to_string();
    return *hits;
  }
  // What the database does now and then, and the tasks that wait for it.
  static void step(Session& session) {
    derived::Caches& caches = db::SessionAccess::database(session).caches();
    caches.tick();
    caches.worker().run_waiting();
  }
  std::vector<std::string> names() {
    const auto names = files_->list(kIndex);
    return names ? *names : std::vector<std::string>();
  }
  void remove_files() {
    for (const std::string& name : names()) EXPECT_TRUE(files_->remove(os::join_path(kIndex, name)).is_ok());
  }
  static void use(Session& session, std::string_view branch) {
    Call call(session, Call::kWait);
    ASSERT_TRUE(call.branch_use(branch).is_ok());
  }
  static void fork(Session& session, std::string_view name) {
    Call call(session, Call::kWait);
    ASSERT_TRUE(Branches(call).fork("default", name, {}).is_ok());
  }

  const std::unique_ptr<os::FileSystem> files_ = os::make_memory_file_system();
  testing::TestClock clock_;
};

TEST_F(TextIndexTest, WhatWasKeptIsUsedAgain) {
  auto session = open();
  put(*session, 0, 300, "red fox");
  const auto wanted = found(*session, "fox n7");
  EXPECT_TRUE(session->close().is_ok());
  const auto kept = names();
  EXPECT_EQ(kept.size(), 1u);
  // Nothing of it was read again: a value is looked at for its hit's snippet alone.
  for (const bool read_only : {true, false}) {
    testing::FaultFileSystem watched(*files_);
    auto again = std::move(*try_open(watched, read_only));
    EXPECT_EQ(found(*again, "fox n7"), wanted);
    EXPECT_TRUE(again->close().is_ok());
    EXPECT_EQ(names(), kept);
    for (const testing::Call& call : watched.calls()) {
      const bool writes = call.operation == testing::Operation::kWrite || call.operation == testing::Operation::kRemove;
      EXPECT_FALSE(writes && call.path.starts_with(kIndex)) << describe(call);
    }
  }
}

TEST_F(TextIndexTest, WhatChangedWithoutASearchIsFound) {
  auto session = open();
  put(*session, 0, 100, "red fox");
  EXPECT_EQ(found(*session, "fox").size(), 100u);
  session = nullptr;
  session = open();
  put(*session, 50, 120, "blue hen");
  {
    Call call(*session, Call::kWait);
    EXPECT_TRUE(Kv(call).erase("key3").is_ok());
  }
  session = nullptr;
  session = open();
  EXPECT_EQ(found(*session, "fox").size(), 49u);
  EXPECT_EQ(found(*session, "hen").size(), 70u);
  const auto wanted = found(*session, "fox hen number n60");
  session = nullptr;
  remove_files();
  session = open();
  EXPECT_EQ(found(*session, "fox hen number n60"), wanted);  // by an index made from nothing
}

TEST_F(TextIndexTest, FilesAreWrittenInTheBackground) {
  auto session = open();
  put(*session, 0, 100, "red fox");
  step(*session);
  EXPECT_TRUE(names().empty());  // nobody has searched
  EXPECT_EQ(found(*session, "fox").size(), 100u);
  step(*session);
  const auto kept = names();
  EXPECT_EQ(kept.size(), 1u);
  const uint64_t bytes = session->info()->disk_bytes;
  remove_files();
  EXPECT_LT(session->info()->disk_bytes, bytes);
  step(*session);
  EXPECT_TRUE(names().empty());  // nothing has changed
}

TEST_F(TextIndexTest, BranchesShareFilesAndFindTheirOwn) {
  auto session = open();
  put(*session, 0, 200, "red fox");
  EXPECT_EQ(found(*session, "fox").size(), 200u);
  fork(*session, "other");
  use(*session, "other");
  put(*session, 100, 300, "blue hen");
  EXPECT_EQ(found(*session, "hen").size(), 200u);
  const auto here = found(*session, "fox hen");
  use(*session, "default");
  const auto there = found(*session, "fox hen");
  session = nullptr;
  EXPECT_EQ(names().size(), 2u);
  session = open();
  EXPECT_EQ(found(*session, "fox hen"), there);
  use(*session, "other");
  EXPECT_EQ(found(*session, "fox hen"), here);
  use(*session, "default");
  // The segment of the other branch goes with it.
  {
    Call call(*session, Call::kWait);
    ASSERT_TRUE(Branches(call).remove("other").is_ok());
  }
  session = nullptr;
  EXPECT_EQ(names().size(), 1u);
  session = open();
  EXPECT_EQ(found(*session, "fox hen"), there);
}

// Only one of the branches is searched before the next close: what the others have stays.
TEST_F(TextIndexTest, WhatABranchThatNobodySearchedNeedsStays) {
  auto session = open();
  put(*session, 0, 50, "red fox");
  fork(*session, "other");
  use(*session, "other");
  put(*session, 0, 50, "blue hen");
  EXPECT_EQ(found(*session, "hen").size(), 50u);
  session = nullptr;
  const auto kept = names();
  EXPECT_EQ(kept.size(), 1u);
  session = open();
  EXPECT_EQ(found(*session, "fox").size(), 50u);
  session = nullptr;
  EXPECT_EQ(names().size(), 2u);
  session = open();
  use(*session, "other");
  EXPECT_EQ(found(*session, "hen").size(), 50u);
  use(*session, "default");
  EXPECT_EQ(found(*session, "fox").size(), 50u);
  session = nullptr;
  EXPECT_EQ(names().size(), 2u);
}

TEST_F(TextIndexTest, FilesOfASpaceThatIsGoneAreRemoved) {
  auto session = open();
  {
    Call call(*session, Call::kWait);
    ASSERT_TRUE(call.space_use("s").is_ok());
  }
  put(*session, 0, 50, "red fox");
  EXPECT_EQ(found(*session, "fox").size(), 50u);
  session = nullptr;
  EXPECT_EQ(names().size(), 1u);
  session = open();
  {
    Call call(*session, Call::kWait);
    ASSERT_TRUE(Spaces(call).remove("s", true).is_ok());
  }
  EXPECT_TRUE(found(*session, "fox").empty());
  session = nullptr;
  EXPECT_TRUE(names().empty());
}

TEST_F(TextIndexTest, CompactionLosesNoFiles) {
  auto session = open();
  put(*session, 0, 100, "red fox");
  put(*session, 0, 50, "blue hen");
  const auto wanted = found(*session, "fox hen");
  ASSERT_TRUE(session->compact(0, nullptr).is_ok());
  EXPECT_EQ(names().size(), 1u);
  EXPECT_EQ(found(*session, "fox hen"), wanted);
  session = nullptr;
  session = open();
  EXPECT_EQ(found(*session, "fox hen"), wanted);
}

// Whatever call fails while a search reads or writes files: the search answers right or says what failed, and when the
// disk is well again so is everything.
TEST_F(TextIndexTest, AFailingDiskChangesNoAnswer) {
  auto session = open();
  put(*session, 0, 60, "red fox");
  EXPECT_EQ(found(*session, "fox").size(), 60u);
  session = nullptr;
  session = open();
  put(*session, 30, 80, "blue hen");
  const auto wanted = found(*session, "fox hen");
  session = nullptr;
  uint64_t calls = 1;
  for (uint64_t at = 0; at < calls; ++at) {
    for (const bool forever : {false, true}) {
      testing::FaultFileSystem fs(*files_);
      testing::Fault fault;
      fault.at = at;
      fault.forever = forever;
      fault.written = 0.5;
      fault.matches = [](const testing::Call& call) { return call.path.starts_with(kIndex); };
      fs.inject(fault);
      auto faulty = try_open(fs);
      ASSERT_TRUE(faulty.is_ok()) << at << ": " << faulty.status().to_string();
      EXPECT_EQ(found(**faulty, "fox hen"), wanted) << at;
      EXPECT_TRUE((*faulty)->info().is_ok()) << at;
      EXPECT_TRUE((*faulty)->close().is_ok()) << at;
      const auto made = fs.calls();
      if (!forever) {
        calls =
            std::max<uint64_t>(calls, static_cast<uint64_t>(std::count_if(made.begin(), made.end(), fault.matches)));
      }
      session = open();
      EXPECT_EQ(found(*session, "fox hen"), wanted) << at;
      session = nullptr;
    }
  }
  EXPECT_GT(calls, 8u);
}

}  // namespace
}  // namespace strata
