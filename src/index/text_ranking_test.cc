#include "index/text_ranking.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>

#include "base/utf8.h"
#include "index/snippet.h"
#include "index/words.h"

namespace strata::index {
namespace {

using Random = std::mt19937_64;

struct String {
  WordTable table;
  std::string path;  // dotted
  std::string text;
};
struct Document {
  uint8_t kind = 0;
  std::string key;
  std::vector<String> strings;
};

const std::vector<std::string> kWords = {"fox",  "foxes", "hen",    "red",  "run",  "running", "runs", "a1",   "the",
                                         "東京", "京都",  "東京都", "café", "Cafe", "x",       "🚀",    "don't"};
const std::vector<std::string> kNames = {"title", "body", "fox", "a", "b.c"};

std::string random_text(Random& random) {
  std::string text;
  for (size_t i = random() % 6; i > 0; --i) text += kWords[random() % kWords.size()] + " ";
  return text;
}

void add_member(Random& random, const std::string& path, int depth, Document* document) {
  const std::string name = kNames[random() % kNames.size()];
  document->strings.push_back({WordTable::kNames, path, name});
  const std::string inner = path.empty() ? name : path + "." + name;
  if (depth > 0 && random() % 3 == 0) return add_member(random, inner, depth - 1, document);
  document->strings.push_back({WordTable::kText, inner, random_text(random)});
}

Document random_document(Random& random, size_t number) {
  Document document{static_cast<uint8_t>(random() % 3), "k" + std::to_string(number), {}};
  if (random() % 2 == 0) {
    document.strings.push_back({WordTable::kText, "", random_text(random)});
  } else {
    for (size_t i = random() % 4; i > 0; --i) add_member(random, "", 2, &document);
  }
  return document;
}

// ---- the same, computed by looking at every document ----

struct Line {
  WordTable table;
  std::string path;
  std::vector<std::vector<std::string>> places;  // what stands at each place: a word, letters of pairs
  size_t words = 0;
};

std::vector<Line> lines_of(const Document& document) {
  std::vector<Line> lines;
  for (const String& string : document.strings) {
    Line& line = lines.emplace_back(Line{string.table, string.path, {}, 0});
    WordReader reader(string.text);
    for (Word word; reader.next(&word); ++line.words) {
      line.places.resize(std::max(line.places.size(), line.words + 2));
      line.places[line.words].emplace_back(word.text);
      if (word.first_letter_bytes == 0) continue;
      line.places[line.words].emplace_back(word.text.substr(0, word.first_letter_bytes));
      if (word.ends_run) line.places[line.words + 1].emplace_back(word.text.substr(word.first_letter_bytes));
    }
  }
  return lines;
}

float frequency(const QueryTerm& term, const std::vector<Line>& lines) {
  float total = 0;
  for (const Line& line : lines) {
    if (!term.field.empty() && !("." + line.path).ends_with("." + term.field)) continue;
    const float weight = line.table == WordTable::kText ? 1.0F : kNameWeight;
    for (size_t at = 0; at < line.places.size(); ++at) {
      if (term.words.size() > 1) {
        bool all = at + term.words.size() <= line.places.size();
        for (size_t i = 0; all && i < term.words.size(); ++i) {
          const auto& here = line.places[at + i];
          all = std::any_of(here.begin(), here.end(), [&](const std::string& word) {
            return std::string(stem(word)) == std::string(stem(term.words[i]));
          });
        }
        if (all) total += weight;
        continue;
      }
      for (const std::string& word : line.places[at]) {
        if (term.words.empty()) {
          if (word.starts_with(term.prefix)) total += weight;
        } else if (word == term.words[0]) {
          total += weight;
        } else if (std::string(stem(word)) == std::string(stem(term.words[0]))) {
          total += weight * kOtherFormWeight;
        }
      }
    }
  }
  return total;
}

struct Found {
  double score;
  uint8_t kind;
  std::string key;
};

std::vector<Found> search_plainly(const std::vector<Document>& documents, const TextQuery& query, uint32_t kinds) {
  std::vector<const Document*> searched;
  std::vector<std::vector<Line>> lines;
  std::vector<double> lengths;
  double units = 0;
  for (const Document& document : documents) {
    if ((kinds >> document.kind & 1) == 0) continue;
    searched.push_back(&document);
    lines.push_back(lines_of(document));
    double length = 0;
    for (const Line& line : lines.back()) {
      length += static_cast<double>(line.words) * (line.table == WordTable::kText ? kTextWordUnits : 1);
    }
    lengths.push_back(length);
    units += length;
  }
  const double average = searched.empty() || units == 0 ? 1 : units / static_cast<double>(searched.size());
  std::vector<double> scores(searched.size(), 0);
  std::vector<bool> out(searched.size(), false);
  const auto add = [&](const QueryTerm& term, bool required) {
    std::vector<double> counts;
    for (const auto& document : lines) counts.push_back(frequency(term, document));
    const auto with = static_cast<double>(std::count_if(counts.begin(), counts.end(), [](double n) { return n > 0; }));
    const double all = static_cast<double>(searched.size());
    const double worth = term.times * (term.common ? static_cast<double>(kCommonWordWeight) : 1.0);
    const double weight = worth * std::log(1 + (all - with + 0.5) / (with + 0.5));
    for (size_t i = 0; i < counts.size(); ++i) {
      scores[i] += weight * counts[i] * 2.2 / (counts[i] + 1.2 * (0.25 + 0.75 * lengths[i] / average));
      out[i] = out[i] || (required && counts[i] == 0);
    }
  };
  for (const QueryTerm& term : query.any) add(term, false);
  for (const QueryTerm& term : query.phrases) add(term, true);
  for (const QueryTerm& term : query.never) {
    for (size_t i = 0; i < lines.size(); ++i) out[i] = out[i] || frequency(term, lines[i]) > 0;
  }
  std::vector<Found> result;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] > 0 && !out[i]) result.push_back({scores[i], searched[i]->kind, searched[i]->key});
  }
  return result;
}

// ---- segments ----

uint32_t path_of(SegmentBuilder* builder, const std::string& dotted, std::map<std::string, uint32_t>* known) {
  if (dotted.empty()) return SegmentBuilder::kRoot;
  const auto found = known->find(dotted);
  if (found != known->end()) return found->second;
  const size_t dot = dotted.rfind('.');
  // A name may hold a dot itself; which it is makes no difference to what a field finds.
  const uint32_t parent =
      dot == std::string::npos ? SegmentBuilder::kRoot : path_of(builder, dotted.substr(0, dot), known);
  return (*known)[dotted] = builder->path(parent, dot == std::string::npos ? dotted : dotted.substr(dot + 1));
}

class Index {
 public:
  void add(const std::vector<Document>& documents) {
    SegmentBuilder builder;
    std::map<std::string, uint32_t> paths;
    for (const Document& document : documents) {
      for (const String& string : document.strings) {
        builder.add_string(string.table, path_of(&builder, string.path, &paths), string.text);
      }
      builder.end_document(document.kind, document.key, {1, 2});
    }
    if (const SegmentPtr segment = builder.build()) parts_.push_back({segment, nullptr});
  }
  void kill(const Document& document) {
    for (LiveSegment& part : parts_) {
      const uint32_t number = part.segment->find(document.kind, document.key);
      if (number == kNoDocument || !part.alive(number)) continue;
      auto live =
          part.live ? std::make_shared<Liveness>(*part.live) : std::make_shared<Liveness>(part.segment->documents());
      live->kill(number);
      part.live = std::move(live);
    }
  }
  void merge() {
    const SegmentPtr merged = merge_segments(parts_);
    parts_.clear();
    if (merged) parts_.push_back({merged, nullptr});
  }
  // What a file would give back.
  void reload() {
    for (LiveSegment& part : parts_) {
      part.segment = TextSegment::parse(std::string(part.segment->bytes()));
      ASSERT_NE(part.segment, nullptr);
    }
  }
  TextRanking search(const TextQuery& query, uint32_t kinds, size_t k, std::vector<TextSource>* sources) const {
    TextSearch search{query, {}, {}, kinds, k};
    for (const LiveSegment& part : parts_) {
      sources->push_back({part, 0});
      for (uint32_t i = 0; i < part.segment->documents(); ++i) {
        if (!part.alive(i)) continue;
        ++search.statistics.documents[part.segment->kind(i)];
        search.statistics.units[part.segment->kind(i)] += part.segment->length(i);
      }
    }
    search.sources = *sources;
    return rank_text(search);
  }

 private:
  std::vector<LiveSegment> parts_;
};

std::string random_query(Random& random) {
  std::string query;
  for (size_t i = 1 + random() % 4; i > 0; --i) {
    if (random() % 5 == 0) query += "-";
    if (random() % 4 == 0) query += kNames[random() % kNames.size()] + ":";
    std::string word = kWords[random() % kWords.size()];
    const auto kind = random() % 8;
    if (kind == 0) word = "\"" + word + " " + kWords[random() % kWords.size()] + "\"";
    if (kind == 1) word = word.substr(0, 2) + "*";
    if (kind == 2) word = "京";
    query += word + " ";
  }
  return query;
}

void compare(const Index& index, const std::vector<Document>& documents, Random& random, const std::string& text) {
  const TextQuery query = parse_text_query(text);
  const uint32_t kinds = random() % 2 == 0 ? UINT32_MAX : static_cast<uint32_t>(random() % 8);
  const size_t k = random() % 3 == 0 ? 1 + random() % 5 : 1000;
  std::vector<Found> expected = search_plainly(documents, query, kinds);
  std::vector<TextSource> sources;
  const TextRanking ranking = index.search(query, kinds, k, &sources);
  ASSERT_EQ(ranking.hits.size(), std::min(k, expected.size())) << text;
  std::map<std::pair<int, std::string>, double> scores;
  for (const Found& found : expected) scores[{found.kind, found.key}] = found.score;
  std::sort(expected.begin(), expected.end(), [](const Found& a, const Found& b) { return a.score > b.score; });
  for (size_t i = 0; i < ranking.hits.size(); ++i) {
    const TextHit& hit = ranking.hits[i];
    const TextSegment& segment = *sources[hit.source].live.segment;
    const auto found = scores.find({segment.kind(hit.document), std::string(segment.key(hit.document))});
    ASSERT_NE(found, scores.end()) << text;
    EXPECT_NEAR(hit.score, found->second, 1e-4 * found->second) << text;
    EXPECT_NEAR(hit.score, expected[i].score, 1e-4 * expected[i].score) << text;
    if (i > 0 && ranking.hits[i - 1].score == hit.score) {
      const TextHit& before = ranking.hits[i - 1];
      const TextSegment& other = *sources[before.source].live.segment;
      EXPECT_LT(std::pair(other.kind(before.document), other.key(before.document)),
                std::pair(segment.kind(hit.document), segment.key(hit.document)));
    }
    scores.erase(found);
  }
}

TEST(TextRanking, AgreesWithAPlainScoring) {
  const char* given = std::getenv("STRATA_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : 11;
  SCOPED_TRACE("STRATA_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int round = 0; round < 30; ++round) {
    Index index;
    std::vector<Document> documents;
    for (int step = 0; step < 12; ++step) {
      std::vector<Document> added;
      for (size_t i = random() % 12; i > 0; --i) {
        added.push_back(random_document(random, documents.size() + added.size() + static_cast<size_t>(step) * 100));
      }
      index.add(added);
      documents.insert(documents.end(), added.begin(), added.end());
      for (size_t i = random() % 5; i > 0 && !documents.empty(); --i) {
        const size_t gone = random() % documents.size();
        index.kill(documents[gone]);
        documents.erase(documents.begin() + static_cast<std::ptrdiff_t>(gone));
      }
      if (random() % 4 == 0) index.merge();
      if (random() % 4 == 0) index.reload();
      for (int i = 0; i < 5; ++i) compare(index, documents, random, random_query(random));
      if (HasFatalFailure()) return;
    }
  }
}

// However often they are given, and even where they are rare.
TEST(TextRanking, CommonWordsCountForLittle) {
  std::vector<Document> documents;
  const auto add = [&](const std::string& key, const std::string& text) {
    documents.push_back({0, key, {{WordTable::kText, "", text}}});
  };
  add("engine", "an engine");
  add("words", "this is what they will be with these");
  for (int i = 0; i < 20; ++i) add("other" + std::to_string(i), "ship of a captain, number " + std::to_string(i));
  Index index;
  index.add(documents);
  std::vector<TextSource> sources;
  const auto first = [&](const std::string& query) {
    sources.clear();
    const TextRanking ranking = index.search(parse_text_query(query), UINT32_MAX, 1, &sources);
    const TextHit& hit = ranking.hits.at(0);
    return std::string(sources[hit.source].live.segment->key(hit.document));
  };
  EXPECT_EQ(first("this this this engine"), "engine");
  EXPECT_EQ(first("they"), "words");
  EXPECT_EQ(first("\"with these\" engine"), "words");
}

TEST(TextSegment, RefusesDamage) {
  Random random(3);
  SegmentBuilder builder;
  for (size_t i = 0; i < 40; ++i) {
    const Document document = random_document(random, i);
    std::map<std::string, uint32_t> paths;
    for (const String& string : document.strings) {
      builder.add_string(string.table, path_of(&builder, string.path, &paths), string.text);
    }
    builder.end_document(document.kind, document.key, {i, i});
  }
  const std::string bytes(builder.build()->bytes());
  EXPECT_EQ(TextSegment::parse(""), nullptr);
  EXPECT_EQ(TextSegment::parse(bytes.substr(0, bytes.size() - 1)), nullptr);
  // Whatever passes is read without harm.
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = bytes;
    damaged[random() % damaged.size()] = static_cast<char>(random());
    const SegmentPtr segment = TextSegment::parse(damaged);
    if (segment == nullptr) continue;
    const TextQuery query = parse_text_query("fo* \"red fox\" title:hen -café");
    const std::vector<TextSource> sources = {{{segment, nullptr}, 0}};
    TextStatistics statistics;
    statistics.documents[0] = segment->documents();
    (void)rank_text({query, sources, statistics, UINT32_MAX, 10});
    (void)merge_segments(std::vector<LiveSegment>{{segment, nullptr}});
  }
}

// Of a first document before the first one.
TEST(TextSegment, APostingOfNoDocumentEndsItsList) {
  SegmentBuilder builder;
  builder.add_string(WordTable::kText, 0, "fox");
  builder.end_document(0, "k", {});
  const SegmentPtr whole = builder.build();
  std::string bytes(whole->bytes());
  const std::string_view list = whole->list(WordTable::kText, 0);
  ASSERT_EQ(list, "\x03");
  bytes[static_cast<size_t>(list.data() - whole->bytes().data())] = '\x01';
  const SegmentPtr damaged = TextSegment::parse(std::move(bytes));
  ASSERT_NE(damaged, nullptr);
  EXPECT_FALSE(damaged->postings(WordTable::kText, 0).next());
  EXPECT_TRUE(whole->postings(WordTable::kText, 0).next());
}

TEST(TextRanking, ASearchThatIsNotWantedAnyMoreEnds) {
  SegmentBuilder builder;
  builder.add_string(WordTable::kText, 0, "fox");
  builder.end_document(0, "k", {});
  const std::vector<TextSource> sources = {{{builder.build(), nullptr}, 0}};
  TextQuery query;
  for (int i = 0; i < 100'000; ++i) query.any.push_back({"", {"fox"}, "", 1});
  TextSearch search{query, sources, {}};
  search.statistics.documents[0] = search.statistics.units[0] = 1;
  int asked = 0;
  const std::function<bool()> keep_on = [&asked] { return ++asked < 3; };
  search.keep_on = &keep_on;
  const TextRanking ended = rank_text(search);
  EXPECT_TRUE(ended.ended);
  EXPECT_TRUE(ended.hits.empty());
  EXPECT_EQ(asked, 3);
  search.keep_on = nullptr;
  const TextRanking whole = rank_text(search);
  EXPECT_FALSE(whole.ended);
  EXPECT_EQ(whole.hits.size(), 1u);
}

std::string snippet(std::string_view query_text, const std::vector<std::string>& texts) {
  const TextQuery query = parse_text_query(query_text);
  TextRanking ranking;
  ranking.any_weights.assign(query.any.size(), 1);
  ranking.phrase_weights.assign(query.phrases.size(), 1);
  SnippetMatcher matcher(query, ranking);
  SnippetMaker maker(&matcher);
  for (const std::string& text : texts) {
    if (!maker.add(WordTable::kText, text)) break;
  }
  return maker.snippet();
}

TEST(Snippets, MarkAndCut) {
  EXPECT_EQ(snippet("fox", {"A fox, two foxes!"}), "A **fox**, two **foxes**");
  EXPECT_EQ(snippet("none", {"A fox", "b"}), "A fox");
  EXPECT_EQ(snippet("none", {}), "");
  EXPECT_EQ(snippet("fox hen", {"only a fox", "fox and hen"}), "**fox** and **hen**");
  EXPECT_EQ(snippet("京都", {"東京都"}), "東**京都**");
  EXPECT_EQ(snippet("cafe", {"Cafe\u0301s"}), "**Cafe\u0301s**");
}

TEST(Snippets, AreWithinBounds) {
  Random random(5);
  const std::string pool[] = {"a", "é", "e\u0301", "東", "🚀", "👩\u200D🚀", " ", "fox ", "'", "ที่", "\n", "\u0301"};
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (size_t i = random() % 400; i > 0; --i) text += pool[random() % std::size(pool)];
    const std::string shown = snippet("fox 東 a*", {text});
    std::string plain = shown;
    for (size_t at = 0; (at = plain.find("**", at)) != std::string::npos;) plain.erase(at, 2);
    EXPECT_NE(text.find(plain), std::string::npos) << shown;
    const auto characters = std::count_if(plain.begin(), plain.end(), [](char c) { return (c & 0xC0) != 0x80; });
    EXPECT_LE(static_cast<size_t>(characters), kSnippetCharacters) << shown;
    for (size_t at = 0; at < plain.size();) ASSERT_NE(base::decode_utf8(plain, at, &at), base::kInvalidScalar) << shown;
  }
}

}  // namespace
}  // namespace strata::index
