// What a cache keeps on disk: files "<prefix><number>", each a header and two parts, believed when their checksums
// hold.
//
// ON DISK, little-endian: magic 8 bytes | format u32 | byte order mark u32 | database id u64 | bytes of the first part
// u64 | of the second u64 | checksum of the first u32 | of the second u32 | of these 48 bytes u32 | zeros up to 64
// bytes | first part | second part. A file is written under another name, synced and renamed.
//
// Thread safety: any thread; who saves under one name orders that. Ownership: borrows the file system.
// Durability: none is promised. Whoever reads a part checks what is in it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "os/file_system.h"
#include "strata/status.h"

namespace strata::derived {

struct CacheFormat {
  std::string_view prefix;  // of names
  std::string_view magic;   // 8 bytes
  uint32_t number = 1;      // files of another one are not believed
};

// A file whose header is sound and whose size is what that says.
class CacheFile {
 public:
  static constexpr uint64_t kFirstPart = 64;  // where it begins
  os::File& file() const { return *file_; }
  uint64_t first_bytes() const { return first_bytes_; }
  uint64_t second_bytes() const { return second_bytes_; }
  // Room for all bytes of the part. Errors: kCorruption where its checksum does not hold, I/O.
  Status read_first(char* out) const;
  Status read_second(char* out) const;

 private:
  friend class CacheFiles;
  Status read(uint64_t offset, uint64_t bytes, uint32_t wanted, char* out) const;

  std::unique_ptr<os::File> file_;
  std::string name_;
  uint64_t seed_ = 0;
  uint64_t first_bytes_ = 0;
  uint64_t second_bytes_ = 0;
  uint32_t first_checksum_ = 0;
  uint32_t second_checksum_ = 0;
};

class CacheFiles {
 public:
  CacheFiles(os::FileSystem& fs, std::string folder, uint64_t database_id, const CacheFormat& format)
      : fs_(fs), folder_(std::move(folder)), database_id_(database_id), format_(format) {}

  // All names in the folder that are ours, finished or not; nothing where there is no folder.
  std::vector<std::string> names() const;
  // One that no file has.
  std::string fresh_name() const;
  // Errors: kCorruption (unfinished, damaged, of another format, database or machine), I/O.
  Result<CacheFile> open(const std::string& name) const;
  // Makes the folder; the file has this name when it is whole and on the device. Nothing of it is left where that
  // fails. Errors: kDiskFull (little would be left for what cannot be made again), I/O.
  Status save(const std::string& name, std::string_view first, std::string_view second) const;
  Status remove(const std::string& name) const;

 private:
  std::string encode_header(const CacheFile& file) const;
  Status write(const std::string& path, std::string_view first, std::string_view second) const;

  os::FileSystem& fs_;
  const std::string folder_;
  const uint64_t database_id_;
  const CacheFormat format_;
};

// One that is being written, or whose writing was cut off.
bool is_unfinished_cache_file(std::string_view name);
// What is no file of a cache: kCorruption.
Status useless_cache_file(const std::string& name);

}  // namespace strata::derived
