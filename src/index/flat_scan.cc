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
    rows_.picked = picked_.data();
    allowed.for_each([&](uint32_t row) {
      picked_[rows_.count++] = row;
      if (rows_.count == kBlock) compare_picked();
    });
    compare_picked();
  }

 private:
  void compare_picked() {
    kernels().dot_rows(rows_, query_.codes(), products_.data());
    for (uint32_t i = 0; i < rows_.count; ++i) {
      closeness_[i] = query_.closeness(products_[i], table_.factors[picked_[i]]);
    }
    take_(rows_, closeness_.data());
    rows_.count = 0;
  }

  const CodeTable& table_;
  const CodedQuery& query_;
  const Take& take_;
  CodeRows rows_;
  std::array<uint32_t, kBlock> picked_;
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
    for (uint32_t i = 0; i < rows.count; ++i) {
      if (closeness[i] >= best->threshold()) best->offer({closeness[i], rows.number(i), part});
    }
  });
}

void PossibleRows::scan(const CodeTable& table, const CodedQuery& query, const Bitmap* allowed, uint32_t part) {
  const float most_slack = query.slack(table.widest);
  const auto take = [&](const CodeRows& rows, const float* closeness) {
    for (uint32_t i = 0; i < rows.count; ++i) {
      // Looks at the row's own bounds only where those of all do not leave it out.
      if (closeness[i] + most_slack < surest_.threshold()) continue;
      const uint32_t row = rows.number(i);
      const float slack = query.slack(table.bounds[row]);
      if (closeness[i] + slack < surest_.threshold()) continue;
      surest_.offer({closeness[i] - slack, row, part});
      possible_.push_back({closeness[i] + slack, row, part});
    }
  };
  index::scan(table, query, allowed, take);
}

std::vector<Candidate> PossibleRows::take() {
  const float least = surest_.threshold();
  std::erase_if(possible_, [&](const Candidate& candidate) { return candidate.closeness < least; });
  std::sort(possible_.begin(), possible_.end(), is_closer);
  surest_.take();
  return std::move(possible_);
}

}  // namespace strata::index
