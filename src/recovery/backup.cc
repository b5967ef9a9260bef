#include "recovery/backup.h"

#include <algorithm>
#include <vector>

#include "storage/log_format.h"
#include "storage/page_file_builder.h"

namespace strata::recovery {
namespace {

using os::join_path;

constexpr uint64_t kNodesPerReport = 64;
constexpr std::string_view kWhatItIs =
    "A backup of a StrataDB database is being written into this folder, or was broken off.\n"
    "It is complete when this file is gone. If nothing writes here any more, delete the folder.\n";

Status refuse(const std::string& folder) {
  return Status::error(Code::kBackupExists, "a backup to '" + folder + "' is refused: there is something already",
                       "name a folder that does not exist or is empty");
}

// One backup on its way.
class Copy {
 public:
  Copy(const BackupSource& source, os::FileSystem& fs, std::string folder, const Progress& progress)
      : source_(source), fs_(fs), folder_(std::move(folder)), progress_(progress) {}

  Result<BackupResult> run();

 private:
  Status claim_folder();
  Status copy_all();
  Status copy_nodes(const Checkpointer::Capture& capture, storage::PageFileBuilder* pages);
  Status tell(uint64_t done);
  void remove_what_was_made();
  std::string unfinished_path() const { return join_path(folder_, kUnfinishedBackup); }

  const BackupSource& source_;
  os::FileSystem& fs_;
  const std::string folder_;
  const Progress& progress_;
  bool folder_is_new_ = false;
  uint64_t total_ = 1;  // pages of nodes and of log, and one for the end
  BackupResult result_;
};

Status Copy::claim_folder() {
  STRATA_ASSIGN(const bool there, fs_.exists(folder_));
  const Status made = fs_.create_folder(folder_);
  // A file of this name.
  if (there && made.code() == Code::kInvalidPathName) return refuse(folder_);
  STRATA_TRY(made);
  STRATA_ASSIGN(const std::vector<std::string> names, fs_.list(folder_));
  if (!names.empty()) return refuse(folder_);
  folder_is_new_ = !there;
  STRATA_ASSIGN(const auto file, fs_.open(unfinished_path(), os::OpenMode::kCreateNew));
  return Status::ok();
}

Status Copy::tell(uint64_t done) {
  if (!progress_ || progress_(done, total_)) return Status::ok();
  return Status::error(Code::kInvalidArgument, "the backup was ended by its progress callback",
                       "what was copied is gone; call it again");
}

Status Copy::copy_nodes(const Checkpointer::Capture& capture, storage::PageFileBuilder* pages) {
  uint64_t nodes = 0;
  uint64_t done = 0;
  return source_.engine.forest().copy_nodes(capture.roots, [&](storage::NodeId id, char* bytes) {
    STRATA_TRY(pages->add(id, bytes));
    done += storage::pages_of(id);
    return ++nodes % kNodesPerReport == 0 ? tell(std::min(done, total_ - 1)) : Status::ok();
  });
}

Status Copy::copy_all() {
  {
    STRATA_ASSIGN(const auto file, fs_.open(unfinished_path(), os::OpenMode::kReadWrite));
    STRATA_TRY(file->write(0, kWhatItIs));
    STRATA_TRY(file->sync());
  }
  STRATA_TRY(fs_.sync_folder(folder_));
  STRATA_TRY(fs_.sync_folder(os::folder_of(folder_)));

  STRATA_TRY(source_.engine.failure());
  Checkpointer::Capture capture;
  {
    const txn::CommitLock held = source_.engine.lock();
    capture = source_.checkpointer.capture(held);
  }
  // The copy ends there, as after a clean close: whatever is missing from it later is damage.
  capture.head.clean_end = capture.head.cut.position;
  capture.head.oldest = source_.engine.log().begin();
  const uint64_t node_pages = source_.store.used_pages();
  const uint64_t log_pages = source_.engine.log().disk_bytes() / storage::kPageBytes;
  total_ = node_pages + log_pages + 1;

  const std::string path = join_path(folder_, storage::kPageFileName);
  STRATA_ASSIGN(auto pages, storage::PageFileBuilder::create(fs_, path, source_.engine.seed()));
  STRATA_TRY(copy_nodes(capture, &pages));
  capture.pin.reset();
  uint64_t log_bytes = 0;
  STRATA_TRY(source_.engine.log().copy_to(fs_, folder_, capture.head.cut.position, [&](uint64_t bytes) {
    log_bytes = bytes;
    return tell(std::min(node_pages + bytes / storage::kPageBytes, total_ - 1));
  }));
  STRATA_TRY(tell(total_));
  STRATA_TRY(fs_.sync_folder(folder_));
  STRATA_TRY(pages.finish(encode_head(capture.head)));
  result_ = {folder_, pages.bytes_written() + log_bytes, capture.head.state.last_timestamp};
  // From here on it is a database, whether this file is gone or not.
  STRATA_TRY(fs_.remove(unfinished_path()));
  return fs_.sync_folder(folder_);
}

// What says that it is no database goes last.
void Copy::remove_what_was_made() {
  const auto names = fs_.list(folder_);
  if (!names.is_ok()) return;
  for (const std::string& name : *names) {
    if (name.starts_with(storage::kPageFileName) || storage::segment_number(name)) {
      (void)fs_.remove(join_path(folder_, name));
    }
  }
  (void)fs_.remove(unfinished_path());
  if (folder_is_new_) (void)fs_.remove(folder_);
}

Result<BackupResult> Copy::run() {
  STRATA_TRY(claim_folder());
  const Status copied = copy_all();
  if (copied.is_ok()) return result_;
  remove_what_was_made();
  return copied;
}

}  // namespace

Result<BackupResult> back_up(const BackupSource& source, os::FileSystem& fs, const std::string& folder,
                             const Progress& progress) {
  return Copy(source, fs, folder, progress).run();
}

Status check_no_unfinished_backup(os::FileSystem& fs, const std::string& folder) {
  STRATA_ASSIGN(const bool unfinished, fs.exists(join_path(folder, kUnfinishedBackup)));
  if (!unfinished) return Status::ok();
  return Status::error(Code::kNotADatabase, "'" + folder + "' holds a backup that was not finished",
                       "delete the folder and make the backup again");
}

}  // namespace strata::recovery
