#include "index/hnsw_graph.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace strata::index {
namespace {

constexpr uint32_t kMostLinks = 128;
constexpr uint32_t kMostLevels = 64;
// Rows of a step whose codes are fetched while its links are still read; the comparison fetches the others.
constexpr size_t kPrefetched = 12;
// Rows are gathered from one place after the other until there are so many: memory is waited for once.
constexpr size_t kLeastCompared = 32;

// One for each thread, since a fresh one costs more than clearing it.
std::vector<uint64_t>& words_of_thread() {
  thread_local std::vector<uint64_t> words;
  return words;
}

struct IsLessClose {
  bool operator()(const Candidate& a, const Candidate& b) const { return IsCloser()(b, a); }
};

// The closest rows met so far, closest first, a bounded number of them; and which of them were looked into.
class Pool {
 public:
  explicit Pool(size_t most) : entries_(most) {}

  // False: it is not among them.
  bool offer(const Candidate& candidate) {
    if (entries_.empty() || (size_ == entries_.size() && candidate.closeness <= entries_.back().closeness))
      return false;
    const auto begin = entries_.begin();
    // Where the last one moves to, or that which falls out.
    const auto last = begin + static_cast<std::ptrdiff_t>(std::min(size_, entries_.size() - 1));
    const auto at = std::upper_bound(begin, last, candidate.closeness,
                                     [](float closeness, const Entry& entry) { return closeness > entry.closeness; });
    std::move_backward(at, last, last + 1);
    *at = {candidate.closeness, candidate.row, false};
    size_ = std::min(size_ + 1, entries_.size());
    first_closed_ = std::min(first_closed_, static_cast<size_t>(at - begin));
    return true;
  }

  // The closest that was not looked into yet, which then was; nothing: all were.
  std::optional<uint32_t> open_closest() {
    while (first_closed_ < size_ && entries_[first_closed_].opened) ++first_closed_;
    if (first_closed_ == size_) return std::nullopt;
    entries_[first_closed_].opened = true;
    return entries_[first_closed_].row;
  }

  void copy_to(std::vector<Candidate>* found) const {
    found->clear();
    for (size_t i = 0; i < size_; ++i) found->push_back({entries_[i].closeness, entries_[i].row, 0});
  }

 private:
  struct Entry {
    float closeness = 0;
    uint32_t row = 0;
    bool opened = false;
  };
  std::vector<Entry> entries_;
  size_t size_ = 0;
  size_t first_closed_ = 0;  // none before it is closed
};

}  // namespace

// The rows that a walk has met.
class HnswGraph::Visited {
 public:
  explicit Visited(uint32_t rows) : words_(words_of_thread()) { words_.assign((rows + 63) / 64, 0); }
  // Whether it was not met before.
  bool meet(uint32_t row) {
    uint64_t& word = words_[row / 64];
    const uint64_t bit = uint64_t{1} << (row % 64);
    if ((word & bit) != 0) return false;
    word |= bit;
    return true;
  }

 private:
  std::vector<uint64_t>& words_;
};

// Closeness of some rows of a table.
class HnswGraph::Comparer {
 public:
  Comparer(const CodeTable& table, const CodedQuery& query) : table_(table), query_(query) {
    rows_.codes = table.codes;
    rows_.stride = code_stride(table.dimension);
  }
  void prefetch(uint32_t row, bool all) const {
    __builtin_prefetch(&table_.factors[row]);
    if (!all) return;
    const uint8_t* codes = rows_.codes + row * rows_.stride;
    for (size_t at = 0; at < rows_.stride; at += 64) __builtin_prefetch(codes + at);
  }
  template <typename Take>
  void compare(std::span<const uint32_t> picked, const Take& take) {
    rows_.picked = picked.data();
    rows_.count = picked.size();
    kernels().dot_rows(rows_, query_.codes(), products_.data());
    for (size_t i = 0; i < picked.size(); ++i) {
      take(Candidate{query_.closeness(products_[i], table_.factors[picked[i]]), picked[i], 0});
    }
    compared_ += picked.size();
  }
  size_t compared() const { return compared_; }

 private:
  const CodeTable& table_;
  const CodedQuery& query_;
  CodeRows rows_;
  std::array<int32_t, 2 * kMostLinks> products_;
  size_t compared_ = 0;
};

HnswGraph::HnswGraph(std::vector<uint32_t> words) : words_(std::move(words)) {
  std::memcpy(&header_, words_.data(), sizeof(header_));
  starts_at_ = kHeaderWords + size_t{header_.rows} * (1 + 2 * size_t{header_.links});
  upper_at_ = starts_at_ + header_.rows;
}

std::shared_ptr<const HnswGraph> HnswGraph::from_words(std::vector<uint32_t> words, uint32_t rows) {
  if (words.size() < kHeaderWords || words[0] != rows || rows == 0 || words[3] == 0 || 2 * words[3] > kMostLinks) {
    return nullptr;
  }
  std::shared_ptr<HnswGraph> graph(new HnswGraph(std::move(words)));
  return graph->check() ? graph : nullptr;
}

bool HnswGraph::check() const {
  const uint32_t rows = header_.rows;
  if (words_.size() != upper_at_ + header_.upper_words) return false;
  if (header_.entry >= rows || header_.top_level > kMostLevels) return false;
  const auto sound = [&](const uint32_t* links, uint32_t most) {
    if (links[0] > most) return false;
    for (uint32_t i = 1; i <= links[0]; ++i) {
      if (links[i] >= rows) return false;
    }
    return true;
  };
  const size_t step = 1 + size_t{header_.links};
  for (uint32_t row = 0; row < rows; ++row) {
    if (!sound(links_of_row(row), 2 * header_.links)) return false;
    const uint32_t start = words_[starts_at_ + row];
    if (start == 0) continue;
    if (start > header_.upper_words) return false;
    const uint32_t* upper = words_.data() + upper_at_ + start - 1;
    const size_t levels = upper[0];
    if (levels > kMostLevels || start + levels * step > header_.upper_words) return false;
    for (size_t level = 0; level < levels; ++level) {
      if (!sound(upper + 1 + level * step, header_.links)) return false;
    }
  }
  return true;
}

std::span<const uint32_t> HnswGraph::links_of(uint32_t row) const {
  const uint32_t* links = links_of_row(row);
  return {links + 1, links[0]};
}

void HnswGraph::prefetch_links(uint32_t row) const {
  const char* links = reinterpret_cast<const char*>(links_of_row(row));
  const size_t bytes = (1 + 2 * size_t{header_.links}) * sizeof(uint32_t);
  for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(links + at);
}

std::span<const uint32_t> HnswGraph::upper_links_of(uint32_t row, uint32_t level) const {
  const uint32_t start = words_[starts_at_ + row];
  if (start == 0) return {};
  const uint32_t* upper = words_.data() + upper_at_ + start - 1;
  if (level > upper[0]) return {};
  const uint32_t* links = upper + 1 + size_t{level - 1} * (1 + size_t{header_.links});
  return {links + 1, links[0]};
}

bool HnswGraph::walk(const CodeTable& table, const CodedQuery& query, const WalkLimits& limits,
                     std::vector<Candidate>* found) const {
  Comparer comparer(table, query);
  const Candidate nearest = descend(&comparer);
  return limits.allowed == nullptr ? walk_all(nearest, limits, &comparer, found)
                                   : walk_allowed(nearest, limits, &comparer, found);
}

// To the closest row of level 1, without looking back.
Candidate HnswGraph::descend(Comparer* comparer) const {
  Candidate nearest;
  const auto take_nearer = [&](const Candidate& candidate) {
    if (IsCloser()(candidate, nearest)) nearest = candidate;
  };
  comparer->compare(std::span(&header_.entry, 1), [&](const Candidate& candidate) { nearest = candidate; });
  for (uint32_t level = header_.top_level; level > 0; --level) {
    for (uint32_t from = UINT32_MAX; from != nearest.row;) {
      from = nearest.row;
      comparer->compare(upper_links_of(from, level), take_nearer);
    }
  }
  return nearest;
}

// Rows to be compared together.
struct HnswGraph::Step {
  std::array<uint32_t, 2 * kMostLinks> rows;
  size_t count = 0;
};

// Adds the rows that `row` leads to, those that were not met before.
void HnswGraph::look_into(uint32_t row, Visited* visited, const Comparer& comparer, Step* step) const {
  for (const uint32_t linked : links_of(row)) {
    if (!visited->meet(linked)) continue;
    comparer.prefetch(linked, step->count < kPrefetched);
    step->rows[step->count++] = linked;
  }
}

bool HnswGraph::walk_all(const Candidate& nearest, const WalkLimits& limits, Comparer* comparer,
                         std::vector<Candidate>* found) const {
  Visited visited(header_.rows);
  Pool pool(limits.breadth);
  visited.meet(nearest.row);
  pool.offer(nearest);
  Step step;
  while (true) {
    step.count = 0;
    while (step.count < kLeastCompared) {
      const auto next = pool.open_closest();
      if (!next) break;
      look_into(*next, &visited, *comparer, &step);
    }
    if (step.count == 0) break;
    if (comparer->compared() > limits.most_compared) return false;
    comparer->compare(std::span(step.rows.data(), step.count), [&](const Candidate& candidate) {
      if (pool.offer(candidate)) prefetch_links(candidate.row);
    });
  }
  pool.copy_to(found);
  return true;
}

bool HnswGraph::walk_allowed(const Candidate& nearest, const WalkLimits& limits, Comparer* comparer,
                             std::vector<Candidate>* found) const {
  Visited visited(header_.rows);
  BestCandidates best(limits.breadth);
  std::vector<Candidate> open{nearest};  // a heap, the closest on top
  Step step;
  visited.meet(nearest.row);
  if (limits.allowed->test(nearest.row)) best.offer(nearest);
  while (!open.empty()) {
    const Candidate next = open.front();
    if (best.full() && next.closeness < best.threshold()) break;
    if (comparer->compared() > limits.most_compared) return false;
    std::pop_heap(open.begin(), open.end(), IsLessClose());
    open.pop_back();
    step.count = 0;
    look_into(next.row, &visited, *comparer, &step);
    comparer->compare(std::span(step.rows.data(), step.count), [&](const Candidate& candidate) {
      if (best.full() && candidate.closeness <= best.threshold()) return;
      prefetch_links(candidate.row);
      open.push_back(candidate);
      std::push_heap(open.begin(), open.end(), IsLessClose());
      if (limits.allowed->test(candidate.row)) best.offer(candidate);
    });
  }
  *found = best.take();
  return true;
}

}  // namespace strata::index
