#include "storage/page_file_builder.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace strata::storage {
namespace {

// The map's own pages and the head's prolong its last run: a byte or two of its varint.
constexpr uint64_t kMapSlackBytes = 32;

std::string draft_of(const std::string& path) { return path + ".new"; }

}  // namespace

PageFileBuilder::PageFileBuilder(os::FileSystem& fs, std::string path, uint64_t database_id,
                                 std::unique_ptr<os::File> file)
    : fs_(&fs), path_(std::move(path)), database_id_(database_id), file_(std::move(file)) {}

Result<PageFileBuilder> PageFileBuilder::create(os::FileSystem& fs, const std::string& path, uint64_t database_id) {
  STRATA_ASSIGN(std::unique_ptr<os::File> file, fs.open(draft_of(path), os::OpenMode::kCreateNew));
  return PageFileBuilder(fs, path, database_id, std::move(file));
}

Status PageFileBuilder::add(NodeId id, char* bytes) {
  const Extent extent{page_of(id), pages_of(id)};
  if (extent.page < kMetaPages || extent.pages == 0 || map_.used.any(extent)) {
    return Status::corruption(path_, extent.page * kPageBytes, "two nodes in one place");
  }
  map_.used.set(extent);
  seal_node(id, database_id_, bytes);
  bytes_written_ += bytes_of(id);
  return file_->write(extent.page * kPageBytes, {bytes, bytes_of(id)});
}

Status PageFileBuilder::append_blob(std::string_view bytes, uint64_t pages, Blob* blob) {
  STRATA_CHECK(bytes.size() <= pages * kPageBytes);
  std::string padded(bytes);
  padded.resize(pages * kPageBytes, '\0');
  bytes_written_ += padded.size();
  blob->bytes = bytes.size();
  return file_->write(blob->page * kPageBytes, padded);
}

Status PageFileBuilder::finish(std::string_view blob) {
  STRATA_CHECK(!blob.empty());
  MetaPage meta;
  meta.database_id = database_id_;
  meta.sequence = 1;
  meta.map.pages = static_cast<uint32_t>(pages_for(encode_page_map(map_).size() + kMapSlackBytes));
  meta.map.page = std::max(map_.used.end(), kMetaPages);
  meta.head.pages = static_cast<uint32_t>(pages_for(blob.size()));
  meta.head.page = meta.map.page + meta.map.pages;
  map_.used.set(meta.map.extent());
  map_.used.set(meta.head.extent());
  const std::string map_bytes = encode_page_map(map_);
  meta.page_count = map_.used.end();
  STRATA_TRY(append_blob(map_bytes, meta.map.pages, &meta.map));
  STRATA_TRY(append_blob(blob, meta.head.pages, &meta.head));
  meta.map.checksum = blob_checksum(map_bytes, meta);
  meta.head.checksum = blob_checksum(blob, meta);
  STRATA_TRY(file_->write(0, std::string(kPageBytes, '\0')));
  STRATA_TRY(file_->sync());
  STRATA_TRY(file_->write(meta.sequence % kMetaPages * kPageBytes, encode_meta(meta)));
  STRATA_TRY(file_->sync());
  bytes_written_ += kMetaPages * kPageBytes;
  file_.reset();
  STRATA_TRY(fs_->rename(draft_of(path_), path_));
  return fs_->sync_folder(os::folder_of(path_));
}

}  // namespace strata::storage
