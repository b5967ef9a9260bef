#include "index/flat_scan.h"

#include <array>

namespace strata::index {
namespace {

// Rows compared in one call of a kernel.
constexpr uint32_t kBlock = 256;

template <typename Take>
void compare(const CodeTable& table, const CodedQuery& query, CodeRows rows, const Take& take) {
  std::array<int32_t, kBlock> products;
  kernels().dot_rows(rows, query.codes(), products.data());
  for (uint32_t i = 0; i < rows.count; ++i) {
    const uint32_t row = rows.picked != nullptr ? rows.picked[i] : rows.first + i;
    take(row, query.closeness(products[i], table.factors[row]));
  }
}

template <typename Take>
void scan(const CodeTable& table, const CodedQuery& query, const Bitmap* allowed, const Take& take) {
  CodeRows rows;
  rows.codes = table.codes;
  rows.stride = code_stride(table.dimension);
  if (allowed == nullptr) {
    for (rows.first = 0; rows.first < table.rows; rows.first += kBlock) {
      rows.count = std::min(kBlock, table.rows - rows.first);
      compare(table, query, rows, take);
    }
    return;
  }
  std::array<uint32_t, kBlock> picked;
  uint32_t count = 0;
  rows.picked = picked.data();
  const auto flush = [&] {
    rows.count = count;
    compare(table, query, rows, take);
    count = 0;
  };
  allowed->for_each([&](uint32_t row) {
    picked[count++] = row;
    if (count == kBlock) flush();
  });
  flush();
}

}  // namespace

void scan_codes(const CodeTable& table, const CodedQuery& query, const Bitmap* allowed, uint32_t part,
                BestCandidates* best, std::vector<Candidate>* seen) {
  scan(table, query, allowed, [&](uint32_t row, float closeness) {
    if (closeness >= best->threshold()) best->offer({closeness, row, part});
    if (seen != nullptr) seen->push_back({closeness, row, part});
  });
}

}  // namespace strata::index
