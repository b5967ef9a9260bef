// Where one term of a query occurs in one segment.
// Thread safety: one object a thread. Ownership: borrows the segment for a call; keeps scratch memory.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "index/text_query.h"
#include "index/text_writer.h"

namespace strata::index {

struct TextMatch {
  uint32_t document = 0;
  float frequency = 0;
};

class MatchCollector {
 public:
  // Which documents count.
  struct Filter {
    const LiveSegment& live;
    uint32_t kinds;  // a bit each
    bool accepts(uint32_t document) const {
      return live.alive(document) && (kinds >> live.segment->kind(document) & 1) != 0;
    }
  };
  // Appends the documents that have the term, each once, in any order.
  void collect(const QueryTerm& term, const Filter& filter, std::vector<TextMatch>* matches);

 private:
  // A list of postings that counts for the term, and how much.
  struct Part {
    WordTable table;
    uint32_t word;
    float weight;
  };
  struct Spot {
    uint32_t document;
    uint32_t spot;
    bool operator<(const Spot& other) const {
      return document != other.document ? document < other.document : spot < other.spot;
    }
  };
  void find_parts(const TextSegment& segment, std::string_view word, WordTable table);
  void find_prefix_parts(const TextSegment& segment, std::string_view prefix, WordTable table);
  void collect_parts(const Filter& filter, std::vector<TextMatch>* matches);
  void collect_in_field(const QueryTerm& term, const Filter& filter, std::vector<TextMatch>* matches);
  void collect_phrase(const QueryTerm& term, const Filter& filter, std::vector<TextMatch>* matches);
  void gather_spots(const TextSegment& segment, const Filter& filter, std::vector<Spot>* spots);
  bool path_matches(const TextSegment& segment, uint32_t path, std::string_view field);
  void add(uint32_t document, float frequency) {
    if (sums_[document] == 0) touched_.push_back(document);
    sums_[document] += frequency;
  }
  void hand_out(std::vector<TextMatch>* matches);

  std::vector<Part> parts_;
  std::vector<float> sums_;  // by document; zero between calls
  std::vector<uint32_t> touched_;
  std::vector<int8_t> path_matches_;  // by path: -1 not known
};

}  // namespace strata::index
