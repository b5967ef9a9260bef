// Vectors as bytes: what a scan and a graph walk compare instead of floats, a quarter of their size.
//
// A row is normalised (cosine alone), the table's centre is taken away, and what is left, y, is stored as bytes c with
// a scale s of its own: y ≈ s·c. Taking a centre away changes no order of nearness (a product with the query changes by
// one number for all rows, a distance not at all), and makes the bytes finer where vectors share a direction.
// Nearness is measured as closeness, greater is nearer: the cosine, the product, or minus the squared distance.
//
// Thread safety: tables and queries are read only. Ownership: a CodeTable borrows its arrays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/distance.h"
#include "strata/vector_metric.h"

namespace strata::index {

// What a row's closeness is made of beside its bytes.
struct RowFactors {
  float scale = 0;
  float bias = 0;  // minus the squared length of y under the euclidean metric, else nothing
};

// What bounds the error of a closeness.
struct RowBounds {
  float length = 0;  // of s·c
  float error = 0;   // length of y - s·c
};

struct CodeTable {
  VectorMetric metric = VectorMetric::kCosine;
  uint32_t dimension = 0;
  uint32_t rows = 0;
  const float* centre = nullptr;        // `dimension`
  const RowFactors* factors = nullptr;  // `rows`
  const RowBounds* bounds = nullptr;    // `rows`
  const uint8_t* codes = nullptr;       // `rows` times the stride of `dimension`
  RowBounds widest;                     // at least those of every row
};

// What no bounds of these rows exceed.
RowBounds widest_of(std::span<const RowBounds> rows);

// Bytes that a row's codes take.
constexpr size_t code_stride(uint32_t dimension) {
  return (dimension + kCodeAlignment - 1) / kCodeAlignment * kCodeAlignment;
}

// Adds rows up to their mean, as the metric sees them.
class CentreSum {
 public:
  CentreSum(VectorMetric metric, uint32_t dimension) : metric_(metric), sums_(dimension) {}
  void add(const float* row);
  void mean(float* centre) const;

 private:
  VectorMetric metric_;
  std::vector<double> sums_;
  uint64_t rows_ = 0;
};

// False: the row has numbers so large that its codes would mean nothing.
class RowEncoder {
 public:
  RowEncoder(VectorMetric metric, uint32_t dimension, const float* centre)
      : metric_(metric), dimension_(dimension), centre_(centre), difference_(dimension) {}
  bool encode(const float* row, uint8_t* codes, RowFactors* factors, RowBounds* bounds);

 private:
  VectorMetric metric_;
  uint32_t dimension_;
  const float* centre_;
  std::vector<float> difference_;
};

// A query as one table sees it.
class CodedQuery {
 public:
  CodedQuery(const CodeTable& table, std::span<const float> query);

  // False: its numbers are so large that closeness would mean nothing.
  bool valid() const { return valid_; }
  const int8_t* codes() const { return codes_.data(); }
  float closeness(int32_t product, const RowFactors& factors) const {
    return static_cast<float>(product - offset_) * factor_ * factors.scale + factors.bias + constant_;
  }
  // How far the closeness of a row can be from that of its floats.
  float slack(const RowBounds& bounds) const {
    return unit_ * (bounds.error * length_ + bounds.length * error_) +
           kRounding * (unit_ * bounds.length * length_ + bounds.length * bounds.length + rounding_base_);
  }

 private:
  // Of sums in float32, whatever their order.
  static constexpr float kRounding = 1e-5F;

  std::vector<int8_t> codes_;
  float factor_ = 0;    // the query's scale, twice that under the euclidean metric
  int32_t offset_ = 0;  // what the 128 in each byte of a row adds to a product
  float constant_ = 0;
  float unit_ = 1;
  float length_ = 0;
  float error_ = 0;
  float rounding_base_ = 0;
  bool valid_ = true;
};

}  // namespace strata::index
