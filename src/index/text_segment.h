// A segment: some documents and where each word occurs in them. Never changes once it is built; bytes in one piece, so
// that a file is read as it is.
//
// A document has a kind (a small number), a key, an identity (two numbers that name its version) and strings. A string
// is the text of a value or the name of a member; each has a path, the names that lead to it. Words are numbered
// through a document, with a gap between strings, so that a phrase lies in one.
//
// Thread safety: constant after construction. Ownership: owns its bytes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/coding.h"

namespace strata::index {

// What a word stands in. Names count less than text.
enum class WordTable : uint8_t { kText, kNames };
constexpr size_t kWordTables = 2;
constexpr size_t kMaxKinds = 16;
constexpr uint32_t kNoDocument = UINT32_MAX;
// The lengths of documents are in units of a word of a name; a word of text is worth four.
constexpr uint32_t kTextWordUnits = 4;

// Names the version of a document that was indexed.
struct DocumentIdentity {
  uint64_t position = 0;
  uint64_t timestamp = 0;
  bool operator==(const DocumentIdentity&) const = default;
};

// Walks the documents in which a word occurs.
class PostingReader {
 public:
  PostingReader(std::string_view list, std::string_view spots, uint32_t documents)
      : at_(list.data()), end_(at_ + list.size()), spots_(spots), documents_(documents) {}
  bool next() {
    uint64_t head = 0;
    if (!read(&head)) return false;
    uint64_t count = 1;
    if ((head & 1) == 0 && !read(&count)) return false;
    document_ += head >> 1;
    count_ = static_cast<uint32_t>(count);
    return document_ - 1 < documents_;  // damage ends the list; 0 - 1 is far above
  }
  uint32_t document() const { return static_cast<uint32_t>(document_ - 1); }
  uint32_t count() const { return count_; }
  // Where the word occurs in the document. Either once for each document, in order, or never.
  template <typename Visit>
  bool spots(Visit&& visit) {
    uint64_t spot = 0;
    for (uint32_t i = 0; i < count_; ++i) {
      uint64_t delta = 0;
      if (!spots_.read_varint(delta)) return false;
      spot += delta;
      visit(static_cast<uint32_t>(spot));
    }
    return true;
  }

 private:
  bool read(uint64_t* value) {
    if (at_ == end_) return false;
    uint64_t result = static_cast<uint8_t>(*at_++);
    if (result >= 0x80) {
      result &= 0x7F;
      for (unsigned shift = 7;; shift += 7) {
        if (at_ == end_ || shift > 35) return false;
        const uint64_t byte = static_cast<uint8_t>(*at_++);
        result |= (byte & 0x7F) << shift;
        if (byte < 0x80) break;
      }
    }
    *value = result;
    return true;
  }

  const char* at_;
  const char* end_;
  base::Reader spots_;
  uint64_t documents_;
  uint64_t document_ = 0;  // its number + 1
  uint32_t count_ = 0;
};

class TextSegment {
 public:
  // Bytes of any origin: null if they are no segment. Whatever passes is safe to read.
  static std::shared_ptr<const TextSegment> parse(std::string bytes);

  std::string_view bytes() const { return bytes_; }
  uint32_t documents() const { return documents_; }

  // ---- documents ----
  uint8_t kind(uint32_t document) const { return static_cast<uint8_t>(section(kKinds)[document]); }
  std::string_view key(uint32_t document) const { return slice(kKeyEnds, kKeys, document); }
  DocumentIdentity identity(uint32_t document) const {
    const char* at = section(kIdentities).data() + size_t{16} * document;
    return {base::load_u64(at), base::load_u64(at + 8)};
  }
  uint32_t length(uint32_t document) const { return number(kLengths, document); }
  // The documents in the order of kind and key; one of each there.
  uint32_t by_key(uint32_t place) const { return number(kByKey, place); }
  // The document, kNoDocument if there is none.
  uint32_t find(uint8_t kind, std::string_view key) const;

  // ---- words ----
  uint32_t words(WordTable table) const { return words_[static_cast<size_t>(table)]; }
  std::string_view word(WordTable table, uint32_t word) const { return slice(at(table, kWordEnds), word); }
  PostingReader postings(WordTable table, uint32_t word) const {
    return {slice(at(table, kListEnds), word), slice(at(table, kSpotEnds), word), documents_};
  }
  std::string_view list(WordTable table, uint32_t word) const { return slice(at(table, kListEnds), word); }
  uint32_t document_count(WordTable table, uint32_t word) const { return number(at(table, kCounts), word); }
  struct Range {
    uint32_t begin = 0;
    uint32_t end = 0;
  };
  // The words that begin with `prefix`.
  Range with_prefix(WordTable table, std::string_view prefix) const;
  // Places among the forms (below) of the words with this stem.
  Range with_stem(WordTable table, std::string_view stem) const;
  uint32_t form(WordTable table, uint32_t place) const { return number(at(table, kForms), place); }

  // ---- where strings stand ----
  // Of each string its path and its number of words, as varints; empty: one string, at the root.
  std::string_view strings(uint32_t document) const { return slice(kStringEnds, kStrings, document); }
  uint32_t paths() const { return paths_; }
  uint32_t path_parent(uint32_t path) const { return number(kPathParents, path); }
  std::string_view path_name(uint32_t path) const { return slice(kPathEnds, kPathNames, path); }
  // Whether the dotted names of a path end with `field`.
  bool path_ends_with(uint32_t path, std::string_view field) const;

  // ON DISK (in a cache): the order of sections.
  enum Section : uint8_t {
    kKinds,
    kKeyEnds,
    kKeys,
    kIdentities,
    kLengths,
    kByKey,
    kStringEnds,
    kStrings,
    kPathParents,
    kPathEnds,
    kPathNames,
    kTables,
  };
  // Of each table, behind kTables. Items of a blob end where the section before it says.
  enum TableSection : uint8_t {
    kWordEnds,
    kWords,
    kListEnds,
    kLists,
    kSpotEnds,
    kSpots,
    kCounts,
    kStemEnds,
    kStems,
    kFormEnds,
    kForms,
    kTableSections,
  };
  static constexpr size_t kSections = kTables + kWordTables * kTableSections;
  static constexpr size_t at(WordTable table, TableSection section) {
    return kTables + static_cast<size_t>(table) * kTableSections + section;
  }
  using Sections = std::array<std::string, kSections>;
  // A segment of these sections. REQUIRES: they fit together; no section reaches 4 GiB.
  static std::shared_ptr<const TextSegment> assemble(uint32_t documents, const Sections& sections);

 private:
  TextSegment() = default;
  bool check() const;
  bool check_ends(size_t ends, uint64_t count) const;
  bool check_table(WordTable table) const;
  std::string_view section(size_t index) const { return sections_[index]; }
  uint32_t number(size_t index, uint32_t i) const { return base::load_u32(sections_[index].data() + size_t{4} * i); }
  std::string_view slice(size_t ends, size_t blob, uint32_t i) const {
    const uint32_t begin = i == 0 ? 0 : number(ends, i - 1);
    return sections_[blob].substr(begin, number(ends, i) - begin);
  }
  std::string_view slice(size_t ends, uint32_t i) const { return slice(ends, ends + 1, i); }
  template <typename Item>
  static uint32_t lower_bound(uint32_t count, std::string_view key, const Item& item);

  std::string bytes_;
  std::array<std::string_view, kSections> sections_;
  uint32_t documents_ = 0;
  uint32_t paths_ = 0;
  std::array<uint32_t, kWordTables> words_{};
  std::array<uint32_t, kWordTables> stems_{};
};

// Finds the paths of a document's words; asked in their order.
class PathWalker {
 public:
  PathWalker(const TextSegment& segment, uint32_t document)
      : strings_(segment.strings(document)), paths_(segment.paths()) {}
  // 0: the root.
  uint32_t at(uint32_t spot) {
    while (spot >= behind_) {
      uint64_t words = 0;
      if (!strings_.read_varint(path_) || !strings_.read_varint(words) || path_ >= paths_ || words > UINT32_MAX) {
        path_ = 0;
        behind_ = UINT64_MAX;
        break;
      }
      behind_ = begin_ + words + 1;
      begin_ = behind_ + 1;
    }
    return static_cast<uint32_t>(path_);
  }

 private:
  base::Reader strings_;
  uint32_t paths_;
  uint64_t path_ = 0;
  uint64_t begin_ = 0;
  uint64_t behind_ = 0;  // the first spot that is not of this string
};

using SegmentPtr = std::shared_ptr<const TextSegment>;

}  // namespace strata::index
