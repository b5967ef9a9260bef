// Reads a bundle's file and believes nothing of it: the whole is hashed before anything is decompressed, every block
// and item is checked (branch/bundle_check.h), memory is bounded by the longest block allowed.
//
// Thread safety: one thread. Ownership: owns its file; items live for the call that hands them out.
// Errors: kBundleNotFound, kBundleDamaged, kFormatTooNew, I/O.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "branch/bundle_check.h"
#include "branch/bundle_format.h"
#include "os/file_system.h"
#include "strata/status.h"

struct ZSTD_DCtx_s;

namespace strata::branch {

class BundleReader {
 public:
  // Asked from time to time how it goes on; false ends the reading with kInvalidArgument.
  using Poll = std::function<bool(uint64_t entries)>;
  struct Visitors {
    std::function<Status(const CheckedEntry&)> entry;
    std::function<Status(const BundleCommit&)> commit;
  };

  // Looks at what surrounds the blocks, and believes the totals for now. `latest`: no timestamp may be later.
  static Result<std::unique_ptr<BundleReader>> open(os::FileSystem& fs, const std::string& path, uint64_t latest);
  ~BundleReader();
  BundleReader(const BundleReader&) = delete;
  BundleReader& operator=(const BundleReader&) = delete;

  const BundleTotals& totals() const { return totals_; }
  // Hashes the whole file, then reads the head. Before anything below.
  Status check(const Poll& poll);
  const BundleHead& head() const { return head_; }
  // Checks everything behind the head, handing it out on the way. May be called again.
  Status read(const Visitors& visitors, const Poll& poll);
  Status damaged(const std::string& why) const;

 private:
  explicit BundleReader(std::string path);
  Status open_file(os::FileSystem& fs);
  Status read_frame();
  Status read_exactly(uint64_t offset, size_t n, char* out);
  // The next block in order; false behind the last.
  Result<bool> next_block(BlockKind* kind);
  Status begin_items();
  Status read_entries(const Visitors& visitors);
  Status read_commits(const Visitors& visitors);

  const std::string path_;
  uint64_t latest_ = 0;
  std::unique_ptr<os::File> file_;
  uint64_t blocks_end_ = 0;
  base::Sha256::Digest expected_{};
  BundleHead head_;
  BundleTotals totals_;
  struct FreeContext {
    void operator()(ZSTD_DCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_DCtx_s, FreeContext> zstd_;
  // Where reading stands.
  uint64_t at_ = 0;
  BundleTotals seen_;
  std::string stored_;
  std::string block_;
  BundleChecker checker_;
  std::string last_key_;
  BundleEntry last_entry_;
  BundleCommit last_commit_;
};

}  // namespace strata::branch
