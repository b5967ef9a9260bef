// How near a vector is to a query, in float32: what the exact search answers, and what every quicker one has to equal.
//
// Sums are kept in float32, and made again in float64 where those leave its range, so that finite vectors have a finite
// cosine and distance. A product beyond float32 is infinite. Equal vectors have equal scores.
// Thread safety: immutable once made. Ownership: a Scorer borrows its query.
#pragma once

#include <cstddef>
#include <span>

#include "strata/vector_metric.h"

namespace strata::index {

// Of what is asked about one vector, the part that does not depend on the query.
struct VectorNorm {
  float squared = 0;
};
VectorNorm norm_of(std::span<const float> vector);

class Scorer {
 public:
  Scorer(VectorMetric metric, std::span<const float> query);

  // `norm`: of the vector; used under cosine alone. REQUIRES: as many components as the query has.
  float score(const float* vector, const VectorNorm& norm) const;

 private:
  float exact_cosine(const float* vector) const;

  VectorMetric metric_;
  std::span<const float> query_;
  VectorNorm norm_;
};

}  // namespace strata::index
