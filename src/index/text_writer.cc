#include "index/text_writer.h"

#include <algorithm>
#include <numeric>

#include "base/checksum.h"
#include "index/table_writer.h"
#include "index/words.h"

namespace strata::index {

// ---- words ----

void WordCollector::grow() {
  const size_t size = std::max<size_t>(256, slots_.size() * 2);
  slots_.assign(size, 0);
  for (uint32_t i = 0; i < entries_.size(); ++i) {
    size_t slot = entries_[i].hash & (size - 1);
    while (slots_[slot] != 0) slot = (slot + 1) & (size - 1);
    slots_[slot] = i + 1;
  }
}

uint32_t WordCollector::find_or_add(std::string_view wanted) {
  if (entries_.size() * 2 >= slots_.size()) grow();
  const uint64_t hash = base::hash(wanted);
  size_t slot = hash & (slots_.size() - 1);
  for (; slots_[slot] != 0; slot = (slot + 1) & (slots_.size() - 1)) {
    const Entry& entry = entries_[slots_[slot] - 1];
    if (entry.hash == hash && word(entry) == wanted) return slots_[slot] - 1;
  }
  Entry& entry = entries_.emplace_back();
  entry.hash = hash;
  entry.word_begin = static_cast<uint32_t>(words_.size());
  entry.word_bytes = static_cast<uint32_t>(wanted.size());
  words_.append(wanted);
  slots_[slot] = static_cast<uint32_t>(entries_.size());
  return slots_[slot] - 1;
}

void WordCollector::add(std::string_view word, uint32_t spot) {
  const uint32_t index = find_or_add(word);
  Entry& entry = entries_[index];
  if (entry.count++ == 0) {
    touched_.push_back(index);
    entry.last_spot = 0;
  }
  base::put_varint(entry.spots, spot - entry.last_spot);
  entry.last_spot = spot;
}

void WordCollector::end_document(uint32_t document) {
  for (const uint32_t index : touched_) {
    Entry& entry = entries_[index];
    put_posting(&entry.list, document + 1 - entry.next_document, entry.count);
    entry.next_document = document + 1;
    entry.count = 0;
    ++entry.documents;
  }
  touched_.clear();
}

void WordCollector::write(WordTable table, TextSegment::Sections* sections) {
  std::vector<uint32_t> order(entries_.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return word(entries_[a]) < word(entries_[b]); });
  TableWriter writer(table, sections);
  for (const uint32_t index : order) {
    Entry& entry = entries_[index];
    writer.add(word(entry), entry.list, entry.spots, entry.documents);
    std::string().swap(entry.list);
    std::string().swap(entry.spots);
  }
  writer.end();
}

// ---- documents ----

SegmentBuilder::SegmentBuilder() {
  base::put_u32(sections_[TextSegment::kPathParents], 0);
  base::put_u32(sections_[TextSegment::kPathEnds], 0);
}

uint32_t SegmentBuilder::path(uint32_t parent, std::string_view name) {
  std::string key;
  base::put_u32(key, parent);
  key.append(name);
  const auto number = static_cast<uint32_t>(sections_[TextSegment::kPathParents].size() / 4);
  const auto [found, added] = paths_.emplace(std::move(key), number);
  if (added) {
    text_bytes_ += name.size();
    base::put_u32(sections_[TextSegment::kPathParents], parent);
    sections_[TextSegment::kPathNames].append(name);
    base::put_u32(sections_[TextSegment::kPathEnds], static_cast<uint32_t>(sections_[TextSegment::kPathNames].size()));
  }
  return found->second;
}

void SegmentBuilder::add_string(WordTable table, uint32_t path, std::string_view text) {
  WordCollector& words = tables_[static_cast<size_t>(table)];
  const uint32_t begin = next_spot_;
  uint32_t spot = begin;
  WordReader reader(text);
  for (Word word; reader.next(&word); ++spot) {
    words.add(word.text, spot);
    // Letters of a pair are found alone too.
    if (word.first_letter_bytes != 0) {
      words.add(word.text.substr(0, word.first_letter_bytes), spot);
      if (word.ends_run) words.add(word.text.substr(word.first_letter_bytes), spot + 1);
    }
  }
  const uint32_t count = spot - begin;
  plain_ = plain_ && begin == 0 && path == kRoot;
  base::put_varint(strings_, path);
  base::put_varint(strings_, count);
  next_spot_ = spot + 2;  // behind the last letter of a pair, and a gap
  units_ += count * (table == WordTable::kText ? kTextWordUnits : 1);
  text_bytes_ += text.size();
}

void SegmentBuilder::end_document(uint8_t kind, std::string_view key, const DocumentIdentity& identity) {
  using S = TextSegment;
  for (WordCollector& words : tables_) words.end_document(documents_);
  sections_[S::kKinds].push_back(static_cast<char>(kind));
  sections_[S::kKeys].append(key);
  base::put_u32(sections_[S::kKeyEnds], static_cast<uint32_t>(sections_[S::kKeys].size()));
  base::put_u64(sections_[S::kIdentities], identity.position);
  base::put_u64(sections_[S::kIdentities], identity.timestamp);
  base::put_u32(sections_[S::kLengths], units_);
  if (!plain_) sections_[S::kStrings].append(strings_);
  base::put_u32(sections_[S::kStringEnds], static_cast<uint32_t>(sections_[S::kStrings].size()));
  ++documents_;
  text_bytes_ += key.size() + strings_.size();
  strings_.clear();
  plain_ = true;
  next_spot_ = 0;
  units_ = 0;
}

SegmentPtr SegmentBuilder::build() {
  if (documents_ == 0) return nullptr;
  write_key_order(documents_, &sections_);
  for (size_t i = 0; i < kWordTables; ++i) tables_[i].write(static_cast<WordTable>(i), &sections_);
  return TextSegment::assemble(documents_, sections_);
}

// ---- merging ----

namespace {

class SegmentMerger {
 public:
  explicit SegmentMerger(std::span<const LiveSegment> segments) : segments_(segments), numbers_(segments.size()) {}

  SegmentPtr run() {
    base::put_u32(sections_[TextSegment::kPathParents], 0);
    base::put_u32(sections_[TextSegment::kPathEnds], 0);
    for (size_t i = 0; i < segments_.size(); ++i) add_documents(i);
    if (documents_ == 0) return nullptr;
    write_key_order(documents_, &sections_);
    merge_words(WordTable::kText);
    merge_words(WordTable::kNames);
    return TextSegment::assemble(documents_, sections_);
  }

 private:
  using S = TextSegment;

  // Paths keep their order, so that a parent comes before its children.
  std::vector<uint32_t> add_paths(const TextSegment& segment) {
    std::vector<uint32_t> numbers(segment.paths(), 0);
    for (uint32_t i = 1; i < segment.paths(); ++i) {
      std::string key;
      base::put_u32(key, numbers[segment.path_parent(i)]);
      key.append(segment.path_name(i));
      const auto next = static_cast<uint32_t>(sections_[S::kPathParents].size() / 4);
      const auto [found, added] = paths_.emplace(std::move(key), next);
      numbers[i] = found->second;
      if (!added) continue;
      base::put_u32(sections_[S::kPathParents], numbers[segment.path_parent(i)]);
      sections_[S::kPathNames].append(segment.path_name(i));
      base::put_u32(sections_[S::kPathEnds], static_cast<uint32_t>(sections_[S::kPathNames].size()));
    }
    return numbers;
  }

  void add_documents(size_t index) {
    const TextSegment& segment = *segments_[index].segment;
    const std::vector<uint32_t> paths = add_paths(segment);
    numbers_[index].assign(segment.documents(), kNoDocument);
    for (uint32_t document = 0; document < segment.documents(); ++document) {
      if (!segments_[index].alive(document)) continue;
      numbers_[index][document] = documents_++;
      sections_[S::kKinds].push_back(static_cast<char>(segment.kind(document)));
      sections_[S::kKeys].append(segment.key(document));
      base::put_u32(sections_[S::kKeyEnds], static_cast<uint32_t>(sections_[S::kKeys].size()));
      const DocumentIdentity identity = segment.identity(document);
      base::put_u64(sections_[S::kIdentities], identity.position);
      base::put_u64(sections_[S::kIdentities], identity.timestamp);
      base::put_u32(sections_[S::kLengths], segment.length(document));
      base::Reader strings(segment.strings(document));
      for (uint64_t path = 0, words = 0; strings.read_varint(path) && strings.read_varint(words);) {
        base::put_varint(sections_[S::kStrings], path < paths.size() ? paths[path] : 0);
        base::put_varint(sections_[S::kStrings], words);
      }
      base::put_u32(sections_[S::kStringEnds], static_cast<uint32_t>(sections_[S::kStrings].size()));
    }
  }

  void merge_words(WordTable table) {
    TableWriter writer(table, &sections_);
    std::vector<uint32_t> next(segments_.size(), 0);
    std::string list;
    std::string spots;
    while (true) {
      std::optional<std::string_view> least;
      for (size_t i = 0; i < segments_.size(); ++i) {
        const TextSegment& segment = *segments_[i].segment;
        if (next[i] == segment.words(table)) continue;
        const std::string_view word = segment.word(table, next[i]);
        if (!least || word < *least) least = word;
      }
      if (!least) break;
      list.clear();
      spots.clear();
      Joined joined{&list, &spots};
      for (size_t i = 0; i < segments_.size(); ++i) {
        const TextSegment& segment = *segments_[i].segment;
        if (next[i] == segment.words(table) || segment.word(table, next[i]) != *least) continue;
        append_postings(segment.postings(table, next[i]++), numbers_[i], &joined);
      }
      if (joined.documents > 0) writer.add(*least, list, spots, joined.documents);
    }
    writer.end();
  }

  // The postings of one word, of all segments in their order.
  struct Joined {
    std::string* list;
    std::string* spots;
    uint32_t documents = 0;
    uint32_t next_document = 0;
  };

  static void append_postings(PostingReader postings, const std::vector<uint32_t>& numbers, Joined* joined) {
    while (postings.next()) {
      const uint32_t document = numbers[postings.document()];
      uint32_t last = 0;
      const bool alive = document != kNoDocument;
      const bool whole = postings.spots([&](uint32_t spot) {
        if (alive) base::put_varint(*joined->spots, spot - last);
        last = spot;
      });
      if (!whole) return;  // damage ends the list
      if (!alive) continue;
      put_posting(joined->list, document + 1 - joined->next_document, postings.count());
      joined->next_document = document + 1;
      ++joined->documents;
    }
  }

  std::span<const LiveSegment> segments_;
  std::vector<std::vector<uint32_t>> numbers_;  // of each segment's documents in the new one
  S::Sections sections_;
  std::unordered_map<std::string, uint32_t> paths_;
  uint32_t documents_ = 0;
};

}  // namespace

SegmentPtr merge_segments(std::span<const LiveSegment> segments) { return SegmentMerger(segments).run(); }

}  // namespace strata::index
