// The sections of a segment that builder and merger write alike.
// Thread safety: none. Ownership: a TableWriter borrows the sections.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "index/text_segment.h"

namespace strata::index {

// `delta`: the distance to the document before, at least 1.
void put_posting(std::string* list, uint32_t delta, uint32_t count);

// Fills kByKey.
void write_key_order(uint32_t documents, TextSegment::Sections* sections);

class TableWriter {
 public:
  TableWriter(WordTable table, TextSegment::Sections* sections) : table_(table), sections_(*sections) {}
  // Words in the order of their bytes.
  void add(std::string_view word, std::string_view list, std::string_view spots, uint32_t documents);
  // Once: groups the words by their stems.
  void end();

 private:
  std::string& section(TextSegment::TableSection which) { return sections_[TextSegment::at(table_, which)]; }
  void append(TextSegment::TableSection ends, std::string_view bytes);

  WordTable table_;
  TextSegment::Sections& sections_;
  std::string stems_;
  struct Stemmed {
    uint64_t head = 0;  // the first bytes of the stem, as a number that sorts like them
    uint32_t begin = 0;
    uint32_t bytes = 0;
    uint32_t word = 0;
  };
  std::vector<Stemmed> stemmed_;
};

}  // namespace strata::index
