// Group sync, staged reads and what a failed call does to the log.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "storage/log_test_support.h"
#include "testing/fault_fs.h"

namespace strata::storage {
namespace {

using testing::Call;
using testing::Fault;
using testing::FaultFileSystem;
using testing::Operation;

class CommitLogSyncTest : public ::testing::Test {
 protected:
  CommitLogSyncTest() {
    STRATA_EXPECT_OK(memory_->create_folder("db"));
    auto log = open_log(options_, &replayed_);
    EXPECT_TRUE(log.is_ok()) << log.status().to_string();
    log_ = std::move(log).value();
  }
  static Fault fault(Operation operation, uint64_t at = 0) {
    Fault fault;
    fault.at = at;
    fault.matches = [operation](const Call& call) { return call.operation == operation; };
    return fault;
  }
  uint64_t count(Operation operation) {
    uint64_t n = 0;
    for (const Call& call : fs_.calls()) n += call.operation == operation ? 1 : 0;
    return n;
  }

  std::unique_ptr<os::FileSystem> memory_ = os::make_memory_file_system();
  FaultFileSystem fs_{*memory_};
  LogOptions options_ = small_options(&fs_);
  std::unique_ptr<CommitLog> log_;
  History history_;
  History replayed_;
};

TEST_F(CommitLogSyncTest, BufferedAppendIsOneWriteAndNoSync) {
  fs_.forget_calls();
  for (int i = 0; i < 3; ++i) STRATA_EXPECT_OK(append_next(*log_, 100, &history_));
  EXPECT_EQ(count(Operation::kWrite), 3u);
  EXPECT_EQ(count(Operation::kSync), 0u);
  EXPECT_LT(log_->durable_end(), history_[0].position + 1);
  STRATA_EXPECT_OK(log_->sync_to(log_->end()));
  EXPECT_EQ(log_->durable_end(), log_->end());
  STRATA_EXPECT_OK(log_->sync_to(log_->end()));
  EXPECT_EQ(count(Operation::kSync), 1u);
}

TEST_F(CommitLogSyncTest, StagedAppendsAreOneWriteAtTheSync) {
  log_->set_staged(true);
  fs_.forget_calls();
  for (int i = 0; i < 5; ++i) STRATA_EXPECT_OK(append_next(*log_, 100, &history_));
  EXPECT_EQ(count(Operation::kWrite), 0u);
  EXPECT_EQ(walked(*log_), history_);  // read from what is staged
  std::string scratch;
  EXPECT_EQ(log_->read_record(history_[4].position, &scratch)->body, history_[4].body);
  EXPECT_EQ(*log_->position_at(35), history_[2].position);
  STRATA_EXPECT_OK(log_->sync_to(history_[2].position));
  EXPECT_EQ(count(Operation::kWrite), 1u);
  EXPECT_EQ(count(Operation::kSync), 1u);
  EXPECT_EQ(log_->durable_end(), log_->end());
  STRATA_EXPECT_OK(append_next(*log_, 100, &history_));
  log_->set_staged(false);  // hands over what is left
  EXPECT_EQ(count(Operation::kWrite), 2u);
  STRATA_EXPECT_OK(append_next(*log_, 100, &history_));
  EXPECT_EQ(walked(*log_), history_);
}

TEST_F(CommitLogSyncTest, OlderSegmentsAreSyncedBeforeNewerOnesAreDurable) {
  for (const bool staged : {false, true}) {
    log_->set_staged(staged);
    const uint32_t first = segment_of(log_->end());
    while (segment_of(log_->end()) < first + 3) STRATA_EXPECT_OK(append_next(*log_, 300, &history_));
    fs_.forget_calls();
    STRATA_EXPECT_OK(log_->sync_to(log_->end()));
    std::vector<std::string> synced;
    for (const Call& call : fs_.calls()) {
      if (call.operation == Operation::kSync) synced.push_back(call.path);
    }
    ASSERT_EQ(synced.size(), 4u);
    for (uint32_t i = 0; i < 4; ++i) EXPECT_EQ(synced[i], "db/" + segment_name(first + i));
    EXPECT_EQ(count(Operation::kSyncFolder), 1u);
  }
}

TEST_F(CommitLogSyncTest, FailedSyncIsFinal) {
  for (int i = 0; i < 3; ++i) STRATA_EXPECT_OK(append_next(*log_, 100, &history_));
  STRATA_EXPECT_OK(log_->sync_to(log_->end()));
  const LogPosition durable = log_->durable_end();
  STRATA_EXPECT_OK(append_next(*log_, 100, &history_));
  fs_.inject(fault(Operation::kSync));
  const Status failed = log_->sync_to(log_->end());
  EXPECT_EQ(failed.code(), Code::kIoError);
  fs_.heal();
  fs_.forget_calls();
  EXPECT_EQ(log_->sync_to(log_->end()).message(), failed.message());
  STRATA_EXPECT_OK(log_->sync_to(durable));
  EXPECT_EQ(log_->append(5, 50, "x").status().message(), failed.message());
  EXPECT_EQ(log_->close().status().message(), failed.message());
  EXPECT_EQ(log_->close().status().message(), failed.message());
  EXPECT_EQ(log_->durable_end(), durable);
  EXPECT_EQ(count(Operation::kSync), 0u);
  EXPECT_EQ(count(Operation::kWrite), 0u);
  EXPECT_EQ(walked(*log_), history_);  // reading goes on
}

TEST_F(CommitLogSyncTest, EveryCallFailingOnceNeverLosesWhatWasAcknowledgedAsDurable) {
  for (const bool staged : {false, true}) {
    for (const Operation operation : {Operation::kWrite, Operation::kSync, Operation::kSyncFolder, Operation::kOpen,
                                      Operation::kReserve, Operation::kTruncate}) {
      for (uint64_t at = 0; at < 40; ++at) {
        const auto memory = os::make_memory_file_system();
        STRATA_EXPECT_OK(memory->create_folder("db"));
        FaultFileSystem fs(*memory);
        Fault failing = fault(operation, at);
        failing.written = 0.5;
        fs.inject(failing);
        History history;
        History replayed;
        size_t durable = 0;
        auto opened = open_log(small_options(&fs), &replayed);
        if (opened.is_ok()) {
          CommitLog& log = **opened;
          log.set_staged(staged);
          LogPosition last_durable = 0;
          for (int i = 0; i < 40; ++i) {
            const Status appended = append_next(log, 150, &history);
            if (!appended.is_ok()) {
              EXPECT_EQ(append_next(log, 150, &history).code(), appended.code());
              EXPECT_LE(log.sync_to(log.end()).is_ok() ? log.end() : log.durable_end(), log.end());
            }
            if (i % 3 == 0 && log.sync_to(log.end()).is_ok()) durable = history.size();
            EXPECT_GE(log.durable_end(), last_durable);
            last_durable = log.durable_end();
            if (i % 5 == 0) (void)log.prepare_next().is_ok();
          }
          const bool failed_before = fs.failures() > 0;
          if (log.close().is_ok()) {
            EXPECT_TRUE(failed_before || fs.failures() == 0);
            durable = history.size();
          }
        }
        opened = open_log(small_options(memory.get()), &replayed);
        ASSERT_TRUE(opened.is_ok()) << testing::operation_name(operation) << at << opened.status().to_string();
        ASSERT_GE(replayed.size(), durable);
        ASSERT_TRUE(is_prefix(prefix(history, durable), replayed));
        if (fs.failures() == 0) break;
      }
    }
  }
}

TEST_F(CommitLogSyncTest, FullDiskIsAnErrorThatStays) {
  fs_.set_budget(3000);
  Status status;
  for (int i = 0; i < 100 && status.is_ok(); ++i) status = append_next(*log_, 200, &history_);
  EXPECT_EQ(status.code(), Code::kDiskFull) << status.to_string();
  fs_.heal();
  EXPECT_EQ(append_next(*log_, 1, &history_).code(), Code::kDiskFull);
  EXPECT_EQ(walked(*log_), history_);
  options_.fs = memory_.get();
  auto again = open_log(options_, &replayed_);
  ASSERT_TRUE(again.is_ok()) << again.status().to_string();
  EXPECT_EQ(replayed_, history_);
}

// Threads that commit under one lock and wait for the device outside of it, with readers and a preparer beside them.
TEST_F(CommitLogSyncTest, ThreadsShareSyncsAndReadersSeeEverything) {
  log_->set_staged(true);
  std::mutex commit_lock;
  std::atomic<bool> done{false};
  std::atomic<uint64_t> wrong{0};
  uint64_t next = 1;
  constexpr int kThreads = 4;
  constexpr uint64_t kEach = 300;
  fs_.forget_calls();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (uint64_t i = 0; i < kEach; ++i) {
        LogPosition end = 0;
        {
          const std::lock_guard<std::mutex> guard(commit_lock);
          if (i % 50 == 49) log_->set_staged(i % 100 == 49);
          const std::string body = body_of(next, 50 + next % 100);
          if (!log_->prepare(body.size()).is_ok() || !log_->append(next, next * 10, body).is_ok()) ++wrong;
          ++next;
          end = log_->end();
        }
        if (!log_->sync_to(end).is_ok() || log_->durable_end() < end) ++wrong;
      }
    });
  }
  std::thread reader([&] {
    while (!done.load()) {
      uint64_t expected = 1;
      const Status walked = log_->walk(0, [&](const LogRecord& record) {
        if (record.commit != expected || record.body != body_of(expected, 50 + expected % 100)) ++wrong;
        ++expected;
        return Status::ok();
      });
      if (!walked.is_ok()) ++wrong;
      const Result<LogPosition> position = log_->position_at(500);
      if (!position.is_ok()) ++wrong;
      (void)log_->units();
    }
  });
  std::thread preparer([&] {
    while (!done.load()) {
      if (!log_->prepare_next().is_ok()) ++wrong;
      std::this_thread::yield();
    }
  });
  for (std::thread& thread : threads) thread.join();
  done = true;
  reader.join();
  preparer.join();
  EXPECT_EQ(wrong.load(), 0u);
  EXPECT_EQ(log_->durable_end(), log_->end());
  ASSERT_TRUE(log_->close().is_ok());
  auto again = open_log(options_, &replayed_);
  ASSERT_TRUE(again.is_ok());
  EXPECT_EQ(replayed_.size(), kThreads * kEach);
}

}  // namespace
}  // namespace strata::storage
