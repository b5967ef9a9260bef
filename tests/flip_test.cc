// Single bits flip anywhere in the files of a database: whoever opens, reads or verifies it afterwards gets an error
// or the right data, never wrong data and never a crash. In files that are kept for searches they cost nothing but
// these.
#include <gtest/gtest.h>

#include <map>

#include "base/checksum.h"
#include "base/coding.h"
#include "engine_driver.h"
#include "storage/node_store.h"
#include "storage/page_format.h"
#include "testing/crash_fs.h"
#include "testing/crash_player.h"
#include "testing/random.h"
#include "testing/test_clock.h"

namespace strata {
namespace {

using testing::CrashFileSystem;
using testing::CrashImage;
using testing::ModelDb;
using testing::Random;
using testing::RandomOp;

// A database of some hundred kilobytes with branches and history, cleanly closed or killed.
struct Specimen {
  CrashImage image;
  ModelDb model;
  // Of a killed one the last states, by the time of their commit: behind the last position that some record says was
  // synced, a damaged record cannot be told from one that was never whole, and the log is cut there.
  std::map<uint64_t, ModelDb> last_states;
  std::vector<uint64_t> moments;
  uint64_t bytes = 0;
};

DriverOptions driver_options(os::FileSystem& fs, os::Clock& clock) {
  DriverOptions options;
  options.fs = &fs;
  options.clock = &clock;
  return options;
}

Specimen make_specimen(bool closed, uint64_t seed, uint64_t percent_vectors = 25) {
  Specimen specimen;
  testing::TestClock clock;
  CrashFileSystem fs;
  {
    EngineDriver driver(driver_options(fs, clock));
    EXPECT_TRUE(driver.open().is_ok());
    testing::RandomOps ops(seed,
                           {.keys = 60, .branches = 3, .largest_value = 9000, .percent_vectors = percent_vectors});
    for (int i = 0; i < 240; ++i) {
      RandomOp op = ops.next(specimen.model, specimen.moments);
      if (!closed && op.kind == RandomOp::Kind::kReopen) continue;
      bool changed = false;
      const Status done = driver.run(op, &specimen.model, &changed);
      EXPECT_TRUE(done.is_ok()) << done.to_string();
      if (!closed && i > 180) specimen.last_states[*driver.timestamp()] = specimen.model;
      if (changed && i % 45 == 0 && i < 180) specimen.moments.push_back(*driver.timestamp());
    }
    EXPECT_TRUE(driver.session().flush().is_ok());
    testing::CrashPlayer killed(fs);
    killed.advance_to(killed.last());
    specimen.image = killed.image(testing::Loss::kNothing, 0);
    EXPECT_TRUE(driver.close().is_ok());
    if (closed) {
      testing::CrashPlayer player(fs);
      player.advance_to(player.last());
      specimen.image = player.image(testing::Loss::kNothing, 0);
    }
  }
  for (const auto& [path, bytes] : specimen.image.files) specimen.bytes += bytes->size();
  return specimen;
}

struct Place {
  std::string path;
  uint64_t offset = 0;
  int bit = 0;
};

// In a file whose path holds that; an empty path: there is none.
Place any_place(const Specimen& specimen, Random& random, const std::string& path_part = "") {
  uint64_t all = 0;
  for (const auto& [path, bytes] : specimen.image.files) {
    if (path.find(path_part) != std::string::npos) all += bytes->size();
  }
  if (all == 0) return {};
  uint64_t at = random.below(all);
  for (const auto& [path, bytes] : specimen.image.files) {
    if (path.find(path_part) == std::string::npos) continue;
    if (at < bytes->size()) return {path, at, static_cast<int>(random.below(8))};
    at -= bytes->size();
  }
  return {};
}

CrashImage flipped(const Specimen& specimen, const Place& place) {
  CrashImage image = specimen.image;
  char byte = 0;
  testing::PagedBytes& bytes = testing::own(image.files.at(place.path));
  bytes.read(place.offset, 1, &byte);
  byte = static_cast<char>(byte ^ (1 << place.bit));
  bytes.write(place.offset, {&byte, 1});
  return image;
}

enum class Outcome : uint8_t { kRefused, kRight, kWrong };

// *why: the error or the difference.
Outcome examine(const CrashImage& image, const Specimen& specimen, bool read_only, bool verify, std::string* why) {
  testing::TestClock clock(1'800'000'000'000'000);
  CrashFileSystem fs(image);
  EngineDriver driver(driver_options(fs, clock));
  const Status opened = driver.open(read_only);
  *why = opened.to_string();
  if (!opened.is_ok()) return Outcome::kRefused;
  if (verify) {
    const auto verified = driver.session().verify(nullptr);
    if (!verified.is_ok() || !verified->ok) return Outcome::kRefused;
  }
  const auto timestamp = driver.timestamp();
  *why = timestamp.status().to_string();
  if (!timestamp.is_ok()) return Outcome::kRefused;
  const auto cut = specimen.last_states.find(*timestamp);
  const ModelDb& expected = cut == specimen.last_states.end() ? specimen.model : cut->second;
  const auto differs = Comparison(driver.session(), expected).all(specimen.moments);
  if (!differs.has_value()) return Outcome::kRight;
  *why = *differs + " at " + std::to_string(*timestamp);
  // A difference is this test's own error: anything else came from the engine.
  return why->find("[invalid_argument]") == std::string::npos ? Outcome::kRefused : Outcome::kWrong;
}

void flip_many(bool closed) {
  const uint64_t seed = testing::test_seed(3);
  const Specimen specimen = make_specimen(closed, seed);
  Random random(seed);
  uint64_t refused = 0;
  const uint64_t flips = testing::scaled(1000);
  for (uint64_t i = 0; i < flips; ++i) {
    const Place place = any_place(specimen, random);
    std::string why;
    const bool read_only = random.one_in(2);
    const Outcome outcome = examine(flipped(specimen, place), specimen, read_only, random.one_in(4), &why);
    ASSERT_NE(outcome, Outcome::kWrong) << why << "\n  with bit " << place.bit << " of byte " << place.offset << " of "
                                        << place.path << " flipped, read_only " << read_only;
    refused += outcome == Outcome::kRefused ? 1 : 0;
  }
  std::printf("counted: %llu bit flips in %llu bytes, %llu refused, the others harmless\n",
              static_cast<unsigned long long>(flips), static_cast<unsigned long long>(specimen.bytes),
              static_cast<unsigned long long>(refused));
  EXPECT_GT(refused, flips / 10);
}

TEST(FlipTest, ClosedDatabase) { flip_many(true); }
TEST(FlipTest, KilledDatabase) { flip_many(false); }

constexpr const char* kIndexFiles = "/index/vec-";

TEST(FlipTest, FilesOfSearchStructures) {
  const uint64_t seed = testing::test_seed(3);
  const Specimen specimen = make_specimen(true, seed, 80);
  Random random(seed);
  const uint64_t flips = testing::scaled(300);
  for (uint64_t i = 0; i < flips; ++i) {
    const Place place = any_place(specimen, random, kIndexFiles);
    ASSERT_FALSE(place.path.empty()) << "the specimen has no such file";
    std::string why;
    const Outcome outcome = examine(flipped(specimen, place), specimen, random.one_in(2), false, &why);
    ASSERT_EQ(outcome, Outcome::kRight) << why << "\n  with bit " << place.bit << " of byte " << place.offset << " of "
                                        << place.path << " flipped";
  }
  std::printf("counted: %llu bit flips in files of search structures, all harmless\n",
              static_cast<unsigned long long>(flips));
}

// The bytes of such a file with checksums that fit them (derived/cache_files.h).
void seal_index_file(testing::PagedBytes& file) {
  constexpr uint64_t kDatabase = 0x5742415441444221;
  constexpr size_t kHeaderBytes = 64;
  std::string bytes(file.size(), '\0');
  ASSERT_EQ(file.read(0, bytes.size(), bytes.data()), bytes.size());
  const uint64_t segment_bytes = base::load_u64(bytes.data() + 24);
  ASSERT_LE(kHeaderBytes + segment_bytes, bytes.size());
  const std::string_view whole = bytes;
  base::store_u32(bytes.data() + 40, base::checksum(whole.substr(kHeaderBytes, segment_bytes), kDatabase));
  base::store_u32(bytes.data() + 44, base::checksum(whole.substr(kHeaderBytes + segment_bytes), kDatabase));
  base::store_u32(bytes.data() + 48, base::checksum(whole.substr(0, 48), kDatabase));
  file.write(0, bytes);
}

// A test that cannot see wrong answers proves nothing: with checksums that fit the damage it must.
TEST(FlipTest, SeesDamageOfSearchStructuresThatPassesTheChecksum) {
  const uint64_t seed = testing::test_seed(3);
  const Specimen specimen = make_specimen(true, seed, 80);
  Random random(seed);
  for (int i = 0; i < 3000; ++i) {
    const Place place = any_place(specimen, random, kIndexFiles);
    if (place.offset < 64) continue;
    CrashImage image = flipped(specimen, place);
    seal_index_file(testing::own(image.files.at(place.path)));
    std::string why;
    if (examine(image, specimen, true, false, &why) == Outcome::kWrong) {
      std::printf("seen after %d flips: %s\n", i, why.c_str());
      return;
    }
  }
  FAIL() << "no damage was seen";
}

// A test that cannot see wrong data proves nothing: with checksums that fit the damage it must.
TEST(FlipTest, SeesDamageThatPassesTheChecksum) {
  const uint64_t seed = testing::test_seed(3);
  const Specimen specimen = make_specimen(true, seed);
  Random random(seed);
  for (int i = 0; i < 3000; ++i) {
    const Place place = any_place(specimen, random);
    const uint64_t page = place.offset / storage::kPageBytes;
    if (!place.path.ends_with("pages.strata") || page < storage::kMetaPages) continue;
    CrashImage image = flipped(specimen, place);
    testing::PagedBytes& bytes = testing::own(image.files.at(place.path));
    char node[storage::kPageBytes];
    if (bytes.read(page * storage::kPageBytes, sizeof(node), node) != sizeof(node)) continue;
    storage::seal_node(storage::make_node_id(page, 1), 0x5742415441444221, node);
    bytes.write(page * storage::kPageBytes, {node, sizeof(node)});
    std::string why;
    if (examine(image, specimen, true, false, &why) == Outcome::kWrong) {
      std::printf("seen after %d flips: %s\n", i, why.c_str());
      return;
    }
  }
  FAIL() << "no damage was seen";
}

}  // namespace
}  // namespace strata
