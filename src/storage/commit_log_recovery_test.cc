// What recovery makes of damaged, cut and half-written logs. The rules tested are numbered in log_recovery.cc.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "storage/log_test_support.h"

namespace strata::storage {
namespace {

constexpr const char* kFolder = "db";

struct Outcome {
  Status status;
  History replayed;
  LogPosition end = 0;
};

// Opens an image for writing (or reading only) and gives back what came of it.
Outcome reopen(const Image& image, LogStart start = {}, bool read_only = false, Image* after = nullptr) {
  const auto fs = put_image(image, kFolder);
  LogOptions options = small_options(fs.get());
  options.read_only = read_only;
  Outcome outcome;
  auto log = open_log(options, &outcome.replayed, start);
  outcome.status = log.status();
  if (log.is_ok()) {
    outcome.end = (*log)->end();
    EXPECT_EQ(walked(**log, start.replay_from), outcome.replayed);
  }
  if (after != nullptr) *after = take_image(*fs, kFolder);
  return outcome;
}

class CommitLogRecoveryTest : public testing::Test {
 protected:
  CommitLogRecoveryTest() {
    STRATA_EXPECT_OK(fs_->create_folder(kFolder));
    log_ = reopen_here();
  }
  std::unique_ptr<CommitLog> reopen_here() {
    auto log = open_log(options_, &replayed_);
    EXPECT_TRUE(log.is_ok()) << log.status().to_string();
    return log.is_ok() ? std::move(log).value() : nullptr;
  }
  void append(int count, size_t bytes = 60) {
    for (int i = 0; i < count; ++i) STRATA_EXPECT_OK(append_next(*log_, bytes, &history_));
  }
  void sync() { STRATA_EXPECT_OK(log_->sync_to(log_->end())); }
  Image image() { return take_image(*fs_, kFolder); }
  // How many records of the history lie below a position.
  size_t below(LogPosition position) const {
    const auto is_below = [position](const Appended& appended) { return appended.position < position; };
    return static_cast<size_t>(std::count_if(history_.begin(), history_.end(), is_below));
  }

  std::unique_ptr<os::FileSystem> fs_ = os::make_memory_file_system();
  LogOptions options_ = small_options(fs_.get());
  std::unique_ptr<CommitLog> log_;
  History history_;
  History replayed_;
};

TEST_F(CommitLogRecoveryTest, TruncationAtEveryByteOfTheTail) {
  append(3);
  sync();
  append(4);
  const Image whole = image();
  const std::string name = whole.rbegin()->first;
  const uint32_t end = offset_of(log_->end());
  for (uint32_t length = offset_of(history_[1].position); length <= end; ++length) {
    Image cut = whole;
    cut[name].resize(length);
    const Outcome outcome = reopen(cut);
    // Records 4 and later say that the first three were on the device; without one of them nothing says it.
    ASSERT_TRUE(outcome.status.is_ok()) << length << ": " << outcome.status.to_string();
    ASSERT_TRUE(is_prefix(outcome.replayed, history_)) << length;
    size_t expected = 0;
    for (const Appended& one : history_) {
      if (offset_of(one.position) + kRecordHeaderBytes + one.body.size() <= length) ++expected;
    }
    ASSERT_EQ(outcome.replayed.size(), expected) << length;
    // The caller's own knowledge makes the same cut corruption.
    LogStart clean;
    clean.clean_end = log_->end();
    const Status refused = reopen(cut, clean).status;
    ASSERT_EQ(refused.code(), length == end ? Code::kOk : Code::kCorruption) << length;
  }
}

// Zeroing from a byte on is what lost pages look like on space that was reserved.
TEST_F(CommitLogRecoveryTest, LostEndAtEveryByte) {
  append(3);
  sync();
  append(4);
  const Image whole = image();
  const std::string name = whole.rbegin()->first;
  for (uint32_t lost = offset_of(history_[2].position); lost < offset_of(log_->end()); ++lost) {
    Image cut = whole;
    std::fill(cut[name].begin() + lost, cut[name].end(), '\0');
    Image after;
    const Outcome outcome = reopen(cut, {}, false, &after);
    ASSERT_TRUE(outcome.status.is_ok()) << outcome.status.to_string();
    ASSERT_TRUE(is_prefix(outcome.replayed, history_)) << lost;
    const Outcome again = reopen(after);
    ASSERT_TRUE(again.status.is_ok()) << again.status.to_string();
    ASSERT_EQ(again.replayed, outcome.replayed);
  }
}

TEST_F(CommitLogRecoveryTest, EveryByteFlippedIsCorruptionOrACutAboveWhatWasDurable) {
  append(30);
  sync();
  const LogPosition durable = log_->durable_end();
  append(3);  // these say what was durable
  const Image whole = image();
  size_t refused = 0;
  size_t cut = 0;
  size_t harmless = 0;
  for (const auto& [name, bytes] : whole) {
    for (size_t at = 0; at < bytes.size(); ++at) {
      Image damaged = whole;
      damaged[name][at] = static_cast<char>(damaged[name][at] ^ (1 << (at % 8)));
      const Outcome outcome = reopen(damaged);
      if (!outcome.status.is_ok()) {
        ASSERT_EQ(outcome.status.code(), Code::kCorruption);
        ASSERT_NE(outcome.status.message().find("log-"), std::string_view::npos) << outcome.status.to_string();
        ++refused;
        continue;
      }
      ASSERT_TRUE(is_prefix(outcome.replayed, history_)) << name << " " << at;
      ASSERT_GE(outcome.replayed.size(), below(durable)) << name << " " << at;
      ++(outcome.replayed.size() == history_.size() ? harmless : cut);
    }
  }
  EXPECT_GT(refused, 30u * 60u);
  EXPECT_GT(cut, 60u);
  EXPECT_GT(harmless, 100u);  // behind the end, and the end records
}

TEST_F(CommitLogRecoveryTest, AfterACleanCloseEveryFlipInARecordIsCorruption) {
  append(12);
  LogStart start;
  start.clean_end = *log_->close();
  const Image whole = image();
  for (const auto& [name, bytes] : whole) {
    for (size_t at = 0; at < bytes.size(); ++at) {
      Image damaged = whole;
      damaged[name][at] = static_cast<char>(damaged[name][at] ^ 0x10);
      const Outcome outcome = reopen(damaged, start);
      if (outcome.status.is_ok()) {
        ASSERT_EQ(outcome.replayed, history_) << name << " " << at;
      } else {
        ASSERT_EQ(outcome.status.code(), Code::kCorruption);
      }
      // A reader decides the same.
      ASSERT_EQ(reopen(damaged, start, true).status.code(), outcome.status.code());
    }
  }
}

TEST_F(CommitLogRecoveryTest, MissingSegmentsAreCorruption) {
  append(200);
  sync();
  append(1);
  const Image whole = image();
  ASSERT_GE(whole.size(), 6u);
  size_t index = 0;
  for (const auto& [name, bytes] : whole) {
    Image damaged = whole;
    damaged.erase(name);
    const Outcome outcome = reopen(damaged);
    if (++index == whole.size()) {
      // The last one is missed only by those who know of it.
      LogStart start;
      start.clean_end = log_->end();
      EXPECT_EQ(reopen(damaged, start).status.code(), Code::kCorruption);
    } else {
      EXPECT_EQ(outcome.status.code(), Code::kCorruption) << name;
    }
  }
}

TEST_F(CommitLogRecoveryTest, HeaderOfEachSegmentDamagedIsCorruptionWhenItWasDurable) {
  append(100);
  sync();
  append(1);
  const Image whole = image();
  for (const auto& [name, bytes] : whole) {
    for (const bool zeroed : {false, true}) {
      Image damaged = whole;
      for (size_t i = 0; i < (zeroed ? kSegmentHeaderBytes : 20); ++i) damaged[name][i] = zeroed ? '\0' : '?';
      EXPECT_EQ(reopen(damaged).status.code(), Code::kCorruption) << name << zeroed;
    }
  }
}

TEST_F(CommitLogRecoveryTest, SwitchWhoseHeaderWasLostIsATail) {
  append(5);
  sync();
  while (segment_of(log_->end()) == 1) append(1);
  append(10);
  const uint32_t last = segment_of(log_->end());
  Image damaged = image();
  ASSERT_GE(last, 2u);
  // Nothing was synced since: the header of segment 2 was lost in a power cut, its records were not.
  std::fill_n(damaged[segment_name(2)].begin(), kSegmentHeaderBytes, '\0');
  Image after;
  const Outcome outcome = reopen(damaged, {}, false, &after);
  ASSERT_TRUE(outcome.status.is_ok()) << outcome.status.to_string();
  EXPECT_EQ(outcome.replayed, prefix(history_, below(segment_start(2))));
  EXPECT_EQ(after.count(segment_name(2)), 0u);
  EXPECT_EQ(after.count(segment_name(last + 1)), 1u);
  EXPECT_EQ(reopen(after).replayed, outcome.replayed);
  // If recovery crashes before it removed anything, the new segment wins over what was cut.
  Image both = damaged;
  both[segment_name(last + 1)] = after[segment_name(last + 1)];
  EXPECT_EQ(reopen(both).replayed, outcome.replayed);
  // If the new header was torn, recovery decides the same again.
  for (size_t torn = 0; torn < kSegmentHeaderBytes; torn += 7) {
    both[segment_name(last + 1)] = after[segment_name(last + 1)].substr(0, torn) + std::string(1024 - torn, '\0');
    const Outcome again = reopen(both);
    ASSERT_TRUE(again.status.is_ok()) << again.status.to_string();
    ASSERT_EQ(again.replayed, outcome.replayed);
  }
}

TEST_F(CommitLogRecoveryTest, HoleInAnOlderSegmentCutsAllThatFollowed) {
  append(3);
  sync();
  append(60);  // over several segments, none synced
  const Image whole = image();
  ASSERT_GE(whole.size(), 3u);
  Image damaged = whole;
  const size_t hole = 5;
  std::fill_n(damaged[segment_name(1)].begin() + offset_of(history_[hole].position), 40, '\0');
  Image after;
  const Outcome outcome = reopen(damaged, {}, false, &after);
  ASSERT_TRUE(outcome.status.is_ok()) << outcome.status.to_string();
  EXPECT_EQ(outcome.replayed, prefix(history_, hole));
  // The reader sees the same prefix, and again after the writer has cut the tail.
  EXPECT_EQ(reopen(damaged, {}, true).replayed, outcome.replayed);
  EXPECT_EQ(reopen(after, {}, true).replayed, outcome.replayed);
  // Once a record says that the later ones were on the device, the same hole is corruption.
  sync();
  append(1);
  damaged = image();
  std::fill_n(damaged[segment_name(1)].begin() + offset_of(history_[hole].position), 40, '\0');
  EXPECT_EQ(reopen(damaged).status.code(), Code::kCorruption);
}

TEST_F(CommitLogRecoveryTest, WhatALaterOpeningBelievedIsDurable) {
  append(6);  // never synced by the log itself
  log_ = reopen_here();
  EXPECT_EQ(replayed_, history_);
  Image damaged = image();
  damaged[segment_name(1)][offset_of(history_[5].position) + 50] ^= 1;
  EXPECT_EQ(reopen(damaged).status.code(), Code::kCorruption);
}

TEST_F(CommitLogRecoveryTest, SpareSegmentsAreIgnoredAndReplaced) {
  append(5);
  STRATA_EXPECT_OK(log_->prepare_next());
  Image with_spare = image();
  Image after;
  const Outcome outcome = reopen(with_spare, {}, false, &after);
  ASSERT_TRUE(outcome.status.is_ok());
  EXPECT_EQ(outcome.replayed, history_);
  EXPECT_EQ(after.size(), 2u);
  // A spare that is shorter than a header, or empty: the crash came while it was made.
  for (const size_t bytes : {size_t{0}, size_t{5}, size_t{130}}) {
    with_spare[with_spare.rbegin()->first] = std::string(bytes, '\0');
    EXPECT_EQ(reopen(with_spare).replayed, history_);
  }
}

TEST_F(CommitLogRecoveryTest, OtherDatabasesAndNewerFormatsAreRefused) {
  append(3);
  sync();
  const Image whole = image();
  const auto fs = put_image(whole, kFolder);
  LogOptions options = small_options(fs.get());
  options.database_id = 78;
  EXPECT_EQ(open_log(options, &replayed_, LogStart{segment_start(1), 1, 0, 0, 0}).status().code(), Code::kCorruption);
}

TEST_F(CommitLogRecoveryTest, ReplayBehindTheEndOfTheFileIsCorruption) {
  append(8);
  LogStart start{log_->end(), 9, 80, 0, 0};
  Image whole = image();
  EXPECT_TRUE(reopen(whole, start).status.is_ok());
  whole[segment_name(1)].resize(offset_of(history_[7].position));
  EXPECT_EQ(reopen(whole, start).status.code(), Code::kCorruption);
  start.replay_from = make_position(9, 128);
  EXPECT_EQ(reopen(whole, start).status.code(), Code::kCorruption);
}

// Two crashes with a stale suffix. The first leaves a tail that recovery cuts off. The device then shows old blocks of
// removed files in the unsynced part of new ones (as file systems without ordered data may after a power cut), and the
// second crash comes. Equal record lengths line up, so that old records follow new ones with the right numbers.
int resurrections(uint64_t seed, int rounds, bool without_incarnation) {
  std::mt19937_64 random(seed);
  int wrong = 0;
  for (int round = 0; round < rounds; ++round) {
    const auto fs = os::make_memory_file_system();
    STRATA_EXPECT_OK(fs->create_folder(kFolder));
    LogOptions options = small_options(fs.get());
    options.first_segment_bytes = options.segment_bytes = 2048;
    options.seed_without_incarnation = without_incarnation;
    History history;
    History replayed;
    auto log = open_log(options, &replayed);
    // The first run; its last segment is lost in part.
    const uint64_t first_run = 5 + random() % 30;
    for (uint64_t i = 0; i < first_run; ++i) STRATA_EXPECT_OK(append_next(**log, 64, &history));
    log->reset();
    Image image = take_image(*fs, kFolder);
    std::string& torn = image.rbegin()->second;
    const std::string stale = torn;
    const size_t lost = kSegmentHeaderBytes + 100 * (random() % 4);
    std::fill_n(torn.begin() + static_cast<std::ptrdiff_t>(lost), 100, '\0');

    // The second run appends other bodies and syncs some of them.
    const auto second = put_image(image, kFolder);
    options.fs = second.get();
    auto again = open_log(options, &replayed);
    EXPECT_TRUE(again.is_ok()) << again.status().to_string();
    History believed = replayed;
    const uint64_t more = 1 + random() % 4;
    for (uint64_t i = 0; i < more; ++i) {
      const uint64_t commit = believed.empty() ? 1 : believed.back().commit + 1;
      STRATA_EXPECT_OK(append_body(**again, commit, commit * 10, std::string(64, 'n'), &believed));
    }
    STRATA_EXPECT_OK((*again)->sync_to((*again)->end()));
    const uint32_t end = offset_of((*again)->end());
    again->reset();
    image = take_image(*second, kFolder);
    std::string& last = image.rbegin()->second;
    for (size_t i = end; i < last.size() && i < stale.size(); ++i) last[i] = stale[i];

    const auto third = put_image(image, kFolder);
    options.fs = third.get();
    auto after = open_log(options, &replayed);
    if (!after.is_ok() || replayed != believed) ++wrong;
  }
  return wrong;
}

TEST(CommitLogStaleSuffixTest, TwoCrashesNeverBringBackWhatWasCutOff) {
  EXPECT_EQ(resurrections(test_seed(), 2000, false), 0);
}

TEST(CommitLogStaleSuffixTest, WithoutTheIncarnationTheyWould) { EXPECT_GT(resurrections(test_seed(), 300, true), 10); }

// Any number of crashes that lose pages which were not synced, in any order, over segments and recovery.
TEST(CommitLogCrashTest, RandomLossOfUnsyncedBytesLosesNothingThatWasDurable) {
  const uint64_t seed = test_seed();
  std::mt19937_64 random(seed);
  for (int round = 0; round < 150; ++round) {
    Image device;  // what is on the device
    History history;
    History durable;
    LogStart start;
    for (int crash = 0; crash < 6; ++crash) {
      const auto fs = put_image(device, kFolder);
      const LogOptions options = small_options(fs.get());
      History replayed;
      auto opened = open_log(options, &replayed, start);
      ASSERT_TRUE(opened.is_ok()) << "round " << round << " crash " << crash << ": " << opened.status().to_string();
      ASSERT_TRUE(is_prefix(durable, replayed)) << "round " << round << " crash " << crash;
      ASSERT_TRUE(is_prefix(replayed, history)) << "round " << round << " crash " << crash;
      history = durable = replayed;
      std::unique_ptr<CommitLog> log = std::move(opened).value();
      device = take_image(*fs, kFolder);  // opening syncs all it believes
      log->set_staged(random() % 2 == 0);
      const uint64_t steps = random() % 80;
      for (uint64_t i = 0; i < steps; ++i) {
        if (random() % 12 == 0) {
          STRATA_EXPECT_OK(log->sync_to(log->end()));
          durable = history;
          device = take_image(*fs, kFolder);
        } else {
          STRATA_EXPECT_OK(append_next(*log, random() % 150, &history));
        }
        if (random() % 20 == 0) STRATA_EXPECT_OK(log->prepare_next());
      }
      // Power cut: of each file's 64-byte blocks that changed since the last sync, some reached the device.
      const Image now = take_image(*fs, kFolder);
      for (const auto& [name, bytes] : now) {
        std::string& kept = device[name];
        kept.resize(std::max(kept.size(), bytes.size()), '\0');
        for (size_t at = 0; at < bytes.size(); at += 64) {
          if (random() % 3 == 0) continue;
          kept.replace(at, 64, bytes, at, 64);
        }
        if (device.count(name) != 0 && random() % 8 == 0 && kept == std::string(kept.size(), '\0')) device.erase(name);
      }
    }
  }
}

}  // namespace
}  // namespace strata::storage
