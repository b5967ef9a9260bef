// Opening and creating the page file: which of the two heads to believe.
#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "storage/page_file.h"

namespace strata::storage {
namespace {

struct FoundMeta {
  MetaState state = MetaState::kBlank;
  MetaPage meta;
  Status problem;  // why the head cannot be used; OK for a blank page
};

class Opener {
 public:
  Opener(const PageFileOptions& options, os::File& file) : options_(options), file_(file) {}
  Result<OpenedPageFile> open();

 private:
  FoundMeta read_meta(uint64_t page) const;
  Status check_meta(uint64_t page, const MetaPage& meta) const;
  Result<std::string> read_blob(const Blob& blob, const MetaPage& meta, std::string_view what) const;
  Result<OpenedHead> read_head(const MetaPage& meta) const;
  Status explain(const std::array<FoundMeta, kMetaPages>& found) const;

  const PageFileOptions& options_;
  os::File& file_;
  uint64_t file_pages_ = 0;
};

FoundMeta Opener::read_meta(uint64_t page) const {
  FoundMeta found;
  const uint64_t offset = page * kPageBytes;
  std::string bytes(kPageBytes, '\0');
  Result<size_t> got = file_.read(offset, kPageBytes, bytes.data());
  if (!got.is_ok()) {
    found.state = MetaState::kDamaged;
    found.problem = std::move(got).status();
    return found;
  }
  found.state = decode_meta(bytes, &found.meta);
  switch (found.state) {
    case MetaState::kValid:
      found.problem = check_meta(page, found.meta);
      break;
    case MetaState::kForeign:
      found.problem = Status::corruption(options_.path, offset, "no meta page of a page file");
      break;
    case MetaState::kDamaged:
      found.problem = Status::corruption(options_.path, offset, "meta page is damaged");
      break;
    case MetaState::kTooNew:
      found.problem = Status::error(Code::kFormatTooNew, options_.path + " was written in a newer format",
                                    "open it with a newer version of stratadb");
      break;
    case MetaState::kBlank:
      break;
  }
  return found;
}

Status Opener::check_meta(uint64_t page, const MetaPage& meta) const {
  const uint64_t offset = page * kPageBytes;
  if (options_.database_id != 0 && meta.database_id != options_.database_id) {
    return Status::corruption(options_.path, offset, "page file of another database");
  }
  if (meta.database_id == 0 || meta.sequence % kMetaPages != page) {
    return Status::corruption(options_.path, offset, "meta page is out of place");
  }
  if (meta.page_count < kMetaPages || meta.page_count > file_pages_) {
    return Status::corruption(options_.path, offset, "the file is shorter than its newest state");
  }
  return Status();
}

Result<std::string> Opener::read_blob(const Blob& blob, const MetaPage& meta, std::string_view what) const {
  const uint64_t offset = blob.page * kPageBytes;
  if (blob.bytes == 0) {
    if (blob.page == 0 && blob.pages == 0 && blob.checksum == blob_checksum({}, meta)) return std::string();
    return Status::corruption(options_.path, offset, std::string(what) + " is empty, but not nowhere");
  }
  if (blob.page < kMetaPages || blob.page >= meta.page_count || blob.pages > meta.page_count - blob.page ||
      blob.bytes > uint64_t{blob.pages} * kPageBytes) {
    return Status::corruption(options_.path, offset, std::string(what) + " lies outside the file");
  }
  std::string bytes(blob.bytes, '\0');
  STRATA_ASSIGN(const size_t got, file_.read(offset, bytes.size(), bytes.data()));
  if (got != bytes.size() || blob_checksum(bytes, meta) != blob.checksum) {
    return Status::corruption(options_.path, offset, std::string(what) + " is damaged");
  }
  return bytes;
}

Result<OpenedHead> Opener::read_head(const MetaPage& meta) const {
  OpenedHead head;
  head.meta = meta;
  STRATA_ASSIGN(const std::string map_bytes, read_blob(meta.map, meta, "the page map"));
  STRATA_ASSIGN(head.blob, read_blob(meta.head, meta, "the head"));
  const uint64_t map_offset = meta.map.page * kPageBytes;
  size_t bad = 0;
  if (!decode_page_map(map_bytes, file_pages_, &head.map, &bad)) {
    return Status::corruption(options_.path, map_offset + bad, "the page map cannot be read");
  }
  const Extent map_extent = meta.map.extent();
  const Extent head_extent = meta.head.extent();
  const bool overlap = map_extent.page < head_extent.end() && head_extent.page < map_extent.end();
  const bool mapped = head.map.used.all(map_extent) && head.map.used.all(head_extent);
  if (overlap || !mapped || std::max(head.map.used.end(), kMetaPages) != meta.page_count) {
    return Status::corruption(options_.path, map_offset, "the page map contradicts its meta page");
  }
  return head;
}

Status Opener::explain(const std::array<FoundMeta, kMetaPages>& found) const {
  for (const FoundMeta& meta : found) {
    // An I/O error says more than what the other page looks like.
    if (!meta.problem.is_ok() && meta.problem.code() != Code::kCorruption) return meta.problem;
  }
  bool ours = false;
  for (const FoundMeta& meta : found) ours |= meta.state != MetaState::kBlank && meta.state != MetaState::kForeign;
  if (!ours) return Status::error(Code::kNotADatabase, options_.path + " is not a page file of a StrataDB database");
  for (const FoundMeta& meta : found) {
    if (meta.state != MetaState::kForeign && !meta.problem.is_ok()) return meta.problem;
  }
  return Status::corruption(options_.path, 0, "no usable meta page");
}

Result<OpenedPageFile> Opener::open() {
  OpenedPageFile opened;
  STRATA_ASSIGN(opened.file_bytes, file_.size());
  file_pages_ = opened.file_bytes / kPageBytes;
  std::array<FoundMeta, kMetaPages> found{read_meta(0), read_meta(1)};
  for (const FoundMeta& meta : found) {
    if (meta.state == MetaState::kTooNew) return meta.problem;
  }
  const auto usable = [](const FoundMeta& meta) { return meta.state == MetaState::kValid && meta.problem.is_ok(); };
  FoundMeta* newest = &found[0];
  FoundMeta* other = &found[1];
  if (!usable(*newest) || (usable(*other) && other->meta.sequence > newest->meta.sequence)) std::swap(newest, other);
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (usable(*newest)) {
      Result<OpenedHead> head = read_head(newest->meta);
      if (head.is_ok()) {
        opened.head = std::move(head).value();
        break;
      }
      newest->problem = std::move(head).status();
    }
    if (attempt == 1) return explain(found);
    std::swap(newest, other);
  }
  if (usable(*other) && other->meta.sequence + 1 == newest->meta.sequence &&
      other->meta.database_id == newest->meta.database_id) {
    Result<OpenedHead> previous = read_head(other->meta);
    if (previous.is_ok()) opened.previous = std::move(previous).value();
  }
  opened.wipe_other_meta = !opened.previous && other->state != MetaState::kBlank;
  return opened;
}

// Written under another name first: a file of the right name is always complete.
Status create(const PageFileOptions& options) {
  if (options.database_id == 0) {
    return Status::error(Code::kInvalidArgument, "a new page file needs the id of its database");
  }
  const std::string draft = options.path + ".new";
  STRATA_ASSIGN(const bool left_over, options.fs->exists(draft));
  if (left_over) STRATA_TRY(options.fs->remove(draft));
  MetaPage meta;
  meta.database_id = options.database_id;
  meta.page_count = kMetaPages;
  meta.map.checksum = blob_checksum({}, meta);
  meta.head.checksum = meta.map.checksum;
  {
    STRATA_ASSIGN(const std::unique_ptr<os::File> file, options.fs->open(draft, os::OpenMode::kCreateNew));
    STRATA_TRY(file->write(0, encode_meta(meta) + std::string(kPageBytes, '\0')));
    STRATA_TRY(file->sync());
  }
  STRATA_TRY(options.fs->rename(draft, options.path));
  const size_t slash = options.path.rfind('/');
  return options.fs->sync_folder(slash == std::string::npos ? "." : options.path.substr(0, std::max<size_t>(slash, 1)));
}

}  // namespace

Result<std::unique_ptr<NodeStore>> open_page_file(const PageFileOptions& options) {
  STRATA_ASSIGN(const bool exists, options.fs->exists(options.path));
  if (!exists) {
    if (options.read_only) return Status::corruption(options.path, 0, "the page file is missing");
    STRATA_TRY(create(options));
  }
  const os::OpenMode mode = options.read_only ? os::OpenMode::kRead : os::OpenMode::kReadWrite;
  STRATA_ASSIGN(std::unique_ptr<os::File> file, options.fs->open(options.path, mode));
  STRATA_ASSIGN(OpenedPageFile opened, Opener(options, *file).open());
  return std::unique_ptr<NodeStore>(std::make_unique<PageFile>(options, std::move(file), std::move(opened)));
}

}  // namespace strata::storage
