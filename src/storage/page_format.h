// The bytes of the page file: meta pages, page map, node headers. docs/file_format.md describes every one.
//
// Thread safety: pure functions and values.
// Ownership: values.
// Durability: none here; page_file.h orders the writes.
// Invariants:
//   1. Decoding believes nothing: a page map cannot name pages behind the end of the file, and what it makes the
//      reader allocate is bounded by the size of the file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/node_store.h"
#include "storage/page_bitmap.h"
#include "strata/status.h"

namespace strata::storage {

// ON DISK: never renumber.
constexpr std::string_view kPageFileMagic = "STRATAPG";
constexpr uint32_t kPageFileVersion = 1;
constexpr uint32_t kByteOrderMark = 0x01020304;
constexpr uint64_t kMetaPages = 2;
constexpr uint32_t kMetaChecksumOffset = kPageBytes - 4;
static_assert(kPageFileMagic.size() == 8 && kPageFileVersion == 1 && kPageBytes == 4096);

constexpr uint64_t pages_for(uint64_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes; }

// A byte string in pages of its own, checked by the meta page that refers to it.
struct Blob {
  uint64_t page = 0;  // 0 when there are no bytes
  uint64_t bytes = 0;
  uint32_t pages = 0;  // may be more than the bytes fill
  uint32_t checksum = 0;
  Extent extent() const { return {page, pages}; }
};

struct MetaPage {
  uint64_t database_id = 0;
  uint64_t sequence = 0;    // lives in page sequence % 2
  uint64_t page_count = 0;  // pages that this head needs the file to have
  Blob map;                 // which pages are in use
  Blob head;                // the caller's
};

enum class MetaState : uint8_t {
  kValid,
  kBlank,    // zeros, or behind the end of the file
  kForeign,  // no magic
  kDamaged,
  kTooNew,
};

// One page of bytes.
std::string encode_meta(const MetaPage& meta);
// `page`: kPageBytes bytes. *meta is filled when kValid.
MetaState decode_meta(std::string_view page, MetaPage* meta);

// Which pages a head uses (`used`), and which only the head before it does (`kept`); all others are free.
struct PageMap {
  PageBitmap used;
  PageBitmap kept;
};

// REQUIRES: no page is in both.
std::string encode_page_map(const PageMap& map);
// Empty result: the bytes are damaged; *bad is then the offset in them.
bool decode_page_map(std::string_view bytes, uint64_t file_pages, PageMap* map, size_t* bad);

// The checksum of a meta page's blob.
uint32_t blob_checksum(std::string_view bytes, const MetaPage& meta);

// Sets id and checksum of a node's bytes.
void seal_node(NodeId id, uint64_t database_id, char* bytes);
// What is wrong with the node that was read for (id, birth); nullptr when nothing is.
const char* check_node(NodeId id, uint64_t birth, uint64_t database_id, const char* bytes);

}  // namespace strata::storage
