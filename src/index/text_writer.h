// What segments are made with: documents word by word, or the living documents of other segments.
//
// Thread safety: none. Ownership: own what they are given.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "index/text_segment.h"

namespace strata::index {

// The words of one table while documents are added.
class WordCollector {
 public:
  void add(std::string_view word, uint32_t spot);
  void end_document(uint32_t document);
  // Fills the sections of the table.
  void write(WordTable table, TextSegment::Sections* sections);

 private:
  struct Entry {
    uint64_t hash = 0;
    uint32_t word_begin = 0;
    uint32_t word_bytes = 0;
    uint32_t documents = 0;
    uint32_t next_document = 0;  // the last one's number + 1
    uint32_t count = 0;          // in the document under way
    uint32_t last_spot = 0;
    std::string list;
    std::string spots;
  };
  uint32_t find_or_add(std::string_view word);
  void grow();
  std::string_view word(const Entry& entry) const {
    return std::string_view(words_).substr(entry.word_begin, entry.word_bytes);
  }

  std::string words_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> slots_;    // indexes into entries_, + 1; 0 is empty
  std::vector<uint32_t> touched_;  // by the document under way
};

class SegmentBuilder {
 public:
  SegmentBuilder();
  static constexpr uint32_t kRoot = 0;
  // The path of a member: its object's path and its name.
  uint32_t path(uint32_t parent, std::string_view name);
  // A string of the document under way.
  void add_string(WordTable table, uint32_t path, std::string_view text);
  // REQUIRES: no document of this kind and key was added before.
  void end_document(uint8_t kind, std::string_view key, const DocumentIdentity& identity);
  uint32_t documents() const { return documents_; }
  // Whether it should be built before more is added, for what was added is large.
  bool full() const { return text_bytes_ > kFullBytes; }
  // Null if nothing was added. Only destruction may follow.
  SegmentPtr build();

 private:
  static constexpr uint64_t kFullBytes = uint64_t{128} << 20;

  TextSegment::Sections sections_;
  std::array<WordCollector, kWordTables> tables_;
  std::unordered_map<std::string, uint32_t> paths_;  // by parent and name
  uint32_t documents_ = 0;
  uint64_t text_bytes_ = 0;
  // The document under way.
  std::string strings_;
  bool plain_ = true;  // one string, at the root
  uint32_t next_spot_ = 0;
  uint32_t units_ = 0;
};

// Which documents of a segment count. Constant once shared.
class Liveness {
 public:
  explicit Liveness(uint32_t documents) : words_((size_t{documents} + 63) / 64, ~uint64_t{0}), alive_(documents) {}
  bool alive(uint32_t document) const { return (words_[document / 64] >> (document % 64) & 1) != 0; }
  void kill(uint32_t document) {
    if (!alive(document)) return;
    words_[document / 64] &= ~(uint64_t{1} << (document % 64));
    --alive_;
  }
  uint32_t alive_count() const { return alive_; }

 private:
  std::vector<uint64_t> words_;
  uint32_t alive_;
};
using LivenessPtr = std::shared_ptr<const Liveness>;

struct LiveSegment {
  SegmentPtr segment;
  LivenessPtr live;  // null: all of it
  bool alive(uint32_t document) const { return live == nullptr || live->alive(document); }
  uint32_t alive_count() const { return live == nullptr ? segment->documents() : live->alive_count(); }
};

// One segment of the living documents of several; null if there are none.
// REQUIRES: no two of them have the same kind and key; together below 4 GiB.
SegmentPtr merge_segments(std::span<const LiveSegment> segments);

}  // namespace strata::index
