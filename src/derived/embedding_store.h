// Vectors of texts, as one embedder made them: by the text's name, for all branches and all of history.
//
// On disk they are one file that grows, "embeddings" in the folder of indexes; in a database in memory, or one that is
// only read, they stay in memory.
//
// ON DISK, little-endian: magic 8 bytes | format u32 | byte order mark u32 | database id u64 | dimension u32 | bytes of
// the probe u32 | checksum of the probe u32 | checksum of these 36 bytes u32 | zeros up to 64 bytes | probe | rows.
// The probe is the text of the first row. A row: name 16 bytes | components, float32 each | checksum of both u32.
//
// Thread safety: any thread. Ownership: borrows the file system.
// Durability: none is promised. The first row that does not fit ends the file; what is lost is embedded again.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "derived/embedding_text.h"
#include "os/file_system.h"
#include "strata/status.h"

namespace strata::derived {

constexpr std::string_view kEmbeddingFile = "embeddings";

class EmbeddingStore {
 public:
  struct Place {
    os::FileSystem* fs = nullptr;  // null: in memory
    std::string folder;
    bool read_only = false;
  };
  // Reads what is there.
  EmbeddingStore(Place place, uint64_t database_id);

  // The first text that got a vector, and that vector: by which an embedder can be known again. Nothing: it is empty.
  struct Probe {
    std::string text;
    std::vector<float> vector;
  };
  std::optional<Probe> probe() const;
  // 0: it is empty.
  uint32_t dimension() const;
  bool has(const TextName& name) const;
  // False: it is not there.
  bool read(const TextName& name, std::vector<float>* vector) const;
  // False: it is of another dimension than those before it. REQUIRES: it is not empty.
  bool add(std::string_view text, std::span<const float> vector);
  // Forgets all, the file too.
  void clear();
  uint64_t memory_bytes() const;
  // What was added is on the device as far as it can be; nothing is written behind it.
  void close();

 private:
  struct Header;
  struct Row {
    bool in_file = false;
    uint64_t at = 0;  // offset of the components in the file; of the first one in memory
  };

  std::string path() const { return os::join_path(place_.folder, kEmbeddingFile); }
  size_t row_bytes() const REQUIRES_LOCK(mutex_);
  Result<bool> load() REQUIRES_LOCK(mutex_);
  Status load_rows() REQUIRES_LOCK(mutex_);
  Status create(std::string_view text) REQUIRES_LOCK(mutex_);
  bool read_row(const Row& row, std::vector<float>* vector) const REQUIRES_LOCK(mutex_);
  void forget() REQUIRES_LOCK(mutex_);

  const Place place_;
  const uint64_t database_id_;
  mutable base::Mutex mutex_;
  bool writes_ GUARDED_BY(mutex_);  // new rows go to the file
  std::unique_ptr<os::File> file_ GUARDED_BY(mutex_);
  uint64_t file_end_ GUARDED_BY(mutex_) = 0;
  uint32_t dimension_ GUARDED_BY(mutex_) = 0;
  std::string probe_ GUARDED_BY(mutex_);
  std::vector<float> memory_ GUARDED_BY(mutex_);
  std::unordered_map<TextName, Row, TextName::Hash> rows_ GUARDED_BY(mutex_);
};

}  // namespace strata::derived
