// A navigable small-world graph over the rows of a code table: built once, then walked and never changed.
//
// Thread safety: immutable; any number of threads may walk it. Ownership: owns its links; borrows tables and queries.
// Invariants: every link names a row; every row has a place on level 0.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "index/bitmap.h"
#include "index/candidates.h"
#include "index/codes.h"

namespace strata::index {

struct GraphOptions {
  // Measured on embeddings of sentences: 16 links take a third longer for the same recall, more breadth builds slower
  // and finds no more.
  uint32_t links = 20;           // of a row on the upper levels, 16 at least; twice that on level 0
  uint32_t build_breadth = 160;  // candidates kept while a row is linked
};

struct WalkLimits {
  size_t breadth = 0;               // candidates kept; the more, the better the answer
  const Bitmap* allowed = nullptr;  // rows that may be answers; the walk passes through all
  size_t most_compared = SIZE_MAX;
};

class HnswGraph {
 public:
  // Nothing: *stop became true, or there are no rows. Without memory the process ends, so see first whether there is
  // enough: build_bytes.
  static std::shared_ptr<const HnswGraph> build(const CodeTable& table, const GraphOptions& options,
                                                const std::atomic<bool>& stop);
  // What a build takes on top of the table, roughly.
  static size_t build_bytes(const CodeTable& table, const GraphOptions& options) {
    return size_t{table.rows} * (16 * options.links + 200 + code_stride(table.dimension));
  }
  // From what words() said, which is not believed; nothing where it is no graph of so many rows.
  static std::shared_ptr<const HnswGraph> from_words(std::vector<uint32_t> words, uint32_t rows);

  // The closest rows that a walk finds, closest first. False: the limit was reached before it had come to its end.
  bool walk(const CodeTable& table, const CodedQuery& query, const WalkLimits& limits,
            std::vector<Candidate>* found) const;

  // ON DISK: rows, entry row, top level, links of the upper levels, words of them | for each row: number of links, room
  // for twice `links` | for each row: 1 + where its upper levels begin, or 0 | upper levels: top level of the row, then
  // for each level from 1 on the number of links and room for them.
  std::span<const uint32_t> words() const { return words_; }
  size_t memory_bytes() const { return words_.size() * sizeof(uint32_t); }

 private:
  struct Header {
    uint32_t rows;
    uint32_t entry;
    uint32_t top_level;
    uint32_t links;
    uint32_t upper_words;
  };
  static constexpr size_t kHeaderWords = 5;

  class Visited;
  class Comparer;
  struct Step;

  explicit HnswGraph(std::vector<uint32_t> words);
  bool check() const;
  const uint32_t* links_of_row(uint32_t row) const {
    return words_.data() + kHeaderWords + row * (1 + 2 * size_t{header_.links});
  }
  std::span<const uint32_t> links_of(uint32_t row) const;
  void prefetch_links(uint32_t row) const;
  std::span<const uint32_t> upper_links_of(uint32_t row, uint32_t level) const;
  Candidate descend(Comparer* comparer) const;
  void look_into(uint32_t row, Visited* visited, const Comparer& comparer, Step* step) const;
  bool walk_all(const Candidate& nearest, const WalkLimits& limits, Comparer* comparer,
                std::vector<Candidate>* found) const;
  bool walk_allowed(const Candidate& nearest, const WalkLimits& limits, Comparer* comparer,
                    std::vector<Candidate>* found) const;
  friend class GraphWriter;

  std::vector<uint32_t> words_;
  Header header_;
  size_t starts_at_ = 0;
  size_t upper_at_ = 0;
};

}  // namespace strata::index
