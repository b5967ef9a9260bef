// What the tests of the commit log share: a log in memory, an oracle of what was appended, and whole folders as values.
// Thread safety: none. Ownership: a TestLog owns its file system.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "os/file_system.h"
#include "storage/commit_log.h"
#include "storage/log_format.h"

namespace strata::storage {

#define STRATA_EXPECT_OK(expression)                               \
  do {                                                             \
    const ::strata::Status status_seen_ = (expression);            \
    EXPECT_TRUE(status_seen_.is_ok()) << status_seen_.to_string(); \
  } while (0)

inline uint64_t test_seed() {
  const char* given = std::getenv("STRATA_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("STRATA_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

// What was appended, in order.
struct Appended {
  LogPosition position = 0;
  uint64_t commit = 0;
  uint64_t timestamp = 0;
  std::string body;
  bool operator==(const Appended&) const = default;
};
using History = std::vector<Appended>;

// The files of a folder and their contents.
using Image = std::map<std::string, std::string>;

inline Image take_image(os::FileSystem& fs, const std::string& folder) {
  Image image;
  const std::vector<std::string> names = *fs.list(folder);
  for (const std::string& name : names) {
    auto file = *fs.open(os::join_path(folder, name), os::OpenMode::kRead);
    std::string bytes(static_cast<size_t>(*file->size()), '\0');
    EXPECT_EQ(*file->read(0, bytes.size(), bytes.data()), bytes.size());
    image[name] = std::move(bytes);
  }
  return image;
}

inline std::unique_ptr<os::FileSystem> put_image(const Image& image, const std::string& folder) {
  auto fs = os::make_memory_file_system();
  STRATA_EXPECT_OK(fs->create_folder(folder));
  for (const auto& [name, bytes] : image) {
    auto file = *fs->open(os::join_path(folder, name), os::OpenMode::kCreateNew);
    STRATA_EXPECT_OK(file->write(0, bytes));
  }
  return fs;
}

// A deterministic body: equal commits have equal bodies, so that a wrong one shows.
inline std::string body_of(uint64_t commit, size_t bytes) {
  std::string body(bytes, '\0');
  uint64_t state = commit * 0x9e3779b97f4a7c15u + bytes;
  for (char& c : body) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    c = static_cast<char>(state >> 56);
  }
  return body;
}

inline LogOptions small_options(os::FileSystem* fs, const std::string& folder = "db") {
  LogOptions options;
  options.fs = fs;
  options.folder = folder;
  options.database_id = 77;
  options.segment_bytes = 4096;
  options.first_segment_bytes = 1024;
  options.unit_bytes = 16384;
  return options;
}

// Opens and records what is replayed.
inline Result<std::unique_ptr<CommitLog>> open_log(const LogOptions& options, History* replayed, LogStart start = {}) {
  replayed->clear();
  return CommitLog::open(options, start, [replayed](const LogRecord& record) {
    replayed->push_back({record.position, record.commit, record.timestamp, std::string(record.body)});
    return Status::ok();
  });
}

inline Status append_body(CommitLog& log, uint64_t commit, uint64_t timestamp, const std::string& body,
                          History* history) {
  STRATA_TRY(log.prepare(body.size()));
  const LogPosition expected = log.end();
  STRATA_ASSIGN(const LogPosition position, log.append(commit, timestamp, body));
  EXPECT_EQ(position, expected);
  history->push_back({position, commit, timestamp, body});
  return Status::ok();
}

// Appends the commit behind history's last; timestamps are ten apart, as those of a clock that stands still are one.
inline Status append_next(CommitLog& log, size_t bytes, History* history) {
  const uint64_t commit = history->empty() ? 1 : history->back().commit + 1;
  return append_body(log, commit, commit * 10, body_of(commit, bytes), history);
}

inline History walked(const CommitLog& log, LogPosition from = 0) {
  History seen;
  STRATA_EXPECT_OK(log.walk(from, [&seen](const LogRecord& record) {
    seen.push_back({record.position, record.commit, record.timestamp, std::string(record.body)});
    return Status::ok();
  }));
  return seen;
}

inline History prefix(const History& history, size_t n) {
  return {history.begin(), history.begin() + static_cast<std::ptrdiff_t>(n)};
}

// Both histories agree as far as the shorter one goes.
inline bool is_prefix(const History& shorter, const History& longer) {
  return shorter.size() <= longer.size() && prefix(longer, shorter.size()) == shorter;
}

}  // namespace strata::storage
