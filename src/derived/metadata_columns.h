// The metadata of a segment by field: which rows match a filter, without looking into each row every time.
//
// A column is made when a filter first asks for its field: for each row the number of its value among the distinct
// ones. A condition is then decided once for each distinct value, and its answer is kept.
// Thread safety: any thread. Ownership: owns its columns; borrows the metadata, which must stay.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "index/bitmap.h"
#include "model/metadata_filter.h"

namespace strata::derived {

class MetadataColumns {
 public:
  // The encoded metadata of a row.
  using Source = std::function<std::string_view(uint32_t row)>;

  index::Bitmap matching(const model::MetadataFilter& filter, uint32_t rows, const Source& metadata);
  size_t memory_bytes() const;

 private:
  struct Answer {
    model::FilterOp op;
    std::string value;
    std::shared_ptr<const index::Bitmap> rows;
  };
  struct Column {
    std::vector<std::string> path;
    std::vector<uint32_t> numbers;    // of each row: which value; 0: the field is missing
    std::vector<std::string> values;  // encoded, from number 1 on
    std::vector<Answer> answers;      // the newest last
    size_t bytes = 0;
  };

  std::shared_ptr<const index::Bitmap> answer(const model::FilterCondition& condition, uint32_t rows,
                                              const Source& metadata) REQUIRES_LOCK(mutex_);
  Column& column_of(const std::vector<std::string>& path, uint32_t rows, const Source& metadata) REQUIRES_LOCK(mutex_);

  mutable base::Mutex mutex_;
  std::vector<std::unique_ptr<Column>> columns_ GUARDED_BY(mutex_);  // the newest last
};

}  // namespace strata::derived
