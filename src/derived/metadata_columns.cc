#include "derived/metadata_columns.h"

#include <algorithm>
#include <unordered_map>

namespace strata::derived {
namespace {

constexpr size_t kMostColumns = 16;
constexpr size_t kMostAnswers = 64;

// The field of a row; nothing where it is missing.
std::optional<ValueView> field_of(std::string_view metadata, const std::vector<std::string>& path) {
  ValueView at(metadata);
  for (const std::string& name : path) {
    auto found = at.find(name);
    if (!found || !*found) return std::nullopt;
    at = **found;
  }
  return at;
}

}  // namespace

index::Bitmap MetadataColumns::matching(const model::MetadataFilter& filter, uint32_t rows, const Source& metadata) {
  const base::MutexLock lock(mutex_);
  index::Bitmap all(rows, true);
  for (const model::FilterCondition& condition : filter.conditions()) {
    all.keep_those_of(*answer(condition, rows, metadata));
  }
  return all;
}

MetadataColumns::Column& MetadataColumns::column_of(const std::vector<std::string>& path, uint32_t rows,
                                                    const Source& metadata) {
  for (const auto& column : columns_) {
    if (column->path == path) return *column;
  }
  if (columns_.size() == kMostColumns) columns_.erase(columns_.begin());
  Column& column = *columns_.emplace_back(std::make_unique<Column>());
  column.path = path;
  column.numbers.resize(rows);
  std::unordered_map<std::string_view, uint32_t> numbers;  // views of the metadata
  for (uint32_t row = 0; row < rows; ++row) {
    const auto field = field_of(metadata(row), path);
    if (!field) continue;
    const auto [at, is_new] = numbers.try_emplace(field->bytes(), static_cast<uint32_t>(column.values.size()) + 1);
    if (is_new) {
      column.values.emplace_back(field->bytes());
      column.bytes += field->bytes().size() + sizeof(std::string);
    }
    column.numbers[row] = at->second;
  }
  column.bytes += rows * sizeof(uint32_t);
  return column;
}

std::shared_ptr<const index::Bitmap> MetadataColumns::answer(const model::FilterCondition& condition, uint32_t rows,
                                                             const Source& metadata) {
  Column& column = column_of(condition.path, rows, metadata);
  for (const Answer& known : column.answers) {
    if (known.op == condition.op && known.value == condition.value) return known.rows;
  }
  std::vector<uint8_t> holds(column.values.size() + 1);
  holds[0] = model::MetadataFilter::holds(condition, nullptr) ? 1 : 0;
  for (size_t i = 0; i < column.values.size(); ++i) {
    const ValueView value(column.values[i]);
    holds[i + 1] = model::MetadataFilter::holds(condition, &value) ? 1 : 0;
  }
  index::Bitmap matching(rows);
  for (uint32_t row = 0; row < rows; ++row) {
    if (holds[column.numbers[row]] != 0) matching.set(row);
  }
  if (column.answers.size() == kMostAnswers) column.answers.erase(column.answers.begin());
  column.answers.push_back({condition.op, condition.value, std::make_shared<const index::Bitmap>(std::move(matching))});
  return column.answers.back().rows;
}

size_t MetadataColumns::memory_bytes() const {
  const base::MutexLock lock(mutex_);
  size_t bytes = 0;
  for (const auto& column : columns_) {
    bytes += column->bytes;
    for (const Answer& known : column->answers) bytes += known.value.size() + known.rows->memory_bytes();
  }
  return bytes;
}

}  // namespace strata::derived
