#include "os/posix_support.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace strata::os {
namespace {

constexpr mode_t kNewFileMode = 0666;  // less the process's umask

// strerror_r comes in two shapes; overloads pick whichever the C library has.
[[maybe_unused]] std::string error_words(int failed, const char* buffer, int error) {
  return failed == 0 ? std::string(buffer) : "error " + std::to_string(error);
}
[[maybe_unused]] std::string error_words(const char* words, const char*, int) { return words; }

std::string words_of(int error) {
  char buffer[256] = "";
  return error_words(::strerror_r(error, buffer, sizeof(buffer)), buffer, error);
}

}  // namespace

Descriptor::~Descriptor() {
  // Nothing is lost by ignoring a failed close: what has to be durable was synced before.
  if (number_ >= 0) ::close(number_);
}

Status posix_error(std::string_view operation, std::string_view path, int error) {
  std::string message = "cannot ";
  message.append(operation).append(" ").append(path).append(": ").append(words_of(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return Status::error(Code::kDiskFull, std::move(message), "free some space, then open the database again");
    case EFBIG:
      return Status::error(Code::kDiskFull, std::move(message), "raise the limit on the size of files (ulimit -f)");
    case EACCES:
    case EPERM:
      return Status::error(Code::kPermissionDenied, std::move(message), "check the owner and mode of the path");
    case EROFS:
      return Status::error(Code::kReadOnly, std::move(message), "the file system is mounted read-only");
    case ENOTDIR:
    case EISDIR:
    case ENAMETOOLONG:
    case ELOOP:
    case ENOTEMPTY:
      return Status::error(Code::kInvalidPathName, std::move(message), "give the path of a folder");
    case EMFILE:
    case ENFILE:
      return Status::error(Code::kIoError, std::move(message), "raise the limit on open files (ulimit -n)");
    case ENOENT:
      return Status::error(
          Code::kIoError, std::move(message),
          "was the folder moved or deleted while it was open? Close the database and open it where it is");
    case ENOMEM:
      return Status::error(Code::kIoError, std::move(message), "free some memory, or open with a smaller cache_bytes");
    default:
      return Status::error(Code::kIoError, std::move(message),
                           "look at the disk and the system's log, then open the database again");
  }
}

Status check_path(const std::string& path) {
  if (path.empty()) return Status::error(Code::kInvalidPathName, "a path must not be empty");
  if (path.find('\0') != std::string::npos) {
    return Status::error(Code::kInvalidPathName, "a path must not contain a NUL byte");
  }
  return Status::ok();
}

Result<Descriptor> open_descriptor(const std::string& path, int flags) {
  STRATA_TRY(check_path(path));
  int number = 0;
  do {
    number = ::open(path.c_str(), flags | O_CLOEXEC, kNewFileMode);
  } while (number < 0 && errno == EINTR);
  if (number < 0) return posix_error("open", path, errno);
  if (number > STDERR_FILENO) return Descriptor(number);
  // A process that closed its standard streams would print into the database.
  const Descriptor low(number);
  const int higher = ::fcntl(number, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (higher < 0) return posix_error("open", path, errno);
  return Descriptor(higher);
}

}  // namespace strata::os
