// The seam under the tree: read a node by its id; commit a batch of nodes, released ids and a head blob atomically.
// Bytes only: no idea of trees or branches. Implemented by the page file (disk) and by the memory store.
//
// Thread safety: allocate, release and commit are serialized by the caller except where said; read may run in any
//   thread beside them.
// Ownership: implementations own their files and borrow the FileSystem.
// Durability: when commit returns OK its nodes, its frees and its head are on the device, all or none of them.
// Invariants:
//   1. An id that a committed head may still reach is never given out: an id released before commit n that some
//      committed node image occupied is given out again after commit n+1 at the earliest, so that the heads of the
//      last two commits can always be opened. An id that was never committed is free at once.
//   2. A node on disk carries a checksum seeded with the database id, its own id and its birth stamp; all are checked
//      on read.
//   3. After a failed commit the store takes no further commits; the previous head stays readable.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "os/file_system.h"
#include "strata/status.h"

namespace strata::storage {

constexpr uint32_t kPageBytes = 4096;
constexpr std::string_view kPageFileName = "pages.strata";

// Number of the first page << 16 | number of pages (1 to 65,535). 0 is "none": page 0 is a meta page.
using NodeId = uint64_t;
constexpr uint64_t page_of(NodeId id) { return id >> 16; }
constexpr uint32_t pages_of(NodeId id) { return static_cast<uint32_t>(id & 0xffff); }
constexpr uint32_t bytes_of(NodeId id) { return pages_of(id) * kPageBytes; }
constexpr NodeId make_node_id(uint64_t page, uint32_t pages) { return page << 16 | pages; }

// Every node begins with this header; the store fills and checks it, the tree's own bytes follow it.
// ON DISK: never reorder.
struct NodeHeader {
  uint32_t checksum;  // over everything behind it in the node, seeded with the database id
  uint32_t kind;      // the tree's; 0 is invalid
  uint64_t id;        // its own NodeId
  uint64_t birth;     // the commit number under which it was born
};
static_assert(sizeof(NodeHeader) == 24);

struct NodeImage {
  NodeId id = 0;
  const char* bytes = nullptr;  // bytes_of(id) of them, header included (checksum field ignored); alive during commit
};

// What the caller stores with each commit, and gets back at opening.
struct StoreHead {
  uint64_t sequence = 0;  // 1, 2, 3… number of the commit that wrote it; 0: a new store
  std::string blob;       // the caller's: catalogue, roots, log cut
};

class NodeStore {
 public:
  virtual ~NodeStore() = default;

  // An unused id of that many pages. Cheap for one page. Never fails for lack of disk space (nothing is written).
  virtual NodeId allocate(uint32_t pages) = 0;
  // The node is reachable no more. `committed`: an image of it was part of a successful commit.
  virtual void release(NodeId id, bool committed) = 0;
  // Allocated one-page and other ids live below this page number: bounds a table indexed by page.
  virtual uint64_t page_limit() const = 0;

  // Reads a committed node into out (bytes_of(id)), checks checksum, id and birth. kCorruption names file and offset.
  virtual Status read(NodeId id, uint64_t birth, char* out) const = 0;
  // Hints that these nodes will be read soon. May do nothing.
  virtual void prefetch(std::span<const NodeId> ids) const { (void)ids; }

  // Writes the images and everything released so far, then makes `blob` the head, durably and atomically.
  // Allocate and release may run in another thread while it writes; what they do belongs to the next commit.
  virtual Status commit(std::span<const NodeImage> images, std::string_view blob) = 0;
  // The newest valid head, and the one before it when that is valid too (recovery keeps the log back to its cut).
  virtual const StoreHead& head() const = 0;
  // Both stay as they are until the next commit. After the first commit the previous head is the new store itself:
  // sequence 0, no blob.
  virtual const StoreHead* previous_head() const = 0;

  // The id under which the file was created; 0 in memory.
  virtual uint64_t database_id() const { return 0; }
  // Pages of the nodes given out (or found in use at opening) and not released since; pages in the file (in memory:
  // that were ever given out); bytes on disk (0 in memory). Any thread.
  virtual uint64_t used_pages() const = 0;
  virtual uint64_t total_pages() const = 0;
  virtual uint64_t disk_bytes() const = 0;
  // Gives free pages at the end of the file back to the file system, as far as both heads allow.
  virtual Status trim() = 0;
  // Replaces the set of free pages: everything that `reachable` (sorted by page, ids of nodes) does not name and that
  // no committed head keeps becomes free. What a mark over all roots and pins found. REQUIRES: no commit in flight.
  virtual void keep_only(std::span<const NodeId> reachable) = 0;
};

struct PageFileOptions {
  os::FileSystem* fs = nullptr;
  std::string path;
  uint64_t database_id = 0;  // 0: that of the existing file
  bool read_only = false;    // nothing is written; ids can still be allocated and released
};

// Opens or (unless read_only) creates the page file. A missing file when read_only: kCorruption.
// Errors: kCorruption (both meta pages bad, or another database's id), kFormatTooNew, kNotADatabase, kInvalidArgument
// (a new file without an id), I/O.
Result<std::unique_ptr<NodeStore>> open_page_file(const PageFileOptions& options);

// Ids and heads in memory; nodes are never read back (the cache above keeps them all): read is a programming error.
std::unique_ptr<NodeStore> make_memory_node_store();

}  // namespace strata::storage
