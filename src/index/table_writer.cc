#include "index/table_writer.h"

#include <algorithm>
#include <numeric>

#include "index/words.h"

namespace strata::index {

void put_posting(std::string* list, uint32_t delta, uint32_t count) {
  base::put_varint(*list, uint64_t{delta} << 1 | (count == 1 ? 1 : 0));
  if (count != 1) base::put_varint(*list, count);
}

void write_key_order(uint32_t documents, TextSegment::Sections* sections) {
  const std::string& kinds = (*sections)[TextSegment::kKinds];
  const std::string& ends = (*sections)[TextSegment::kKeyEnds];
  const std::string_view keys = (*sections)[TextSegment::kKeys];
  const auto key = [&](uint32_t i) {
    const uint32_t begin = i == 0 ? 0 : base::load_u32(ends.data() + size_t{4} * (i - 1));
    return keys.substr(begin, base::load_u32(ends.data() + size_t{4} * i) - begin);
  };
  std::vector<uint32_t> order(documents);
  std::iota(order.begin(), order.end(), 0u);
  const auto less = [&](uint32_t a, uint32_t b) {
    return kinds[a] != kinds[b] ? kinds[a] < kinds[b] : key(a) < key(b);
  };
  if (!std::is_sorted(order.begin(), order.end(), less)) std::sort(order.begin(), order.end(), less);
  for (const uint32_t document : order) base::put_u32((*sections)[TextSegment::kByKey], document);
}

void TableWriter::append(TextSegment::TableSection ends, std::string_view bytes) {
  std::string& blob = sections_[TextSegment::at(table_, ends) + 1];
  blob.append(bytes);
  base::put_u32(section(ends), static_cast<uint32_t>(blob.size()));
}

void TableWriter::add(std::string_view word, std::string_view list, std::string_view spots, uint32_t documents) {
  const auto number = static_cast<uint32_t>(section(TextSegment::kCounts).size() / 4);
  append(TextSegment::kWordEnds, word);
  append(TextSegment::kListEnds, list);
  append(TextSegment::kSpotEnds, spots);
  base::put_u32(section(TextSegment::kCounts), documents);
  const std::string_view stemmed = stem(word);
  Stemmed entry{0, static_cast<uint32_t>(stems_.size()), static_cast<uint32_t>(stemmed.size()), number};
  for (size_t i = 0; i < 8; ++i)
    entry.head = entry.head << 8 | (i < stemmed.size() ? static_cast<uint8_t>(stemmed[i]) : 0);
  stems_.append(stemmed);
  stemmed_.push_back(entry);
}

void TableWriter::end() {
  const auto stem_of = [&](const Stemmed& entry) { return std::string_view(stems_).substr(entry.begin, entry.bytes); };
  std::sort(stemmed_.begin(), stemmed_.end(), [&](const Stemmed& a, const Stemmed& b) {
    if (a.head != b.head) return a.head < b.head;
    const int order = stem_of(a).compare(stem_of(b));
    return order != 0 ? order < 0 : a.word < b.word;
  });
  std::string& form_ends = section(TextSegment::kFormEnds);
  for (size_t i = 0; i < stemmed_.size(); ++i) {
    base::put_u32(section(TextSegment::kForms), stemmed_[i].word);
    if (i + 1 < stemmed_.size() && stem_of(stemmed_[i + 1]) == stem_of(stemmed_[i])) continue;
    append(TextSegment::kStemEnds, stem_of(stemmed_[i]));
    base::put_u32(form_ends, static_cast<uint32_t>(i + 1));
  }
}

}  // namespace strata::index
