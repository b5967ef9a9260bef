// Segments of vectors as files: "vec-<number>", one each, written under another name first.
//
// ON DISK, little-endian: magic 8 bytes | format u32 | byte order mark u32 | database id u64 | bytes of the segment u64
// | words of its graph u64, 0: it has none | checksum of the segment u32 | of the graph u32 | of these 48 bytes u32 |
// zeros up to 64 bytes | segment | graph.
//
// Thread safety: any thread. Ownership: borrows the file system.
// Durability: none is promised. A file is believed when its checksums hold and the tree has the rows it speaks of.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "derived/vector_segment.h"
#include "os/file_system.h"
#include "strata/status.h"

namespace strata::derived {

constexpr std::string_view kVectorFilePrefix = "vec-";

class VectorFiles {
 public:
  VectorFiles(os::FileSystem& fs, std::string folder, uint64_t database_id)
      : fs_(fs), folder_(std::move(folder)), database_id_(database_id) {}

  struct Kept {
    std::string name;
    std::shared_ptr<const VectorSegment> segment;
  };
  // The segments of a collection. Files that are damaged or of another database are left out and named in *useless.
  std::vector<Kept> load(const CollectionKind& kind, std::vector<std::string>* useless);
  // Makes the folder; the file has this name when it is whole and on the device.
  // Nothing of it is left where that fails.
  Status save(const std::string& name, const VectorSegment& segment);
  Status remove(const std::string& name);
  // All names in the folder that are ours, finished or not; nothing where there is no folder.
  std::vector<std::string> names();
  // One that no file has.
  std::string fresh_name();

 private:
  struct Header;
  Status write(const std::string& path, const VectorSegment& segment);
  Result<Kept> load_one(const std::string& name, const CollectionKind& kind, bool* other);

  os::FileSystem& fs_;
  const std::string folder_;
  const uint64_t database_id_;
};

}  // namespace strata::derived
