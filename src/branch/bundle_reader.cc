#include "branch/bundle_reader.h"

#include <zstd.h>

#include <algorithm>
#include <cstring>

#include "base/checksum.h"

namespace strata::branch {
namespace {

constexpr size_t kHashedAtOnce = size_t{1} << 20;
constexpr uint64_t kMostBytes = uint64_t{1} << 60;

Status stopped() { return Status::error(Code::kInvalidArgument, "reading was ended by its progress callback"); }

}  // namespace

void BundleReader::FreeContext::operator()(ZSTD_DCtx_s* context) const { ZSTD_freeDCtx(context); }

BundleReader::BundleReader(std::string path) : path_(std::move(path)), zstd_(ZSTD_createDCtx()) {}
BundleReader::~BundleReader() = default;

Status BundleReader::damaged(const std::string& why) const {
  return Status::error(Code::kBundleDamaged, "bundle '" + path_ + "' is refused: " + why, "export the branch again");
}

Result<std::unique_ptr<BundleReader>> BundleReader::open(os::FileSystem& fs, const std::string& path, uint64_t latest) {
  std::unique_ptr<BundleReader> reader(new BundleReader(path));
  reader->latest_ = latest;
  STRATA_TRY(reader->open_file(fs));
  STRATA_TRY(reader->read_frame());
  return reader;
}

Status BundleReader::open_file(os::FileSystem& fs) {
  if (zstd_ == nullptr) return Status::error(Code::kIoError, "there is no memory for decompressing");
  if (fs.list(path_).is_ok()) {
    return Status::error(Code::kIoError, "bundle '" + path_ + "' cannot be read: it is a folder", "give a file's name");
  }
  auto opened = fs.open(path_, os::OpenMode::kRead);
  if (!opened.is_ok()) {
    const auto there = fs.exists(path_);
    if (!there.is_ok() || *there) return opened.status();
    return Status::error(Code::kBundleNotFound, "bundle '" + path_ + "' does not exist", "branch_export writes one");
  }
  file_ = std::move(*opened);
  return Status::ok();
}

Status BundleReader::read_exactly(uint64_t offset, size_t n, char* out) {
  size_t got = 0;
  while (got < n) {
    STRATA_ASSIGN(const size_t more, file_->read(offset + got, n - got, out + got));
    if (more == 0) return damaged("it is cut short");
    got += more;
  }
  return Status::ok();
}

// Everything outside of the blocks.
Status BundleReader::read_frame() {
  STRATA_ASSIGN(const uint64_t size, file_->size());
  char header[kBundleHeaderBytes];
  if (size < sizeof(header)) return damaged("it is no bundle");
  STRATA_TRY(read_exactly(0, sizeof(header), header));
  if (std::string_view(header, kBundleMagic.size()) != kBundleMagic || base::load_u32(header + 12) != kByteOrderMark) {
    return damaged("it is no bundle");
  }
  const uint32_t version = base::load_u32(header + 8);
  if (version > kBundleVersion) {
    return Status::error(Code::kFormatTooNew, "bundle '" + path_ + "' was written by a newer version of the library",
                         "update the library");
  }
  if (version == 0 || size < kBundleHeaderBytes + kBundleTrailerBytes) return damaged("it is cut short");
  blocks_end_ = size - kBundleTrailerBytes;
  char trailer[kBundleTrailerBytes];
  STRATA_TRY(read_exactly(blocks_end_, sizeof(trailer), trailer));
  totals_.blocks = base::load_u64(trailer);
  totals_.bytes = base::load_u64(trailer + 8);
  totals_.entries = base::load_u64(trailer + 16);
  totals_.commits = base::load_u64(trailer + 24);
  if (std::string_view(trailer + 64, kBundleEndMagic.size()) != kBundleEndMagic) return damaged("it is cut short");
  std::memcpy(expected_.data(), trailer + 32, expected_.size());
  // An entry takes three bytes at least.
  const bool possible =
      totals_.bytes < kMostBytes && totals_.entries <= totals_.bytes && totals_.commits <= totals_.bytes;
  return possible ? Status::ok() : damaged("its totals contradict each other");
}

Status BundleReader::check(const Poll& poll) {
  base::Sha256 sha;
  const uint64_t end = blocks_end_ + 32;
  stored_.resize(static_cast<size_t>(std::min<uint64_t>(end, kHashedAtOnce)));
  for (uint64_t at = 0; at < end;) {
    const auto n = static_cast<size_t>(std::min<uint64_t>(end - at, stored_.size()));
    STRATA_TRY(read_exactly(at, n, stored_.data()));
    sha.add(std::string_view(stored_).substr(0, n));
    at += n;
    if (!poll(0)) return stopped();
  }
  if (sha.finish() != expected_) return damaged("its checksum does not match");
  return begin_items();
}

Result<bool> BundleReader::next_block(BlockKind* kind) {
  if (at_ == blocks_end_) return false;
  if (blocks_end_ - at_ < kBlockHeaderBytes) return damaged("a block is cut short");
  char header[kBlockHeaderBytes];
  STRATA_TRY(read_exactly(at_, sizeof(header), header));
  const size_t stored = base::load_u32(header + 8);
  const size_t bytes = base::load_u32(header + 12);
  if (stored > blocks_end_ - at_ - kBlockHeaderBytes || bytes == 0 || bytes > kMaxBlockBytes ||
      stored > ZSTD_compressBound(kMaxBlockBytes)) {
    return damaged("a block is cut short");
  }
  seen_.bytes += bytes;
  if (seen_.bytes > totals_.bytes) return damaged("it holds more than it says");
  stored_.resize(kBlockHeaderBytes + stored);
  std::memcpy(stored_.data(), header, sizeof(header));
  STRATA_TRY(read_exactly(at_ + kBlockHeaderBytes, stored, stored_.data() + kBlockHeaderBytes));
  if (base::checksum(std::string_view(stored_).substr(4), seen_.blocks) != base::load_u32(header)) {
    return damaged("the checksum of a block does not match");
  }
  block_.resize(bytes);
  const size_t got = ZSTD_decompressDCtx(zstd_.get(), block_.data(), bytes, stored_.data() + kBlockHeaderBytes, stored);
  if (ZSTD_isError(got) != 0 || got != bytes) return damaged("a block cannot be decompressed");
  *kind = static_cast<BlockKind>(base::load_u32(header + 4));
  at_ += kBlockHeaderBytes + stored;
  ++seen_.blocks;
  return true;
}

Status BundleReader::begin_items() {
  at_ = kBundleHeaderBytes;
  seen_ = BundleTotals();
  checker_ = BundleChecker();
  BlockKind kind = BlockKind::kEntries;
  STRATA_ASSIGN(const bool any, next_block(&kind));
  if (!any || kind != BlockKind::kHead) return damaged("it has no head");
  base::Reader reader(block_);
  if (!read_head(reader, &head_)) return damaged("its head is malformed");
  if (const auto refusal = checker_.head(head_, latest_)) return damaged(*refusal);
  return Status::ok();
}

Status BundleReader::read_entries(const Visitors& visitors) {
  base::Reader reader(block_);
  while (!reader.done()) {
    BundleEntry entry;
    last_entry_.key = last_key_;
    if (!read_entry(reader, seen_.entries > 0 ? &last_entry_ : nullptr, &entry)) return damaged("a malformed entry");
    CheckedEntry checked;
    if (const auto refusal = checker_.entry(entry, &checked)) return damaged(*refusal);
    ++seen_.entries;
    last_entry_.version = entry.version;
    last_entry_.timestamp = entry.timestamp;
    if (!entry.same_key) last_key_ = entry.key;
    if (visitors.entry) STRATA_TRY(visitors.entry(checked));
  }
  return Status::ok();
}

Status BundleReader::read_commits(const Visitors& visitors) {
  base::Reader reader(block_);
  while (!reader.done()) {
    BundleCommit commit;
    if (!read_commit(reader, seen_.commits > 0 ? &last_commit_ : nullptr, &commit))
      return damaged("a malformed commit");
    if (const auto refusal = checker_.commit(commit)) return damaged(*refusal);
    ++seen_.commits;
    last_commit_.timestamp = commit.timestamp;
    if (visitors.commit) STRATA_TRY(visitors.commit(commit));
  }
  return Status::ok();
}

Status BundleReader::read(const Visitors& visitors, const Poll& poll) {
  STRATA_TRY(begin_items());
  bool in_commits = false;
  while (true) {
    BlockKind kind = BlockKind::kHead;
    STRATA_ASSIGN(const bool more, next_block(&kind));
    const bool commits = kind == BlockKind::kCommits;
    if (more && !commits && (kind != BlockKind::kEntries || in_commits)) return damaged("blocks out of order");
    if (!in_commits && (!more || commits)) {
      if (const auto refusal = checker_.end_of_entries()) return damaged(*refusal);
    }
    if (!more) break;
    in_commits = commits;
    STRATA_TRY(commits ? read_commits(visitors) : read_entries(visitors));
    if (!poll(seen_.entries)) return stopped();
  }
  const bool complete = seen_.blocks == totals_.blocks && seen_.bytes == totals_.bytes &&
                        seen_.entries == totals_.entries && seen_.commits == totals_.commits;
  return complete ? Status::ok() : damaged("it holds less than it says");
}

}  // namespace strata::branch
