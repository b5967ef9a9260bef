#include "testing/fault_fs.h"

#include <algorithm>
#include <array>
#include <utility>

namespace strata::testing {
namespace {

constexpr std::array<std::string_view, 16> kNames = {
    "open", "exists",     "list", "remove", "rename", "create_folder", "sync_folder", "identity",
    "lock", "free_bytes", "read", "write",  "sync",   "reserve",       "truncate",    "size"};

Status disk_full(const std::string& path) {
  return Status::error(Code::kDiskFull, "cannot write " + path + ": no space left (simulated)");
}

}  // namespace

std::string_view operation_name(Operation operation) { return kNames[static_cast<size_t>(operation)]; }

std::string describe(const Call& call) {
  std::string text(operation_name(call.operation));
  text += " " + call.path;
  if (call.offset != 0 || call.bytes != 0) text += " @" + std::to_string(call.offset);
  if (call.bytes != 0) text += " +" + std::to_string(call.bytes);
  if (call.failed) text += " (failed)";
  return text;
}

class FaultFile final : public os::File {
 public:
  FaultFile(FaultFileSystem& system, std::string path, std::unique_ptr<os::File> below)
      : system_(system), path_(std::move(path)), below_(std::move(below)) {}

  Result<size_t> read(uint64_t offset, size_t n, char* out) override {
    STRATA_TRY(system_.admit({Operation::kRead, path_, offset, n}));
    return below_->read(offset, n, out);
  }

  Status write(uint64_t offset, std::string_view bytes) override {
    double written = 0;
    const Status fault = system_.admit({Operation::kWrite, path_, offset, bytes.size()}, &written);
    if (!fault.is_ok()) {
      const size_t part = static_cast<size_t>(static_cast<double>(bytes.size()) * written);
      if (part > 0) STRATA_TRY(below_->write(offset, bytes.substr(0, std::min(part, bytes.size() - 1))));
      return fault;
    }
    STRATA_ASSIGN(const uint64_t now, below_->size());
    const FaultFileSystem::Growth growth = system_.grow(now, offset + bytes.size());
    if (!growth.full) return below_->write(offset, bytes);
    if (growth.allowed > offset) STRATA_TRY(below_->write(offset, bytes.substr(0, growth.allowed - offset)));
    return disk_full(path_);
  }

  Status sync() override {
    STRATA_TRY(system_.admit({Operation::kSync, path_}));
    return below_->sync();
  }

  Status reserve(uint64_t size) override {
    STRATA_TRY(system_.admit({Operation::kReserve, path_, size}));
    STRATA_ASSIGN(const uint64_t now, below_->size());
    const FaultFileSystem::Growth growth = system_.grow(now, size);
    if (!growth.full) return below_->reserve(size);
    system_.give_back(growth.allowed - std::min(now, growth.allowed));  // a reservation is taken whole or not at all
    return disk_full(path_);
  }

  Status truncate(uint64_t size) override {
    STRATA_TRY(system_.admit({Operation::kTruncate, path_, size}));
    STRATA_ASSIGN(const uint64_t now, below_->size());
    STRATA_TRY(below_->truncate(size));  // an extension by truncate is a hole: it takes no space
    if (size < now) system_.give_back(now - size);
    return Status::ok();
  }

  Result<uint64_t> size() override {
    STRATA_TRY(system_.admit({Operation::kSize, path_}));
    return below_->size();
  }

 private:
  FaultFileSystem& system_;
  const std::string path_;
  const std::unique_ptr<os::File> below_;
};

void FaultFileSystem::inject(Fault fault) {
  const base::MutexLock guard(mutex_);
  fault_ = std::move(fault);
  matched_ = 0;
}

void FaultFileSystem::heal() {
  const base::MutexLock guard(mutex_);
  fault_.reset();
  budget_.reset();
}

void FaultFileSystem::set_budget(uint64_t bytes) {
  const base::MutexLock guard(mutex_);
  budget_ = bytes;
}

uint64_t FaultFileSystem::call_count() const {
  const base::MutexLock guard(mutex_);
  return calls_.size();
}

std::vector<Call> FaultFileSystem::calls() const {
  const base::MutexLock guard(mutex_);
  return calls_;
}

void FaultFileSystem::forget_calls() {
  const base::MutexLock guard(mutex_);
  calls_.clear();
}

uint64_t FaultFileSystem::failures() const {
  const base::MutexLock guard(mutex_);
  return failures_;
}

Status FaultFileSystem::admit(Call call, double* written) {
  if (watcher_) watcher_(call);
  const base::MutexLock guard(mutex_);
  Status answer;
  if (fault_.has_value() && (!fault_->matches || fault_->matches(call))) {
    const uint64_t number = matched_++;
    if (number == fault_->at || (fault_->forever && number > fault_->at)) {
      call.failed = true;
      ++failures_;
      if (written != nullptr) *written = fault_->written;
      std::string message = "cannot ";
      message.append(operation_name(call.operation)).append(" ").append(call.path).append(": simulated fault");
      answer = Status::error(fault_->code, std::move(message));
    }
  }
  calls_.push_back(std::move(call));
  return answer;
}

FaultFileSystem::Growth FaultFileSystem::grow(uint64_t size, uint64_t end) {
  const base::MutexLock guard(mutex_);
  if (!budget_.has_value() || end <= size) return {end, false};
  const uint64_t taken = std::min(*budget_, end - size);
  *budget_ -= taken;
  if (size + taken < end) {
    calls_.back().failed = true;
    ++failures_;
  }
  return {size + taken, size + taken < end};
}

void FaultFileSystem::give_back(uint64_t bytes) {
  const base::MutexLock guard(mutex_);
  if (budget_.has_value()) *budget_ += bytes;
}

Result<std::unique_ptr<os::File>> FaultFileSystem::open(const std::string& path, os::OpenMode mode) {
  STRATA_TRY(admit({Operation::kOpen, path}));
  STRATA_ASSIGN(std::unique_ptr<os::File> file, below_.open(path, mode));
  return std::unique_ptr<os::File>(std::make_unique<FaultFile>(*this, path, std::move(file)));
}

Result<bool> FaultFileSystem::exists(const std::string& path) {
  STRATA_TRY(admit({Operation::kExists, path}));
  return below_.exists(path);
}

Result<std::vector<std::string>> FaultFileSystem::list(const std::string& folder) {
  STRATA_TRY(admit({Operation::kList, folder}));
  return below_.list(folder);
}

Status FaultFileSystem::remove(const std::string& path) {
  STRATA_TRY(admit({Operation::kRemove, path}));
  uint64_t size = 0;
  if (const auto file = below_.open(path, os::OpenMode::kRead); file.is_ok()) {
    if (const auto bytes = (*file)->size(); bytes.is_ok()) size = *bytes;
  }
  STRATA_TRY(below_.remove(path));
  give_back(size);
  return Status::ok();
}

Status FaultFileSystem::rename(const std::string& from, const std::string& to) {
  STRATA_TRY(admit({Operation::kRename, from}));
  return below_.rename(from, to);
}

Status FaultFileSystem::create_folder(const std::string& path) {
  STRATA_TRY(admit({Operation::kCreateFolder, path}));
  return below_.create_folder(path);
}

Status FaultFileSystem::sync_folder(const std::string& path) {
  STRATA_TRY(admit({Operation::kSyncFolder, path}));
  return below_.sync_folder(path);
}

Result<os::FolderIdentity> FaultFileSystem::identity(const std::string& folder) {
  STRATA_TRY(admit({Operation::kIdentity, folder}));
  return below_.identity(folder);
}

Result<std::unique_ptr<os::FileLock>> FaultFileSystem::lock(const std::string& path, os::LockMode mode) {
  STRATA_TRY(admit({Operation::kLock, path}));
  return below_.lock(path, mode);
}

Result<std::optional<uint64_t>> FaultFileSystem::free_bytes(const std::string& folder) {
  STRATA_TRY(admit({Operation::kFreeBytes, folder}));
  {
    const base::MutexLock guard(mutex_);
    if (budget_.has_value()) return budget_;
  }
  return below_.free_bytes(folder);
}

}  // namespace strata::testing
