// Any bytes as nodes of a tree, as if their checksums held: whoever reads, seeks, counts or compares gets rows or
// corruption, and always an end.
#include <algorithm>
#include <cstring>

#include "fuzz_support.h"
#include "storage/node_store.h"
#include "tree/forest.h"

namespace {

using namespace strata;

constexpr uint64_t kPages = 8;

// Page n holds the n-th piece of the input under a header that fits whatever is asked for.
class FuzzStore final : public storage::NodeStore {
 public:
  explicit FuzzStore(std::string_view bytes) : bytes_(bytes) {}

  storage::NodeId allocate(uint32_t pages) override { return storage::make_node_id(next_page_ += pages, pages); }
  void release(storage::NodeId, bool) override {}
  uint64_t page_limit() const override { return uint64_t{1} << 20; }
  Status read(storage::NodeId id, uint64_t birth, char* out) const override {
    const uint64_t page = storage::page_of(id);
    if (page == 0 || page > kPages) return Status::corruption("fuzz", page, "no such page");
    std::memset(out, 0, storage::bytes_of(id));
    const std::string_view piece = bytes_.substr(std::min(bytes_.size(), (page - 1) * bytes_.size() / kPages));
    const size_t room = storage::bytes_of(id) - sizeof(storage::NodeHeader);
    std::memcpy(out + sizeof(storage::NodeHeader), piece.data(), std::min(piece.size(), room));
    const storage::NodeHeader header = {0, piece.empty() ? 0 : static_cast<uint32_t>(piece[0] & 3), id, birth};
    std::memcpy(out, &header, sizeof(header));
    return Status::ok();
  }
  Status commit(std::span<const storage::NodeImage>, std::string_view) override { return Status::ok(); }
  const storage::StoreHead& head() const override { return head_; }
  const storage::StoreHead* previous_head() const override { return nullptr; }
  uint64_t used_pages() const override { return kPages; }
  uint64_t total_pages() const override { return kPages; }
  uint64_t disk_bytes() const override { return 0; }
  Status trim() override { return Status::ok(); }
  void keep_only(std::span<const storage::NodeId>) override {}

 private:
  const std::string_view bytes_;
  uint64_t next_page_ = 1000;
  storage::StoreHead head_;
};

void walk(const tree::Forest& forest, const tree::Root& root, bool forward) {
  tree::Cursor cursor(forest, root);
  Status status = forward ? cursor.seek_first() : cursor.seek_last();
  for (int i = 0; i < 5000 && status.is_ok() && cursor.valid(); ++i) {
    STRATA_CHECK(cursor.key().size() <= tree::kMaxKeyBytes && cursor.row().size() <= tree::kMaxRowBytes);
    status = forward ? cursor.next() : cursor.prev();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  strata::fuzz::FuzzInput input(data, size);
  const uint64_t count = input.number(2);
  const uint32_t pages = 1 + static_cast<uint32_t>(input.below(2));
  const std::string key(input.bytes(4));
  const std::string bytes(input.rest());
  FuzzStore store(bytes);
  tree::ForestOptions options;
  options.cache_bytes = 1u << 20;
  tree::Forest forest(store, options);
  const tree::Root a{storage::make_node_id(1, pages), 5, count};
  const tree::Root b{storage::make_node_id(2, 1), 5, count + 1};
  {
    const tree::ReadGuard guard(forest);
    walk(forest, a, true);
    walk(forest, a, false);
    (void)forest.get(a, key);
    (void)forest.rank(a, key);
    int seen = 0;
    (void)forest.diff(
        a, b, {}, [&](std::string_view, tree::Change, std::string_view, std::string_view) { return ++seen < 5000; });
  }
  std::vector<std::string> problems;
  uint64_t read = 0;
  const tree::Root roots[] = {a, b};
  (void)forest.verify(roots, &problems, &read, [](uint64_t done) { return done < 1000; });
  return 0;
}
