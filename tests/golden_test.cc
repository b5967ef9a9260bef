// Golden files: folders that earlier versions of the library wrote, one for each version of the format. Every later
// version opens them and reads what was written.
//
// STRATA_WRITE_GOLDEN=folder writes the folder of the present format there (to be committed with a change of format).
// STRATA_WRITE_GOLDEN_BUNDLES=folder likewise, of bundles.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>

#include "base/checksum.h"
#include "base/coding.h"
#include "engine_driver.h"
#include "os/clock.h"
#include "storage/log_format.h"
#include "storage/page_format.h"
#include "testing/random.h"

namespace strata {
namespace {

namespace fs = std::filesystem;
using testing::ModelDb;

constexpr uint64_t kSeed = 20240229;
constexpr uint64_t kSteps = 140;

// Stands still, so that commits are a microsecond apart, however often an engine asks.
class StillClock final : public os::Clock {
 public:
  uint64_t now_micros() override { return 1'700'000'000'000'000; }
  uint64_t monotonic_micros() override { return 1; }
};

DriverOptions small_files(const std::string& folder, os::Clock* clock) {
  DriverOptions options;
  options.fs = &os::posix_file_system();
  options.clock = clock;
  options.folder = folder;
  return options;
}

// The work that every golden folder holds, done on an engine and on the oracle.
void work(EngineDriver* driver, ModelDb* model, std::vector<uint64_t>* moments) {
  testing::RandomOps ops(kSeed, {.keys = 12, .branches = 3, .largest_value = 3000, .maintenance = false});
  for (uint64_t i = 0; i < kSteps; ++i) {
    const testing::RandomOp op = ops.next(*model, *moments);
    bool changed = false;
    const Status done = driver->run(op, model, &changed);
    ASSERT_TRUE(done.is_ok()) << describe(op) << ": " << done.to_string();
    if (changed) moments->push_back(*driver->timestamp());
    if (i == kSteps / 2) {
      ASSERT_TRUE(driver->database().checkpoint().is_ok());
    }
  }
}

// Where the project's tests/golden is, looked for upwards from the working folder.
fs::path golden_root() {
  if (const char* given = std::getenv("STRATA_GOLDEN")) return given;
  for (fs::path at = fs::current_path(); at != at.root_path(); at = at.parent_path()) {
    if (fs::exists(at / "tests" / "golden")) return at / "tests" / "golden";
  }
  return {};
}

std::string bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_bytes(const fs::path& file, std::string_view bytes) { std::ofstream(file, std::ios::binary) << bytes; }

std::map<std::string, std::string> all_files(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file()) files[entry.path().filename().string()] = bytes_of(entry.path());
  }
  return files;
}

// The bytes with the version at `at` raised by one and the checksum behind the first `covered` bytes made to fit.
std::string newer(std::string bytes, size_t at, size_t covered, uint64_t seed) {
  base::store_u32(bytes.data() + at, base::load_u32(bytes.data() + at) + 1);
  base::store_u32(bytes.data() + covered, base::checksum({bytes.data(), covered}, seed));
  return bytes;
}

std::string text_value(std::string_view text) {
  ValueWriter writer;
  EXPECT_TRUE(writer.string(text));
  return std::string(writer.result());
}

std::string object_value(std::string_view name, std::string_view text) {
  ValueWriter writer;
  EXPECT_TRUE(writer.begin_object() && writer.name(name) && writer.string(text) && writer.end());
  return std::string(writer.result());
}

class GoldenTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("strata-golden-" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST_F(GoldenTest, EveryVersionOpens) {
  const fs::path root = golden_root();
  ASSERT_FALSE(root.empty()) << "run it inside the project, or set STRATA_GOLDEN to its tests/golden";
  // The oracle's state comes from doing the same work with the present engine.
  ModelDb model;
  std::vector<uint64_t> moments;
  {
    StillClock clock;
    EngineDriver driver(small_files((folder_ / "now").string(), &clock));
    ASSERT_TRUE(driver.open().is_ok());
    work(&driver, &model, &moments);
    ASSERT_TRUE(driver.close().is_ok());
  }
  int versions = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(root)) {
    if (!entry.path().filename().string().starts_with("format-")) continue;
    SCOPED_TRACE(entry.path().filename().string());
    const fs::path copy = folder_ / entry.path().filename();
    fs::copy(entry.path(), copy, fs::copy_options::recursive);
    StillClock clock;
    for (const bool read_only : {true, false}) {
      EngineDriver driver(small_files(copy.string(), &clock));
      const Status opened = driver.open(read_only);
      ASSERT_TRUE(opened.is_ok()) << opened.to_string();
      const auto difference = Comparison(driver.session(), model).all(moments);
      EXPECT_FALSE(difference.has_value()) << *difference;
      const auto verified = driver.session().verify(nullptr);
      ASSERT_TRUE(verified.is_ok()) << verified.status().to_string();
      EXPECT_TRUE(verified->ok) << verified->problems[0];
      ASSERT_TRUE(driver.close().is_ok());
    }
    ++versions;
  }
  EXPECT_GE(versions, 1);
  std::printf("counted: %d formats opened\n", versions);
}

// ---- bundles ----

Status put_vector(Call& call, std::string_view key, std::vector<float> components, std::string_view metadata) {
  const VectorItem item{key, components, metadata};
  return Vectors(call).upsert("places", {&item, 1}, false).status();
}

// What every folder of bundles holds: a branch with all kinds of things, and what was added to it later.
Status first_work(Call& call) {
  const auto put = [&](std::string_view key, std::string_view value) { return Kv(call).put(key, value).status(); };
  const std::string large = text_value(std::string(5000, 'x'));
  STRATA_TRY(put("a", text_value("one")));
  STRATA_TRY(put("a", text_value("two")));
  STRATA_TRY(put("gone", large));
  STRATA_TRY(Kv(call).erase("gone").status());
  STRATA_TRY(put("large", large));
  STRATA_TRY(State(call).set("cell", text_value("state")).status());
  STRATA_TRY(Json(call).set("plan", "$.steps.total", text_value("five")).status());
  STRATA_TRY(Events(call).append("step", object_value("n", "0")).status());
  STRATA_TRY(Vectors(call).create_collection("places", 2, VectorMetric::kEuclidean).status());
  STRATA_TRY(put_vector(call, "here", {0, 1}, object_value("of", "mine")));
  STRATA_TRY(put_vector(call, "there", {-2.5, 1e20F}, {}));
  STRATA_TRY(call.space_use("notes"));
  STRATA_TRY(call.begin(false, Isolation::kSerializable, "with a message"));
  STRATA_TRY(put("note", text_value("in a space")));
  STRATA_TRY(Events(call).append("noted", object_value("by", "me")).status());
  STRATA_TRY(call.commit(std::nullopt).status());
  return call.space_use("default");
}

Status later_work(Call& call) {
  STRATA_TRY(Kv(call).put("a", text_value("three")).status());
  STRATA_TRY(Kv(call).erase("large").status());
  STRATA_TRY(Json(call).set("plan", "$.steps.done", text_value("two")).status());
  STRATA_TRY(put_vector(call, "here", {0, 2}, {}));
  STRATA_TRY(Vectors(call).erase("places", "there").status());
  STRATA_TRY(Events(call).append("step", object_value("n", "1")).status());
  return Events(call).append("other", object_value("n", "2")).status();
}

// Everything that can be read of a branch, in words.
Result<std::string> told(Session& session, std::string_view branch) {
  Call call(session, Call::kWait);
  STRATA_TRY(call.branch_use(branch));
  std::string text;
  const auto add = [&](const RowList& rows) {
    for (size_t i = 0; i < rows.size(); ++i) {
      const RowList::Entry& entry = rows.entry(i);
      text += " " + std::to_string(entry.version) + "@" + std::to_string(entry.timestamp) +
              (entry.deleted ? " gone" : " " + std::string(rows.value(i)));
    }
    text += "\n";
  };
  STRATA_ASSIGN(const std::vector<std::string> spaces, Spaces(call).list(std::nullopt));
  for (const std::string& space : spaces) {
    text += "space " + space + "\n";
    STRATA_TRY(call.space_use(space));
    RowList rows;
    for (const char* key : {"a", "gone", "large", "note"}) {
      rows.clear();
      STRATA_TRY(Kv(call).history(key, std::nullopt, &rows).status());
      add(rows);
    }
    rows.clear();
    STRATA_TRY(State(call).history("cell", std::nullopt, &rows).status());
    STRATA_TRY(Json(call).history("plan", std::nullopt, &rows).status());
    add(rows);
    STRATA_ASSIGN(const std::vector<CollectionInfo> collections, Vectors(call).list_collections(std::nullopt));
    for (const CollectionInfo& info : collections) {
      text += info.name + " " + std::to_string(info.dimension) + " " + std::string(metric_name(info.metric)) + " " +
              std::to_string(info.count) + "\n";
      for (const char* key : {"here", "there"}) {
        rows.clear();
        STRATA_TRY(Vectors(call).history(info.name, key, std::nullopt, &rows).status());
        add(rows);
      }
    }
    EventList events;
    STRATA_TRY(Events(call).list({}, &events));
    for (size_t i = 0; i < events.size(); ++i) {
      text += std::string(events[i].type) + " " + std::string(events[i].payload) + "@" +
              std::to_string(events[i].timestamp.value_or(0)) + "\n";
    }
    STRATA_ASSIGN(const EventVerdict verdict, Events(call).verify(std::nullopt));
    if (!verdict.valid) text += "the chain is broken\n";
  }
  STRATA_TRY(call.space_use("default"));
  STRATA_TRY(call.branch_use("default"));
  STRATA_ASSIGN(const std::vector<CommitInfo> commits, Branches(call).log(branch, std::nullopt));
  for (const CommitInfo& commit : commits) {
    text += "commit " + std::to_string(commit.timestamp) + " " + commit.message.value_or("-") + " " +
            std::to_string(commit.changes.kv + commit.changes.event + commit.changes.json + commit.changes.state +
                           commit.changes.vector + commit.changes.collection) +
            "\n";
  }
  return text;
}

// Does the work; hands each of the two bundles' paths to `visit` when its state is reached. The moment between them is
// the same in every run.
void work_of_bundles(EngineDriver* driver, const std::function<void(const char* name, AsOf since)>& visit) {
  uint64_t since = 0;
  {
    Call call(driver->session(), Call::kWait);
    ASSERT_TRUE(first_work(call).is_ok());
    since = *driver->timestamp();
  }
  visit("whole.bundle", std::nullopt);
  {
    Call call(driver->session(), Call::kWait);
    ASSERT_TRUE(later_work(call).is_ok());
  }
  visit("delta.bundle", since);
}

TEST_F(GoldenTest, BundlesOfEveryVersionAreImported) {
  const fs::path root = golden_root();
  ASSERT_FALSE(root.empty()) << "run it inside the project, or set STRATA_GOLDEN to its tests/golden";
  int versions = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(root)) {
    if (!entry.path().filename().string().starts_with("bundle-")) continue;
    SCOPED_TRACE(entry.path().filename().string());
    StillClock clock;
    EngineDriver driver(small_files((folder_ / "source").string(), &clock));
    DriverOptions elsewhere = small_files((folder_ / "target").string(), &clock);
    elsewhere.database_id = 1;
    EngineDriver target(elsewhere);
    ASSERT_TRUE(driver.open().is_ok() && target.open().is_ok());
    work_of_bundles(&driver, [&](const char* name, AsOf) {
      const std::string path = (entry.path() / name).string();
      const auto verdict = Bundles(target.session()).validate(path, nullptr);
      ASSERT_TRUE(verdict.is_ok() && !verdict->problem) << verdict->problem.value_or("");
      const auto imported = Bundles(target.session()).import(path, "copy", nullptr);
      ASSERT_TRUE(imported.is_ok()) << imported.status().to_string();
      const auto expected = told(driver.session(), "default");
      const auto found = told(target.session(), "copy");
      ASSERT_TRUE(expected.is_ok() && found.is_ok()) << expected.status().to_string() << found.status().to_string();
      EXPECT_EQ(*found, *expected) << name;
    });
    ASSERT_TRUE(driver.close().is_ok() && target.close().is_ok());
    ++versions;
  }
  EXPECT_GE(versions, 1);
}

TEST_F(GoldenTest, WritesTheBundlesOfToday) {
  const char* given = std::getenv("STRATA_WRITE_GOLDEN_BUNDLES");
  if (given == nullptr) GTEST_SKIP() << "STRATA_WRITE_GOLDEN_BUNDLES is not set: nothing to write";
  fs::create_directories(given);
  StillClock clock;
  EngineDriver driver(small_files(folder_.string(), &clock));
  ASSERT_TRUE(driver.open().is_ok());
  work_of_bundles(&driver, [&](const char* name, AsOf since) {
    const auto written = Bundles(driver.session()).write("default", (fs::path(given) / name).string(), since, nullptr);
    ASSERT_TRUE(written.is_ok()) << written.status().to_string();
  });
  ASSERT_TRUE(driver.close().is_ok());
}

// A whole file of a later format is neither damage nor something to mend: it is left as it is.
TEST_F(GoldenTest, NewerFormatsAreRefusedAndLeftAlone) {
  const fs::path root = golden_root();
  ASSERT_FALSE(root.empty()) << "run it inside the project, or set STRATA_GOLDEN to its tests/golden";
  constexpr size_t kVersionAt = 8;  // of pages and of segments, behind the magic
  const fs::path pages = "pages.strata";
  int refused = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(root / "format-1")) {
    if (entry.is_directory()) continue;  // of search structures, which are made anew where they are of another format
    const fs::path name = entry.path().filename();
    const bool is_pages = name == pages;
    for (int page = 0; page < (is_pages ? 2 : 1); ++page) {
      SCOPED_TRACE(name.string() + ", header " + std::to_string(page));
      const fs::path copy = folder_ / "copy";
      fs::remove_all(copy);
      fs::copy(root / "format-1", copy, fs::copy_options::recursive);
      std::string bytes = bytes_of(copy / name);
      if (is_pages) {
        const size_t at = page * storage::kPageBytes;
        bytes.replace(at, storage::kPageBytes,
                      newer(bytes.substr(at, storage::kPageBytes), kVersionAt, storage::kMetaChecksumOffset, 0));
      } else {
        const uint64_t id = base::load_u64(bytes_of(copy / pages).data() + 16);
        bytes = newer(std::move(bytes), kVersionAt, storage::kSegmentHeaderBytes - 4, id);
      }
      write_bytes(copy / name, bytes);
      const std::map<std::string, std::string> before = all_files(copy);
      StillClock clock;
      for (const bool read_only : {true, false, true}) {
        EngineDriver driver(small_files(copy.string(), &clock));
        const Status opened = driver.open(read_only);
        EXPECT_EQ(opened.code(), Code::kFormatTooNew) << opened.to_string();
        EXPECT_FALSE(opened.hint().empty());
      }
      std::map<std::string, std::string> after = all_files(copy);
      after.erase("LOCK");
      EXPECT_EQ(after, before);
      ++refused;
    }
  }
  EXPECT_GE(refused, 4);
}

TEST_F(GoldenTest, WritesTheOneOfToday) {
  const char* target = std::getenv("STRATA_WRITE_GOLDEN");
  if (target == nullptr) GTEST_SKIP() << "STRATA_WRITE_GOLDEN is not set: nothing to write";
  StillClock clock;
  EngineDriver driver(small_files(target, &clock));
  ASSERT_TRUE(driver.open().is_ok());
  ModelDb model;
  std::vector<uint64_t> moments;
  work(&driver, &model, &moments);
  // Searches everything, for the folder to hold search structures too.
  ASSERT_EQ(Comparison(driver.session(), model).all({}), std::nullopt);
  ASSERT_TRUE(driver.close().is_ok());
}

}  // namespace
}  // namespace strata
