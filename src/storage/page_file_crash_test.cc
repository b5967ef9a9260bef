// Damage, failing calls and power cuts: whatever happens to the page file, it opens at a committed head or says why
// not.
#include <gtest/gtest.h>

#include "storage/page_format.h"
#include "storage/page_test_support.h"

namespace strata::storage {
namespace {

using page_test::Event;
using page_test::open_store;
using page_test::Oracle;
using page_test::RecordedFileSystem;

TEST(PageFileDamageTest, EveryFlippedByteIsAnErrorOrChangesNothing) {
  const std::unique_ptr<os::FileSystem> fs = os::make_memory_file_system();
  Oracle oracle(page_test::test_seed());
  {
    auto store = std::move(open_store(*fs)).value();
    oracle.attach(*store);
    for (int i = 0; i < 3; ++i) {
      oracle.churn(6);
      for (int node = 0; node < 6; ++node) oracle.allocate();
      ASSERT_TRUE(oracle.commit().is_ok());
    }
  }
  const std::string good = page_test::load(*fs);
  ASSERT_LT(good.size(), 400u * kPageBytes);
  uint64_t refused_nodes = 0;
  uint64_t fallbacks = 0;
  for (size_t at = 0; at < good.size(); ++at) {
    // All of the pages that say where things are, a sample of the nodes' bytes.
    if (at >= kMetaPages * kPageBytes && oracle.below(16) != 0) continue;
    auto file = std::move(fs->open(page_test::kPath, os::OpenMode::kReadWrite)).value();
    const char flipped = static_cast<char>(good[at] ^ (1 << oracle.below(8)));
    ASSERT_TRUE(file->write(at, {&flipped, 1}).is_ok());
    auto opened = open_page_file({fs.get(), page_test::kPath, page_test::kDatabaseId, true});
    ASSERT_TRUE(opened.is_ok()) << "byte " << at << ": " << opened.status().to_string();
    const NodeStore& store = **opened;
    fallbacks += store.head().sequence != oracle.acknowledged();
    const page_test::Committed& state = oracle.states().at(store.head().sequence);
    ASSERT_EQ(store.head().blob, state.blob) << "byte " << at;
    for (const auto& [id, birth] : state.nodes) {
      std::string got(bytes_of(id), '\0');
      const Status status = store.read(id, birth, got.data());
      if (!status.is_ok()) {
        ASSERT_EQ(status.code(), Code::kCorruption);
        ASSERT_EQ(at / kPageBytes >= page_of(id) && at / kPageBytes < page_of(id) + pages_of(id), true);
        ++refused_nodes;
      } else {
        ASSERT_EQ(got.substr(24), page_test::node_bytes(id, birth).substr(24)) << "byte " << at;
      }
    }
    ASSERT_TRUE(file->write(at, {&good[at], 1}).is_ok());
  }
  EXPECT_GT(refused_nodes, 100u);
  EXPECT_GE(fallbacks, kPageBytes) << "every byte of the newest meta page is checked";
}

TEST(PageFileFaultTest, EachCallFailingOnceLeavesACommittedHead) {
  const uint64_t seed = page_test::test_seed();
  uint64_t failures = 0;
  for (int64_t fail_at = 0;; ++fail_at) {
    RecordedFileSystem fs;
    fs.recorder().fail_at = fail_at;
    Oracle oracle(seed);
    Status first_error;
    for (int opening = 0; opening < 2 && first_error.is_ok(); ++opening) {
      auto opened = open_store(fs);
      first_error = opened.status();
      if (!first_error.is_ok()) break;
      NodeStore& store = **opened;
      oracle.attach(store);
      for (int i = 0; i < 4; ++i) {
        oracle.churn(12);
        const Status status = oracle.commit();
        if (status.is_ok()) continue;
        first_error = status;
        ASSERT_EQ(store.head().sequence, oracle.acknowledged());
        ASSERT_EQ(store.commit({}, "more").code(), status.code()) << "a failed store takes no more commits";
        ASSERT_NO_FATAL_FAILURE(oracle.churn(12));
        break;
      }
      if (first_error.is_ok()) first_error = store.trim();
      if (first_error.is_ok()) {
        // These reads are the test's own.
        const int64_t pending = std::exchange(fs.recorder().fail_at, -1);
        ASSERT_NO_FATAL_FAILURE(oracle.check(store));
        fs.recorder().fail_at = pending;
      }
    }
    if (fs.recorder().calls <= fail_at) break;
    failures += !first_error.is_ok();
    auto opened = open_store(fs);
    ASSERT_TRUE(opened.is_ok()) << "call " << fail_at << ": " << opened.status().to_string();
    const uint64_t sequence = (*opened)->head().sequence;
    ASSERT_TRUE(sequence == oracle.acknowledged() || sequence == oracle.acknowledged() + 1);
    ASSERT_NO_FATAL_FAILURE(oracle.check(**opened)) << "call " << fail_at;
    oracle.attach(**opened);
    oracle.churn(12);
    ASSERT_TRUE(oracle.commit().is_ok());
    ASSERT_NO_FATAL_FAILURE(oracle.check(**opened));
  }
  EXPECT_GT(failures, 40u);
}

// What a power cut may leave: all that was synced, and of the rest any subset, writes torn between sectors.
class Disk {
 public:
  explicit Disk(std::string bytes) : durable_(std::move(bytes)) {}

  void add(const Event& event) {
    if (event.kind == Event::Kind::kSync) {
      for (const Event& waiting : pending_) apply(durable_, waiting, waiting.bytes.size());
      pending_.clear();
    } else {
      pending_.push_back(event);
    }
  }

  enum class Cut : uint8_t { kNothing, kEverything, kSubset, kAllButOne, kTorn, kCount };

  std::string image(Cut cut, Oracle& random) const {
    std::string bytes = durable_;
    const size_t lost = pending_.empty() ? 0 : random.below(pending_.size());
    for (size_t i = 0; i < pending_.size(); ++i) {
      const Event& event = pending_[i];
      const bool last = i + 1 == pending_.size();
      if (cut == Cut::kNothing || (cut == Cut::kSubset && random.below(2) == 0)) continue;
      if (cut == Cut::kAllButOne && i == lost) continue;
      if (cut == Cut::kSubset && event.kind == Event::Kind::kWrite) {
        apply_sectors(bytes, event, random);
      } else {
        apply(bytes, event, cut == Cut::kTorn && last ? random.below(event.bytes.size() + 1) : event.bytes.size());
      }
    }
    return bytes;
  }

 private:
  static constexpr size_t kSector = 512;

  static void apply(std::string& bytes, const Event& event, size_t n) {
    if (event.kind == Event::Kind::kResize) {
      bytes.resize(event.offset);
      return;
    }
    if (bytes.size() < event.offset + n) bytes.resize(event.offset + n);
    bytes.replace(event.offset, n, event.bytes, 0, n);
  }
  static void apply_sectors(std::string& bytes, const Event& event, Oracle& random) {
    const bool whole = random.below(2) == 0;
    for (size_t at = 0; at < event.bytes.size(); at += kSector) {
      if (!whole && random.below(2) == 0) continue;
      const std::string piece = event.bytes.substr(at, kSector);
      if (bytes.size() < event.offset + at + piece.size()) bytes.resize(event.offset + at + piece.size());
      bytes.replace(event.offset + at, piece.size(), piece);
    }
  }

  std::string durable_;
  std::vector<Event> pending_;
};

enum class Sabotage : uint8_t { kNone, kNoSyncBeforeMeta };

struct Outcome {
  uint64_t images = 0;
  uint64_t wrong = 0;
  uint64_t fell_back = 0;
};

// True if the image opens at a head that was acknowledged, or was being committed, and all of it reads back.
bool recovers(os::FileSystem& fs, const Oracle& oracle, uint64_t acknowledged, uint64_t attempted, bool* fell_back) {
  auto opened = open_store(fs);
  if (!opened.is_ok()) return false;
  const NodeStore& store = **opened;
  if (store.head().sequence < acknowledged || store.head().sequence > attempted) return false;
  *fell_back = store.previous_head() == nullptr;
  for (const StoreHead* head : {&store.head(), store.previous_head()}) {
    if (head == nullptr) continue;
    const page_test::Committed& state = oracle.states().at(head->sequence);
    if (head->blob != state.blob) return false;
    for (const auto& [id, birth] : state.nodes) {
      std::string got(bytes_of(id), '\0');
      if (!store.read(id, birth, got.data()).is_ok()) return false;
      if (got.substr(24) != page_test::node_bytes(id, birth).substr(24)) return false;
    }
  }
  return true;
}

// Some commits on this file, recorded; then a power cut behind every call, in every way. Each generation goes on from
// a cut of the one before it.
Outcome cut_everywhere(uint64_t seed, int generations, Sabotage sabotage) {
  Outcome run;
  Oracle oracle(seed);
  std::string start;
  for (int generation = 0; generation < generations; ++generation) {
    RecordedFileSystem fs;
    if (!start.empty()) page_test::save(fs.under(), start);
    struct Mark {
      size_t events;
      uint64_t acknowledged;
    };
    std::vector<Mark> marks;
    uint64_t attempted = 0;
    {
      auto opened = open_store(fs);
      EXPECT_TRUE(opened.is_ok()) << opened.status().to_string();
      if (!opened.is_ok()) return run;
      oracle.attach(**opened);
      if (start.empty()) start = page_test::load(fs.under());
      fs.recorder().record = true;
      // Between two calls of a commit the other thread of the real program allocates and releases.
      fs.recorder().watch = [&oracle] { oracle.churn(static_cast<int>(oracle.below(4))); };
      marks.push_back({0, oracle.acknowledged()});
      for (int i = 0; i < 4; ++i) {
        oracle.churn(10);
        EXPECT_TRUE(oracle.commit().is_ok());
        marks.push_back({fs.recorder().events.size(), oracle.acknowledged()});
        if (oracle.below(4) == 0) {
          EXPECT_TRUE((*opened)->trim().is_ok());
        }
      }
      attempted = oracle.acknowledged();
    }
    std::vector<Event> events = std::move(fs.recorder().events);
    if (sabotage == Sabotage::kNoSyncBeforeMeta) {
      for (size_t i = 0; i + 1 < events.size(); ++i) {
        const bool meta_next =
            events[i + 1].kind == Event::Kind::kWrite && events[i + 1].offset < kMetaPages * kPageBytes;
        if (events[i].kind == Event::Kind::kSync && meta_next) events[i] = {Event::Kind::kWrite, 0, ""};
      }
    }
    Disk disk(start);
    std::vector<std::string> survivors;
    for (size_t i = 0; i <= events.size(); ++i) {
      if (i > 0) disk.add(events[i - 1]);
      uint64_t acknowledged = 0;
      for (const Mark& mark : marks) {
        if (mark.events <= i) acknowledged = mark.acknowledged;
      }
      for (int cut = 0; cut < static_cast<int>(Disk::Cut::kCount) + 2; ++cut) {
        const Disk::Cut way =
            cut < static_cast<int>(Disk::Cut::kCount) ? static_cast<Disk::Cut>(cut) : Disk::Cut::kSubset;
        std::string image = disk.image(way, oracle);
        const std::unique_ptr<os::FileSystem> after = os::make_memory_file_system();
        page_test::save(*after, image);
        bool fell_back = false;
        const uint64_t most = std::min(attempted, acknowledged + 1);
        ++run.images;
        if (!recovers(*after, oracle, acknowledged, most, &fell_back)) {
          ++run.wrong;
        } else {
          run.fell_back += fell_back;
          if (oracle.below(8) == 0) survivors.push_back(std::move(image));
        }
      }
    }
    if (survivors.empty()) return run;
    start = survivors[oracle.below(survivors.size())];
  }
  return run;
}

TEST(PageFilePowerTest, EveryCutLeavesACommittedHead) {
  const uint64_t seed = page_test::test_seed();
  Outcome total;
  for (uint64_t i = 0; i < 4; ++i) {
    const Outcome run = cut_everywhere(seed + i, 6, Sabotage::kNone);
    ASSERT_EQ(run.wrong, 0u) << "of " << run.images << " images, seed " << seed + i;
    total.images += run.images;
    total.fell_back += run.fell_back;
  }
  RecordProperty("images", std::to_string(total.images));
  EXPECT_GT(total.images, 3000u);
  EXPECT_GT(total.fell_back, 100u);
}

// The control: the simulation must notice when the sync before the meta page is left out.
TEST(PageFilePowerTest, WithoutTheSyncBeforeTheMetaPageCutsAreNoticed) {
  const uint64_t seed = page_test::test_seed();
  uint64_t wrong = 0;
  for (uint64_t i = 0; i < 8; ++i) wrong += cut_everywhere(seed + i, 2, Sabotage::kNoSyncBeforeMeta).wrong;
  EXPECT_GT(wrong, 5u);
}

}  // namespace
}  // namespace strata::storage
