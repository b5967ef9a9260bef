#include "derived/embedding_store.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/checksum.h"
#include "base/coding.h"
#include "strata/vector_metric.h"

namespace strata::derived {
namespace {

constexpr std::string_view kMagic = "STRATAEM";
constexpr uint32_t kFormat = 1;
constexpr uint32_t kByteOrder = 0x01020304;
constexpr size_t kHeaderBytes = 64;
constexpr size_t kNameBytes = sizeof(TextName::bytes);
constexpr size_t kReadAtOnce = size_t{1} << 20;

std::string_view bytes_of(std::span<const float> vector) {
  return {reinterpret_cast<const char*>(vector.data()), vector.size_bytes()};
}

// Fewer at the end of the file.
Result<std::string> read_some(os::File& file, uint64_t at, size_t bytes) {
  std::string read(bytes, '\0');
  STRATA_ASSIGN(const size_t got, file.read(at, bytes, read.data()));
  read.resize(got);
  return read;
}

}  // namespace

struct EmbeddingStore::Header {
  uint32_t dimension = 0;
  uint32_t probe_bytes = 0;
  uint32_t probe_checksum = 0;

  std::string encode(uint64_t database_id) const {
    std::string bytes(kMagic);
    base::put_u32(bytes, kFormat);
    const uint32_t order = kByteOrder;  // as this machine writes it, as the components that follow
    bytes.append(reinterpret_cast<const char*>(&order), sizeof(order));
    base::put_u64(bytes, database_id);
    for (const uint32_t number : {dimension, probe_bytes, probe_checksum}) base::put_u32(bytes, number);
    base::put_u32(bytes, base::checksum(bytes, database_id));
    bytes.resize(kHeaderBytes);
    return bytes;
  }
  // False: not what encode made for this database on such a machine.
  bool decode(std::string_view bytes, uint64_t database_id) {
    if (bytes.size() != kHeaderBytes) return false;
    dimension = base::load_u32(bytes.data() + 24);
    probe_bytes = base::load_u32(bytes.data() + 28);
    probe_checksum = base::load_u32(bytes.data() + 32);
    return bytes == encode(database_id) && dimension >= 1 && dimension <= kMaxVectorDimension &&
           probe_bytes <= kMostEmbeddedBytes;
  }
};

EmbeddingStore::EmbeddingStore(Place place, uint64_t database_id)
    : place_(std::move(place)), database_id_(database_id), writes_(place_.fs != nullptr && !place_.read_only) {
  const base::MutexLock lock(mutex_);
  if (place_.fs == nullptr) return;
  const auto loaded = load();
  if (!loaded) writes_ = false;  // it may be whole, and readable another time
  if (!loaded || !*loaded) forget();
}

size_t EmbeddingStore::row_bytes() const { return kNameBytes + size_t{dimension_} * sizeof(float) + sizeof(uint32_t); }

// ---- the file ----

// False: there is none, or it is no use.
Result<bool> EmbeddingStore::load() {
  STRATA_ASSIGN(const bool exists, place_.fs->exists(path()));
  if (!exists) return false;
  STRATA_ASSIGN(file_, place_.fs->open(path(), writes_ ? os::OpenMode::kReadWrite : os::OpenMode::kRead));
  STRATA_ASSIGN(const std::string head, read_some(*file_, 0, kHeaderBytes));
  Header header;
  if (!header.decode(head, database_id_)) return false;
  STRATA_ASSIGN(probe_, read_some(*file_, kHeaderBytes, header.probe_bytes));
  if (probe_.size() != header.probe_bytes || base::checksum(probe_, database_id_) != header.probe_checksum)
    return false;
  dimension_ = header.dimension;
  file_end_ = kHeaderBytes + header.probe_bytes;
  STRATA_TRY(load_rows());
  return rows_.contains(name_text(probe_));
}

Status EmbeddingStore::load_rows() {
  const size_t bytes = row_bytes();
  const size_t at_once = std::max<size_t>(1, kReadAtOnce / bytes) * bytes;
  while (true) {
    STRATA_ASSIGN(const std::string read, read_some(*file_, file_end_, at_once));
    for (size_t at = 0; at + bytes <= read.size(); at += bytes) {
      const std::string_view row = std::string_view(read).substr(at, bytes - sizeof(uint32_t));
      if (base::load_u32(row.data() + row.size()) != base::checksum(row, database_id_)) return Status::ok();
      TextName name;
      std::memcpy(name.bytes.data(), row.data(), kNameBytes);
      rows_[name] = {true, file_end_ + kNameBytes};
      file_end_ += bytes;
    }
    if (read.size() < at_once) return Status::ok();
  }
}

// Anew, under another name until it has its header.
Status EmbeddingStore::create(std::string_view text) {
  STRATA_TRY(place_.fs->create_folder(place_.folder));
  const std::string unfinished = path() + ".new";
  STRATA_ASSIGN(const bool left, place_.fs->exists(unfinished));
  if (left) STRATA_TRY(place_.fs->remove(unfinished));
  STRATA_ASSIGN(file_, place_.fs->open(unfinished, os::OpenMode::kCreateNew));
  Header header;
  header.dimension = dimension_;
  header.probe_bytes = static_cast<uint32_t>(text.size());
  header.probe_checksum = base::checksum(text, database_id_);
  STRATA_TRY(file_->write(0, header.encode(database_id_) + std::string(text)));
  file_end_ = kHeaderBytes + text.size();
  return place_.fs->rename(unfinished, path());
}

void EmbeddingStore::forget() {
  file_.reset();
  file_end_ = 0;
  dimension_ = 0;
  probe_.clear();
  memory_.clear();
  rows_.clear();
}

void EmbeddingStore::clear() {
  const base::MutexLock lock(mutex_);
  const bool had_file = file_ != nullptr;
  forget();
  if (had_file && writes_) (void)place_.fs->remove(path());  // what is left is replaced, or known to be another's
}

void EmbeddingStore::close() {
  const base::MutexLock lock(mutex_);
  if (file_ != nullptr && writes_) (void)file_->sync();
  writes_ = false;
}

// ---- vectors ----

std::optional<EmbeddingStore::Probe> EmbeddingStore::probe() const {
  const base::MutexLock lock(mutex_);
  const auto row = rows_.find(name_text(probe_));
  Probe probe;
  if (dimension_ == 0 || row == rows_.end() || !read_row(row->second, &probe.vector)) return std::nullopt;
  probe.text = probe_;
  return probe;
}

uint32_t EmbeddingStore::dimension() const {
  const base::MutexLock lock(mutex_);
  return dimension_;
}

bool EmbeddingStore::has(const TextName& name) const {
  const base::MutexLock lock(mutex_);
  return rows_.contains(name);
}

bool EmbeddingStore::read(const TextName& name, std::vector<float>* vector) const {
  const base::MutexLock lock(mutex_);
  const auto row = rows_.find(name);
  return row != rows_.end() && read_row(row->second, vector);
}

bool EmbeddingStore::read_row(const Row& row, std::vector<float>* vector) const {
  vector->resize(dimension_);
  if (!row.in_file) {
    std::copy_n(memory_.begin() + static_cast<std::ptrdiff_t>(row.at), dimension_, vector->begin());
    return true;
  }
  // As it was when the file was read, or written.
  const auto found = read_some(*file_, row.at - kNameBytes, row_bytes());
  if (!found || found->size() != row_bytes()) return false;
  const std::string& read = *found;
  const std::string_view checked = std::string_view(read).substr(0, row_bytes() - sizeof(uint32_t));
  if (base::load_u32(read.data() + checked.size()) != base::checksum(checked, database_id_)) {
    return false;
  }
  std::memcpy(vector->data(), read.data() + kNameBytes, vector->size() * sizeof(float));
  return true;
}

bool EmbeddingStore::add(std::string_view text, std::span<const float> vector) {
  const TextName name = name_text(text);
  const base::MutexLock lock(mutex_);
  if (dimension_ == 0) {
    dimension_ = static_cast<uint32_t>(vector.size());
    probe_ = text;
    if (writes_ && !create(text)) writes_ = false;  // a database without this file is as good, and slower
  }
  if (vector.size() != dimension_) return false;
  if (writes_) {
    std::string row(name.bytes.data(), name.bytes.size());
    row.append(bytes_of(vector));
    base::put_u32(row, base::checksum(row, database_id_));
    if (file_->write(file_end_, row)) {
      rows_[name] = {true, file_end_ + kNameBytes};
      file_end_ += row.size();
      return true;
    }
    writes_ = false;
  }
  rows_[name] = {false, memory_.size()};
  memory_.insert(memory_.end(), vector.begin(), vector.end());
  return true;
}

uint64_t EmbeddingStore::memory_bytes() const {
  constexpr size_t kEntryBytes = sizeof(TextName) + sizeof(Row) + 2 * sizeof(void*);
  const base::MutexLock lock(mutex_);
  return memory_.size() * sizeof(float) + rows_.size() * kEntryBytes;
}

}  // namespace strata::derived
