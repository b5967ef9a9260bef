// Segments of text as files, "text-<number>", and which of them are in memory. The first part of a file says by what
// rules words were made and of which space it is, the second is the segment (cache_files.h).
//
// Thread safety: any thread. Ownership: borrows the file system; knows segments by weak pointers.
// Durability: none is promised. A file is believed when its checksums hold, and then only for documents that the tree
//   has in that version.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "derived/cache_files.h"
#include "index/text_segment.h"

namespace strata::derived {

constexpr std::string_view kTextFilePrefix = "text-";

class TextFiles {
 public:
  TextFiles(os::FileSystem& fs, std::string folder, uint64_t database_id, bool read_only);

  bool read_only() const { return read_only_; }
  // Whether files have segments of the space that memory does not.
  bool has_spare(std::string_view space);
  // Those segments. What is damaged or made by other rules is removed.
  std::vector<index::SegmentPtr> spare(std::string_view space);

  struct Wanted {
    std::string_view space;
    index::SegmentPtr segment;
  };
  // Whether anything that is wanted and has at least so many bytes has no file yet.
  bool lacks(const std::vector<Wanted>& wanted, uint64_t least_bytes);
  // Files for all that is wanted and has at least so many bytes. Removed are files of what was wanted before, and of
  // spaces of which `is_known` says that nobody wants anything else. False: not all could be written.
  bool keep(const std::vector<Wanted>& wanted, uint64_t least_bytes,
            const std::function<bool(std::string_view)>& is_known);
  // Nothing is in memory any more, but may be wanted again.
  void forget();

 private:
  struct Entry {
    std::string space;
    std::weak_ptr<const index::TextSegment> segment;  // none: not in memory
    bool wanted = false;                              // by the last keep that knew it
  };
  void list() REQUIRES_LOCK(mutex_);
  std::set<const index::TextSegment*> in_memory() const REQUIRES_LOCK(mutex_);
  Result<std::string> read_space(const CacheFile& file) const;
  Result<index::SegmentPtr> read_segment(const std::string& name) const;
  void drop(const std::string& name) const;

  const CacheFiles files_;
  const bool read_only_;
  base::Mutex mutex_;
  bool listed_ GUARDED_BY(mutex_) = false;
  std::map<std::string, Entry> entries_ GUARDED_BY(mutex_);  // by name
};

}  // namespace strata::derived
