#include "storage/commit_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "storage/log_test_support.h"

namespace strata::storage {
namespace {

class CommitLogTest : public testing::Test {
 protected:
  void SetUp() override { STRATA_EXPECT_OK(fs_->create_folder("db")); }
  std::unique_ptr<CommitLog> reopen(LogStart start = {}) {
    auto log = open_log(options_, &replayed_, start);
    EXPECT_TRUE(log.is_ok()) << log.status().to_string();
    return log.is_ok() ? std::move(log).value() : nullptr;
  }

  std::unique_ptr<os::FileSystem> fs_ = os::make_memory_file_system();
  LogOptions options_ = small_options(fs_.get());
  History history_;
  History replayed_;
};

TEST_F(CommitLogTest, NewLogIsEmpty) {
  auto log = reopen();
  EXPECT_TRUE(replayed_.empty());
  EXPECT_EQ(log->end(), segment_start(1));
  EXPECT_EQ(log->durable_end(), log->end());
  EXPECT_EQ(log->begin(), segment_start(1));
  EXPECT_EQ(log->unit_start(), segment_start(1));
  EXPECT_EQ(*log->position_at(1000), 0u);
  EXPECT_TRUE(walked(*log).empty());
}

TEST_F(CommitLogTest, ReplaysWhatWasAppendedOverManySegments) {
  {
    auto log = reopen();
    for (int i = 0; i < 200; ++i) STRATA_EXPECT_OK(append_next(*log, static_cast<size_t>(i), &history_));
    EXPECT_EQ(walked(*log), history_);
  }
  auto log = reopen();
  EXPECT_EQ(replayed_, history_);
  EXPECT_EQ(walked(*log), history_);
  STRATA_EXPECT_OK(append_next(*log, 10, &history_));
  EXPECT_EQ(walked(*log, history_[150].position), History(history_.begin() + 150, history_.end()));
}

TEST_F(CommitLogTest, ReadRecordChecksWholeRecords) {
  auto log = reopen();
  for (int i = 0; i < 50; ++i) STRATA_EXPECT_OK(append_next(*log, 100, &history_));
  std::string scratch;
  for (const Appended& appended : history_) {
    const Result<LogRecord> record = log->read_record(appended.position, &scratch);
    ASSERT_TRUE(record.is_ok()) << record.status().to_string();
    EXPECT_EQ(record->commit, appended.commit);
    EXPECT_EQ(record->timestamp, appended.timestamp);
    EXPECT_EQ(record->body, appended.body);
  }
  EXPECT_EQ(log->read_record(history_[3].position + 1, &scratch).status().code(), Code::kCorruption);
  EXPECT_EQ(log->read_record(make_position(99, 128), &scratch).status().code(), Code::kCorruption);
  char byte = 0;
  EXPECT_EQ(log->read(log->end(), 1, &byte).code(), Code::kCorruption);
  EXPECT_EQ(*log->read_some(log->end(), 1, &byte), 0u);
}

TEST_F(CommitLogTest, RecordLargerThanASegmentGetsItsOwn) {
  auto log = reopen();
  STRATA_EXPECT_OK(append_next(*log, 10, &history_));
  STRATA_EXPECT_OK(append_next(*log, 100'000, &history_));
  STRATA_EXPECT_OK(append_next(*log, 10, &history_));
  STRATA_EXPECT_OK(append_next(*log, 0, &history_));
  EXPECT_EQ(segment_of(history_[1].position), 2u);
  EXPECT_EQ(offset_of(history_[1].position), kSegmentHeaderBytes);
  EXPECT_EQ(segment_of(history_[2].position), 3u);
  EXPECT_EQ(walked(*log), history_);
  log = reopen();
  EXPECT_EQ(replayed_, history_);
}

TEST_F(CommitLogTest, LargeFirstRecordGrowsTheEmptySegment) {
  auto log = reopen();
  STRATA_EXPECT_OK(append_next(*log, 100'000, &history_));
  EXPECT_EQ(segment_of(history_[0].position), 1u);
  log = reopen();
  EXPECT_EQ(replayed_, history_);
}

TEST_F(CommitLogTest, TooLargeBodyIsRefusedAndNothingElseHappens) {
  auto log = reopen();
  EXPECT_EQ(log->prepare(kMaxRecordBodyBytes + 1).code(), Code::kTransactionTooLarge);
  STRATA_EXPECT_OK(append_next(*log, 10, &history_));
}

TEST_F(CommitLogTest, PreparedSegmentIsUsed) {
  auto log = reopen();
  STRATA_EXPECT_OK(log->prepare_next());
  STRATA_EXPECT_OK(log->prepare_next());
  EXPECT_EQ(fs_->list("db")->size(), 2u);
  while (segment_of(log->end()) < 2) STRATA_EXPECT_OK(append_next(*log, 100, &history_));
  EXPECT_EQ(fs_->list("db")->size(), 2u);
  STRATA_EXPECT_OK(log->prepare_next());
  EXPECT_EQ(fs_->list("db")->size(), 3u);
  // A record that the prepared segment has no room for.
  STRATA_EXPECT_OK(append_next(*log, 50'000, &history_));
  EXPECT_EQ(walked(*log), history_);
  STRATA_EXPECT_OK(log->prepare_next());
  log = reopen();  // as after a crash: the spare is still there
  EXPECT_EQ(replayed_, history_);
  STRATA_EXPECT_OK(append_next(*log, 10, &history_));
  EXPECT_EQ(walked(*log), history_);
}

// The first segments are small, and each may end early: what lies between two positions is less than their distance.
TEST_F(CommitLogTest, BytesBetweenPositionsAreThoseOfTheRecords) {
  auto log = reopen();
  EXPECT_EQ(log->bytes_between(log->end(), log->end()), 0u);
  const LogPosition begin = log->end();
  uint64_t appended = 0;
  for (int i = 0; i < 50 || segment_of(log->end()) < segment_of(begin) + 3; ++i) {
    const size_t bytes = i % 7 == 0 ? 3000 : 100;
    STRATA_EXPECT_OK(append_next(*log, bytes, &history_));
    appended += bytes;
  }
  const uint64_t records = log->bytes_between(begin, log->end());
  EXPECT_GT(records, appended);
  EXPECT_LT(records, appended + 60 * history_.size() + 4 * 200);
  const LogPosition middle = log->end();
  STRATA_EXPECT_OK(append_next(*log, 500, &history_));
  EXPECT_EQ(log->bytes_between(begin, log->end()), records + log->bytes_between(middle, log->end()));
  EXPECT_EQ(log->bytes_between(log->end(), begin), 0u);
}

TEST_F(CommitLogTest, CloseCutsTheUnusedEndAndRemovesTheSpare) {
  auto log = reopen();
  for (int i = 0; i < 30; ++i) STRATA_EXPECT_OK(append_next(*log, 100, &history_));
  STRATA_EXPECT_OK(log->prepare_next());
  const LogPosition end = *log->close();
  EXPECT_EQ(end, log->end());
  EXPECT_EQ(log->durable_end(), end);
  EXPECT_EQ(*log->close(), end);
  EXPECT_EQ(walked(*log), history_);
  EXPECT_EQ(log->prepare(1).code(), Code::kClosed);
  EXPECT_EQ(log->append(31, 310, "x").status().code(), Code::kClosed);
  const Image image = take_image(*fs_, "db");
  uint64_t bytes = 0;
  for (const auto& [name, content] : image) bytes += content.size();
  EXPECT_EQ(bytes, log->disk_bytes());
  EXPECT_EQ(segment_number(image.rbegin()->first), segment_of(end));
  EXPECT_LT(image.rbegin()->second.size(), offset_of(end) + 200u);
  LogStart start;
  start.clean_end = end;
  reopen(start);
  EXPECT_EQ(replayed_, history_);
}

TEST_F(CommitLogTest, OpeningAndClosingDoesNotFillTheFolder) {
  {
    auto log = reopen();
    STRATA_EXPECT_OK(append_next(*log, 10, &history_));
    ASSERT_TRUE(log->close().is_ok());
  }
  LogStart start;
  for (int i = 0; i < 20; ++i) {
    auto log = reopen(start);
    if (i == 0) {
      EXPECT_EQ(replayed_, history_);
    } else {
      EXPECT_TRUE(replayed_.empty());
    }
    // Where the checkpoint at close says that replay begins: the start of a segment that the next opening replaces.
    start.replay_from = start.clean_end = log->end();
    start.next_commit = 2;
    start.last_timestamp = 10;
    EXPECT_EQ(walked(*log, start.replay_from), History());
    ASSERT_TRUE(log->close().is_ok());
    EXPECT_LE(fs_->list("db")->size(), 2u);
  }
  auto log = reopen(start);
  EXPECT_EQ(walked(*log), history_);
}

TEST_F(CommitLogTest, ReplayFromTheMiddle) {
  {
    auto log = reopen();
    for (int i = 0; i < 100; ++i) STRATA_EXPECT_OK(append_next(*log, 90, &history_));
  }
  for (const size_t at : {size_t{1}, size_t{37}, size_t{99}}) {
    LogStart start{history_[at].position, history_[at].commit, history_[at].timestamp - 10, 0, 0};
    auto log = reopen(start);
    EXPECT_EQ(replayed_, History(history_.begin() + static_cast<std::ptrdiff_t>(at), history_.end()));
    EXPECT_EQ(walked(*log), history_);
  }
  // Another numbering than the caller's is never replayed.
  LogStart start{history_[37].position, history_[37].commit + 1, 0, 0, 0};
  EXPECT_EQ(open_log(options_, &replayed_, start).status().code(), Code::kCorruption);
}

TEST_F(CommitLogTest, PositionAtAgreesWithTheOracle) {
  const uint64_t seed = test_seed();
  std::mt19937_64 random(seed);
  uint64_t timestamp = 1000;
  auto log = reopen();
  const auto check = [&] {
    for (int i = 0; i < 300; ++i) {
      const uint64_t asked = 900 + random() % (timestamp - 800);
      LogPosition expected = 0;
      for (const Appended& appended : history_) {
        if (appended.timestamp <= asked) expected = appended.position;
      }
      const Result<LogPosition> found = log->position_at(asked);
      ASSERT_TRUE(found.is_ok()) << found.status().to_string();
      ASSERT_EQ(*found, expected) << asked;
    }
  };
  for (int round = 0; round < 12; ++round) {
    log->set_staged(round % 3 == 1);
    const uint64_t count = random() % 60;
    for (uint64_t i = 0; i < count; ++i) {
      timestamp += 1 + random() % 20;
      const uint64_t commit = history_.size() + 1;
      const size_t bytes = random() % 20 == 0 ? 5000 : random() % 200;
      STRATA_EXPECT_OK(append_body(*log, commit, timestamp, body_of(commit, bytes), &history_));
    }
    check();
    if (round % 4 == 3) {
      if (round == 7) {
        STRATA_EXPECT_OK(log->sync_to(log->end()));
      } else {
        ASSERT_TRUE(log->close().is_ok());
      }
      log = reopen();
      ASSERT_EQ(replayed_, history_);
      check();
    }
  }
}

TEST_F(CommitLogTest, UnitsBeginBySizeAndByRequestAndAreDroppedWhole) {
  auto log = reopen();
  EXPECT_EQ(log->units(), std::vector<LogPosition>{segment_start(1)});
  STRATA_EXPECT_OK(log->end_unit());  // nothing to end
  EXPECT_EQ(log->units().size(), 1u);
  std::vector<LogPosition> seen{log->unit_start()};
  for (int i = 0; i < 600; ++i) {
    STRATA_EXPECT_OK(append_next(*log, 100, &history_));
    if (i == 400) STRATA_EXPECT_OK(log->end_unit());
    if (log->unit_start() != seen.back()) seen.push_back(log->unit_start());
  }
  EXPECT_GE(seen.size(), 5u);
  EXPECT_EQ(log->units(), seen);
  const LogPosition middle = seen[2];
  STRATA_EXPECT_OK(log->drop_before(make_position(segment_of(middle) - 1, ~uint32_t{0})));
  EXPECT_EQ(log->begin(), seen[1]);
  STRATA_EXPECT_OK(log->drop_before(middle));
  EXPECT_EQ(log->begin(), middle);
  std::erase_if(history_, [middle](const Appended& appended) { return appended.position < middle; });
  EXPECT_EQ(walked(*log), history_);
  EXPECT_EQ(log->walk(seen[1], [](const LogRecord&) { return Status::ok(); }).code(), Code::kCorruption);
  EXPECT_EQ(*log->position_at(history_.front().timestamp - 1), 0u);
  char byte = 0;
  EXPECT_EQ(log->read(seen[1], 1, &byte).code(), Code::kCorruption);

  const LogStart start{0, history_.front().commit, history_.front().timestamp - 10, 0, middle};
  auto again = reopen(start);
  EXPECT_EQ(replayed_, history_);
  seen.erase(seen.begin(), seen.begin() + 2);
  EXPECT_EQ(again->units(), seen);
  // Never the unit that is being written.
  STRATA_EXPECT_OK(again->drop_before(make_position(1000, 0)));
  EXPECT_EQ(again->begin(), again->unit_start());
}

TEST_F(CommitLogTest, DroppedInPartIsStillALog) {
  auto log = reopen();
  for (int i = 0; i < 300; ++i) STRATA_EXPECT_OK(append_next(*log, 100, &history_));
  // A crash in the middle of dropping the first unit: its oldest segment is gone, the others are not.
  log.reset();
  STRATA_EXPECT_OK(fs_->remove("db/" + segment_name(1)));
  std::erase_if(history_, [](const Appended& appended) { return segment_of(appended.position) == 1; });
  LogStart start{0, history_.front().commit, history_.front().timestamp - 10, 0, 0};
  log = reopen(start);
  EXPECT_EQ(replayed_, history_);
  EXPECT_EQ(log->begin(), segment_start(2));
  start.oldest = segment_start(1);
  EXPECT_EQ(open_log(options_, &replayed_, start).status().code(), Code::kCorruption);
}

TEST_F(CommitLogTest, ReadOnlyOpeningWritesNothing) {
  {
    auto log = reopen();
    for (int i = 0; i < 100; ++i) STRATA_EXPECT_OK(append_next(*log, 100, &history_));
    STRATA_EXPECT_OK(log->prepare_next());
  }
  const Image before = take_image(*fs_, "db");
  options_.read_only = true;
  auto log = reopen();
  EXPECT_EQ(replayed_, history_);
  EXPECT_EQ(walked(*log), history_);
  EXPECT_EQ(*log->position_at(505), history_[49].position);
  EXPECT_EQ(log->prepare(1).code(), Code::kReadOnly);
  EXPECT_EQ(log->append(101, 1010, "x").status().code(), Code::kReadOnly);
  EXPECT_EQ(log->end_unit().code(), Code::kReadOnly);
  EXPECT_EQ(log->drop_before(log->end()).code(), Code::kReadOnly);
  STRATA_EXPECT_OK(log->sync_to(log->end()));
  EXPECT_EQ(*log->close(), log->end());
  log.reset();
  EXPECT_EQ(take_image(*fs_, "db"), before);
}

TEST_F(CommitLogTest, ReadOnlyOpeningOfNothingIsEmpty) {
  options_.read_only = true;
  auto log = reopen();
  EXPECT_EQ(log->end(), 0u);
  EXPECT_EQ(log->begin(), 0u);
  EXPECT_EQ(*log->position_at(5), 0u);
  EXPECT_TRUE(walked(*log).empty());
  EXPECT_TRUE(fs_->list("db")->empty());
}

TEST_F(CommitLogTest, VerifyFindsEveryDamageAndReportsProgress) {
  auto log = reopen();
  for (int i = 0; i < 100; ++i) STRATA_EXPECT_OK(append_next(*log, 100, &history_));
  std::vector<std::string> problems;
  uint64_t last = 0;
  const auto progress = [&last](uint64_t done, uint64_t in_all) {
    EXPECT_LE(done, in_all);
    EXPECT_GE(done, last);
    last = done;
    return true;
  };
  STRATA_EXPECT_OK(log->verify(&problems, progress));
  EXPECT_TRUE(problems.empty()) << problems.front();
  EXPECT_GT(last, 100u * 100u);
  for (const size_t hurt : {size_t{3}, size_t{40}, size_t{95}}) {
    const LogPosition position = history_[hurt].position;
    auto file = *fs_->open("db/" + segment_name(segment_of(position)), os::OpenMode::kReadWrite);
    STRATA_EXPECT_OK(file->write(offset_of(position) + kRecordHeaderBytes + 5, "?"));
  }
  STRATA_EXPECT_OK(log->verify(&problems, [](uint64_t, uint64_t) { return true; }));
  ASSERT_EQ(problems.size(), 3u);
  for (const std::string& problem : problems) EXPECT_NE(problem.find("log-0000"), std::string::npos) << problem;
  problems.clear();
  STRATA_EXPECT_OK(log->verify(&problems, [](uint64_t, uint64_t) { return false; }));
  EXPECT_LT(problems.size(), 3u);
}

TEST_F(CommitLogTest, RandomAppendsAndReopeningsAgreeWithTheOracle) {
  const uint64_t seed = test_seed();
  std::mt19937_64 random(seed);
  LogStart start;
  auto log = reopen();
  for (int step = 0; step < 3000; ++step) {
    switch (random() % 40) {
      case 0: {
        if (random() % 2 == 0) {
          start.clean_end = *log->close();
        } else {
          STRATA_EXPECT_OK(log->sync_to(log->end()));
        }
        log = reopen(start);
        ASSERT_NE(log, nullptr);
        ASSERT_EQ(replayed_, history_);
        start.clean_end = 0;
        break;
      }
      case 1:
        STRATA_EXPECT_OK(log->prepare_next());
        break;
      case 2:
        log->set_staged(random() % 2 == 0);
        break;
      case 3:
        STRATA_EXPECT_OK(log->sync_to(log->end()));
        break;
      case 4:
        STRATA_EXPECT_OK(log->end_unit());
        break;
      case 5: {
        if (history_.empty()) break;
        const size_t from = random() % history_.size();
        ASSERT_EQ(walked(*log, history_[from].position),
                  History(history_.begin() + static_cast<std::ptrdiff_t>(from), history_.end()));
        break;
      }
      case 6: {
        if (history_.empty()) break;
        std::string scratch;
        const Appended& one = history_[random() % history_.size()];
        const Result<LogRecord> record = log->read_record(one.position, &scratch);
        ASSERT_TRUE(record.is_ok()) << record.status().to_string();
        ASSERT_EQ(record->body, one.body);
        break;
      }
      default:
        STRATA_EXPECT_OK(append_next(*log, random() % 30 == 0 ? random() % 9000 : random() % 300, &history_));
    }
    ASSERT_LE(log->durable_end(), log->end());
    ASSERT_FALSE(testing::Test::HasFailure()) << "step " << step;
  }
}

TEST(CommitLogPosixTest, WorksOnTheOperatingSystemsFiles) {
  const std::string folder = testing::TempDir() + "strata_commit_log_" +
                             std::to_string(::testing::UnitTest::GetInstance()->random_seed()) + "_" +
                             std::to_string(reinterpret_cast<uintptr_t>(&folder));
  os::FileSystem& fs = os::posix_file_system();
  STRATA_EXPECT_OK(fs.create_folder(folder));
  LogOptions options = small_options(&fs, folder);
  History history;
  History replayed;
  for (int round = 0; round < 4; ++round) {
    auto opened = open_log(options, &replayed);
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
    std::unique_ptr<CommitLog> log = std::move(opened).value();
    EXPECT_EQ(replayed, history);
    log->set_staged(round % 2 == 1);
    for (int i = 0; i < 100; ++i) {
      STRATA_EXPECT_OK(append_next(*log, 120, &history));
      if (i % 10 == 0) {
        STRATA_EXPECT_OK(log->sync_to(log->end()));
        STRATA_EXPECT_OK(log->prepare_next());
      }
    }
    EXPECT_EQ(walked(*log), history);
    STRATA_EXPECT_OK(log->sync_to(log->end()));
    if (round == 2) continue;
    EXPECT_TRUE(log->close().is_ok());
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace strata::storage
