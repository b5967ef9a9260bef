#include "storage/page_file.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "storage/page_writer.h"

namespace strata::storage {
namespace {

constexpr uint64_t kWriteBytes = 1u << 20;
constexpr uint64_t kLeastGrowthPages = 16;
constexpr uint64_t kMostGrowthPages = (64u << 20) / kPageBytes;
constexpr size_t kGiveBatch = 256;  // extents given back under one hold of the lock
// Marking the pages of both blobs as used splits at most two runs of the page map in three each.
constexpr uint64_t kMapSlackBytes = 128;

Extent extent_of(NodeId id) { return {page_of(id), pages_of(id)}; }

std::vector<Extent> runs_of(const PageBitmap& pages) {
  std::vector<Extent> runs;
  pages.for_each_run([&runs](Extent run) { runs.push_back(run); });
  return runs;
}

}  // namespace

PageFile::PageFile(const PageFileOptions& options, std::unique_ptr<os::File> file, OpenedPageFile opened)
    : options_(options),
      file_(std::move(file)),
      map_(std::move(opened.head.map)),
      head_{opened.head.meta.sequence, std::move(opened.head.blob)},
      wipe_other_meta_(opened.wipe_other_meta),
      file_bytes_(opened.file_bytes),
      page_limit_(0),
      allocator_(kMetaPages) {
  options_.database_id = opened.head.meta.database_id;
  for (const Blob& blob : {opened.head.meta.map, opened.head.meta.head}) {
    if (blob.pages > 0) own_.push_back(blob.extent());
  }
  if (opened.previous) {
    previous_ = StoreHead{opened.previous->meta.sequence, std::move(opened.previous->blob)};
    map_.kept.add(opened.previous->map.used);
    map_.kept.subtract(map_.used);
  }
  kept_runs_ = runs_of(map_.kept);
  PageBitmap busy = map_.used;
  busy.add(map_.kept);
  PageLockGuard guard(lock_);
  allocator_.reset(kMetaPages, std::move(busy));
  page_limit_ = allocator_.limit();
  node_pages_ = map_.used;
  for (const Extent& extent : own_) node_pages_.clear(extent);
  node_page_count_ = node_pages_.count();
}

NodeId PageFile::allocate(uint32_t pages) {
  STRATA_CHECK(pages > 0 && pages <= 0xffff);
  PageLockGuard guard(lock_);
  const uint64_t page = allocator_.take(pages);
  if (pages == 1) {
    node_pages_.set(page);
  } else {
    node_pages_.set(Extent{page, pages});
  }
  node_page_count_ += pages;
  page_limit_.store(allocator_.limit(), std::memory_order_relaxed);
  return make_node_id(page, pages);
}

void PageFile::release(NodeId id, bool committed) {
  const Extent extent = extent_of(id);
  PageLockGuard guard(lock_);
  if (extent.pages == 1 ? !node_pages_.test(extent.page) : !is_given_out(extent)) {
    refuse(id);
    return;
  }
  if (extent.pages == 1) {
    node_pages_.clear(extent.page);
  } else {
    node_pages_.clear(extent);
  }
  node_page_count_ -= extent.pages;
  if (committed) {
    released_.push_back(extent);
  } else {
    allocator_.give(extent);
  }
}

uint64_t PageFile::used_pages() const {
  PageLockGuard guard(lock_);
  return node_page_count_;
}

Status PageFile::read(NodeId id, uint64_t birth, char* out) const {
  const uint64_t offset = page_of(id) * kPageBytes;
  if (page_of(id) < kMetaPages || pages_of(id) == 0) {
    return Status::corruption(options_.path, offset, "reference to a node that cannot be");
  }
  STRATA_ASSIGN(const size_t got, file_->read(offset, bytes_of(id), out));
  if (got != bytes_of(id)) return Status::corruption(options_.path, offset, "node behind the end of the file");
  const char* problem = check_node(id, birth, options_.database_id, out);
  return problem == nullptr ? Status() : Status::corruption(options_.path, offset, problem);
}

Status PageFile::commit(std::span<const NodeImage> images, std::string_view blob) {
  if (options_.read_only) return Status::error(Code::kReadOnly, "the database is open for reading only");
  if (failure_.is_ok()) failure_ = check_ids();
  if (failure_.is_ok()) failure_ = try_commit(images, blob);
  return failure_;
}

Status PageFile::check_ids() const {
  PageLockGuard guard(lock_);
  if (refused_id_ == 0) return Status();
  return Status::corruption(options_.path, page_of(refused_id_) * kPageBytes, "node in pages that hold none");
}

Status PageFile::try_commit(std::span<const NodeImage> images, std::string_view blob) {
  std::vector<NodeImage> sorted(images.begin(), images.end());
  std::sort(sorted.begin(), sorted.end(), [](const NodeImage& a, const NodeImage& b) { return a.id < b.id; });
  std::vector<Extent> freed = advance_map(sorted);

  MetaPage meta;
  meta.database_id = options_.database_id;
  meta.sequence = head_.sequence + 1;
  const std::string map_bytes = place_blobs(&meta, blob);
  const uint64_t meta_offset = meta.sequence % kMetaPages * kPageBytes;
  if (wipe_other_meta_) {
    STRATA_TRY(file_->write(meta_offset, std::string(kPageBytes, '\0')));
    STRATA_TRY(file_->sync());
    wipe_other_meta_ = false;
  }
  STRATA_TRY(grow(meta.page_count));
  STRATA_TRY(write_images(sorted));
  if (!map_bytes.empty()) STRATA_TRY(file_->write(meta.map.page * kPageBytes, map_bytes));
  if (!blob.empty()) STRATA_TRY(file_->write(meta.head.page * kPageBytes, blob));
  STRATA_TRY(file_->sync());
  STRATA_TRY(file_->write(meta_offset, encode_meta(meta)));
  STRATA_TRY(file_->sync());
  publish(meta, blob, std::move(freed));
  return Status();
}

std::vector<Extent> PageFile::advance_map(std::span<const NodeImage> sorted) {
  std::vector<Extent> freed;
  {
    PageLockGuard guard(lock_);
    freed.swap(released_);
#ifdef STRATA_DEBUG
    for (const NodeImage& image : sorted) STRATA_ASSERT(node_pages_.all(extent_of(image.id)));
#endif
  }
  freed.insert(freed.end(), own_.begin(), own_.end());
  for (const NodeImage& image : sorted) {
    // Writing over a page of either head would destroy what a crash has to fall back to.
    const Extent extent = extent_of(image.id);
    STRATA_CHECK(extent.page >= kMetaPages && extent.pages > 0);
    STRATA_CHECK(!map_.used.any(extent) && !map_.kept.any(extent));
  }
  for (const Extent& extent : kept_runs_) map_.kept.clear(extent);
  for (const Extent& extent : freed) {
    map_.used.clear(extent);
    map_.kept.set(extent);
  }
  for (const NodeImage& image : sorted) {
    STRATA_CHECK(!map_.used.any(extent_of(image.id)));  // the same node twice
    map_.used.set(extent_of(image.id));
  }
  return freed;
}

std::string PageFile::place_blobs(MetaPage* meta, std::string_view blob) {
  // What the map says of its own pages changes its size: it gets room for that before it is known.
  const uint64_t draft_bytes = encode_page_map(map_).size();
  const bool empty = draft_bytes == 0 && blob.empty();
  const uint64_t map_pages = empty ? 0 : pages_for(draft_bytes + kMapSlackBytes);
  const uint64_t blob_pages = pages_for(blob.size());
  STRATA_CHECK(map_pages <= UINT32_MAX && blob_pages <= UINT32_MAX);
  own_.clear();
  {
    PageLockGuard guard(lock_);
    if (map_pages > 0) own_.push_back({meta->map.page = allocator_.take(map_pages), map_pages});
    if (blob_pages > 0) own_.push_back({meta->head.page = allocator_.take(blob_pages), blob_pages});
    page_limit_.store(allocator_.limit(), std::memory_order_relaxed);
  }
  for (const Extent& extent : own_) {
    STRATA_CHECK(!map_.used.any(extent) && !map_.kept.any(extent));
    map_.used.set(extent);
  }
  std::string map_bytes = encode_page_map(map_);
  STRATA_CHECK(map_bytes.size() <= map_pages * kPageBytes);
  meta->map.bytes = map_bytes.size();
  meta->map.pages = static_cast<uint32_t>(map_pages);
  meta->map.checksum = blob_checksum(map_bytes, *meta);
  meta->head.bytes = blob.size();
  meta->head.pages = static_cast<uint32_t>(blob_pages);
  meta->head.checksum = blob_checksum(blob, *meta);
  meta->page_count = std::max(map_.used.end(), kMetaPages);
  return map_bytes;
}

Status PageFile::grow(uint64_t pages) {
  const uint64_t now = total_pages();
  if (pages <= now) return Status();
  const uint64_t step = std::clamp(now / 8, kLeastGrowthPages, kMostGrowthPages);
  uint64_t target = std::max(pages, now + step);
  Status status = file_->reserve(target * kPageBytes);
  if (status.code() == Code::kDiskFull && target > pages) {
    target = pages;
    status = file_->reserve(target * kPageBytes);
  }
  if (status.is_ok()) file_bytes_.store(target * kPageBytes, std::memory_order_relaxed);
  return status;
}

Status PageFile::write_images(std::span<const NodeImage> sorted) {
  uint64_t bytes = 0;
  for (const NodeImage& image : sorted) bytes += bytes_of(image.id);
  PageWriter writer(*file_, std::min(bytes, kWriteBytes));
  for (const NodeImage& image : sorted) {
    STRATA_ASSIGN(char* const to, writer.place(page_of(image.id), pages_of(image.id)));
    std::memcpy(to, image.bytes, bytes_of(image.id));
    seal_node(image.id, options_.database_id, to);
  }
  return writer.flush();
}

void PageFile::publish(const MetaPage& meta, std::string_view blob, std::vector<Extent> freed) {
  previous_ = std::exchange(head_, StoreHead{meta.sequence, std::string(blob)});
  // The meta page that needed these pages has just been replaced.
  std::vector<Extent> free = std::exchange(kept_runs_, std::move(freed));
  for (size_t i = 0; i < free.size();) {
    const size_t stop = std::min(i + kGiveBatch, free.size());
    PageLockGuard guard(lock_);
    for (; i < stop; ++i) allocator_.give_in_order(free[i]);
  }
}

Status PageFile::trim() {
  if (options_.read_only) return Status::error(Code::kReadOnly, "the database is open for reading only");
  STRATA_TRY(failure_);
  uint64_t end = 0;
  {
    PageLockGuard guard(lock_);
    end = allocator_.busy_end();
  }
  STRATA_CHECK(end >= map_.used.end() && end >= map_.kept.end() && end >= kMetaPages);
  if (end * kPageBytes >= disk_bytes()) return Status();
  STRATA_TRY(file_->truncate(end * kPageBytes));
  file_bytes_.store(end * kPageBytes, std::memory_order_relaxed);
  return Status();
}

void PageFile::keep_only(std::span<const NodeId> reachable) {
  PageLockGuard guard(lock_);
  PageBitmap nodes;
  for (NodeId id : reachable) {
    const Extent extent = extent_of(id);
    if (extent.page < kMetaPages || extent.pages == 0 || extent.end() > allocator_.limit()) {
      refuse(id);
    } else {
      nodes.set(extent);
    }
  }
  // A reachable page that was never given out can only be one that a damaged map called free: the next map names it.
  PageBitmap lost = nodes;
  lost.subtract(node_pages_);
  map_.used.add(lost);
  map_.kept.subtract(lost);
  kept_runs_ = runs_of(map_.kept);

  PageBitmap unreachable = map_.used;
  unreachable.subtract(nodes);
  for (const Extent& extent : own_) unreachable.clear(extent);
  released_ = runs_of(unreachable);

  PageBitmap busy = nodes;
  busy.add(map_.used);
  busy.add(map_.kept);
  allocator_.reset(kMetaPages, std::move(busy));
  node_pages_ = std::move(nodes);
  node_page_count_ = node_pages_.count();
  page_limit_.store(allocator_.limit(), std::memory_order_relaxed);
}

}  // namespace strata::storage
