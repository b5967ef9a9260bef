#include <functional>

#include "base/mutex.h"
#include "os/file_system.h"
#include "os/memory_file.h"
#include "os/name_table.h"

namespace strata::os {
namespace {

class MemoryHandle final : public File {
 public:
  MemoryHandle(std::shared_ptr<MemoryFile> file, bool writable) : file_(std::move(file)), writable_(writable) {}

  Result<size_t> read(uint64_t offset, size_t n, char* out) override { return file_->read(offset, n, out); }
  Status write(uint64_t offset, std::string_view bytes) override {
    return writable_ ? file_->write(offset, bytes) : refused();
  }
  Status sync() override { return Status::ok(); }
  Status reserve(uint64_t size) override { return writable_ ? file_->extend(size) : refused(); }
  Status truncate(uint64_t size) override {
    if (!writable_) return refused();
    file_->truncate(size);
    return Status::ok();
  }
  Result<uint64_t> size() override { return file_->size(); }

 private:
  static Status refused() { return Status::error(Code::kIoError, "the file is open for reading only"); }

  const std::shared_ptr<MemoryFile> file_;
  const bool writable_;
};

class MemoryFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& raw_path, OpenMode mode) override {
    const std::string path = Names::canonical(raw_path);
    const base::MutexLock guard(mutex_);
    if (mode == OpenMode::kCreateNew) {
      STRATA_TRY(names_.check_new(path));
      names_.set_file(path, std::make_shared<MemoryFile>());
    }
    STRATA_ASSIGN(std::shared_ptr<MemoryFile> file, names_.find(path));
    return std::unique_ptr<File>(std::make_unique<MemoryHandle>(std::move(file), mode != OpenMode::kRead));
  }

  Result<bool> exists(const std::string& path) override {
    const base::MutexLock guard(mutex_);
    return names_.exists(Names::canonical(path));
  }

  Result<std::vector<std::string>> list(const std::string& folder) override {
    const std::string path = Names::canonical(folder);
    const base::MutexLock guard(mutex_);
    if (!names_.is_folder(path)) return name_error("list", path, "no such folder");
    return names_.list(path);
  }

  Status remove(const std::string& raw_path) override {
    const std::string path = Names::canonical(raw_path);
    const base::MutexLock guard(mutex_);
    STRATA_TRY(names_.check_remove(path));
    names_.erase(path);
    return Status::ok();
  }

  Status rename(const std::string& from, const std::string& to) override {
    const base::MutexLock guard(mutex_);
    return names_.rename(Names::canonical(from), Names::canonical(to));
  }

  Status create_folder(const std::string& raw_path) override {
    const base::MutexLock guard(mutex_);
    STRATA_ASSIGN(const std::vector<std::string> missing, names_.missing_folders(Names::canonical(raw_path)));
    for (const std::string& path : missing) names_.set_folder(path);
    return Status::ok();
  }

  Status sync_folder(const std::string& folder) override { return list(folder).status(); }

  Result<FolderIdentity> identity(const std::string& folder) override {
    const std::string path = Names::canonical(folder);
    const base::MutexLock guard(mutex_);
    if (!names_.is_folder(path)) return name_error("examine", path, "no such folder");
    return FolderIdentity{reinterpret_cast<uintptr_t>(this), std::hash<std::string>()(path)};
  }

  Result<std::unique_ptr<FileLock>> lock(const std::string& raw_path, LockMode mode) override {
    const std::string path = Names::canonical(raw_path);
    const base::MutexLock guard(mutex_);
    if (mode == LockMode::kExclusive && !names_.exists(path)) {
      STRATA_TRY(names_.check_new(path));
      names_.set_file(path, std::make_shared<MemoryFile>());
    }
    STRATA_TRY(names_.find(path).status());
    STRATA_TRY(names_.take_lock(path, mode));
    return std::unique_ptr<FileLock>(std::make_unique<Lock>(*this, path, mode));
  }

  Result<std::optional<uint64_t>> free_bytes(const std::string&) override { return std::optional<uint64_t>(); }

 private:
  using Names = NameTable<MemoryFile>;

  class Lock final : public FileLock {
   public:
    Lock(MemoryFileSystem& system, std::string path, LockMode mode)
        : system_(system), path_(std::move(path)), mode_(mode) {}
    ~Lock() override {
      const base::MutexLock guard(system_.mutex_);
      system_.names_.drop_lock(path_, mode_);
    }

   private:
    MemoryFileSystem& system_;
    const std::string path_;
    const LockMode mode_;
  };

  base::Mutex mutex_;
  Names names_ GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<FileSystem> make_memory_file_system() { return std::make_unique<MemoryFileSystem>(); }

}  // namespace strata::os
