// A FileSystem that fails on purpose: it passes every call on to another one, counts them, and fails those it was told
// to fail. Failed calls do not reach the file system below, except for the bytes of a short write.
//
// Thread safety: all methods, from any thread.
// Ownership: borrows the file system below, which must outlive it and all its files.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "os/file_system.h"

namespace strata::testing {

enum class Operation : uint8_t {
  kOpen,
  kExists,
  kList,
  kRemove,
  kRename,
  kCreateFolder,
  kSyncFolder,
  kIdentity,
  kLock,
  kFreeBytes,
  kRead,
  kWrite,
  kSync,
  kReserve,
  kTruncate,
  kSize,
};
std::string_view operation_name(Operation operation);

struct Call {
  Operation operation;
  std::string path = {};
  uint64_t offset = 0;  // kRead, kWrite; kReserve and kTruncate: the size
  uint64_t bytes = 0;   // kRead, kWrite
  bool failed = false;
};
std::string describe(const Call& call);

struct Fault {
  uint64_t at = 0;       // number of the first failing call among those that match, from 0
  bool forever = false;  // that call only, or all that match from then on
  Code code = Code::kIoError;
  // The part of a failing write's bytes that is written all the same: 0 none, 1 all but the last byte.
  double written = 0;
  // Which calls count; all of them when empty.
  std::function<bool(const Call&)> matches = {};
};

class FaultFileSystem final : public os::FileSystem {
 public:
  explicit FaultFileSystem(os::FileSystem& below) : below_(below) {}

  // Counts from here on: matching calls made before do not matter. Replaces an earlier fault.
  void inject(Fault fault);
  // No faults and no budget any more.
  void heal();
  // Files may grow by so many bytes in all from now on; then writes, reservations and extensions fail with kDiskFull
  // after writing what still fits. Cutting and removing gives back.
  void set_budget(uint64_t bytes);

  // Called before each call, without any lock: as another thread might come in just then. Set it while nobody calls.
  void watch(std::function<void(const Call&)> watcher) { watcher_ = std::move(watcher); }

  // Calls since the beginning, or since forget_calls.
  uint64_t call_count() const;
  std::vector<Call> calls() const;
  void forget_calls();
  // How many calls were failed on purpose so far.
  uint64_t failures() const;

  Result<std::unique_ptr<os::File>> open(const std::string& path, os::OpenMode mode) override;
  Result<bool> exists(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;
  Status remove(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status create_folder(const std::string& path) override;
  Status sync_folder(const std::string& path) override;
  Result<os::FolderIdentity> identity(const std::string& folder) override;
  Result<std::unique_ptr<os::FileLock>> lock(const std::string& path, os::LockMode mode) override;
  Result<std::optional<uint64_t>> free_bytes(const std::string& folder) override;

 private:
  friend class FaultFile;

  struct Growth {
    uint64_t allowed = 0;  // the end up to which the file may grow
    bool full = false;     // less than was asked for
  };

  // Notes the call; the error to answer with, or OK. *written: see Fault.
  Status admit(Call call, double* written = nullptr);
  // Asks the budget for room to grow the file from `size` to `end`, and takes it.
  Growth grow(uint64_t size, uint64_t end);
  void give_back(uint64_t bytes);

  os::FileSystem& below_;
  std::function<void(const Call&)> watcher_;
  mutable base::Mutex mutex_;
  std::optional<Fault> fault_ GUARDED_BY(mutex_);
  uint64_t matched_ GUARDED_BY(mutex_) = 0;
  uint64_t failures_ GUARDED_BY(mutex_) = 0;
  std::optional<uint64_t> budget_ GUARDED_BY(mutex_);
  std::vector<Call> calls_ GUARDED_BY(mutex_);
};

}  // namespace strata::testing
