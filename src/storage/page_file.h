// The node store on disk: one file of 4 KB pages, written by commits alone.
//
// Thread safety: as NodeStore says. Allocation state is behind one lock held for nanoseconds; the map of pages, the
//   heads and the file's size belong to whoever commits, trims or keeps, one at a time.
// Ownership: owns its file, borrows the FileSystem.
// Durability: a commit writes nodes, page map and head to pages that neither head uses, syncs, writes the meta page of
//   the older head and syncs again. Whatever is cut off in between leaves the newer head as it was.
// Invariants:
//   1. used_ holds the pages of the newest head, kept_ those that only the head before it uses. A commit writes to no
//      page of either; kept_ pages are given out again once the next commit has replaced the meta page that needs them.
//   2. Nothing is written beside a meta page that looks valid but was not chosen at opening: it is wiped first, so
//      that it cannot be chosen later, when pages that it names have been reused.
//   3. node_pages_ holds the pages of all ids given out and not released. Once anything else is given back, nothing is
//      committed any more.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "storage/node_store.h"
#include "storage/page_allocator.h"
#include "storage/page_format.h"
#include "storage/page_lock.h"

namespace strata::storage {

// What opening found in the file.
struct OpenedHead {
  MetaPage meta;
  PageMap map;
  std::string blob;
};
struct OpenedPageFile {
  OpenedHead head;
  std::optional<OpenedHead> previous;
  bool wipe_other_meta = false;  // the other meta page is neither blank nor the previous head
  uint64_t file_bytes = 0;
};

class PageFile final : public NodeStore {
 public:
  PageFile(const PageFileOptions& options, std::unique_ptr<os::File> file, OpenedPageFile opened);

  NodeId allocate(uint32_t pages) override;
  void release(NodeId id, bool committed) override;
  uint64_t page_limit() const override { return page_limit_.load(std::memory_order_relaxed); }

  Status read(NodeId id, uint64_t birth, char* out) const override;
  Status commit(std::span<const NodeImage> images, std::string_view blob) override;
  const StoreHead& head() const override { return head_; }
  const StoreHead* previous_head() const override { return previous_ ? &*previous_ : nullptr; }

  uint64_t database_id() const override { return options_.database_id; }
  uint64_t used_pages() const override;
  uint64_t total_pages() const override { return file_bytes_.load(std::memory_order_relaxed) / kPageBytes; }
  uint64_t disk_bytes() const override { return file_bytes_.load(std::memory_order_relaxed); }
  Status trim() override;
  void keep_only(std::span<const NodeId> reachable) override;

 private:
  // Notes that this id cannot be right. Ids come from stored nodes too, which prove nothing: it is no reason to stop
  // the process, but one to write no more.
  void refuse(NodeId id) REQUIRES_LOCK(lock_) { refused_id_ = id != 0 ? id : make_node_id(1, 1); }
  bool is_given_out(Extent extent) const REQUIRES_LOCK(lock_) { return extent.pages > 0 && node_pages_.all(extent); }
  Status check_ids() const;
  Status try_commit(std::span<const NodeImage> images, std::string_view blob);
  // Moves the map from the head to the commit in progress; returns what only the head uses.
  std::vector<Extent> advance_map(std::span<const NodeImage> sorted);
  // Gives the page map and the head's blob pages and puts both into the map; returns the map's bytes.
  std::string place_blobs(MetaPage* meta, std::string_view blob);
  Status grow(uint64_t pages);
  Status write_images(std::span<const NodeImage> sorted);
  void publish(const MetaPage& meta, std::string_view blob, std::vector<Extent> freed);

  PageFileOptions options_;
  std::unique_ptr<os::File> file_;

  // Belong to the committer.
  PageMap map_;
  std::vector<Extent> kept_runs_;  // map_.kept as extents
  std::vector<Extent> own_;        // page map and blob of the newest head
  StoreHead head_;
  std::optional<StoreHead> previous_;
  bool wipe_other_meta_;
  Status failure_;  // of the first commit that failed

  std::atomic<uint64_t> file_bytes_;
  std::atomic<uint64_t> page_limit_;

  mutable PageLock lock_;
  PageAllocator allocator_ GUARDED_BY(lock_);
  PageBitmap node_pages_ GUARDED_BY(lock_);
  uint64_t node_page_count_ GUARDED_BY(lock_) = 0;
  NodeId refused_id_ GUARDED_BY(lock_) = 0;
  std::vector<Extent> released_ GUARDED_BY(lock_);  // in use by the newest head; not by the next
};

}  // namespace strata::storage
