#include "branch/bundle_writer.h"

#include <zstd.h>

#include "base/check.h"
#include "base/checksum.h"

namespace strata::branch {
namespace {

constexpr int kCompressionLevel = 3;
constexpr int kMostNames = 10'000;

}  // namespace

void BundleWriter::FreeContext::operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }

BundleWriter::BundleWriter(os::FileSystem& fs, std::string path)
    : fs_(fs), path_(std::move(path)), zstd_(ZSTD_createCCtx()) {}

BundleWriter::~BundleWriter() {
  if (temporary_.empty()) return;
  file_.reset();
  (void)fs_.remove(temporary_);
}

Result<std::unique_ptr<BundleWriter>> BundleWriter::create(os::FileSystem& fs, const std::string& path) {
  std::unique_ptr<BundleWriter> writer(new BundleWriter(fs, path));
  STRATA_TRY(writer->open());
  return writer;
}

Status BundleWriter::open() {
  if (zstd_ == nullptr) return Status::error(Code::kIoError, "there is no memory for compressing");
  if (fs_.list(path_).is_ok()) {
    return Status::error(Code::kIoError, "a bundle cannot be written to '" + path_ + "': it is a folder",
                         "give a file's name");
  }
  // A device or a pipe is not to be replaced by a file.
  if (const auto there = fs_.open(path_, os::OpenMode::kRead);
      !there.is_ok() && there.status().code() == Code::kInvalidPathName) {
    return there.status();
  }
  // Whoever exports to the same name at the same time has another temporary one.
  for (int n = 0; file_ == nullptr; ++n) {
    const std::string name = path_ + ".tmp-" + std::to_string(n);
    auto created = fs_.open(name, os::OpenMode::kCreateNew);
    if (created.is_ok()) {
      file_ = std::move(*created);
      temporary_ = name;
      break;
    }
    const auto taken = fs_.exists(name);
    if (n == kMostNames || !taken.is_ok() || !*taken) return created.status();
  }
  std::string header(kBundleMagic);
  base::put_u32(header, kBundleVersion);
  base::put_u32(header, kByteOrderMark);
  STRATA_ASSERT(header.size() == kBundleHeaderBytes);
  return append(header);
}

Status BundleWriter::append(std::string_view bytes) {
  STRATA_TRY(file_->write(size_, bytes));
  sha_.add(bytes);
  size_ += bytes.size();
  return Status::ok();
}

Status BundleWriter::begin_item(BlockKind kind, size_t most_bytes) {
  if (most_bytes > kMaxBlockBytes) {
    return Status::error(Code::kValueTooLarge, "a bundle holds nothing longer than 64 MiB, not even a message");
  }
  if (kind != kind_ || block_.size() >= kBlockBytes || block_.size() + most_bytes > kMaxBlockBytes) {
    STRATA_TRY(end_block());
  }
  kind_ = kind;
  return Status::ok();
}

Status BundleWriter::end_block() {
  if (block_.empty()) return Status::ok();
  stored_.resize(kBlockHeaderBytes + ZSTD_compressBound(block_.size()));
  const size_t compressed =
      ZSTD_compressCCtx(zstd_.get(), stored_.data() + kBlockHeaderBytes, stored_.size() - kBlockHeaderBytes,
                        block_.data(), block_.size(), kCompressionLevel);
  if (ZSTD_isError(compressed) != 0) return Status::error(Code::kIoError, "a block could not be compressed");
  stored_.resize(kBlockHeaderBytes + compressed);
  base::store_u32(stored_.data() + 4, static_cast<uint32_t>(kind_));
  base::store_u32(stored_.data() + 8, static_cast<uint32_t>(compressed));
  base::store_u32(stored_.data() + 12, static_cast<uint32_t>(block_.size()));
  base::store_u32(stored_.data(), base::checksum(std::string_view(stored_).substr(4), totals_.blocks));
  STRATA_TRY(append(stored_));
  ++totals_.blocks;
  totals_.bytes += block_.size();
  // What one large value took is not kept.
  if (block_.capacity() > 4 * kBlockBytes) {
    block_ = std::string();
    stored_ = std::string();
  }
  block_.clear();
  return Status::ok();
}

Status BundleWriter::head(const BundleHead& head) {
  put_head(block_, head);
  kind_ = BlockKind::kHead;
  return Status::ok();
}

Status BundleWriter::entry(const BundleEntry& entry) {
  STRATA_TRY(begin_item(BlockKind::kEntries, entry.key.size() + entry.value.size() + 64));
  put_entry(block_, entry, totals_.entries > 0 ? &last_entry_ : nullptr);
  ++totals_.entries;
  last_entry_.timestamp = entry.timestamp;
  return Status::ok();
}

Status BundleWriter::commit(const BundleCommit& commit) {
  STRATA_TRY(begin_item(BlockKind::kCommits, commit.message.value_or(std::string_view()).size() + 128));
  put_commit(block_, commit, totals_.commits > 0 ? &last_commit_ : nullptr);
  ++totals_.commits;
  last_commit_.timestamp = commit.timestamp;
  return Status::ok();
}

Status BundleWriter::complete() {
  STRATA_TRY(end_block());
  std::string trailer;
  base::put_u64(trailer, totals_.blocks);
  base::put_u64(trailer, totals_.bytes);
  base::put_u64(trailer, totals_.entries);
  base::put_u64(trailer, totals_.commits);
  STRATA_TRY(append(trailer));
  const base::Sha256::Digest digest = sha_.finish();
  std::string end(digest.data(), digest.size());
  end += kBundleEndMagic;
  STRATA_ASSERT(trailer.size() + end.size() == kBundleTrailerBytes);
  STRATA_TRY(file_->write(size_, end));
  size_ += end.size();
  return file_->sync();
}

Result<uint64_t> BundleWriter::publish() {
  file_.reset();
  STRATA_TRY(fs_.rename(temporary_, path_));
  temporary_.clear();
  STRATA_TRY(fs_.sync_folder(os::folder_of(path_)));
  return size_;
}

}  // namespace strata::branch
