#include "derived/text_matcher.h"

#include <algorithm>
#include <utility>

namespace strata::derived {

TextMatcher::TextMatcher(std::vector<index::SegmentPtr> segments) {
  // What large ones have need not be looked for in small ones, which may be dropped then.
  std::sort(segments.begin(), segments.end(),
            [](const index::SegmentPtr& a, const index::SegmentPtr& b) { return a->documents() > b->documents(); });
  for (index::SegmentPtr& segment : segments) {
    Side side;
    side.found = index::Bitmap(segment->documents());
    side.segment = std::move(segment);
    sides_.push_back(std::move(side));
  }
}

bool TextMatcher::match(DocumentKind kind, std::string_view key, const index::DocumentIdentity& identity) {
  const auto number = static_cast<uint8_t>(kind);
  for (Side& side : sides_) {
    const index::TextSegment& segment = *side.segment;
    const auto behind = [&](uint32_t document) {
      return segment.kind(document) != number ? segment.kind(document) < number : segment.key(document) < key;
    };
    while (side.at < segment.documents() && behind(segment.by_key(side.at))) ++side.at;
    if (side.at == segment.documents()) continue;
    const uint32_t document = segment.by_key(side.at);
    if (segment.kind(document) != number || segment.key(document) != key) continue;
    if (!(segment.identity(document) == identity)) continue;
    side.found.set(document);
    return true;
  }
  return false;
}

std::vector<index::LiveSegment> TextMatcher::finish() {
  std::vector<index::LiveSegment> live;
  for (Side& side : sides_) {
    const uint32_t documents = side.segment->documents();
    const uint32_t count = side.found.count();
    if (count == 0) continue;
    std::shared_ptr<index::Liveness> some;
    if (count < documents) {
      some = std::make_shared<index::Liveness>(documents);
      for (uint32_t document = 0; document < documents; ++document) {
        if (!side.found.test(document)) some->kill(document);
      }
    }
    live.push_back({std::move(side.segment), std::move(some)});
  }
  sides_.clear();
  return live;
}

}  // namespace strata::derived
