// The node store of a database in memory: ids and heads only.
//
// Thread safety: as NodeStore says. Ownership: owns its heads. Durability: none.
#include <atomic>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/mutex.h"
#include "storage/node_store.h"
#include "storage/page_allocator.h"

namespace strata::storage {
namespace {

constexpr uint64_t kFirstPage = 2;  // as on disk: 0 is "none"

class MemoryNodeStore final : public NodeStore {
 public:
  MemoryNodeStore() : allocator_(kFirstPage) {}

  NodeId allocate(uint32_t pages) override {
    STRATA_CHECK(pages > 0 && pages <= 0xffff);
    const uint64_t page = allocator_.take(pages);
    set_counts(used_pages() + pages);
    return make_node_id(page, pages);
  }

  // No head can be opened again, so every page is free at once.
  void release(NodeId id, bool /*committed*/) override {
    STRATA_CHECK(page_of(id) >= kFirstPage && page_of(id) < page_limit() && used_pages() >= pages_of(id));
    allocator_.give({page_of(id), pages_of(id)});
    set_counts(used_pages() - pages_of(id));
  }

  uint64_t page_limit() const override { return limit_.load(std::memory_order_relaxed); }

  Status read(NodeId /*id*/, uint64_t /*birth*/, char* /*out*/) const override {
    return Status::error(Code::kNotImplemented, "a store in memory keeps no nodes to read back");
  }

  Status commit(std::span<const NodeImage> /*images*/, std::string_view blob) override {
    previous_ = std::exchange(head_, StoreHead{head_.sequence + 1, std::string(blob)});
    return Status();
  }
  const StoreHead& head() const override { return head_; }
  const StoreHead* previous_head() const override { return previous_ ? &*previous_ : nullptr; }

  uint64_t used_pages() const override { return used_.load(std::memory_order_relaxed); }
  uint64_t total_pages() const override { return page_limit(); }
  uint64_t disk_bytes() const override { return 0; }
  Status trim() override { return Status(); }

  void keep_only(std::span<const NodeId> reachable) override {
    PageBitmap nodes;
    for (NodeId id : reachable) nodes.set(Extent{page_of(id), pages_of(id)});
    const uint64_t used = nodes.count();
    allocator_.reset(kFirstPage, std::move(nodes));
    set_counts(used);
  }

 private:
  void set_counts(uint64_t used) {
    used_.store(used, std::memory_order_relaxed);
    limit_.store(allocator_.limit(), std::memory_order_relaxed);
  }

  PageAllocator allocator_;
  StoreHead head_;
  std::optional<StoreHead> previous_;
  std::atomic<uint64_t> used_{0};  // read by any thread
  std::atomic<uint64_t> limit_{0};
};

}  // namespace

std::unique_ptr<NodeStore> make_memory_node_store() { return std::make_unique<MemoryNodeStore>(); }

}  // namespace strata::storage
