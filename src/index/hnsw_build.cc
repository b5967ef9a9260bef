#include <hnswlib/hnswlib.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <mutex>
#include <vector>

#include "base/check.h"
#include "index/hnsw_graph.h"
#include "os/together.h"

namespace strata::index {
namespace {

// Levels are drawn from one generator that nothing guards, so who draws holds this; the first distance of an insertion
// says that it has drawn.
class LevelTurn {
 public:
  explicit LevelTurn(std::mutex* mutex) : lock_(*mutex) { current = this; }
  ~LevelTurn() { current = nullptr; }
  LevelTurn(const LevelTurn&) = delete;
  LevelTurn& operator=(const LevelTurn&) = delete;

  static void end() {
    if (current == nullptr) return;
    current->lock_.unlock();
    current = nullptr;
  }

 private:
  std::unique_lock<std::mutex> lock_;
  static thread_local LevelTurn* current;
};

thread_local LevelTurn* LevelTurn::current = nullptr;

// What the builder keeps of a row: what its distance to others is made of, then its codes.
struct BuiltRow {
  float squared = 0;
  float scale = 0;
  float extra = 0;
  int32_t sum = 0;  // of its codes
};

// Distances between rows, from their codes.
class RowSpace : public hnswlib::SpaceInterface<float> {
 public:
  explicit RowSpace(const CodeTable& table) : table_(table), stride_(code_stride(table.dimension)) {
    if (table.metric != VectorMetric::kDotProduct) return;
    for (uint32_t row = 0; row < table.rows; ++row) most_ = std::max(most_, squared(row));
  }

  size_t get_data_size() override { return sizeof(BuiltRow) + stride_; }
  hnswlib::DISTFUNC<float> get_dist_func() override { return distance; }
  void* get_dist_func_param() override { return &stride_; }

  // get_data_size() bytes.
  void write(uint32_t row, char* out) const {
    const uint8_t* codes = table_.codes + row * stride_;
    BuiltRow made;
    made.squared = squared(row);
    made.scale = table_.factors[row].scale;
    for (size_t i = 0; i < stride_; ++i) made.sum += int32_t{codes[i]} - 128;
    // Products become distances when each row gets one more component that makes all of them equally long.
    if (table_.metric == VectorMetric::kDotProduct) made.extra = std::sqrt(most_ - made.squared);
    std::memcpy(out, &made, sizeof(made));
    std::memcpy(out + sizeof(made), codes, stride_);
  }

 private:
  float squared(uint32_t row) const { return table_.bounds[row].length * table_.bounds[row].length; }

  static float distance(const void* a, const void* b, const void* stride) {
    LevelTurn::end();
    BuiltRow x;
    BuiltRow y;
    std::memcpy(&x, a, sizeof(x));
    std::memcpy(&y, b, sizeof(y));
    const uint8_t* codes_x = static_cast<const uint8_t*>(a) + sizeof(BuiltRow);
    const uint8_t* codes_y = static_cast<const uint8_t*>(b) + sizeof(BuiltRow);
    const int32_t product = kernels().dot_pair(codes_x, codes_y, *static_cast<const size_t*>(stride)) - 128 * y.sum;
    const float extra = x.extra - y.extra;
    return x.squared + y.squared - 2 * x.scale * y.scale * static_cast<float>(product) + extra * extra;
  }

  const CodeTable& table_;
  size_t stride_;
  float most_ = 0;
};

using Builder = hnswlib::HierarchicalNSW<float>;

// Above all levels that are drawn with kLeastLinks: no row but the first ever becomes the entry, which nothing guards
// either.
constexpr int kEntryLevel = 16;
constexpr uint32_t kLeastLinks = 16;
// Fewer are not worth a thread. They also get the same graph every time.
constexpr uint32_t kRowsOfAThread = 4096;

bool add_rows(Builder* builder, const RowSpace& space, size_t row_bytes, uint32_t rows, const std::atomic<bool>& stop) {
  std::mutex levels;
  std::atomic<uint32_t> next{1};
  const auto add = [&](uint32_t row, int level) {
    std::vector<char> bytes(row_bytes);
    space.write(row, bytes.data());
    const LevelTurn turn(&levels);
    builder->addPoint(bytes.data(), row, level);
  };
  add(0, kEntryLevel);
  os::run_together(std::min(os::useful_threads(), rows / kRowsOfAThread), [&] {
    for (uint32_t row = next++; row < rows && !stop.load(std::memory_order_relaxed); row = next++) add(row, -1);
  });
  return !stop;
}

}  // namespace

// Takes the links out of the builder, whose numbers of rows are those of their coming.
class GraphWriter {
 public:
  GraphWriter(Builder* builder, uint32_t rows, uint32_t links) : builder_(*builder), rows_(rows), links_(links) {}

  std::shared_ptr<const HnswGraph> write() {
    std::vector<uint32_t> words(HnswGraph::kHeaderWords + size_t{rows_} * (2 + 2 * size_t{links_}));
    std::vector<uint32_t> upper;
    uint32_t* starts = words.data() + words.size() - rows_;
    for (uint32_t inside = 0; inside < rows_; ++inside) {
      const uint32_t row = row_of(inside);
      const size_t at = HnswGraph::kHeaderWords + row * (1 + 2 * size_t{links_});
      copy_links(builder_.get_linklist0(inside), words.data() + at);
      const int levels = builder_.element_levels_[inside];
      if (levels == 0) continue;
      starts[row] = static_cast<uint32_t>(upper.size()) + 1;
      upper.push_back(static_cast<uint32_t>(levels));
      for (int level = 1; level <= levels; ++level) {
        upper.resize(upper.size() + 1 + links_);
        copy_links(builder_.get_linklist(inside, level), upper.data() + upper.size() - 1 - links_);
      }
    }
    words[0] = rows_;
    words[1] = row_of(builder_.enterpoint_node_);
    words[2] = static_cast<uint32_t>(builder_.maxlevel_);
    words[3] = links_;
    words[4] = static_cast<uint32_t>(upper.size());
    words.insert(words.end(), upper.begin(), upper.end());
    return std::shared_ptr<const HnswGraph>(new HnswGraph(std::move(words)));
  }

 private:
  uint32_t row_of(hnswlib::tableint inside) const { return static_cast<uint32_t>(builder_.getExternalLabel(inside)); }
  void copy_links(hnswlib::linklistsizeint* from, uint32_t* to) const {
    const uint32_t count = builder_.getListCount(from);
    to[0] = count;
    for (uint32_t i = 0; i < count; ++i) to[1 + i] = row_of(from[1 + i]);
  }

  Builder& builder_;
  uint32_t rows_;
  uint32_t links_;
};

std::shared_ptr<const HnswGraph> HnswGraph::build(const CodeTable& table, const GraphOptions& options,
                                                  const std::atomic<bool>& stop) {
  STRATA_CHECK(options.links >= kLeastLinks);
  if (table.rows == 0) return nullptr;
  RowSpace space(table);
  const size_t row_bytes = space.get_data_size();
  Builder builder(&space, table.rows, options.links, options.build_breadth);
  builder.size_links_per_element_ += sizeof(hnswlib::tableint);  // its prefetches read one link past the last
  if (!add_rows(&builder, space, row_bytes, table.rows, stop)) return nullptr;
  return GraphWriter(&builder, table.rows, options.links).write();
}

}  // namespace strata::index
