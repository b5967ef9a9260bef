// What the commit log costs by itself: records of one entity, an 18-byte key and a 100-byte value.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "micro_require.h"
#include "os/file_system.h"
#include "storage/commit_log.h"
#include "storage/commit_record.h"
#include "testing/random.h"

namespace strata::storage {
namespace {

constexpr uint64_t kDatabaseId = 7;

// A log in a folder of its own on the disk of the working directory, or in memory. Removes what it made.
class Log {
 public:
  explicit Log(bool on_disk) {
    if (on_disk) {
      char name[] = "micro_log_XXXXXX";
      if (mkdtemp(name) == nullptr) {
        std::perror("mkdtemp");
        std::abort();
      }
      folder_ = name;
      fs_ = &os::posix_file_system();
    } else {
      memory_ = os::make_memory_file_system();
      fs_ = memory_.get();
      folder_ = "log";
      require(fs_->create_folder(folder_));
    }
    LogOptions options;
    options.fs = fs_;
    options.folder = folder_;
    options.database_id = kDatabaseId;
    log_ = require(CommitLog::open(options, LogStart{}, [](const LogRecord&) { return Status(); }));
  }
  ~Log() {
    require(log_->close());
    log_.reset();
    auto names = require(fs_->list(folder_));
    for (const std::string& name : names) {
      require(fs_->remove(os::join_path(folder_, name)));
    }
    if (memory_ == nullptr) {
      require(fs_->remove(folder_));
    }
  }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  CommitLog& log() { return *log_; }

  LogPosition append() {
    const Entity entity{
        .key = "agent0001/deadbeef", .value = value_, .version = 1, .timestamp = 1, .pointers = {&none_, 1}};
    builder_.begin(RecordKind::kCommit, 1, previous_, 1);
    builder_.add_entity(entity);
    const std::string_view body = builder_.finish();
    require(log_->prepare(body.size()));
    ++commit_;
    previous_ = require(log_->append(commit_, commit_, body));
    return previous_;
  }

 private:
  std::unique_ptr<os::FileSystem> memory_;
  os::FileSystem* fs_ = nullptr;
  std::string folder_;
  std::unique_ptr<CommitLog> log_;
  RecordBuilder builder_{kDatabaseId};
  std::string value_ = std::string(100, 'v');
  LogPosition none_ = 0;
  LogPosition previous_ = 0;
  uint64_t commit_ = 0;
};

void append_memory(benchmark::State& state) {
  Log log(false);
  for (auto _ : state) {
    log.append();
  }
}
BENCHMARK(append_memory);

void append_buffered(benchmark::State& state) {
  Log log(true);
  for (auto _ : state) {
    log.append();
  }
}
BENCHMARK(append_buffered);

void append_and_sync(benchmark::State& state) {
  Log log(true);
  log.log().set_staged(true);
  for (auto _ : state) {
    log.append();
    require(log.log().sync_to(log.log().end()));
  }
}
BENCHMARK(append_and_sync)->UseRealTime();

void read_entity(benchmark::State& state) {
  Log log(true);
  std::vector<LogPosition> positions;
  for (int i = 0; i < 10'000; ++i) {
    positions.push_back(log.append());
  }
  testing::Random random(3);
  std::string scratch;
  for (auto _ : state) {
    auto record = require(log.log().read_record(random.pick(positions), &scratch));
    benchmark::DoNotOptimize(record);
  }
}
BENCHMARK(read_entity);

}  // namespace
}  // namespace strata::storage
