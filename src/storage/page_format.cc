#include "storage/page_format.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "base/check.h"
#include "base/checksum.h"
#include "base/coding.h"

namespace strata::storage {
namespace {

// ON DISK: never renumber.
enum class PageState : uint8_t { kFree = 0, kUsed = 1, kKept = 2 };
constexpr uint64_t kStateBits = 2;
constexpr uint64_t kMaxPages = uint64_t{1} << 48;  // a NodeId has 48 bits for the page
static_assert(static_cast<uint8_t>(PageState::kUsed) == 1 && static_cast<uint8_t>(PageState::kKept) == 2);

uint32_t meta_checksum(std::string_view page) {
  // Not seeded: the database id is known only when the page is believed.
  return base::checksum(page.substr(0, kMetaChecksumOffset), 0);
}

void put_blob(std::string& out, const Blob& blob) {
  base::put_u64(out, blob.page);
  base::put_u64(out, blob.bytes);
  base::put_u32(out, blob.pages);
  base::put_u32(out, blob.checksum);
}

bool read_blob(base::Reader& reader, Blob* blob) {
  return reader.read_u64(blob->page) && reader.read_u64(blob->bytes) && reader.read_u32(blob->pages) &&
         reader.read_u32(blob->checksum);
}

void put_run(std::string& out, PageState state, uint64_t pages) {
  base::put_varint(out, pages << kStateBits | static_cast<uint64_t>(state));
}

}  // namespace

std::string encode_meta(const MetaPage& meta) {
  std::string page;
  page.reserve(kPageBytes);
  page.append(kPageFileMagic);
  base::put_u32(page, kPageFileVersion);
  base::put_u32(page, kByteOrderMark);
  base::put_u64(page, meta.database_id);
  base::put_u64(page, meta.sequence);
  base::put_u64(page, meta.page_count);
  put_blob(page, meta.map);
  put_blob(page, meta.head);
  STRATA_ASSERT(page.size() < kMetaChecksumOffset);
  page.resize(kMetaChecksumOffset, '\0');
  base::put_u32(page, meta_checksum(page));
  STRATA_ASSERT(page.size() == kPageBytes);
  return page;
}

MetaState decode_meta(std::string_view page, MetaPage* meta) {
  STRATA_ASSERT(page.size() == kPageBytes);
  if (page.find_first_not_of('\0') == std::string_view::npos) return MetaState::kBlank;
  if (page.substr(0, kPageFileMagic.size()) != kPageFileMagic) return MetaState::kForeign;
  if (base::load_u32(page.data() + kMetaChecksumOffset) != meta_checksum(page)) return MetaState::kDamaged;
  base::Reader reader(page.substr(kPageFileMagic.size(), kMetaChecksumOffset - kPageFileMagic.size()));
  uint32_t version = 0;
  uint32_t mark = 0;
  if (!reader.read_u32(version) || !reader.read_u32(mark)) return MetaState::kDamaged;
  if (mark != kByteOrderMark || version == 0) return MetaState::kDamaged;
  if (version > kPageFileVersion) return MetaState::kTooNew;
  const bool complete = reader.read_u64(meta->database_id) && reader.read_u64(meta->sequence) &&
                        reader.read_u64(meta->page_count) && read_blob(reader, &meta->map) &&
                        read_blob(reader, &meta->head);
  return complete ? MetaState::kValid : MetaState::kDamaged;
}

std::string encode_page_map(const PageMap& map) {
  std::string out;
  const uint64_t end = std::max(map.used.end(), map.kept.end());
  uint64_t next_used = 0;
  uint64_t next_kept = 0;
  for (uint64_t page = kMetaPages; page < end;) {
    // Each search starts where the last one of its kind ended, so that the whole is one pass over both.
    if (next_used < page) next_used = map.used.next_set(page, end);
    if (next_kept < page) next_kept = map.kept.next_set(page, end);
    STRATA_CHECK(next_used != next_kept || next_used == end);
    uint64_t stop = std::min(next_used, next_kept);
    PageState state = PageState::kFree;
    if (next_used == page || next_kept == page) {
      state = next_used == page ? PageState::kUsed : PageState::kKept;
      stop = (next_used == page ? map.used : map.kept).next_clear(page);
    }
    STRATA_ASSERT(stop > page && stop <= end);
    put_run(out, state, stop - page);
    page = stop;
  }
  return out;
}

bool decode_page_map(std::string_view bytes, uint64_t file_pages, PageMap* map, size_t* bad) {
  base::Reader reader(bytes);
  uint64_t page = kMetaPages;
  while (!reader.done()) {
    *bad = bytes.size() - reader.remaining();
    uint64_t run = 0;
    if (!reader.read_varint(run)) return false;
    const uint64_t pages = run >> kStateBits;
    if (pages == 0 || pages > kMaxPages - page) return false;
    const Extent extent{page, pages};
    switch (static_cast<PageState>(run & ((1u << kStateBits) - 1))) {
      case PageState::kFree:
        break;
      case PageState::kUsed:
        if (extent.end() > file_pages) return false;
        map->used.set(extent);
        break;
      case PageState::kKept:
        // The head before may be gone by now, and its last pages cut off.
        if (page < file_pages) map->kept.set(Extent{page, std::min(pages, file_pages - page)});
        break;
      default:
        return false;
    }
    page = extent.end();
  }
  return true;
}

uint32_t blob_checksum(std::string_view bytes, const MetaPage& meta) {
  return base::checksum(bytes, meta.database_id + meta.sequence);
}

void seal_node(NodeId id, uint64_t database_id, char* bytes) {
  base::store_u64(bytes + offsetof(NodeHeader, id), id);
  const std::string_view covered(bytes + sizeof(uint32_t), bytes_of(id) - sizeof(uint32_t));
  base::store_u32(bytes, base::checksum(covered, database_id));
}

const char* check_node(NodeId id, uint64_t birth, uint64_t database_id, const char* bytes) {
  const std::string_view covered(bytes + sizeof(uint32_t), bytes_of(id) - sizeof(uint32_t));
  if (base::load_u32(bytes) != base::checksum(covered, database_id)) return "checksum of a node does not match";
  if (base::load_u64(bytes + offsetof(NodeHeader, id)) != id) return "another node is stored here";
  if (base::load_u64(bytes + offsetof(NodeHeader, birth)) != birth) return "node of another birth is stored here";
  if (base::load_u32(bytes + offsetof(NodeHeader, kind)) == 0) return "node has no kind";
  return nullptr;
}

}  // namespace strata::storage
