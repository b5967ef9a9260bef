// Segments of vectors as files: "vec-<number>", one each; the first part is the segment, the second its graph, nothing
// where it has none (cache_files.h).
//
// Thread safety: any thread. Ownership: borrows the file system.
// Durability: none is promised. A file is believed when its checksums hold and the tree has the rows it speaks of.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "derived/cache_files.h"
#include "derived/vector_segment.h"
#include "os/file_system.h"
#include "strata/status.h"

namespace strata::derived {

constexpr std::string_view kVectorFilePrefix = "vec-";

class VectorFiles {
 public:
  VectorFiles(os::FileSystem& fs, std::string folder, uint64_t database_id);

  struct Kept {
    std::string name;
    std::shared_ptr<const VectorSegment> segment;
  };
  // The segments of a collection. Files that are damaged or of another database are left out and named in *useless.
  std::vector<Kept> load(const CollectionKind& kind, std::vector<std::string>* useless);
  // Makes the folder; the file has this name when it is whole and on the device.
  // Nothing of it is left where that fails.
  Status save(const std::string& name, const VectorSegment& segment);
  Status remove(const std::string& name) { return files_.remove(name); }
  // Of which collection a file says that it is; nothing where it is useless or cannot be read.
  std::optional<CollectionKind> kind_of(const std::string& name) const;
  // All names in the folder that are ours, finished or not; nothing where there is no folder.
  std::vector<std::string> names() { return files_.names(); }
  // One that no file has.
  std::string fresh_name() { return files_.fresh_name(); }

 private:
  Result<Kept> load_one(const std::string& name, const CollectionKind& kind, bool* other);

  const CacheFiles files_;
};

}  // namespace strata::derived
