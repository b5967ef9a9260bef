// Rows of one collection as a search wants them: keys in order, what they are in the log, codes, metadata, and floats
// and a graph that come when they are needed. Shared by the snapshots of all branches that show any of the rows.
//
// A segment is one block of bytes (its image), in memory as on disk. ON DISK, little-endian: see Header; then sections,
// each aligned to 64 bytes: name | centre, float32 | ends of keys u32 | ends of metadata u64 | identities (position
// u64, timestamp u64) | factors | bounds | codes | keys | metadata.
//
// Thread safety: constant, but for floats and graph, which any thread may ask for and bring.
// Ownership: owns its image; views live as long as the segment.
#pragma once

#include <atomic>
#include <compare>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "derived/metadata_columns.h"
#include "index/bitmap.h"
#include "index/codes.h"
#include "index/hnsw_graph.h"
#include "os/file_system.h"
#include "os/large_memory.h"
#include "strata/status.h"
#include "txn/history.h"
#include "txn/patience.h"

namespace strata::derived {

// What names a row's content in a database.
struct RowIdentity {
  uint64_t position = 0;
  uint64_t timestamp = 0;
  bool operator==(const RowIdentity&) const = default;
};

// A collection, its branch aside.
struct CollectionKind {
  std::string name;  // space, NUL, collection
  uint32_t dimension = 0;
  VectorMetric metric = VectorMetric::kCosine;
  auto operator<=>(const CollectionKind&) const = default;
};

// Reads vectors out of the log. One thread, under a ReadGuard.
class VectorReader {
 public:
  // `keep_on`: what many readings ask now and then whether they are still wanted; null: they are.
  explicit VectorReader(txn::Engine& engine, const KeepOn* keep_on = nullptr) : history_(engine), patience_(keep_on) {}
  // The encoded vector; until the next call.
  Result<std::string_view> read(const RowIdentity& identity, uint32_t value_bytes);

 private:
  txn::History history_;
  txn::Patience patience_;
};

class VectorSegment {
 public:
  class Builder;

  // From what image() said, which is not believed; null where it is no segment of this kind.
  static std::shared_ptr<VectorSegment> from_image(os::LargeMemory image, size_t bytes, const CollectionKind& kind);

  // Of which kind what a file has there says that it is, nothing if it cannot be: reads no more than its beginning.
  static std::optional<CollectionKind> kind_of(os::File& file, uint64_t offset, uint64_t bytes);

  uint32_t rows() const { return header_.rows; }
  std::string_view key(uint32_t row) const;
  std::string_view metadata(uint32_t row) const;
  RowIdentity identity(uint32_t row) const { return identities_[row]; }
  // The row of a key.
  std::optional<uint32_t> find(std::string_view key) const;
  // Null: its numbers are too large for codes.
  const index::CodeTable* codes() const { return header_.coded != 0 ? &table_ : nullptr; }
  // Read from the log the first time.
  Result<const float*> floats(uint32_t row, VectorReader* reader) const;
  // Fetches into the cache what is looked at next: bounds, floats and key.
  void prefetch(uint32_t row) const;

  // The rows whose metadata a filter lets pass.
  index::Bitmap matching(const model::MetadataFilter& filter) const;

  std::shared_ptr<const index::HnswGraph> graph() const;
  void set_graph(std::shared_ptr<const index::HnswGraph> graph) const;

  std::string_view image() const { return {image_.get(), image_bytes_}; }
  size_t memory_bytes() const;

 private:
  struct Header {
    uint32_t rows = 0;
    uint32_t dimension = 0;
    uint32_t metric = 0;
    uint32_t coded = 0;
    uint32_t name_bytes = 0;
    uint32_t key_bytes = 0;
    uint64_t metadata_bytes = 0;
  };
  struct Layout;
  enum State : uint8_t { kAbsent, kComing, kThere };

  VectorSegment() = default;
  void point_into(const Layout& layout);
  bool check() const;
  Status load(uint32_t row, VectorReader* reader) const;
  float* floats_at(uint32_t row) const {
    return reinterpret_cast<float*>(floats_.get()) + size_t{row} * header_.dimension;
  }

  Header header_;
  os::LargeMemory image_;
  size_t image_bytes_ = 0;
  const uint32_t* key_ends_ = nullptr;
  const uint64_t* metadata_ends_ = nullptr;
  const RowIdentity* identities_ = nullptr;
  const char* keys_ = nullptr;
  const char* metadata_ = nullptr;
  index::CodeTable table_;
  os::LargeMemory floats_;
  std::unique_ptr<std::atomic<uint8_t>[]> states_;  // null: all floats are there
  mutable MetadataColumns columns_;
  mutable base::Mutex graph_mutex_;
  mutable std::shared_ptr<const index::HnswGraph> graph_ GUARDED_BY(graph_mutex_);
};

// Takes rows in the order of their keys.
class VectorSegment::Builder {
 public:
  // REQUIRES: at most `most_rows` come.
  Builder(const CollectionKind& kind, uint32_t most_rows);
  // An encoded vector. kCorruption.
  Status add_value(std::string_view key, const RowIdentity& identity, std::string_view value);
  void add_row(std::string_view key, const RowIdentity& identity, const float* floats, std::string_view metadata);
  uint32_t rows() const { return static_cast<uint32_t>(identities_.size()); }
  std::shared_ptr<VectorSegment> finish();

 private:
  const CollectionKind& kind_;
  os::LargeMemory floats_;
  std::string keys_;
  std::string metadata_;
  std::vector<uint32_t> key_ends_;
  std::vector<uint64_t> metadata_ends_;
  std::vector<RowIdentity> identities_;
};

}  // namespace strata::derived
