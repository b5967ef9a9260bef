#include "index/hnsw_graph.h"

#include <array>
#include <cstring>

namespace strata::index {
namespace {

constexpr uint32_t kMostLinks = 128;
// Rows of a step whose codes are fetched while its links are still read; the comparison fetches the others.
constexpr size_t kPrefetched = 12;

// One for each thread, since a fresh one costs more than clearing it.
std::vector<uint64_t>& words_of_thread() {
  thread_local std::vector<uint64_t> words;
  return words;
}

// The rows that a walk has met.
class Visited {
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

bool is_less_close(const Candidate& a, const Candidate& b) { return is_closer(b, a); }

// Closeness of some rows of a table.
class Comparer {
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
  std::array<int32_t, kMostLinks> products_;
  size_t compared_ = 0;
};

}  // namespace

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
  if (words_.size() != upper_at_ + header_.upper_words || header_.entry >= rows) return false;
  const auto sound = [&](const uint32_t* links, uint32_t most) {
    if (links[0] > most) return false;
    for (uint32_t i = 1; i <= links[0]; ++i) {
      if (links[i] >= rows) return false;
    }
    return true;
  };
  const size_t step = 1 + size_t{header_.links};
  for (uint32_t row = 0; row < rows; ++row) {
    if (!sound(words_.data() + kHeaderWords + row * (1 + 2 * size_t{header_.links}), 2 * header_.links)) return false;
    const uint32_t start = words_[starts_at_ + row];
    if (start == 0) continue;
    if (start > header_.upper_words) return false;
    const uint32_t* upper = words_.data() + upper_at_ + start - 1;
    const size_t levels = upper[0];
    if (levels > 64 || start + levels * step > header_.upper_words) return false;
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
  Candidate nearest;
  const auto take_nearer = [&](const Candidate& candidate) {
    if (is_closer(candidate, nearest)) nearest = candidate;
  };
  comparer.compare(std::span(&header_.entry, 1), [&](const Candidate& candidate) { nearest = candidate; });
  for (uint32_t level = header_.top_level; level > 0; --level) {
    for (uint32_t from = UINT32_MAX; from != nearest.row;) {
      from = nearest.row;
      comparer.compare(upper_links_of(from, level), take_nearer);
    }
  }

  Visited visited(table.rows);
  BestCandidates best(limits.breadth);
  std::vector<Candidate> open{nearest};  // a heap, the closest on top
  const auto is_allowed = [&](uint32_t row) { return limits.allowed == nullptr || limits.allowed->test(row); };
  visited.meet(nearest.row);
  if (is_allowed(nearest.row)) best.offer(nearest);
  std::array<uint32_t, kMostLinks> fresh;
  while (!open.empty()) {
    const Candidate next = open.front();
    if (best.full() && next.closeness < best.threshold()) break;
    if (comparer.compared() > limits.most_compared) return false;
    std::pop_heap(open.begin(), open.end(), is_less_close);
    open.pop_back();
    size_t count = 0;
    for (const uint32_t row : links_of(next.row)) {
      if (!visited.meet(row)) continue;
      comparer.prefetch(row, count < kPrefetched);
      fresh[count++] = row;
    }
    comparer.compare(std::span(fresh.data(), count), [&](const Candidate& candidate) {
      if (best.full() && candidate.closeness <= best.threshold()) return;
      prefetch_links(candidate.row);
      open.push_back(candidate);
      std::push_heap(open.begin(), open.end(), is_less_close);
      if (is_allowed(candidate.row)) best.offer(candidate);
    });
  }
  *found = best.take();
  return true;
}

}  // namespace strata::index
