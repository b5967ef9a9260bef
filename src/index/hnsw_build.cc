#include <hnswlib/hnswlib.h>

#include <cmath>
#include <cstring>

#include "index/hnsw_graph.h"

namespace strata::index {
namespace {

// Distances between rows, from their codes. A row is named by its number, so that the builder keeps no vectors.
class RowSpace : public hnswlib::SpaceInterface<float> {
 public:
  explicit RowSpace(const CodeTable& table) : table_(table), stride_(code_stride(table.dimension)), rows_(table.rows) {
    float most = 0;
    for (uint32_t row = 0; row < table.rows; ++row) {
      const uint8_t* codes = table.codes + row * stride_;
      Row& made = rows_[row];
      made.squared = table.bounds[row].length * table.bounds[row].length;
      made.scale = table.factors[row].scale;
      for (size_t i = 0; i < stride_; ++i) made.sum += int32_t{codes[i]} - 128;
      most = std::max(most, made.squared);
    }
    // Products become distances when each row gets one more component that makes all of them equally long.
    if (table.metric != VectorMetric::kDotProduct) return;
    for (Row& row : rows_) row.extra = std::sqrt(most - row.squared);
  }

  size_t get_data_size() override { return sizeof(uint32_t); }
  hnswlib::DISTFUNC<float> get_dist_func() override { return distance; }
  void* get_dist_func_param() override { return this; }

 private:
  struct Row {
    float squared = 0;
    float scale = 0;
    float extra = 0;
    int32_t sum = 0;  // of its codes
  };

  static float distance(const void* a, const void* b, const void* param) {
    const auto& space = *static_cast<const RowSpace*>(param);
    uint32_t row_a = 0;
    uint32_t row_b = 0;
    std::memcpy(&row_a, a, sizeof(row_a));
    std::memcpy(&row_b, b, sizeof(row_b));
    const Row& x = space.rows_[row_a];
    const Row& y = space.rows_[row_b];
    const uint8_t* codes = space.table_.codes;
    const int32_t product =
        kernels().dot_pair(codes + row_a * space.stride_, codes + row_b * space.stride_, space.stride_) - 128 * y.sum;
    const float extra = x.extra - y.extra;
    return x.squared + y.squared - 2 * x.scale * y.scale * static_cast<float>(product) + extra * extra;
  }

  const CodeTable& table_;
  const size_t stride_;
  std::vector<Row> rows_;
};

using Builder = hnswlib::HierarchicalNSW<float>;

// In one thread: threads of hnswlib draw levels from one generator that nothing guards.
bool add_rows(Builder* builder, uint32_t rows, const std::atomic<bool>& stop) {
  for (uint32_t row = 0; row < rows && !stop.load(std::memory_order_relaxed); ++row) builder->addPoint(&row, row);
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
  if (table.rows == 0) return nullptr;
  RowSpace space(table);
  Builder builder(&space, table.rows, options.links, options.build_breadth);
  builder.size_links_per_element_ += sizeof(hnswlib::tableint);  // its prefetches read one link past the last
  if (!add_rows(&builder, table.rows, stop)) return nullptr;
  return GraphWriter(&builder, table.rows, options.links).write();
}

}  // namespace strata::index
