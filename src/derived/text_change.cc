#include "derived/text_change.h"

#include <algorithm>
#include <bit>

namespace strata::derived {
namespace {

// So many segments of one size become one.
constexpr size_t kFanout = 8;
// A search that has to catch up merges no more than this.
constexpr uint64_t kMostMergedAtOnce = 4096;
// Unless nobody else has merged for long.
constexpr size_t kMostSegments = 48;
// A segment with more dead documents than living ones is worth writing anew from this size on.
constexpr uint32_t kWorthCleaning = 64;

unsigned size_class(uint64_t documents) { return static_cast<unsigned>(std::bit_width(documents)) / 3; }

}  // namespace

TextChange::TextChange(const TextSnapshot* base) {
  if (base == nullptr) return;
  statistics_ = base->statistics;
  for (const index::LiveSegment& segment : base->segments) parts_.push_back({segment.segment, segment.live, nullptr});
}

void TextChange::count(const index::TextSegment& segment, uint32_t document, bool added) {
  const uint8_t kind = segment.kind(document);
  const uint64_t units = segment.length(document);
  // Unsigned: what wraps around comes back.
  statistics_.documents[kind] += added ? 1 : ~uint64_t{0};
  statistics_.units[kind] += added ? units : ~units + 1;
}

void TextChange::adopt(index::LiveSegment segment) {
  for (uint32_t document = 0; document < segment.segment->documents(); ++document) {
    if (segment.alive(document)) count(*segment.segment, document, true);
  }
  parts_.push_back({std::move(segment.segment), std::move(segment.live), nullptr});
}

bool TextChange::remove(DocumentKind kind, std::string_view key) {
  const auto number = static_cast<uint8_t>(kind);
  for (auto part = parts_.rbegin(); part != parts_.rend(); ++part) {
    const uint32_t document = part->segment->find(number, key);
    if (document == index::kNoDocument || !part->alive(document)) continue;
    if (part->changed == nullptr) {
      part->changed = part->live != nullptr ? std::make_shared<index::Liveness>(*part->live)
                                            : std::make_shared<index::Liveness>(part->segment->documents());
    }
    part->changed->kill(document);
    count(*part->segment, document, false);
    return true;
  }
  return false;
}

Status TextChange::add(DocumentKind kind, std::string_view key, const index::DocumentIdentity& identity,
                       std::string_view row_value) {
  STRATA_ASSIGN(const ValueView value, searched_value(kind, row_value));
  if (builder_ == nullptr) builder_ = std::make_unique<index::SegmentBuilder>();
  STRATA_TRY(add_strings(value, builder_.get()));
  builder_->end_document(static_cast<uint8_t>(kind), key, identity);
  if (builder_->full()) seal();
  return Status::ok();
}

void TextChange::seal() {
  if (builder_ == nullptr) return;
  const index::SegmentPtr segment = builder_->build();
  builder_.reset();
  if (segment == nullptr) return;
  adopt({segment, nullptr});
}

std::vector<size_t> TextChange::due(const std::vector<index::LiveSegment>& segments, uint64_t most) {
  std::vector<size_t> by_class[24];
  for (size_t i = 0; i < segments.size(); ++i) {
    const uint32_t alive = segments[i].alive_count();
    const uint32_t all = segments[i].segment->documents();
    if (all >= kWorthCleaning && alive * 2 < all && alive <= most) return {i};
    by_class[size_class(alive)].push_back(i);
  }
  for (const std::vector<size_t>& same : by_class) {
    if (same.size() < kFanout) continue;
    uint64_t documents = 0;
    for (const size_t i : same) documents += segments[i].alive_count();
    return documents <= most ? same : std::vector<size_t>();
  }
  return {};
}

std::unique_ptr<TextSnapshot> TextChange::finish(bool merge) {
  seal();
  auto snapshot = std::make_unique<TextSnapshot>();
  snapshot->statistics = statistics_;
  std::vector<index::LiveSegment>& segments = snapshot->segments;
  for (Part& part : parts_) {
    index::LiveSegment live{std::move(part.segment), part.changed != nullptr ? std::move(part.changed) : part.live};
    if (live.alive_count() > 0) segments.push_back(std::move(live));
  }
  while (merge) {
    const std::vector<size_t> chosen = due(segments, segments.size() > kMostSegments ? UINT64_MAX : kMostMergedAtOnce);
    if (chosen.empty()) break;
    std::vector<index::LiveSegment> sources;
    sources.reserve(chosen.size());
    for (const size_t i : chosen) sources.push_back(segments[i]);
    const index::SegmentPtr merged = index::merge_segments(sources);
    if (merged == nullptr) break;
    for (auto i = chosen.rbegin(); i != chosen.rend(); ++i) {
      segments.erase(segments.begin() + static_cast<std::ptrdiff_t>(*i));
    }
    segments.push_back({merged, nullptr});
  }
  return snapshot;
}

}  // namespace strata::derived
