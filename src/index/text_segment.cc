#include "index/text_segment.h"

namespace strata::index {
namespace {

// magic | documents u32 | padding u32 | where each section ends u64
constexpr std::string_view kMagic("STRATATX", 8);
constexpr uint32_t kFormat = 1;
constexpr size_t kHeadBytes = 16 + 8 * TextSegment::kSections;

}  // namespace

std::shared_ptr<const TextSegment> TextSegment::assemble(uint32_t documents, const Sections& sections) {
  std::string bytes;
  size_t total = kHeadBytes;
  for (const std::string& part : sections) total += part.size();
  bytes.reserve(total);
  bytes.append(kMagic);
  base::put_u32(bytes, documents);
  base::put_u32(bytes, kFormat);
  uint64_t end = kHeadBytes;
  for (const std::string& part : sections) base::put_u64(bytes, end += part.size());
  for (const std::string& part : sections) bytes.append(part);
  return parse(std::move(bytes));
}

std::shared_ptr<const TextSegment> TextSegment::parse(std::string bytes) {
  if (bytes.size() < kHeadBytes || !std::string_view(bytes).starts_with(kMagic)) return nullptr;
  const std::shared_ptr<TextSegment> segment(new TextSegment);
  segment->bytes_ = std::move(bytes);
  const std::string_view all = segment->bytes_;
  segment->documents_ = base::load_u32(all.data() + 8);
  if (base::load_u32(all.data() + 12) != kFormat) return nullptr;
  uint64_t begin = kHeadBytes;
  for (size_t i = 0; i < kSections; ++i) {
    const uint64_t end = base::load_u64(all.data() + 16 + 8 * i);
    if (end < begin || end > all.size() || end - begin > UINT32_MAX) return nullptr;
    segment->sections_[i] = all.substr(begin, end - begin);
    begin = end;
  }
  if (begin != all.size()) return nullptr;
  const auto count = [&](size_t index) { return static_cast<uint32_t>(segment->sections_[index].size() / 4); };
  segment->paths_ = count(kPathParents);
  for (size_t i = 0; i < kWordTables; ++i) {
    segment->words_[i] = count(at(static_cast<WordTable>(i), kWordEnds));
    segment->stems_[i] = count(at(static_cast<WordTable>(i), kStemEnds));
  }
  return segment->check() ? segment : nullptr;
}

bool TextSegment::check_ends(size_t ends, uint64_t count) const {
  if (sections_[ends].size() != 4 * count) return false;
  uint32_t before = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t end = number(ends, i);
    if (end < before) return false;
    before = end;
  }
  return before == sections_[ends + 1].size();
}

bool TextSegment::check_table(WordTable table) const {
  const uint32_t words = words_[static_cast<size_t>(table)];
  const uint32_t stems = stems_[static_cast<size_t>(table)];
  if (!check_ends(at(table, kWordEnds), words) || !check_ends(at(table, kListEnds), words) ||
      !check_ends(at(table, kSpotEnds), words) || !check_ends(at(table, kStemEnds), stems) ||
      sections_[at(table, kCounts)].size() != size_t{4} * words ||
      sections_[at(table, kForms)].size() != size_t{4} * words ||
      sections_[at(table, kFormEnds)].size() != size_t{4} * stems) {
    return false;
  }
  uint32_t before = 0;
  for (uint32_t i = 0; i < stems; ++i) {
    const uint32_t end = number(at(table, kFormEnds), i);
    if (end < before || end > words) return false;
    before = end;
  }
  for (uint32_t i = 0; i < words; ++i) {
    if (form(table, i) >= words) return false;
  }
  return true;
}

bool TextSegment::check() const {
  const uint64_t n = documents_;
  if (sections_[kKinds].size() != n || sections_[kIdentities].size() != 16 * n || sections_[kLengths].size() != 4 * n ||
      sections_[kByKey].size() != 4 * n || !check_ends(kKeyEnds, n) || !check_ends(kStringEnds, n) || paths_ == 0 ||
      !check_ends(kPathEnds, paths_) || sections_[kPathParents].size() != size_t{4} * paths_) {
    return false;
  }
  for (uint32_t i = 0; i < documents_; ++i) {
    if (by_key(i) >= documents_ || kind(i) >= kMaxKinds) return false;
  }
  for (uint32_t i = 1; i < paths_; ++i) {
    if (path_parent(i) >= i) return false;  // so that going up ends
  }
  return check_table(WordTable::kText) && check_table(WordTable::kNames);
}

template <typename Item>
uint32_t TextSegment::lower_bound(uint32_t count, std::string_view key, const Item& item) {
  uint32_t low = 0;
  while (count > 0) {
    const uint32_t half = count / 2;
    if (item(low + half) < key) {
      low += half + 1;
      count -= half + 1;
    } else {
      count = half;
    }
  }
  return low;
}

uint32_t TextSegment::find(uint8_t kind_wanted, std::string_view key_wanted) const {
  uint32_t low = 0;
  uint32_t count = documents_;
  while (count > 0) {
    const uint32_t half = count / 2;
    const uint32_t document = by_key(low + half);
    const uint8_t document_kind = kind(document);
    if (document_kind < kind_wanted || (document_kind == kind_wanted && key(document) < key_wanted)) {
      low += half + 1;
      count -= half + 1;
    } else {
      count = half;
    }
  }
  if (low == documents_) return kNoDocument;
  const uint32_t document = by_key(low);
  return kind(document) == kind_wanted && key(document) == key_wanted ? document : kNoDocument;
}

TextSegment::Range TextSegment::with_prefix(WordTable table, std::string_view prefix) const {
  const uint32_t count = words(table);
  const auto item = [&](uint32_t i) { return word(table, i); };
  Range range;
  range.begin = lower_bound(count, prefix, item);
  // Folded words hold no byte above those of UTF-8.
  const std::string behind = std::string(prefix) + '\xFF';
  range.end = range.begin + lower_bound(count - range.begin, behind, [&](uint32_t i) { return item(range.begin + i); });
  return range;
}

TextSegment::Range TextSegment::with_stem(WordTable table, std::string_view stem) const {
  const uint32_t count = stems_[static_cast<size_t>(table)];
  const auto item = [&](uint32_t i) { return slice(at(table, kStemEnds), i); };
  const uint32_t found = lower_bound(count, stem, item);
  if (found == count || item(found) != stem) return {};
  return {found == 0 ? 0 : number(at(table, kFormEnds), found - 1), number(at(table, kFormEnds), found)};
}

bool TextSegment::path_ends_with(uint32_t path, std::string_view field) const {
  while (true) {
    if (path == 0) return field.empty();
    const std::string_view name = path_name(path);
    if (name.size() >= field.size()) {
      return name.ends_with(field) && (name.size() == field.size() || name[name.size() - field.size() - 1] == '.');
    }
    if (!field.ends_with(name) || field[field.size() - name.size() - 1] != '.') return false;
    field.remove_suffix(name.size() + 1);
    path = path_parent(path);
  }
}

}  // namespace strata::index
