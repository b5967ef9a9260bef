// A log whose files were changed in any way: bytes overwritten, files cut, lengthened, removed and exchanged. Opening
// gives an error, or records that were once written, in order and without gaps.
#include <map>

#include "fuzz_support.h"
#include "os/file_system.h"
#include "storage/commit_log.h"

namespace {

using namespace strata;

constexpr uint64_t kDatabaseId = 42;
constexpr uint64_t kCommits = 40;

std::string body_of(uint64_t commit) {
  return "commit " + std::to_string(commit) + std::string(commit * 13 % 300, static_cast<char>('a' + commit % 26));
}

storage::LogOptions log_options(os::FileSystem& fs, bool read_only) {
  storage::LogOptions options;
  options.fs = &fs;
  options.folder = "log";
  options.database_id = kDatabaseId;
  options.first_segment_bytes = 2048;
  options.segment_bytes = 4096;
  options.unit_bytes = 8192;
  options.read_only = read_only;
  return options;
}

// Two incarnations, several segments and units.
using Files = std::map<std::string, std::string>;
Files make_log() {
  const auto fs = os::make_memory_file_system();
  STRATA_CHECK(fs->create_folder("log").is_ok());
  for (uint64_t commit = 1; commit <= kCommits;) {
    auto log =
        storage::CommitLog::open(log_options(*fs, false), {}, [](const storage::LogRecord&) { return Status::ok(); });
    STRATA_CHECK(log.is_ok());
    for (const uint64_t end = commit + kCommits / 2; commit < end; ++commit) {
      STRATA_CHECK((*log)->prepare(body_of(commit).size()).is_ok());
      STRATA_CHECK((*log)->append(commit, commit * 10, body_of(commit)).is_ok());
      if (commit % 7 == 0) STRATA_CHECK((*log)->sync_to((*log)->end()).is_ok());
    }
  }
  Files files;
  const auto names = fs->list("log");
  for (const std::string& name : *names) {
    auto file = std::move(fs->open("log/" + name, os::OpenMode::kRead)).value();
    std::string bytes(*file->size(), '\0');
    STRATA_CHECK(*file->read(0, bytes.size(), bytes.data()) == bytes.size());
    files[name] = std::move(bytes);
  }
  return files;
}

void change(Files& files, strata::fuzz::FuzzInput& input) {
  auto file = files.begin();
  std::advance(file, input.below(files.size()));
  std::string& bytes = file->second;
  switch (input.number(1) % 6) {
    case 0:
    case 1: {
      const uint64_t at = input.below(bytes.size() + 1);
      const std::string_view with = input.bytes(1 + input.number(1) % 64);
      bytes.replace(at, std::min(with.size(), bytes.size() - at), with);
      return;
    }
    case 2:
      bytes.resize(input.below(bytes.size() + 1));
      return;
    case 3:
      bytes.append(input.number(1), '\0');
      return;
    case 4:
      if (files.size() > 1) files.erase(file);
      return;
    default:
      // A record, or a whole segment, in the place of another.
      auto other = files.begin();
      std::advance(other, input.below(files.size()));
      const uint64_t at = input.below(bytes.size() + 1);
      bytes.replace(at, std::string::npos, other->second.substr(std::min<size_t>(at, other->second.size())));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Files* const made = new Files(make_log());
  strata::fuzz::FuzzInput input(data, size);
  Files files = *made;
  const bool read_only = input.number(1) % 2 == 0;
  for (int i = 0; i < 8 && !input.empty(); ++i) change(files, input);
  const auto fs = os::make_memory_file_system();
  STRATA_CHECK(fs->create_folder("log").is_ok());
  for (const auto& [name, bytes] : files) {
    STRATA_CHECK((*fs->open("log/" + name, os::OpenMode::kCreateNew))->write(0, bytes).is_ok());
  }
  uint64_t next = 1;
  const auto check = [&](const storage::LogRecord& record) {
    STRATA_CHECK(record.commit == next && next <= kCommits && record.body == body_of(next));
    ++next;
    return Status::ok();
  };
  const auto log = storage::CommitLog::open(log_options(*fs, read_only), {}, check);
  if (!log.is_ok()) return 0;
  std::vector<std::string> problems;
  (void)(*log)->verify(&problems, [](uint64_t, uint64_t) { return true; });
  (void)(*log)->position_at(kCommits * 5);
  (void)(*log)->walk(0, [](const storage::LogRecord&) { return Status::ok(); });
  return 0;
}
