// A new page file with given nodes under the ids that they have already: what a backup is made of.
//
// Thread safety: one thread. Ownership: borrows the FileSystem; owns its file.
// Durability: when finish returns OK the file is on the device under its name, whole; until then only its draft exists.
// Invariants:
//   1. Nodes lie where their ids say, so that nodes refer to each other as they did.
//   2. The meta page is written after a sync of all that it leads to.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "storage/page_format.h"

namespace strata::storage {

class PageFileBuilder {
 public:
  // Creates the draft, `path` with ".new" behind it.
  static Result<PageFileBuilder> create(os::FileSystem& fs, const std::string& path, uint64_t database_id);

  // A node as NodeStore keeps it; its checksum is set. Each id once, in any order.
  Status add(NodeId id, char* bytes);
  // Makes `blob` the head, and the draft the file.
  Status finish(std::string_view blob);
  uint64_t bytes_written() const { return bytes_written_; }

 private:
  PageFileBuilder(os::FileSystem& fs, std::string path, uint64_t database_id, std::unique_ptr<os::File> file);
  // Puts bytes into pages behind all others.
  Status append_blob(std::string_view bytes, uint64_t pages, Blob* blob);

  os::FileSystem* fs_;
  std::string path_;
  uint64_t database_id_;
  std::unique_ptr<os::File> file_;
  PageMap map_;
  uint64_t bytes_written_ = 0;
};

}  // namespace strata::storage
