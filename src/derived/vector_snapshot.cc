#include "derived/vector_snapshot.h"

#include <algorithm>

namespace strata::derived {
namespace {

// Parts up to this many rows are merged by who searches; larger ones in the background.
constexpr uint64_t kMergedAtOnce = 4096;

// Bitmaps of a snapshot that is being changed: copied when a row of their part dies.
class LiveRows {
 public:
  explicit LiveRows(std::vector<VectorPart>* parts) : parts_(*parts), changed_(parts->size()) {}

  bool test(size_t part, uint32_t row) const {
    return changed_[part] != nullptr ? changed_[part]->test(row) : parts_[part].is_live(row);
  }
  void kill(size_t part, uint32_t row) {
    if (changed_[part] == nullptr) {
      const VectorPart& before = parts_[part];
      changed_[part] = before.live != nullptr ? std::make_shared<index::Bitmap>(*before.live)
                                              : std::make_shared<index::Bitmap>(before.segment->rows(), true);
    }
    changed_[part]->clear(row);
    --parts_[part].live_rows;
  }
  // Puts them into the parts, and drops parts without rows.
  void finish() {
    for (size_t i = 0; i < changed_.size(); ++i) {
      if (changed_[i] != nullptr) parts_[i].live = std::move(changed_[i]);
    }
    std::erase_if(parts_, [](const VectorPart& part) { return part.live_rows == 0; });
  }

 private:
  std::vector<VectorPart>& parts_;
  std::vector<std::shared_ptr<index::Bitmap>> changed_;
};

VectorPart whole(std::shared_ptr<const VectorSegment> segment) {
  VectorPart part;
  part.live_rows = segment->rows();
  part.segment = std::move(segment);
  return part;
}

// As a binary counter carries: what is merged has at least doubled, so a row is merged few times.
Status merge_small_parts(const CollectionKind& kind, std::vector<VectorPart>* parts, VectorReader* reader) {
  size_t first = parts->size();
  uint64_t rows = 0;
  while (first > 0) {
    const uint64_t more = (*parts)[first - 1].live_rows;
    const bool taken = rows == 0 || (more <= 2 * rows && rows + more <= kMergedAtOnce);
    if (!taken) break;
    rows += more;
    --first;
  }
  if (parts->size() - first < 2) return Status::ok();
  const std::vector<VectorPart> merged(parts->begin() + static_cast<std::ptrdiff_t>(first), parts->end());
  STRATA_ASSIGN(auto segment, merge_parts(kind, merged, reader));
  parts->resize(first);
  parts->push_back(whole(std::move(segment)));
  return Status::ok();
}

}  // namespace

uint64_t VectorSnapshot::rows() const {
  uint64_t rows = 0;
  for (const VectorPart& part : parts) rows += part.live_rows;
  return rows;
}

size_t VectorSnapshot::memory_bytes() const {
  size_t bytes = 0;
  for (const VectorPart& part : parts) {
    bytes += part.segment->memory_bytes() + (part.live != nullptr ? part.live->memory_bytes() : 0);
  }
  return bytes;
}

Result<std::shared_ptr<const VectorSnapshot>> apply_changes(const CollectionKind& kind, const VectorSnapshot& before,
                                                            const std::vector<VectorChange>& changes,
                                                            VectorReader* reader) {
  auto after = std::make_shared<VectorSnapshot>(before);
  LiveRows live(&after->parts);
  std::vector<const VectorChange*> added;
  for (const VectorChange& change : changes) {
    bool same = false;
    for (size_t i = after->parts.size(); i-- > 0;) {
      const VectorSegment& segment = *after->parts[i].segment;
      const auto row = segment.find(change.key);
      if (!row || !live.test(i, *row)) continue;
      // Rows can differ in what is of no interest here.
      same = change.present && change.identity.position != 0 && segment.identity(*row) == change.identity;
      if (!same) live.kill(i, *row);
      break;
    }
    if (change.present && !same) added.push_back(&change);
  }
  live.finish();
  if (!added.empty()) {
    VectorSegment::Builder builder(kind, static_cast<uint32_t>(added.size()));
    for (const VectorChange* change : added) {
      std::string_view value = change->value;
      if (change->identity.position != 0) {
        STRATA_ASSIGN(value, reader->read(change->identity, change->value_bytes));
      }
      STRATA_TRY(builder.add_value(change->key, change->identity, value));
    }
    after->parts.push_back(whole(builder.finish()));
    STRATA_TRY(merge_small_parts(kind, &after->parts, reader));
  }
  return std::shared_ptr<const VectorSnapshot>(std::move(after));
}

Result<std::shared_ptr<VectorSegment>> merge_parts(const CollectionKind& kind, const std::vector<VectorPart>& parts,
                                                   VectorReader* reader) {
  struct Source {
    std::string_view key;
    const VectorSegment* segment;
    uint32_t row;
  };
  std::vector<Source> sources;
  for (const VectorPart& part : parts) {
    for (uint32_t row = 0; row < part.segment->rows(); ++row) {
      if (part.is_live(row)) sources.push_back({part.segment->key(row), part.segment.get(), row});
    }
  }
  if (sources.empty()) return std::shared_ptr<VectorSegment>();
  std::sort(sources.begin(), sources.end(), [](const Source& a, const Source& b) { return a.key < b.key; });
  VectorSegment::Builder builder(kind, static_cast<uint32_t>(sources.size()));
  for (const Source& source : sources) {
    STRATA_ASSIGN(const float* floats, source.segment->floats(source.row, reader));
    builder.add_row(source.key, source.segment->identity(source.row), floats, source.segment->metadata(source.row));
  }
  return builder.finish();
}

std::shared_ptr<const VectorSnapshot> replace_rows(const VectorSnapshot& before,
                                                   std::shared_ptr<const VectorSegment> merged) {
  auto after = std::make_shared<VectorSnapshot>(before);
  LiveRows live(&after->parts);
  auto taken = std::make_shared<index::Bitmap>(merged->rows());
  uint32_t taken_rows = 0;
  for (size_t i = 0; i < before.parts.size(); ++i) {
    const VectorPart& part = before.parts[i];
    uint32_t at = 0;  // both are in the order of keys
    for (uint32_t row = 0; row < part.segment->rows(); ++row) {
      if (!part.is_live(row)) continue;
      const std::string_view key = part.segment->key(row);
      while (at < merged->rows() && merged->key(at) < key) ++at;
      if (at == merged->rows()) break;
      if (merged->key(at) != key || !(merged->identity(at) == part.segment->identity(row))) continue;
      live.kill(i, row);
      taken->set(at);
      ++taken_rows;
    }
  }
  live.finish();
  if (taken_rows == 0) return after;
  VectorPart part = whole(std::move(merged));
  if (taken_rows < part.live_rows) {
    part.live = std::move(taken);
    part.live_rows = taken_rows;
  }
  after->parts.insert(after->parts.begin(), std::move(part));
  return after;
}

SnapshotMatcher::SnapshotMatcher(std::vector<std::shared_ptr<const VectorSegment>> segments) {
  for (auto& segment : segments) {
    Side& side = sides_.emplace_back();
    side.live = index::Bitmap(segment->rows());
    side.segment = std::move(segment);
  }
}

void SnapshotMatcher::row(std::string_view key, const RowIdentity& identity, uint32_t value_bytes) {
  for (Side& side : sides_) {
    while (side.at < side.segment->rows() && side.segment->key(side.at) < key) ++side.at;
    if (side.at == side.segment->rows() || side.segment->key(side.at) != key) continue;
    if (!(side.segment->identity(side.at) == identity)) continue;
    side.live.set(side.at);
    return;
  }
  missing_.push_back({std::string(key), true, identity, value_bytes, {}});
}

std::shared_ptr<const VectorSnapshot> SnapshotMatcher::finish(std::vector<VectorChange>* missing) {
  auto snapshot = std::make_shared<VectorSnapshot>();
  for (Side& side : sides_) {
    VectorPart part = whole(std::move(side.segment));
    const uint32_t count = side.live.count();
    if (count == 0) continue;
    if (count < part.live_rows) part.live = std::make_shared<index::Bitmap>(std::move(side.live));
    part.live_rows = count;
    snapshot->parts.push_back(std::move(part));
  }
  *missing = std::move(missing_);
  return snapshot;
}

}  // namespace strata::derived
