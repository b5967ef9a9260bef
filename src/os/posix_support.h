// What the posix files share: opening descriptors, turning errno into a Status, and the lock.
// Thread safety: functions are pure or only call the kernel; a Descriptor belongs to one owner.
// Ownership: a Descriptor closes its number.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "os/file_system.h"

namespace strata::os {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor();
  int number() const { return number_; }
  bool is_open() const { return number_ >= 0; }

 private:
  int number_ = -1;
};

// `operation` reads as in "cannot <operation> <path>: <the system's words>".
Status posix_error(std::string_view operation, std::string_view path, int error);

// open(2) with O_CLOEXEC, never giving a number that stands for a standard stream.
Result<Descriptor> open_descriptor(const std::string& path, int flags);

// Refuses what the kernel would silently cut: names with a NUL byte, and the empty name.
Status check_path(const std::string& path);

Result<std::unique_ptr<FileLock>> posix_lock(const std::string& path, LockMode mode);

}  // namespace strata::os
