// Any bytes as a segment of text, and segments that were changed here and there: what is taken for one can be asked
// anything and merged, without leaving its bytes and without an end.
#include "fuzz_support.h"
#include "index/text_matches.h"
#include "index/text_query.h"
#include "index/text_ranking.h"
#include "index/text_writer.h"

namespace {

using namespace strata;
using namespace strata::index;

std::string whole_segment() {
  SegmentBuilder builder;
  const uint32_t title = builder.path(SegmentBuilder::kRoot, "title");
  const uint32_t inner = builder.path(title, "inner");
  for (int i = 0; i < 4; ++i) {
    builder.add_string(WordTable::kNames, SegmentBuilder::kRoot, "title");
    builder.add_string(WordTable::kText, title, "a red fox jumps, foxes jump and jump again");
    builder.add_string(WordTable::kText, inner, "\u6771\u4eac\u90fd caf\u00e9");
    builder.end_document(static_cast<uint8_t>(i % 2), "key" + std::to_string(i), {1, 2});
  }
  return std::string(builder.build()->bytes());
}

void ask(const SegmentPtr& segment) {
  const std::string_view all = segment->bytes();
  const auto inside = [&](std::string_view part) {
    STRATA_CHECK(part.empty() || (part.data() >= all.data() && part.data() + part.size() <= all.data() + all.size()));
  };
  for (uint32_t document = 0; document < segment->documents(); ++document) {
    inside(segment->key(document));
    inside(segment->strings(document));
    (void)segment->find(segment->kind(document), segment->key(document));
    PathWalker walker(*segment, document);
    for (uint32_t spot = 0; spot < 64; spot += 3) STRATA_CHECK(walker.at(spot) < segment->paths());
  }
  for (uint32_t path = 0; path < segment->paths(); ++path) (void)segment->path_ends_with(path, "title.inner");
  const std::vector<TextSource> sources = {{{segment, nullptr}, 0}};
  for (const std::string_view text :
       {"fox jump", "\"red fox\" -again", "ju*", "title:fox inner:\"\u6771\u4eac\"", "title"}) {
    const TextQuery query = parse_text_query(text);
    TextSearch search{query, sources, {}};
    search.statistics.documents[0] = segment->documents();
    search.statistics.units[0] = 1;
    search.kinds = 1;
    for (const TextHit& hit : rank_text(search).hits) STRATA_CHECK(hit.document < segment->documents());
  }
  const std::vector<LiveSegment> twice = {{segment, nullptr}};
  (void)merge_segments(twice);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (const SegmentPtr segment = TextSegment::parse(std::string(reinterpret_cast<const char*>(data), size)))
    ask(segment);
  static const std::string kWhole = whole_segment();
  fuzz::FuzzInput input(data, size);
  std::string changed = kWhole;
  for (int i = 0; i < 8 && !input.empty(); ++i) {
    const size_t at = input.number(2) % changed.size();
    changed[at] = static_cast<char>(input.number(1));
  }
  if (const SegmentPtr segment = TextSegment::parse(std::move(changed))) ask(segment);
  return 0;
}
