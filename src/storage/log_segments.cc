#include "storage/log_segments.h"

#include <algorithm>

#include "base/check.h"

namespace strata::storage {
namespace {

constexpr size_t kMaxOpenFiles = 64;

}  // namespace

void LogSegments::add(const SegmentInfo& info, std::shared_ptr<os::File> file) {
  base::MutexLock lock(mutex_);
  STRATA_ASSERT(entries_.empty() || entries_.back().info.header.number < info.header.number);
  if (file != nullptr) ++open_files_;
  entries_.push_back({info, std::move(file), ++uses_});
}

void LogSegments::seal(uint32_t number, uint64_t data_end, uint64_t file_bytes) {
  base::MutexLock lock(mutex_);
  STRATA_CHECK(!entries_.empty() && entries_.back().info.header.number == number);
  entries_.back().info.data_end = data_end;
  entries_.back().info.file_bytes = file_bytes;
}

void LogSegments::set_file_bytes(uint32_t number, uint64_t file_bytes) {
  base::MutexLock lock(mutex_);
  for (Entry& entry : entries_) {
    if (entry.info.header.number == number) entry.info.file_bytes = file_bytes;
  }
}

void LogSegments::remove(uint32_t number) {
  base::MutexLock lock(mutex_);
  const auto of_number = [number](const Entry& entry) { return entry.info.header.number == number; };
  const auto found = std::find_if(entries_.begin(), entries_.end(), of_number);
  if (found == entries_.end()) return;
  if (found->file != nullptr) --open_files_;
  entries_.erase(found);
}

Result<SegmentView> LogSegments::open(uint32_t number) const {
  base::MutexLock lock(mutex_);
  const Entry* entry = find(number);
  if (entry == nullptr) return Status::corruption(path(number), 0, "this part of the log is gone");
  if (entry->file == nullptr) {
    if (open_files_ >= kMaxOpenFiles) close_oldest();
    STRATA_ASSIGN(entry->file, fs_->open(path(number), os::OpenMode::kRead));
    ++open_files_;
  }
  entry->used = ++uses_;
  return SegmentView{entry->file, entry->info.header, entry->info.data_end};
}

std::vector<SegmentInfo> LogSegments::list() const {
  base::MutexLock lock(mutex_);
  std::vector<SegmentInfo> infos;
  infos.reserve(entries_.size());
  for (const Entry& entry : entries_) infos.push_back(entry.info);
  return infos;
}

uint64_t LogSegments::file_bytes() const {
  base::MutexLock lock(mutex_);
  uint64_t sum = 0;
  for (const Entry& entry : entries_) sum += entry.info.file_bytes;
  return sum;
}

const LogSegments::Entry* LogSegments::find(uint32_t number) const {
  const auto below = [](const Entry& entry, uint32_t wanted) { return entry.info.header.number < wanted; };
  const auto found = std::lower_bound(entries_.begin(), entries_.end(), number, below);
  return found != entries_.end() && found->info.header.number == number ? &*found : nullptr;
}

void LogSegments::close_oldest() const {
  const Entry* oldest = nullptr;
  for (const Entry& entry : entries_) {
    // The segment being written is always in use.
    const bool closable = entry.file != nullptr && entry.info.data_end != kStillWritten;
    if (closable && (oldest == nullptr || entry.used < oldest->used)) oldest = &entry;
  }
  if (oldest == nullptr) return;
  oldest->file.reset();
  --open_files_;
}

}  // namespace strata::storage
