#include "testing/crash_fs.h"

#include <functional>
#include <utility>

namespace strata::testing {

using Kind = CrashEvent::Kind;

std::string describe(const CrashEvent& event) {
  static constexpr const char* kNames[] = {"create",   "remove",  "rename", "create_folder", "write",
                                           "truncate", "reserve", "sync",   "sync_folder"};
  std::string text = std::string(kNames[static_cast<size_t>(event.kind)]) + " " + event.path;
  if (event.kind == Kind::kRename) text += " to " + event.to;
  if (event.kind == Kind::kWrite) text += " @" + std::to_string(event.at) + " +" + std::to_string(event.bytes.size());
  if (event.kind == Kind::kTruncate || event.kind == Kind::kReserve) text += " " + std::to_string(event.at);
  return text;
}

class CrashFile final : public os::File {
 public:
  CrashFile(CrashFileSystem& system, std::string path, std::shared_ptr<CrashFileSystem::Node> node, bool writable)
      : system_(system), path_(std::move(path)), node_(std::move(node)), writable_(writable) {}

  Result<size_t> read(uint64_t offset, size_t n, char* out) override {
    const base::MutexLock guard(system_.mutex_);
    return node_->bytes->read(offset, n, out);
  }
  Status write(uint64_t offset, std::string_view bytes) override {
    return change(Kind::kWrite, offset, bytes, [&](PagedBytes& file) { file.write(offset, bytes); });
  }
  Status reserve(uint64_t size) override {
    return change(Kind::kReserve, size, "", [&](PagedBytes& file) { file.extend(size); });
  }
  Status truncate(uint64_t size) override {
    return change(Kind::kTruncate, size, "", [&](PagedBytes& file) { file.truncate(size); });
  }
  Status sync() override {
    const base::MutexLock guard(system_.mutex_);
    if (system_.is_honest(path_)) system_.events_.push_back({Kind::kSync, node_->number, path_, "", 0, ""});
    return Status::ok();
  }
  Result<uint64_t> size() override {
    const base::MutexLock guard(system_.mutex_);
    return node_->bytes->size();
  }

 private:
  template <typename Apply>
  Status change(Kind kind, uint64_t at, std::string_view bytes, Apply apply) {
    if (!writable_) return os::name_error("write", path_, "it is open for reading only");
    const base::MutexLock guard(system_.mutex_);
    apply(own(node_->bytes));
    system_.events_.push_back({kind, node_->number, path_, "", at, std::string(bytes)});
    return Status::ok();
  }

  CrashFileSystem& system_;
  const std::string path_;
  const std::shared_ptr<CrashFileSystem::Node> node_;
  const bool writable_;
};

class CrashLock final : public os::FileLock {
 public:
  CrashLock(CrashFileSystem& system, std::string path, os::LockMode mode)
      : system_(system), path_(std::move(path)), mode_(mode) {}
  ~CrashLock() override {
    const base::MutexLock guard(system_.mutex_);
    system_.names_.drop_lock(path_, mode_);
  }

 private:
  CrashFileSystem& system_;
  const std::string path_;
  const os::LockMode mode_;
};

CrashFileSystem::CrashFileSystem(const CrashImage& image) : base_(image) {
  // The files are numbered in the order of their names, as a CrashPlayer does it.
  for (const auto& [path, bytes] : image.files) {
    names_.set_file(path, std::make_shared<Node>(Node{next_file_++, bytes}));
  }
  for (const std::string& path : image.folders) names_.set_folder(path);
}

uint64_t CrashFileSystem::position() const {
  const base::MutexLock guard(mutex_);
  return events_.size();
}

void CrashFileSystem::set_honest(std::function<bool(const std::string&)> honest) {
  const base::MutexLock guard(mutex_);
  honest_ = std::move(honest);
}

bool CrashFileSystem::is_honest(const std::string& path) const { return !honest_ || honest_(path); }

std::shared_ptr<CrashFileSystem::Node> CrashFileSystem::create(const std::string& path) {
  auto node = std::make_shared<Node>(Node{next_file_++, std::make_shared<PagedBytes>()});
  names_.set_file(path, node);
  events_.push_back({Kind::kCreate, node->number, path, "", 0, ""});
  return node;
}

Result<std::unique_ptr<os::File>> CrashFileSystem::open(const std::string& raw_path, os::OpenMode mode) {
  const std::string path = Names::canonical(raw_path);
  const base::MutexLock guard(mutex_);
  std::shared_ptr<Node> node;
  if (mode == os::OpenMode::kCreateNew) {
    STRATA_TRY(names_.check_new(path));
    node = create(path);
  } else {
    STRATA_ASSIGN(node, names_.find(path));
  }
  return std::unique_ptr<os::File>(std::make_unique<CrashFile>(*this, path, node, mode != os::OpenMode::kRead));
}

Result<bool> CrashFileSystem::exists(const std::string& path) {
  const base::MutexLock guard(mutex_);
  return names_.exists(Names::canonical(path));
}

Result<std::vector<std::string>> CrashFileSystem::list(const std::string& folder) {
  const std::string path = Names::canonical(folder);
  const base::MutexLock guard(mutex_);
  return names_.is_folder(path) ? Result<std::vector<std::string>>(names_.list(path))
                                : os::name_error("list", path, "no such folder");
}

Status CrashFileSystem::remove(const std::string& raw_path) {
  const std::string path = Names::canonical(raw_path);
  const base::MutexLock guard(mutex_);
  STRATA_TRY(names_.check_remove(path));
  names_.erase(path);
  events_.push_back({Kind::kRemove, 0, path, "", 0, ""});
  return Status::ok();
}

Status CrashFileSystem::rename(const std::string& raw_from, const std::string& raw_to) {
  const std::string from = Names::canonical(raw_from);
  const std::string to = Names::canonical(raw_to);
  const base::MutexLock guard(mutex_);
  STRATA_TRY(names_.rename(from, to));
  events_.push_back({Kind::kRename, names_.file(to)->number, from, to, 0, ""});
  return Status::ok();
}

Status CrashFileSystem::create_folder(const std::string& raw_path) {
  const base::MutexLock guard(mutex_);
  STRATA_ASSIGN(const std::vector<std::string> missing, names_.missing_folders(Names::canonical(raw_path)));
  for (const std::string& path : missing) {
    names_.set_folder(path);
    events_.push_back({Kind::kCreateFolder, 0, path, "", 0, ""});
  }
  return Status::ok();
}

Status CrashFileSystem::sync_folder(const std::string& raw_path) {
  const std::string path = Names::canonical(raw_path);
  const base::MutexLock guard(mutex_);
  if (!names_.is_folder(path)) return os::name_error("sync", path, "no such folder");
  if (is_honest(path)) events_.push_back({Kind::kSyncFolder, 0, path, "", 0, ""});
  return Status::ok();
}

Result<os::FolderIdentity> CrashFileSystem::identity(const std::string& folder) {
  const std::string path = Names::canonical(folder);
  if (!*exists(path)) return os::name_error("examine", path, "no such folder");
  return os::FolderIdentity{reinterpret_cast<uintptr_t>(this), std::hash<std::string>()(path)};
}

Result<std::unique_ptr<os::FileLock>> CrashFileSystem::lock(const std::string& raw_path, os::LockMode mode) {
  const std::string path = Names::canonical(raw_path);
  const base::MutexLock guard(mutex_);
  if (mode == os::LockMode::kExclusive && names_.check_new(path).is_ok()) create(path);
  STRATA_TRY(names_.find(path).status());
  STRATA_TRY(names_.take_lock(path, mode));
  return std::unique_ptr<os::FileLock>(std::make_unique<CrashLock>(*this, path, mode));
}

Result<std::optional<uint64_t>> CrashFileSystem::free_bytes(const std::string&) { return std::optional<uint64_t>(); }

}  // namespace strata::testing
