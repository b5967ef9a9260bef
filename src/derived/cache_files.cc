#include "derived/cache_files.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "base/checksum.h"
#include "base/coding.h"

namespace strata::derived {
namespace {

constexpr uint32_t kByteOrder = 0x01020304;
constexpr std::string_view kUnfinished = ".new";
constexpr uint64_t kMostBytes = uint64_t{1} << 46;
// So much is left on the device for the log.
constexpr uint64_t kLeftFree = uint64_t{32} << 20;

}  // namespace

bool is_unfinished_cache_file(std::string_view name) { return name.ends_with(kUnfinished); }

Status useless_cache_file(const std::string& name) {
  return Status::error(Code::kCorruption, "'" + name + "' is no index of this database");
}

// ---- one file ----

Status CacheFile::read(uint64_t offset, uint64_t bytes, uint32_t wanted, char* out) const {
  STRATA_ASSIGN(const size_t got, file_->read(offset, bytes, out));
  if (got != bytes || base::checksum({out, bytes}, seed_) != wanted) return useless_cache_file(name_);
  return Status::ok();
}

Status CacheFile::read_first(char* out) const { return read(kFirstPart, first_bytes_, first_checksum_, out); }

Status CacheFile::read_second(char* out) const {
  return read(kFirstPart + first_bytes_, second_bytes_, second_checksum_, out);
}

std::string CacheFiles::encode_header(const CacheFile& file) const {
  STRATA_ASSERT(format_.magic.size() == 8);
  std::string bytes(format_.magic);
  base::put_u32(bytes, format_.number);
  uint32_t order = kByteOrder;  // as this machine writes it, as everything that follows
  bytes.append(reinterpret_cast<const char*>(&order), sizeof(order));
  base::put_u64(bytes, database_id_);
  base::put_u64(bytes, file.first_bytes_);
  base::put_u64(bytes, file.second_bytes_);
  base::put_u32(bytes, file.first_checksum_);
  base::put_u32(bytes, file.second_checksum_);
  base::put_u32(bytes, base::checksum(bytes, database_id_));
  bytes.resize(CacheFile::kFirstPart);
  return bytes;
}

Result<CacheFile> CacheFiles::open(const std::string& name) const {
  CacheFile opened;
  opened.name_ = name;
  opened.seed_ = database_id_;
  if (is_unfinished_cache_file(name)) return useless_cache_file(name);
  STRATA_ASSIGN(opened.file_, fs_.open(os::join_path(folder_, name), os::OpenMode::kRead));
  STRATA_ASSIGN(const uint64_t size, opened.file_->size());
  std::string head(CacheFile::kFirstPart, '\0');
  STRATA_ASSIGN(const size_t got, opened.file_->read(0, head.size(), head.data()));
  if (got != head.size()) return useless_cache_file(name);
  opened.first_bytes_ = base::load_u64(head.data() + 24);
  opened.second_bytes_ = base::load_u64(head.data() + 32);
  opened.first_checksum_ = base::load_u32(head.data() + 40);
  opened.second_checksum_ = base::load_u32(head.data() + 44);
  const bool fits = opened.first_bytes_ < kMostBytes && opened.second_bytes_ < kMostBytes &&
                    size == CacheFile::kFirstPart + opened.first_bytes_ + opened.second_bytes_;
  if (!fits || head != encode_header(opened)) return useless_cache_file(name);
  return opened;
}

// ---- the folder ----

std::vector<std::string> CacheFiles::names() const {
  std::vector<std::string> ours;
  const auto names = fs_.list(folder_);
  if (!names) return ours;
  for (const std::string& name : *names) {
    if (name.starts_with(format_.prefix)) ours.push_back(name);
  }
  return ours;
}

std::string CacheFiles::fresh_name() const {
  uint64_t most = 0;
  for (const std::string& name : names()) {
    uint64_t number = 0;
    std::from_chars(name.data() + format_.prefix.size(), name.data() + name.size(), number);
    most = std::max(most, number);
  }
  return std::string(format_.prefix) + std::to_string(most + 1);
}

Status CacheFiles::save(const std::string& name, std::string_view first, std::string_view second) const {
  STRATA_TRY(fs_.create_folder(folder_));
  STRATA_ASSIGN(const std::optional<uint64_t> free, fs_.free_bytes(folder_));
  if (free && *free < first.size() + second.size() + kLeftFree) {
    return Status::error(Code::kDiskFull, "there is too little space for '" + name + "'");
  }
  const std::string path = os::join_path(folder_, name);
  const std::string unfinished = path + std::string(kUnfinished);
  STRATA_ASSIGN(const bool left, fs_.exists(unfinished));
  if (left) STRATA_TRY(fs_.remove(unfinished));
  Status saved = write(unfinished, first, second);
  if (saved.is_ok()) saved = fs_.rename(unfinished, path);
  const bool renamed = saved.is_ok();
  if (renamed) saved = fs_.sync_folder(folder_);
  if (!saved) (void)fs_.remove(renamed ? path : unfinished);  // the first error is the one to tell
  return saved;
}

Status CacheFiles::write(const std::string& path, std::string_view first, std::string_view second) const {
  CacheFile header;
  header.first_bytes_ = first.size();
  header.second_bytes_ = second.size();
  header.first_checksum_ = base::checksum(first, database_id_);
  header.second_checksum_ = base::checksum(second, database_id_);
  STRATA_ASSIGN(const auto file, fs_.open(path, os::OpenMode::kCreateNew));
  STRATA_TRY(file->write(0, encode_header(header)));
  STRATA_TRY(file->write(CacheFile::kFirstPart, first));
  if (!second.empty()) STRATA_TRY(file->write(CacheFile::kFirstPart + first.size(), second));
  return file->sync();
}

Status CacheFiles::remove(const std::string& name) const { return fs_.remove(os::join_path(folder_, name)); }

}  // namespace strata::derived
