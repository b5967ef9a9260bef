#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <limits>

#include "base/check.h"
#include "os/mapped_window.h"
#include "os/posix_support.h"

namespace strata::os {
namespace {

// Repeats a call that a signal interrupted. Not for fsync: a failed one is final, whatever the reason.
template <typename Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

int sync_data(int number) {
#if defined(__APPLE__)
  // fsync there leaves the bytes in the drive's own cache.
  return ::fcntl(number, F_FULLFSYNC) == 0 ? 0 : ::fsync(number);
#else
  return ::fdatasync(number);
#endif
}

// errno, or 0; ENOTSUP where the file system cannot promise space.
int allocate_space(int number, off_t size) {
#if defined(__linux__)
  // posix_fallocate would fall back to writing a byte into every block, beside those who write the file just now.
  const int result = uninterrupted([&] { return ::fallocate(number, 0, 0, size); });
  if (result == 0) return 0;
  return errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL ? ENOTSUP : errno;
#else
  (void)number;
  (void)size;
  return ENOTSUP;
#endif
}

class PosixFile final : public File {
 public:
  PosixFile(std::string path, Descriptor descriptor) : path_(std::move(path)), descriptor_(std::move(descriptor)) {}

  Result<size_t> read(uint64_t offset, size_t n, char* out) override {
    size_t done = 0;
    while (done < n) {
      const off_t at = static_cast<off_t>(offset + done);
      const ssize_t got = uninterrupted([&] { return ::pread(number(), out + done, n - done, at); });
      if (got < 0) return failed("read");
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    STRATA_ASSERT(done <= n);
    return done;
  }

  Status write(uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const off_t at = static_cast<off_t>(offset);
      const ssize_t put = uninterrupted([&] { return ::pwrite(number(), bytes.data(), bytes.size(), at); });
      if (put < 0) return failed("write");
      if (put == 0) return posix_error("write", path_, EIO);
      STRATA_ASSERT(static_cast<size_t>(put) <= bytes.size());
      bytes.remove_prefix(static_cast<size_t>(put));
      offset += static_cast<uint64_t>(put);
    }
    return Status::ok();
  }

  Status write_short(uint64_t offset, std::string_view bytes) override {
    if (window_.write(offset, bytes)) return Status::ok();
    STRATA_TRY(write(offset, bytes));
    window_.note_call(number(), promised_, offset, bytes.size());
    return Status::ok();
  }

  Status sync() override {
    Status synced = sync_data(number()) == 0 ? Status::ok() : failed("sync");
    window_.note_sync();
    return synced;
  }

  Status reserve(uint64_t bytes) override {
    if (bytes > static_cast<uint64_t>(std::numeric_limits<off_t>::max())) return posix_error("reserve", path_, EFBIG);
    if (bytes == 0) return Status::ok();
    const int error = allocate_space(number(), static_cast<off_t>(bytes));
    if (error == 0) {
      promised_ = std::max(promised_, bytes);
      return Status::ok();
    }
    if (error != ENOTSUP) return posix_error("reserve", path_, error);
    STRATA_ASSIGN(const uint64_t now, size());
    return now < bytes ? truncate(bytes) : Status::ok();
  }

  Status truncate(uint64_t bytes) override {
    window_.unmap();
    promised_ = std::min(promised_, bytes);
    const int result = uninterrupted([&] { return ::ftruncate(number(), static_cast<off_t>(bytes)); });
    return result == 0 ? Status::ok() : failed("truncate");
  }

  Result<uint64_t> size() override {
    struct stat facts;
    if (::fstat(number(), &facts) != 0) return failed("examine");
    return static_cast<uint64_t>(facts.st_size);
  }

 private:
  int number() const { return descriptor_.number(); }
  Status failed(std::string_view operation) const { return posix_error(operation, path_, errno); }

  const std::string path_;
  const Descriptor descriptor_;
  uint64_t promised_ = 0;  // bytes from the beginning whose space was allocated
  MappedWindow window_;
};

int open_flags(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead:
      return O_RDONLY | O_NONBLOCK;  // a pipe would wait for a writer
    case OpenMode::kReadWrite:
      return O_RDWR;
    case OpenMode::kCreateNew:
      return O_RDWR | O_CREAT | O_EXCL;
  }
  return O_RDONLY;
}

// Makes one folder whose parent is there.
Status make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0777) == 0) return Status::ok();
  const int error = errno;
  struct stat facts;
  if (::stat(path.c_str(), &facts) != 0) return posix_error("make folder", path, error);
  if (S_ISDIR(facts.st_mode)) return Status::ok();
  return posix_error("make folder", path, ENOTDIR);
}

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    STRATA_ASSIGN(Descriptor descriptor, open_descriptor(path, open_flags(mode)));
    struct stat facts;
    if (::fstat(descriptor.number(), &facts) != 0) return posix_error("examine", path, errno);
    if (!S_ISREG(facts.st_mode)) {
      return Status::error(Code::kInvalidPathName, "cannot open " + path + ": it is no regular file",
                           "give the path of a file");
    }
    return std::unique_ptr<File>(std::make_unique<PosixFile>(path, std::move(descriptor)));
  }

  Result<bool> exists(const std::string& path) override {
    STRATA_TRY(check_path(path));
    struct stat facts;
    if (::stat(path.c_str(), &facts) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return posix_error("examine", path, errno);
  }

  Result<std::vector<std::string>> list(const std::string& folder) override {
    STRATA_TRY(check_path(folder));
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(folder.c_str()), ::closedir);
    if (stream == nullptr) return posix_error("list", folder, errno);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(stream.get())) {
      std::string name(entry->d_name);
      if (name != "." && name != "..") names.push_back(std::move(name));
      errno = 0;
    }
    if (errno != 0) return posix_error("list", folder, errno);
    std::sort(names.begin(), names.end());
    return names;
  }

  Status remove(const std::string& path) override {
    STRATA_TRY(check_path(path));
    return std::remove(path.c_str()) == 0 ? Status::ok() : posix_error("remove", path, errno);
  }

  Status rename(const std::string& from, const std::string& to) override {
    STRATA_TRY(check_path(from));
    STRATA_TRY(check_path(to));
    return std::rename(from.c_str(), to.c_str()) == 0 ? Status::ok() : posix_error("rename", from, errno);
  }

  Status create_folder(const std::string& path) override {
    STRATA_TRY(check_path(path));
    for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
      STRATA_TRY(make_folder(path.substr(0, slash)));
    }
    return make_folder(path);
  }

  Status sync_folder(const std::string& path) override {
    STRATA_ASSIGN(const Descriptor descriptor, open_descriptor(path, O_RDONLY | O_DIRECTORY));
    if (::fsync(descriptor.number()) == 0) return Status::ok();
    // File systems without a sync of folders (some network and FUSE ones) say so with EINVAL; they have no more to
    // give.
    return errno == EINVAL ? Status::ok() : posix_error("sync", path, errno);
  }

  Result<FolderIdentity> identity(const std::string& folder) override {
    STRATA_TRY(check_path(folder));
    struct stat facts;
    if (::stat(folder.c_str(), &facts) != 0) return posix_error("examine", folder, errno);
    return FolderIdentity{static_cast<uint64_t>(facts.st_dev), static_cast<uint64_t>(facts.st_ino)};
  }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path, LockMode mode) override {
    return posix_lock(path, mode);
  }

  Result<std::optional<uint64_t>> free_bytes(const std::string& folder) override {
    STRATA_TRY(check_path(folder));
    struct statvfs facts;
    if (::statvfs(folder.c_str(), &facts) != 0) return posix_error("examine", folder, errno);
    return std::optional<uint64_t>(static_cast<uint64_t>(facts.f_bavail) * facts.f_frsize);
  }
};

}  // namespace

FileSystem& posix_file_system() {
  static PosixFileSystem file_system;
  return file_system;
}

}  // namespace strata::os
