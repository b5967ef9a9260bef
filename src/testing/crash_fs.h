// A FileSystem in memory that records every change and every sync in order, so that a CrashPlayer can build what a
// disk might hold after a crash at any point of the record.
//
// The model of the disk: a file's bytes are durable after a sync of the file, a name after a sync of its folder, and
// each says nothing about the other. What is not durable is kept or lost piece by piece, in any combination.
//
// Thread safety: all methods, from any thread; a CrashPlayer is made and used while nobody calls.
// Ownership: owns its files, which must not be used after it is gone.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "os/file_system.h"
#include "os/name_table.h"
#include "testing/paged_bytes.h"

namespace strata::testing {

// What a disk holds at one moment.
struct CrashImage {
  std::map<std::string, SharedBytes> files;
  std::set<std::string> folders;
};

struct CrashEvent {
  enum class Kind : uint8_t {
    kCreate,
    kRemove,
    kRename,
    kCreateFolder,
    kWrite,
    kTruncate,
    kReserve,
    kSync,
    kSyncFolder,
  };
  Kind kind;
  uint64_t file = 0;  // number of the file, whatever its name
  std::string path;   // the name it had when it was opened, or the folder
  std::string to;     // kRename
  uint64_t at = 0;    // kWrite: offset; kTruncate, kReserve: size
  std::string bytes;  // kWrite
};
std::string describe(const CrashEvent& event);

class CrashFileSystem final : public os::FileSystem {
 public:
  CrashFileSystem() = default;
  // Begins with a disk as a crash left it.
  explicit CrashFileSystem(const CrashImage& image);

  // The number of events so far: a crash point. What happened before it was called, what comes after was not.
  uint64_t position() const;
  // Asked at each sync of a file or folder, with its path; where it answers false the sync reports success and does
  // nothing: a lying disk, or a forgotten sync.
  void set_honest(std::function<bool(const std::string& path)> honest);

  // Recorded.
  Result<std::unique_ptr<os::File>> open(const std::string& path, os::OpenMode mode) override;
  Status remove(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status create_folder(const std::string& path) override;
  Status sync_folder(const std::string& path) override;

  // Not recorded.
  Result<bool> exists(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;
  Result<os::FolderIdentity> identity(const std::string& folder) override;
  Result<std::unique_ptr<os::FileLock>> lock(const std::string& path, os::LockMode mode) override;
  Result<std::optional<uint64_t>> free_bytes(const std::string& folder) override;

 private:
  friend class CrashFile;
  friend class CrashLock;
  friend class CrashPlayer;

  struct Node {
    uint64_t number;
    SharedBytes bytes;
  };
  using Names = os::NameTable<Node>;

  // For a CrashPlayer, which works while nobody calls.
  const std::deque<CrashEvent>& events() const NO_THREAD_SAFETY_ANALYSIS { return events_; }
  std::shared_ptr<Node> create(const std::string& path) REQUIRES_LOCK(mutex_);
  bool is_honest(const std::string& path) const REQUIRES_LOCK(mutex_);

  CrashImage base_;  // constant after construction
  mutable base::Mutex mutex_;
  Names names_ GUARDED_BY(mutex_);
  uint64_t next_file_ GUARDED_BY(mutex_) = 1;
  std::deque<CrashEvent> events_ GUARDED_BY(mutex_);
  std::function<bool(const std::string&)> honest_ GUARDED_BY(mutex_);
};

}  // namespace strata::testing
