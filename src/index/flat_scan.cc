#include "index/flat_scan.h"

#include <array>

namespace strata::index {
namespace {

// Rows compared in one call of a kernel.
constexpr uint32_t kBlock = 256;

// Calls take(rows, closeness of each) for blocks of rows.
template <typename Take>
class Scan {
 public:
  Scan(const CodeTable& table, const CodedQuery& query, const Take& take) : table_(table), query_(query), take_(take) {
    rows_.codes = table.codes;
    rows_.stride = code_stride(table.dimension);
  }

  void all() {
    for (rows_.first = 0; rows_.first < table_.rows; rows_.first += kBlock) {
      rows_.count = std::min(kBlock, table_.rows - rows_.first);
      kernels().dot_rows(rows_, query_.codes(), products_.data());
      const RowFactors* factors = table_.factors + rows_.first;
      for (uint32_t i = 0; i < rows_.count; ++i) closeness_[i] = query_.closeness(products_[i], factors[i]);
      take_(rows_, closeness_.data());
    }
  }

  void those_of(const Bitmap& allowed) {
    std::vector<uint32_t> picked(allowed.count());
    uint32_t* next = picked.data();
    allowed.for_each([&next](uint32_t row) { *next++ = row; });
    for (size_t first = 0; first < picked.size(); first += kBlock) {
      rows_.picked = picked.data() + first;
      rows_.count = std::min<size_t>(kBlock, picked.size() - first);
      kernels().dot_rows(rows_, query_.codes(), products_.data());
      for (size_t i = 0; i < rows_.count; ++i) {
        closeness_[i] = query_.closeness(products_[i], table_.factors[rows_.picked[i]]);
      }
      take_(rows_, closeness_.data());
    }
  }

 private:
  const CodeTable& table_;
  const CodedQuery& query_;
  const Take& take_;
  CodeRows rows_;
  std::array<int32_t, kBlock> products_;
  std::array<float, kBlock> closeness_;
};

template <typename Take>
void scan(const CodeTable& table, const CodedQuery& query, const Bitmap* allowed, const Take& take) {
  Scan<Take> scan(table, query, take);
  if (allowed == nullptr) {
    scan.all();
  } else {
    scan.those_of(*allowed);
  }
}

}  // namespace

void scan_codes(const CodeTable& table, const CodedQuery& query, const Bitmap* allowed, uint32_t part,
                BestCandidates* best) {
  scan(table, query, allowed, [&](const CodeRows& rows, const float* closeness) {
    float threshold = best->threshold();
    for (size_t i = 0; i < rows.count; ++i) {
      if (closeness[i] < threshold) continue;
      best->offer({closeness[i], rows.number(i), part});
      threshold = best->threshold();
    }
  });
}

void PossibleRows::scan(const CodeTable& table, const CodedQuery& query, const Bitmap* allowed, uint32_t part) {
  const float most_slack = query.slack(table.widest);
  const auto take = [&](const CodeRows& rows, const float* closeness) {
    float least = surest_.threshold();
    for (size_t i = 0; i < rows.count; ++i) {
      // Looks at the row's own bounds only where those of all do not leave it out.
      if (closeness[i] + most_slack < least) continue;
      const uint32_t row = rows.number(i);
      const float slack = query.slack(table.bounds[row]);
      if (closeness[i] + slack < least) continue;
      surest_.offer({closeness[i] - slack, row, part});
      possible_.push_back({closeness[i] + slack, row, part});
      least = surest_.threshold();
    }
  };
  index::scan(table, query, allowed, take);
}

std::vector<Candidate> PossibleRows::take() {
  const float least = surest_.threshold();
  std::erase_if(possible_, [&](const Candidate& candidate) { return candidate.closeness < least; });
  std::sort(possible_.begin(), possible_.end(), IsCloser());
  surest_.take();
  return std::move(possible_);
}

}  // namespace strata::index
