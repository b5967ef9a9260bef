// Any bytes as a query over documents of any text: what is found is sorted, alive and of the documents; merging their
// segments and forgetting some of them changes no score; a snippet is a piece of its text, within its length and cut
// between characters.
#include <algorithm>
#include <cmath>

#include "base/utf8.h"
#include "fuzz_support.h"
#include "index/snippet.h"
#include "index/text_query.h"
#include "index/text_ranking.h"
#include "index/text_writer.h"

namespace {

using namespace strata;
using namespace strata::index;

constexpr size_t kMostDocuments = 6;

// Random bytes are rarely words, or of one script.
std::string text_of(fuzz::FuzzInput& input) {
  constexpr std::string_view kPieces[] = {"fox",
                                          "foxes",
                                          "Running",
                                          " ",
                                          " ",
                                          "-",
                                          "\"",
                                          "*",
                                          ":",
                                          "title:",
                                          "don't",
                                          "'",
                                          "_",
                                          ".",
                                          "42",
                                          "caf\u00e9",
                                          "e\u0301",
                                          "\u6771",
                                          "\u4eac",
                                          "\u90fd",
                                          "\u0e17\u0e35\u0e48",
                                          "\uac00",
                                          "\U0001F680",
                                          "\u200d",
                                          "\U0001F3FD",
                                          "\U0001F1E9",
                                          "\ufb01",
                                          "\u0130",
                                          "\u0345",
                                          "\u00df",
                                          "\uff21",
                                          "\u0915\u094d",
                                          "\n",
                                          "**",
                                          "xxxxxxxxxxxxxxxxxxxx"};
  std::string text;
  for (uint64_t count = input.number(1) % 48; count > 0; --count) {
    const uint64_t which = input.number(1);
    if (which < 224) {
      text += kPieces[which % std::size(kPieces)];
    } else {
      text += input.bytes(which - 223);
    }
  }
  return text;
}

TextSearch search_of(const TextQuery& query, const std::vector<TextSource>& sources) {
  TextSearch search{query, sources, {}};
  for (const TextSource& source : sources) {
    for (uint32_t document = 0; document < source.live.segment->documents(); ++document) {
      if (!source.live.alive(document)) continue;
      const uint8_t kind = source.live.segment->kind(document);
      ++search.statistics.documents[kind];
      search.statistics.units[kind] += source.live.segment->length(document);
    }
  }
  search.k = 100;
  return search;
}

void check_same(const TextRanking& one, const std::vector<TextSource>& its, const TextRanking& other,
                const std::vector<TextSource>& others) {
  STRATA_CHECK(one.hits.size() == other.hits.size());
  for (size_t i = 0; i < one.hits.size(); ++i) {
    STRATA_CHECK(std::abs(one.hits[i].score - other.hits[i].score) <= 1e-3F * (1 + one.hits[i].score));
  }
  // Sums of floats in another order may change the order of what is nearly the same.
  const auto keys = [](const TextRanking& ranking, const std::vector<TextSource>& sources) {
    std::vector<std::string_view> found;
    for (const TextHit& hit : ranking.hits) found.push_back(sources[hit.source].live.segment->key(hit.document));
    std::sort(found.begin(), found.end());
    return found;
  };
  STRATA_CHECK(keys(one, its) == keys(other, others));
}

void check_snippet(const TextQuery& query, const TextRanking& ranking, const std::string& text) {
  SnippetMatcher matcher(query, ranking);
  SnippetMaker maker(&matcher);
  (void)maker.add(WordTable::kText, text);
  const std::string snippet = maker.snippet();
  // Without its marks it is a piece of the text: stars of the text itself stay in doubt.
  if (text.find('*') == std::string::npos) {
    std::string plain = snippet;
    for (size_t at = 0; (at = plain.find("**", at)) != std::string::npos;) plain.erase(at, 2);
    STRATA_CHECK(text.find(plain) != std::string::npos);
    const auto characters = std::count_if(plain.begin(), plain.end(), [](char c) { return (c & 0xC0) != 0x80; });
    STRATA_CHECK(static_cast<size_t>(characters) <= kSnippetCharacters);
  }
  const auto valid = [](std::string_view bytes) {
    for (size_t at = 0; at < bytes.size();) {
      if (base::decode_utf8(bytes, at, &at) == base::kInvalidScalar) return false;
    }
    return true;
  };
  STRATA_CHECK(!valid(text) || valid(snippet));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::FuzzInput input(data, size);
  const bool plain = input.number(1) % 2 == 0;
  const uint64_t dead = input.number(1);
  const std::string query_text = plain ? std::string(input.bytes(input.number(1))) : text_of(input);
  const TextQuery query = parse_text_query(query_text);

  std::vector<std::string> texts;
  std::vector<TextSource> sources;
  for (size_t i = 0; i < kMostDocuments && (i == 0 || !input.empty()); ++i) {
    texts.push_back(text_of(input));
    SegmentBuilder builder;
    const uint32_t path = i % 2 == 0 ? SegmentBuilder::kRoot : builder.path(SegmentBuilder::kRoot, "title");
    if (i % 2 != 0) builder.add_string(WordTable::kNames, SegmentBuilder::kRoot, "title");
    builder.add_string(WordTable::kText, path, texts[i]);
    builder.end_document(static_cast<uint8_t>(i % 3), std::to_string(i), {i, i});
    auto live = std::make_shared<Liveness>(1u);
    if ((dead >> i & 1) != 0) live->kill(0);
    sources.push_back({{builder.build(), std::move(live)}, 0});
  }
  const TextRanking ranking = rank_text(search_of(query, sources));
  STRATA_CHECK(ranking.any_weights.size() == query.any.size() && ranking.phrase_weights.size() == query.phrases.size());
  for (size_t i = 0; i < ranking.hits.size(); ++i) {
    const TextHit& hit = ranking.hits[i];
    STRATA_CHECK(hit.source < sources.size() && sources[hit.source].live.alive(hit.document) && hit.score > 0);
    STRATA_CHECK(i == 0 || ranking.hits[i - 1].score >= hit.score);
  }
  STRATA_CHECK(!query.empty() || ranking.hits.empty());

  std::vector<LiveSegment> segments;
  for (const TextSource& source : sources) segments.push_back(source.live);
  std::vector<TextSource> merged;
  if (const SegmentPtr one = merge_segments(segments)) merged.push_back({{one, nullptr}, 0});
  check_same(ranking, sources, rank_text(search_of(query, merged)), merged);
  for (const std::string& text : texts) check_snippet(query, ranking, text);
  return 0;
}
