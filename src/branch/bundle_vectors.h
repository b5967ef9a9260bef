// Whether the vectors of a bundle fit the collections that it holds: at every time a vector lives, there is a
// collection of its dimension, always the same one, and no zero has a place in one of cosine.
//
// Keys come in the order of the tree, so those of a space's collections before its vectors; versions oldest first.
// Thread safety: none. Ownership: owns what it remembers, which is the definitions of one space.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "branch/bundle_format.h"
#include "model/key_codec.h"
#include "strata/vector_metric.h"

namespace strata::branch {

class BundleVectors {
 public:
  using Refusal = std::optional<std::string>;

  void head(const BundleHead& head) { head_ = head; }
  // The next version of a collection or a vector, whose value is not checked yet.
  Refusal collection(const model::SplitKey& parts, const BundleEntry& entry);
  Refusal vector(const model::SplitKey& parts, const BundleEntry& entry);
  // Behind the last version of a vector.
  Refusal end_of_vector();

 private:
  struct Definition {
    uint64_t timestamp = 0;
    uint32_t dimension = 0;  // 0: deleted
    VectorMetric metric = VectorMetric::kCosine;
  };
  // Whether the vector at hand may live from its last version until before that time.
  Refusal lives(uint64_t until) const;

  BundleHead head_;
  std::string space_;
  std::map<std::string, std::vector<Definition>, std::less<>> collections_;  // of the space
  // The vector at hand, and its last version.
  std::string collection_;
  uint64_t since_ = 0;
  uint32_t dimension_ = 0;  // 0: none, or deleted
  bool zero_ = false;
};

}  // namespace strata::branch
