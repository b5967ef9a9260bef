// Mutants of bundles, most of them with their checksums put right: each is refused whole, or imported and read back as
// exactly what it says. And bundles that somebody made up to do harm: lengths, depth, a little that expands to much.
#include <gtest/gtest.h>
#include <zstd.h>

#include <cstdio>

#include "base/checksum.h"
#include "branch/bundle_reader.h"
#include "bundle_parts.h"
#include "engine_driver.h"
#include "model/key_codec.h"
#include "strata/vector.h"
#include "testing/random.h"
#include "testing/test_clock.h"

namespace strata {
namespace {

using branch::BlockKind;
using testing::Random;

constexpr const char* kPath = "db/mutant.bundle";
constexpr const char* kBack = "db/back.bundle";

void mutate_bytes(Random& random, std::string* bytes) {
  const uint64_t changes = random.one_in(3) ? 1 + random.below(6) : 1;
  for (uint64_t i = 0; i < changes && !bytes->empty(); ++i) {
    const size_t at = random.below(bytes->size());
    switch (random.below(6)) {
      case 0:
        (*bytes)[at] = static_cast<char>((*bytes)[at] ^ (1 << random.below(8)));
        break;
      case 1:
        (*bytes)[at] = static_cast<char>(random.below(256));
        break;
      case 2:
        bytes->erase(at, 1 + random.below(random.one_in(2) ? 3 : 200));
        break;
      case 3:
        bytes->insert(at, bytes->substr(random.below(bytes->size()), random.below(60)));
        break;
      case 4:
        (*bytes)[at] = static_cast<char>((*bytes)[at] + (random.one_in(2) ? 1 : -1));
        break;
      default:
        bytes->resize(at);
        break;
    }
  }
}

void mutate_parts(Random& random, Parts* parts) {
  std::vector<Block>& blocks = parts->blocks;
  const size_t at = random.below(blocks.size());
  switch (random.below(12)) {
    case 0:
      std::swap(blocks[at], blocks[random.below(blocks.size())]);
      break;
    case 1:
      blocks.erase(blocks.begin() + static_cast<std::ptrdiff_t>(at));
      break;
    case 2:
      blocks.push_back(blocks[at]);
      break;
    case 3:
      blocks[at].kind = static_cast<uint32_t>(random.below(5));
      break;
    case 4:
      (random.one_in(2) ? parts->totals.entries : parts->totals.commits) += random.below(3) - 1;
      break;
    default:
      mutate_bytes(random, &blocks[at].bytes);
      break;
  }
}

// All that a bundle says of keys and commits.
struct Contents {
  std::vector<std::string> items;
};
Result<Contents> contents_of(os::FileSystem& fs, const std::string& path) {
  const branch::BundleReader::Poll poll = [](uint64_t) { return true; };
  STRATA_ASSIGN(const auto reader, branch::BundleReader::open(fs, path, UINT64_MAX / 2));
  STRATA_TRY(reader->check(poll));
  Contents contents;
  branch::BundleReader::Visitors visitors;
  visitors.entry = [&](const branch::CheckedEntry& checked) {
    const branch::BundleEntry& entry = checked.entry;
    contents.items.push_back(std::string(entry.key) + " " + std::to_string(entry.version) + " " +
                             std::to_string(entry.timestamp) + (entry.tombstone ? " gone " : " ") +
                             std::string(entry.value));
    return Status::ok();
  };
  visitors.commit = [&](const branch::BundleCommit& commit) {
    const CommitChanges& changes = commit.changes;
    std::string item = std::to_string(commit.timestamp);
    for (const uint64_t n :
         {changes.collection, changes.event, changes.json, changes.kv, changes.state, changes.vector}) {
      item += " " + std::to_string(n);
    }
    if (commit.message) item += " " + std::string(*commit.message);
    contents.items.push_back(std::move(item));
    return Status::ok();
  };
  STRATA_TRY(reader->read(visitors, poll));
  return contents;
}

class Lab {
 public:
  explicit Lab(uint64_t seed) : random_(seed) {
    options_.fs = files_.get();
    options_.clock = &clock_;
    options_.cache_bytes = 4u << 20;
    options_.segment_bytes = 1u << 20;
    options_.unit_bytes = 8u << 20;
  }

  // A branch of random work, as a bundle and as a delta on its middle.
  void prepare() {
    driver_ = std::make_unique<EngineDriver>(options_);
    ASSERT_TRUE(driver_->open().is_ok());
    testing::RandomOps ops(random_.next(),
                           {.keys = 12, .largest_value = 3000, .branch_ops = false, .maintenance = false});
    testing::ModelDb model;
    for (int i = 0; i < 60; ++i) {
      bool changed = false;
      ASSERT_TRUE(driver_->run(ops.next(model, {}), &model, &changed).is_ok());
      if (i == 30) since_ = *driver_->timestamp();
    }
    ASSERT_TRUE(bundles().write("default", kPath, std::nullopt, nullptr).is_ok());
    whole_ = read_file(*files_, kPath);
    ASSERT_TRUE(bundles().write("default", kPath, since_, nullptr).is_ok());
    delta_ = read_file(*files_, kPath);
    Call call(driver_->session(), Call::kWait);
    ASSERT_TRUE(Branches(call).fork("default", "base", since_).is_ok());
  }

  void mutant() {
    const bool delta = random_.one_in(3);
    const std::string& good = delta ? delta_ : whole_;
    std::string bundle = good;
    const bool raw = random_.one_in(8);
    if (raw) {
      mutate_bytes(random_, &bundle);
      if (bundle == good) return;
    } else {
      Parts parts = take_apart(good);
      mutate_parts(random_, &parts);
      if (!parts.blocks.empty()) bundle = put_together(parts);
    }
    write_file(*files_, kPath, bundle);
    const std::string name = delta ? "mirror" : "copy";
    if (delta) fork_mirror();
    const auto verdict = bundles().validate(kPath, nullptr);
    ASSERT_TRUE(verdict.is_ok()) << verdict.status().to_string();
    const auto imported = bundles().import(kPath, name, nullptr);
    ++(imported.is_ok() ? accepted : refused);
    if (imported.is_ok()) {
      ASSERT_FALSE(raw);
      ASSERT_FALSE(verdict->problem.has_value()) << *verdict->problem;
      check_imported(name, delta);
    } else {
      check_refused(imported.status(), delta);
    }
    if (imported.is_ok() || delta) remove(name);
  }

  // With a clock that stood still in the middle of the work.
  void refuse_the_future() {
    write_file(*files_, kPath, whole_);
    const branch::BundleReader::Poll poll = [](uint64_t) { return true; };
    for (const uint64_t latest : {since_, *driver_->timestamp()}) {
      const auto reader = branch::BundleReader::open(*files_, kPath, latest);
      ASSERT_TRUE(reader.is_ok());
      EXPECT_EQ((*reader)->check(poll).code(), latest == since_ ? Code::kBundleDamaged : Code::kOk);
    }
  }

  // Nothing is left over of all that was refused.
  void finish() {
    ASSERT_TRUE(driver_->session().compact(std::nullopt, nullptr).is_ok());
    const Status audited = audit_nodes(driver_->database());
    EXPECT_TRUE(audited.is_ok()) << audited.to_string();
    const auto verified = driver_->session().verify(nullptr);
    EXPECT_TRUE(verified.is_ok() && verified->ok);
    EXPECT_TRUE(driver_->close().is_ok());
  }

  uint64_t accepted = 0;
  uint64_t refused = 0;

 private:
  Bundles bundles() { return Bundles(driver_->session()); }

  void fork_mirror() {
    Call call(driver_->session(), Call::kWait);
    ASSERT_TRUE(Branches(call).fork("base", "mirror", std::nullopt).is_ok());
  }
  void remove(const std::string& name) {
    Call call(driver_->session(), Call::kWait);
    ASSERT_TRUE(Branches(call).remove(name).is_ok());
  }

  void check_imported(const std::string& name, bool delta) {
    const auto said = contents_of(*files_, kPath);
    ASSERT_TRUE(said.is_ok()) << said.status().to_string();
    // A delta is later than what its head says, which need not be what it was made with.
    const auto reader = branch::BundleReader::open(*files_, kPath, UINT64_MAX / 2);
    ASSERT_TRUE(reader.is_ok() && (*reader)->check([](uint64_t) { return true; }).is_ok());
    const AsOf since = delta ? AsOf((*reader)->head().since) : std::nullopt;
    if (delta != (*reader)->head().since.has_value() || (delta && *since != since_)) return;
    const auto written = bundles().write(name, kBack, since, nullptr);
    ASSERT_TRUE(written.is_ok()) << written.status().to_string();
    const auto back = contents_of(*files_, kBack);
    ASSERT_TRUE(back.is_ok()) << back.status().to_string();
    ASSERT_EQ(said->items, back->items);
    read_all(name);
  }

  // Every list and every log of events can be read, and the chains hold.
  void read_all(const std::string& name) {
    Call call(driver_->session(), Call::kWait);
    ASSERT_TRUE(call.branch_use(name).is_ok());
    const auto spaces = Spaces(call).list(std::nullopt);
    ASSERT_TRUE(spaces.is_ok());
    for (const std::string& space : *spaces) {
      ASSERT_TRUE(call.space_use(space).is_ok());
      const auto chain = Events(call).verify(std::nullopt);
      ASSERT_TRUE(chain.is_ok()) << chain.status().to_string();
      ASSERT_TRUE(chain->valid);
      EventList events;
      ASSERT_TRUE(Events(call).list({}, &events).is_ok());
      ASSERT_TRUE(Events(call).types(std::nullopt).is_ok());
      read_vectors(call);
    }
    ASSERT_TRUE(Branches(call).log(name, std::nullopt).is_ok());
    ASSERT_TRUE(call.space_use("default").is_ok());
    ASSERT_TRUE(call.branch_use("default").is_ok());
  }

  // Every vector fits its collection, or a search would say that the database is damaged.
  static void read_vectors(Call& call) {
    const auto collections = Vectors(call).list_collections(std::nullopt);
    ASSERT_TRUE(collections.is_ok()) << collections.status().to_string();
    for (const CollectionInfo& info : *collections) {
      const std::vector<float> query(info.dimension, 1);
      VectorSearch what;
      what.collection = info.name;
      what.queries = query;
      what.dimension = info.dimension;
      what.k = info.count + 1;
      VectorHits hits;
      const Status searched = Vectors(call).search(what, &hits);
      ASSERT_TRUE(searched.is_ok()) << searched.to_string();
      ASSERT_EQ(hits.end(0), info.count);
    }
  }

  void check_refused(const Status& status, bool delta) {
    const bool known = status.code() == Code::kBundleDamaged || status.code() == Code::kFormatTooNew ||
                       (delta && status.code() == Code::kDeltaMismatch) || status.code() == Code::kBranchExists ||
                       status.code() == Code::kBranchNotFound || status.code() == Code::kDeltaMismatch;
    ASSERT_TRUE(known) << status.to_string();
    Call call(driver_->session(), Call::kWait);
    ASSERT_FALSE(*Branches(call).exists("copy"));
    ASSERT_EQ(driver_->database().catalogue().everything().size(), driver_->database().catalogue().count());
    if (delta) {
      ASSERT_EQ((*Branches(call).get("mirror"))->version, 0u);
    }
  }

  Random random_;
  std::unique_ptr<os::FileSystem> files_ = os::make_memory_file_system();
  testing::TestClock clock_;
  DriverOptions options_;
  std::unique_ptr<EngineDriver> driver_;
  uint64_t since_ = 0;
  std::string whole_;
  std::string delta_;
};

TEST(BundleTest, NothingComesFromTheFuture) {
  Lab lab(testing::test_seed(1));
  lab.prepare();
  lab.refuse_the_future();
  lab.finish();
}

// ---- made up ----

// A database, and bundles of it with parts of one's own.
class Forger {
 public:
  Forger() {
    options_.fs = files_.get();
    options_.clock = &clock_;
    options_.cache_bytes = 4u << 20;
    options_.segment_bytes = 1u << 20;
    driver_ = std::make_unique<EngineDriver>(options_);
    EXPECT_TRUE(driver_->open().is_ok());
    {
      Call call(driver_->session(), Call::kWait);
      EXPECT_TRUE(Kv(call).put("k", "\x01").is_ok());
    }
    EXPECT_TRUE(Bundles(driver_->session()).write("default", kPath, std::nullopt, nullptr).is_ok());
    good_ = take_apart(read_file(*files_, kPath));
  }
  ~Forger() { EXPECT_TRUE(driver_->close().is_ok()); }
  Forger(const Forger&) = delete;
  Forger& operator=(const Forger&) = delete;

  // Head, the only entry, the only commit.
  const Parts& good() const { return good_; }

  // An entry of that key in the space `default`.
  branch::BundleEntry entry(std::string_view value, std::string* key) const {
    *key = std::string(model::TreeKey("default", model::Tag::kKv, "made up"));
    branch::BundleEntry entry;
    entry.key = *key;
    entry.version = 1;
    entry.timestamp = *driver_->timestamp();
    entry.value = value;
    return entry;
  }
  // The bytes in the place of the one entry, or behind it.
  Parts with_entries(std::string bytes, uint64_t entries) const {
    Parts parts = good_;
    parts.blocks[1].bytes = std::move(bytes);
    parts.totals.entries = entries;
    return parts;
  }

  // Empty: it is refused as damaged, and nothing is changed.
  std::string problem_of(const std::string& bundle) {
    write_file(*files_, kPath, bundle);
    const auto verdict = Bundles(driver_->session()).validate(kPath, nullptr);
    if (!verdict.is_ok()) return verdict.status().to_string();
    if (!verdict->problem) return "it is said to be good";
    const auto imported = Bundles(driver_->session()).import(kPath, "copy", nullptr);
    if (imported.is_ok()) return "it was imported";
    if (imported.status().code() != Code::kBundleDamaged) return imported.status().to_string();
    Call call(driver_->session(), Call::kWait);
    if (*Branches(call).exists("copy")) return "a branch was left behind";
    return driver_->database().catalogue().everything().size() == 1 ? "" : "a branch without a name was left behind";
  }
  // Empty: it is imported.
  std::string problem_of_good(const std::string& bundle) {
    write_file(*files_, kPath, bundle);
    const auto imported = Bundles(driver_->session()).import(kPath, "copy", nullptr);
    if (!imported.is_ok()) return imported.status().to_string();
    Call call(driver_->session(), Call::kWait);
    return Branches(call).remove("copy").is_ok() ? "" : "it cannot be deleted";
  }

 private:
  std::unique_ptr<os::FileSystem> files_ = os::make_memory_file_system();
  testing::TestClock clock_;
  DriverOptions options_;
  std::unique_ptr<EngineDriver> driver_;
  Parts good_;
};

std::string nested(size_t depth) {
  ValueWriter writer;
  for (size_t i = 0; i < depth; ++i) (void)writer.begin_array();
  for (size_t i = 0; i < depth; ++i) (void)writer.end();
  return std::string(writer.result());
}

// One inside the other, whatever the writer of values thinks of it: arrays of one item that is known to be as deep.
std::string nested_too_deep(size_t depth) {
  const std::string inner = nested(1);
  const std::string outer = nested(2);
  // What an array puts before its one item.
  const std::string before = outer.substr(0, outer.size() - inner.size());
  std::string bytes;
  for (size_t i = 1; i < depth; ++i) bytes += before;
  return bytes + inner;
}

TEST(BundleTest, HostileDepth) {
  Forger forger;
  std::string key;
  for (const size_t depth : {size_t{128}, size_t{129}, size_t{1'000'000}}) {
    const std::string value = depth == 128 ? nested(depth) : nested_too_deep(depth);
    std::string bytes;
    branch::put_entry(bytes, forger.entry(value, &key), nullptr);
    const std::string bundle = put_together(forger.with_entries(bytes, 1));
    EXPECT_EQ(depth == 128 ? forger.problem_of_good(bundle) : forger.problem_of(bundle), "") << depth;
  }
}

TEST(BundleTest, HostileLengths) {
  Forger forger;
  std::string key;
  std::string good;
  branch::put_entry(good, forger.entry("\x01", &key), nullptr);
  ASSERT_EQ(forger.problem_of_good(put_together(forger.with_entries(good, 1))), "");
  const std::string huge[] = {std::string("\x7f"),
                              std::string("\xff\xff\xff\xff\x7f", 5),
                              std::string("\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 9),
                              std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10),
                              std::string(11, '\xff'),
                              std::string("\x80\x80\x80", 3)};
  const size_t places[] = {1, 2 + key.size(), good.size() - 2};  // of the key's length, the version, the value's length
  for (const std::string& number : huge) {
    for (const size_t at : places) {
      std::string bytes = good;
      bytes.replace(at, 1, number);
      if (at == 2 + key.size() && number.size() < 10) continue;  // a version may be large
      EXPECT_EQ(forger.problem_of(put_together(forger.with_entries(bytes, 1))), "") << at << " " << number.size();
    }
    Parts commits = forger.good();
    commits.blocks[2].bytes = commits.blocks[2].bytes.substr(0, 8) + "\x01" + number + "m";
    EXPECT_EQ(forger.problem_of(put_together(commits)), "") << "a message of " << number.size();
    Parts head = forger.good();
    head.blocks[0].bytes = head.blocks[0].bytes.substr(0, 13) + number + "default";
    EXPECT_EQ(forger.problem_of(put_together(head)), "") << "a name of " << number.size();
  }
  // More and fewer entries than it says, nothing at all, half an entry.
  EXPECT_EQ(forger.problem_of(put_together(forger.with_entries(good, 2))), "");
  EXPECT_EQ(forger.problem_of(put_together(forger.with_entries(good, 0))), "");
  EXPECT_EQ(forger.problem_of(put_together(forger.with_entries(good.substr(0, good.size() / 2), 1))), "");
  Parts headless = forger.good();
  headless.blocks.erase(headless.blocks.begin());
  EXPECT_EQ(forger.problem_of(put_together(headless)), "");
}

// The address sanitizer's allocator does.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kKeepsFreedMemory = true;
#else
constexpr bool kKeepsFreedMemory = false;
#endif

// Resident bytes of the process at their most.
uint64_t most_memory() {
  uint64_t kilobytes = 0;
  if (FILE* const file = std::fopen("/proc/self/status", "r")) {
    char line[256];
    while (std::fgets(line, sizeof(line), file) != nullptr) {
      unsigned long long found = 0;
      if (std::sscanf(line, "VmHWM: %llu kB", &found) == 1) kilobytes = found;
    }
    (void)std::fclose(file);
  }
  return kilobytes << 10;
}

// Counts anew from what is resident now. False: the system does not do that.
bool forget_most_memory() {
  FILE* const file = std::fopen("/proc/self/clear_refs", "w");
  if (file == nullptr) return false;
  const bool written = std::fputs("5", file) >= 0;
  return std::fclose(file) == 0 && written;
}

// Some kilobytes that are hundreds of megabytes when decompressed: what is held at once is one block.
TEST(BundleTest, ABombTakesNoMoreThanABlock) {
  Forger forger;
  constexpr size_t kLength = 32u << 20;
  constexpr uint64_t kBlocks = 8;
  ValueWriter writer;
  ASSERT_TRUE(writer.string(std::string(kLength, 'x')));
  const std::string value(writer.result());
  Parts parts = forger.good();
  const Block commits = parts.blocks[2];
  parts.blocks.resize(1);
  std::string made_up;
  branch::BundleEntry entry = forger.entry(value, &made_up);
  for (uint64_t i = 0; i < kBlocks; ++i) {
    const model::TreeKey key("default", model::Tag::kKv, "key " + std::to_string(i));
    const std::string_view bytes = key;
    entry.key = bytes;
    Block block{static_cast<uint32_t>(BlockKind::kEntries), {}};
    branch::put_entry(block.bytes, entry, nullptr);
    parts.blocks.push_back(std::move(block));
  }
  parts.blocks.push_back(commits);
  parts.totals.entries = kBlocks + 1;  // which it does not hold: found at its end
  std::string bomb = put_together(parts);
  EXPECT_LT(bomb.size(), size_t{1} << 20);
  parts = Parts();
  const bool counted = forget_most_memory() && !kKeepsFreedMemory;
  const uint64_t before = most_memory();
  EXPECT_EQ(forger.problem_of(bomb), "");
  if (counted) {
    EXPECT_LT(most_memory() - before, uint64_t{4} * kLength);
  }
  // Blocks that expand to more than they say, and to less.
  for (const size_t says : {size_t{1}, size_t{1000}, branch::kMaxBlockBytes, size_t{1} << 31}) {
    std::string changed = bomb;
    const size_t second = branch::kBundleHeaderBytes + branch::kBlockHeaderBytes + base::load_u32(&changed[24]);
    base::store_u32(&changed[second + 12], static_cast<uint32_t>(says));
    const std::string_view rest(&changed[second + 4], 12 + base::load_u32(&changed[second + 8]));
    base::store_u32(&changed[second], base::checksum(rest, 1));
    base::Sha256 sha;
    const size_t end = changed.size() - 40;
    sha.add(std::string_view(changed).substr(0, end));
    const base::Sha256::Digest digest = sha.finish();
    changed.replace(end, digest.size(), std::string(digest.data(), digest.size()));
    EXPECT_EQ(forger.problem_of(changed), "") << says;
  }
}

TEST(BundleTest, MutantsAreRefusedOrReadBack) {
  const uint64_t seed = testing::test_seed(1);
  const uint64_t mutants = testing::scaled(2000);
  constexpr uint64_t kMutantsOfOne = 400;
  uint64_t done = 0;
  uint64_t accepted = 0;
  for (uint64_t lab_number = 0; done < mutants; ++lab_number) {
    Lab lab(seed + lab_number);
    lab.prepare();
    for (uint64_t i = 0; i < kMutantsOfOne && done < mutants && !::testing::Test::HasFailure(); ++i, ++done)
      lab.mutant();
    if (!::testing::Test::HasFailure()) lab.finish();
    accepted += lab.accepted;
    ASSERT_FALSE(::testing::Test::HasFailure()) << "STRATA_SEED=" << seed + lab_number << " shows it";
  }
  EXPECT_GT(accepted, 0u);
  std::printf("counted: %llu mutants of bundles, %llu of them good ones, seed %llu\n",
              static_cast<unsigned long long>(done), static_cast<unsigned long long>(accepted),
              static_cast<unsigned long long>(seed));
}

}  // namespace
}  // namespace strata
