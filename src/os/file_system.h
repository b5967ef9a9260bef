// The one seam to files: everything that the engine reads or writes goes through these three interfaces, so that a
// memory, a fault-injecting and a crash-simulating implementation reach every byte of it.
//
// Thread safety: FileSystem and File may be used from several threads; writes to overlapping ranges of one file are
//   ordered by the caller. A FileLock belongs to whoever holds it.
// Ownership: returned objects are owned by the caller and must not outlive the FileSystem.
// Durability: what File::write returned OK for survives the end of the process; what File::sync returned OK for
//   survives a power cut. A created, renamed or removed name survives a power cut after sync_folder of its folder.
//   A failed sync is never retried by callers: the pages may have been dropped.
// Errors: kIoError (message: operation, path, the system's words), kDiskFull, kPermissionDenied, kReadOnly (a read-only
//   file system), kDatabaseLocked (lock), kInvalidPathName. A missing file on open is kIoError unless said otherwise.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strata/status.h"

namespace strata::os {

class File {
 public:
  virtual ~File() = default;
  // Reads up to n bytes at offset; fewer only at the end of the file.
  virtual Result<size_t> read(uint64_t offset, size_t n, char* out) = 0;
  // Writes all bytes or fails; on failure any part of the range may have been written. Extends the file.
  virtual Status write(uint64_t offset, std::string_view bytes) = 0;
  // As write, for many short writes into reserved space by one thread at a time, which is also the only one to call
  // reserve and truncate meanwhile: an implementation may spare the system call.
  virtual Status write_short(uint64_t offset, std::string_view bytes) { return write(offset, bytes); }
  // Contents and length are on the device when it returns OK.
  virtual Status sync() = 0;
  // Makes the file at least `size` bytes long with space that later writes cannot fail for (where the file system can
  // promise that; elsewhere it only extends). New bytes read as zero.
  virtual Status reserve(uint64_t size) = 0;
  virtual Status truncate(uint64_t size) = 0;
  virtual Result<uint64_t> size() = 0;
};

// Held until destroyed. Locks of one process conflict with each other as those of two processes do.
class FileLock {
 public:
  virtual ~FileLock() = default;
  // In a child made by fork: closes its copy of the descriptor, which would keep the lock after the parent's end.
  // Async-signal-safe.
  virtual void abandon_in_child() {}
};

enum class OpenMode : uint8_t {
  kRead,       // must exist
  kReadWrite,  // must exist
  kCreateNew,  // must not exist
};

enum class LockMode : uint8_t { kShared, kExclusive };

// What names one folder whatever its path: device and inode.
struct FolderIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  bool operator==(const FolderIdentity&) const = default;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  virtual Result<bool> exists(const std::string& path) = 0;
  // Names (no paths) in a folder, sorted.
  virtual Result<std::vector<std::string>> list(const std::string& folder) = 0;
  // A file or an empty folder.
  virtual Status remove(const std::string& path) = 0;
  // Atomic; replaces a file that has the name already.
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  // Makes the folder and its parents; OK if it is there already. kInvalidPathName if a file is in the way.
  virtual Status create_folder(const std::string& path) = 0;
  virtual Status sync_folder(const std::string& path) = 0;
  virtual Result<FolderIdentity> identity(const std::string& folder) = 0;
  // Takes the lock on an existing or (exclusive only) new file, writing the holder's pid into it when exclusive.
  // kDatabaseLocked if somebody holds it, the holder's pid in the message where it can be known.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path, LockMode mode) = 0;
  // Bytes that can still be written, where that can be known.
  virtual Result<std::optional<uint64_t>> free_bytes(const std::string& folder) = 0;
};

// The operating system's files. One for the process.
FileSystem& posix_file_system();

// Files in memory, without durability of any kind: what Strata.cache() and many tests run on.
std::unique_ptr<FileSystem> make_memory_file_system();

// folder + "/" + name.
std::string join_path(std::string_view folder, std::string_view name);
// What lies before the last slash ("." for a bare name, "/" for a name in the root), and what lies behind it.
// Trailing slashes count for nothing.
std::string folder_of(std::string_view path);
std::string name_of(std::string_view path);

}  // namespace strata::os
