// Writes a bundle's file: items into blocks, blocks into a file under a temporary name, which becomes the real one when
// all of it is on the device.
//
// Thread safety: one thread. Ownership: borrows the FileSystem; owns its file. What was not finished is removed.
#pragma once

#include <memory>
#include <string>

#include "branch/bundle_format.h"
#include "os/file_system.h"
#include "strata/status.h"

struct ZSTD_CCtx_s;

namespace strata::branch {

class BundleWriter {
 public:
  // Errors: kIoError (a folder has the name, among others), kPermissionDenied, kReadOnly, kDiskFull.
  static Result<std::unique_ptr<BundleWriter>> create(os::FileSystem& fs, const std::string& path);
  ~BundleWriter();
  BundleWriter(const BundleWriter&) = delete;
  BundleWriter& operator=(const BundleWriter&) = delete;

  // In this order: the head; all entries; all commits; finish.
  Status head(const BundleHead& head);
  Status entry(const BundleEntry& entry);
  Status commit(const BundleCommit& commit);
  // Everything is in the file, under its temporary name.
  Status complete();
  // The file has its name. Returns its size.
  Result<uint64_t> publish();
  const BundleTotals& totals() const { return totals_; }

 private:
  BundleWriter(os::FileSystem& fs, std::string path);
  Status open();
  Status begin_item(BlockKind kind, size_t most_bytes);
  Status end_block();
  Status append(std::string_view bytes);

  os::FileSystem& fs_;
  const std::string path_;
  std::string temporary_;
  std::unique_ptr<os::File> file_;
  struct FreeContext {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_CCtx_s, FreeContext> zstd_;
  base::Sha256 sha_;
  uint64_t size_ = 0;
  BlockKind kind_ = BlockKind::kHead;
  std::string block_;
  std::string stored_;
  BundleTotals totals_;
  BundleEntry last_entry_;
  BundleCommit last_commit_;
};

}  // namespace strata::branch
