#include "derived/text_files.h"

#include <algorithm>
#include <utility>

#include "index/words.h"

namespace strata::derived {
namespace {

constexpr CacheFormat kFormat{kTextFilePrefix, "STRATATS", 1};
// Of a description: far more than a space's name and the rules take.
constexpr uint64_t kMostDescriptionBytes = 4096;

// What the first part begins with; the space follows.
std::string rules() {
  std::string bytes(index::word_rules());
  bytes.push_back('\0');
  return bytes;
}

}  // namespace

TextFiles::TextFiles(os::FileSystem& fs, std::string folder, uint64_t database_id, bool read_only)
    : files_(fs, std::move(folder), database_id, kFormat), read_only_(read_only) {}

// A file that cannot be removed is in nobody's way: it is not believed.
void TextFiles::drop(const std::string& name) const {
  if (!read_only_) (void)files_.remove(name);
}

// ---- reading ----

Result<std::string> TextFiles::read_space(const CacheFile& file) const {
  const Status other = Status::error(Code::kCorruption, "a segment that other rules made");
  if (file.first_bytes() > kMostDescriptionBytes) return other;
  std::string description(file.first_bytes(), '\0');
  STRATA_TRY(file.read_first(description.data()));
  const std::string expected = rules();
  if (!description.starts_with(expected)) return other;
  return description.substr(expected.size());
}

void TextFiles::list() {
  if (std::exchange(listed_, true)) return;
  for (const std::string& name : files_.names()) {
    const auto file = files_.open(name);
    auto space = file ? read_space(*file) : Result<std::string>(file.status());
    if (space) {
      entries_[name].space = std::move(*space);
    } else {
      drop(name);
    }
  }
}

Result<index::SegmentPtr> TextFiles::read_segment(const std::string& name) const {
  STRATA_ASSIGN(const CacheFile file, files_.open(name));
  std::string bytes(file.second_bytes(), '\0');
  STRATA_TRY(file.read_second(bytes.data()));
  index::SegmentPtr segment = index::TextSegment::parse(std::move(bytes));
  if (segment == nullptr) return useless_cache_file(name);
  return segment;
}

bool TextFiles::has_spare(std::string_view space) {
  const base::MutexLock lock(mutex_);
  list();
  for (const auto& [name, entry] : entries_) {
    if (entry.space == space && entry.segment.expired()) return true;
  }
  return false;
}

std::vector<index::SegmentPtr> TextFiles::spare(std::string_view space) {
  std::vector<index::SegmentPtr> segments;
  const base::MutexLock lock(mutex_);
  list();
  for (auto at = entries_.begin(); at != entries_.end();) {
    Entry& entry = at->second;
    if (entry.space != space || !entry.segment.expired()) {
      ++at;
      continue;
    }
    auto segment = read_segment(at->first);
    if (segment) {
      entry.segment = *segment;
      segments.push_back(std::move(*segment));
      ++at;
    } else {
      drop(at->first);
      at = entries_.erase(at);
    }
  }
  return segments;
}

// ---- writing ----

// The segments of files that are in memory, and null.
std::set<const index::TextSegment*> TextFiles::in_memory() const {
  std::set<const index::TextSegment*> segments;
  for (const auto& [name, entry] : entries_) segments.insert(entry.segment.lock().get());
  return segments;
}

bool TextFiles::lacks(const std::vector<Wanted>& wanted, uint64_t least_bytes) {
  const base::MutexLock lock(mutex_);
  const std::set<const index::TextSegment*> kept = in_memory();
  return std::any_of(wanted.begin(), wanted.end(), [&](const Wanted& one) {
    return one.segment->bytes().size() >= least_bytes && !kept.contains(one.segment.get());
  });
}

bool TextFiles::keep(const std::vector<Wanted>& wanted, uint64_t least_bytes,
                     const std::function<bool(std::string_view)>& is_known) {
  if (read_only_) return true;
  const base::MutexLock lock(mutex_);
  list();
  std::set<const index::TextSegment*> all;
  for (const Wanted& one : wanted) all.insert(one.segment.get());
  std::set<const index::TextSegment*> kept = in_memory();
  bool saved = true;
  for (const Wanted& one : wanted) {
    const std::string_view bytes = one.segment->bytes();
    if (bytes.size() < least_bytes || !kept.insert(one.segment.get()).second) continue;
    const std::string name = files_.fresh_name();
    saved = files_.save(name, rules().append(one.space), bytes).is_ok();
    if (!saved) break;
    entries_[name] = {std::string(one.space), one.segment, true};
  }
  // Behind that, so that what was merged is always there in one form or the other.
  for (auto at = entries_.begin(); at != entries_.end();) {
    Entry& entry = at->second;
    const bool before = std::exchange(entry.wanted, all.contains(entry.segment.lock().get()));
    const bool useless = !entry.wanted && (before || is_known(entry.space));
    if (useless) drop(at->first);
    at = useless ? entries_.erase(at) : std::next(at);
  }
  return saved;
}

void TextFiles::forget() {
  const base::MutexLock lock(mutex_);
  for (auto& [name, entry] : entries_) {
    entry.segment.reset();
    entry.wanted = false;
  }
}

}  // namespace strata::derived
