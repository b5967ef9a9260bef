// The lock belongs to the open file description, so two handles of one process conflict as two processes do, and
// closing some other descriptor of the file does not drop it.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>

#include "os/posix_support.h"

namespace strata::os {
namespace {

enum class Holder : uint8_t { kNobody, kReaders, kWriter };

#ifdef F_OFD_SETLK
struct flock whole_file(LockMode mode) {
  struct flock range = {};
  range.l_type = mode == LockMode::kExclusive ? F_WRLCK : F_RDLCK;
  range.l_whence = SEEK_SET;
  return range;
}

// errno, or 0 when the lock was taken.
int try_lock(int number, LockMode mode) {
  struct flock range = whole_file(mode);
  return ::fcntl(number, F_OFD_SETLK, &range) == 0 ? 0 : errno;
}

Holder holder_of(int number, LockMode wanted) {
  struct flock range = whole_file(wanted);
  if (::fcntl(number, F_OFD_GETLK, &range) != 0 || range.l_type == F_UNLCK) return Holder::kNobody;
  return range.l_type == F_WRLCK ? Holder::kWriter : Holder::kReaders;
}
#else
int try_lock(int number, LockMode mode) {
  return ::flock(number, (mode == LockMode::kExclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0 ? 0 : errno;
}

Holder holder_of(int number, LockMode wanted) {
  if (wanted == LockMode::kShared) return Holder::kWriter;
  // Readers let another reader in; a writer does not.
  if (::flock(number, LOCK_SH | LOCK_NB) != 0) return Holder::kWriter;
  ::flock(number, LOCK_UN);
  return Holder::kReaders;
}
#endif

std::string read_pid(int number) {
  char text[24];
  const ssize_t n = ::pread(number, text, sizeof(text), 0);
  std::string pid(text, n > 0 ? static_cast<size_t>(n) : 0);
  while (!pid.empty() && pid.back() == '\n') pid.pop_back();
  const bool digits = std::all_of(pid.begin(), pid.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  return digits ? pid : "";
}

Status write_pid(int number, const std::string& path) {
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(number, 0) != 0) return posix_error("truncate", path, errno);
  if (::pwrite(number, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return posix_error("write", path, errno == 0 ? EIO : errno);
  }
  return Status::ok();
}

Status locked_error(int number, const std::string& path, LockMode wanted) {
  std::string message = "database " + folder_of(path) + " is in use";
  // The text in the file is the last writer's; while only readers hold the lock it names nobody.
  if (holder_of(number, wanted) == Holder::kReaders) {
    return Status::error(Code::kDatabaseLocked, message + " by a process that reads it",
                         "close it there first, or open it with read_only=True");
  }
  if (const std::string pid = read_pid(number); !pid.empty()) {
    message += " by process " + pid;
  }
  return Status::error(Code::kDatabaseLocked, std::move(message),
                       "close it there first: one process at a time has a database open for writing");
}

class PosixLock final : public FileLock {
 public:
  PosixLock(Descriptor descriptor, LockMode mode)
      : descriptor_(std::move(descriptor)), mode_(mode), owner_(::getpid()) {}
  ~PosixLock() override {
    // A forked child shares the description: unlocking or emptying the file there would act for the parent.
    if (mode_ == LockMode::kExclusive && ::getpid() == owner_) {
      [[maybe_unused]] const int ignored = ::ftruncate(descriptor_.number(), 0);
    }
  }
  void abandon_in_child() override { descriptor_ = Descriptor(); }

 private:
  Descriptor descriptor_;
  const LockMode mode_;
  const pid_t owner_;
};

}  // namespace

Result<std::unique_ptr<FileLock>> posix_lock(const std::string& path, LockMode mode) {
  const int flags = mode == LockMode::kExclusive ? O_RDWR | O_CREAT : O_RDONLY;
  STRATA_ASSIGN(Descriptor descriptor, open_descriptor(path, flags));
  const int error = try_lock(descriptor.number(), mode);
  if (error == EAGAIN || error == EACCES || error == EWOULDBLOCK) {
    return locked_error(descriptor.number(), path, mode);
  }
  if (error != 0) return posix_error("lock", path, error);
  if (mode == LockMode::kExclusive) STRATA_TRY(write_pid(descriptor.number(), path));
  return std::unique_ptr<FileLock>(std::make_unique<PosixLock>(std::move(descriptor), mode));
}

}  // namespace strata::os
