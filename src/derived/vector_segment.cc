#include "derived/vector_segment.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include "base/check.h"
#include "base/out_of_memory.h"
#include "model/key_codec.h"
#include "model/vector_codec.h"

namespace strata::derived {
namespace {

constexpr size_t kAlignment = 64;
// Far above what memory holds: keeps sums of sizes that were read from overflowing.
constexpr uint64_t kMostBytes = uint64_t{1} << 46;
constexpr uint32_t kMostNameBytes = model::kMaxTreeKeyBytes;

os::LargeMemory allocate(size_t bytes) {
  os::LargeMemory memory = os::allocate_large(std::max<size_t>(bytes, kAlignment));
  if (memory == nullptr) base::out_of_memory();
  return memory;
}

}  // namespace

// Where the sections of an image lie.
struct VectorSegment::Layout {
  explicit Layout(const Header& header) {
    at = sizeof(Header);
    name = take(header.name_bytes, 1);
    centre = take(header.dimension, sizeof(float));
    key_ends = take(header.rows, sizeof(uint32_t));
    metadata_ends = take(header.rows, sizeof(uint64_t));
    identities = take(header.rows, sizeof(RowIdentity));
    factors = take(header.rows, sizeof(index::RowFactors));
    bounds = take(header.rows, sizeof(index::RowBounds));
    codes = take(header.rows, index::code_stride(header.dimension));
    keys = take(header.key_bytes, 1);
    metadata = take(header.metadata_bytes, 1);
  }
  size_t take(uint64_t count, size_t size) {
    at = (at + kAlignment - 1) / kAlignment * kAlignment;
    const size_t begin = at;
    at += count * size;
    return begin;
  }
  size_t at = 0;  // in the end: the size of the whole
  size_t name, centre, key_ends, metadata_ends, identities, factors, bounds, codes, keys, metadata;
};

Result<std::string_view> VectorReader::read(const RowIdentity& identity, uint32_t value_bytes) {
  STRATA_TRY(patience_.spend(value_bytes));
  char anchor[8];
  base::store_u64(anchor, identity.position);
  txn::RowView row;
  row.large = true;
  row.large_bytes = value_bytes;
  row.timestamp = identity.timestamp;
  row.version = 1;
  row.anchors = 1;
  row.anchor_bytes = anchor;
  return history_.value_of(row);
}

// ---- reading ----

void VectorSegment::point_into(const Layout& layout) {
  const char* base = image_.get();
  key_ends_ = reinterpret_cast<const uint32_t*>(base + layout.key_ends);
  metadata_ends_ = reinterpret_cast<const uint64_t*>(base + layout.metadata_ends);
  identities_ = reinterpret_cast<const RowIdentity*>(base + layout.identities);
  keys_ = base + layout.keys;
  metadata_ = base + layout.metadata;
  table_.metric = static_cast<VectorMetric>(header_.metric);
  table_.dimension = header_.dimension;
  table_.rows = header_.rows;
  table_.centre = reinterpret_cast<const float*>(base + layout.centre);
  table_.factors = reinterpret_cast<const index::RowFactors*>(base + layout.factors);
  table_.bounds = reinterpret_cast<const index::RowBounds*>(base + layout.bounds);
  table_.codes = reinterpret_cast<const uint8_t*>(base + layout.codes);
  table_.widest = index::widest_of({table_.bounds, header_.rows});
}

std::shared_ptr<VectorSegment> VectorSegment::from_image(os::LargeMemory image, size_t bytes,
                                                         const CollectionKind& kind) {
  std::shared_ptr<VectorSegment> segment(new VectorSegment());
  if (bytes < sizeof(Header)) return nullptr;
  Header& header = segment->header_;
  std::memcpy(&header, image.get(), sizeof(Header));
  if (header.rows == 0 || header.dimension != kind.dimension || header.metric != static_cast<uint32_t>(kind.metric) ||
      header.name_bytes != kind.name.size() || header.metadata_bytes > kMostBytes) {
    return nullptr;
  }
  const Layout layout(header);
  if (layout.at != bytes || std::memcmp(image.get() + layout.name, kind.name.data(), kind.name.size()) != 0) {
    return nullptr;
  }
  segment->image_ = std::move(image);
  segment->image_bytes_ = bytes;
  segment->point_into(layout);
  if (!segment->check()) return nullptr;
  segment->floats_ = allocate(size_t{header.rows} * header.dimension * sizeof(float));
  segment->states_ = std::make_unique<std::atomic<uint8_t>[]>(header.rows);
  return segment;
}

std::optional<CollectionKind> VectorSegment::kind_of(os::File& file, uint64_t offset, uint64_t bytes) {
  Header header;
  const auto got = file.read(offset, sizeof(Header), reinterpret_cast<char*>(&header));
  if (!got || *got != sizeof(Header)) return std::nullopt;
  const size_t name_at = Layout(Header()).name;
  if (header.metric > static_cast<uint32_t>(VectorMetric::kDotProduct)) return std::nullopt;
  if (header.name_bytes > kMostNameBytes || name_at + header.name_bytes > bytes) return std::nullopt;
  CollectionKind kind;
  kind.dimension = header.dimension;
  kind.metric = static_cast<VectorMetric>(header.metric);
  kind.name.resize(header.name_bytes);
  const auto name_got = file.read(offset + name_at, kind.name.size(), kind.name.data());
  if (!name_got || *name_got != kind.name.size()) return std::nullopt;
  return kind;
}

bool VectorSegment::check() const {
  uint32_t key_end = 0;
  uint64_t metadata_end = 0;
  for (uint32_t row = 0; row < header_.rows; ++row) {
    if (key_ends_[row] < key_end || key_ends_[row] > header_.key_bytes) return false;
    if (metadata_ends_[row] < metadata_end || metadata_ends_[row] > header_.metadata_bytes) return false;
    key_end = key_ends_[row];
    metadata_end = metadata_ends_[row];
    if (row > 0 && key(row - 1) >= key(row)) return false;
  }
  return true;
}

std::string_view VectorSegment::key(uint32_t row) const {
  const uint32_t begin = row == 0 ? 0 : key_ends_[row - 1];
  return {keys_ + begin, key_ends_[row] - begin};
}

std::string_view VectorSegment::metadata(uint32_t row) const {
  const uint64_t begin = row == 0 ? 0 : metadata_ends_[row - 1];
  return {metadata_ + begin, metadata_ends_[row] - begin};
}

std::optional<uint32_t> VectorSegment::find(std::string_view wanted) const {
  uint32_t low = 0;
  uint32_t high = header_.rows;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (key(middle) < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low < header_.rows && key(low) == wanted) return low;
  return std::nullopt;
}

Result<const float*> VectorSegment::floats(uint32_t row, VectorReader* reader) const {
  if (states_ != nullptr) {
    std::atomic<uint8_t>& state = states_[row];
    while (state.load(std::memory_order_acquire) != kThere) {
      uint8_t expected = kAbsent;
      if (!state.compare_exchange_strong(expected, kComing, std::memory_order_acquire)) {
        std::this_thread::yield();  // another thread reads it
        continue;
      }
      const Status loaded = load(row, reader);
      state.store(loaded.is_ok() ? kThere : kAbsent, std::memory_order_release);
      STRATA_TRY(loaded);
    }
  }
  return static_cast<const float*>(floats_at(row));
}

void VectorSegment::prefetch(uint32_t row) const {
  __builtin_prefetch(&table_.bounds[row]);
  __builtin_prefetch(&key_ends_[row]);
  const char* floats = reinterpret_cast<const char*>(floats_at(row));
  for (size_t at = 0; at < header_.dimension * sizeof(float); at += kAlignment) __builtin_prefetch(floats + at);
}

Status VectorSegment::load(uint32_t row, VectorReader* reader) const {
  const size_t bytes = 4 + size_t{4} * header_.dimension + metadata(row).size();
  STRATA_ASSIGN(const std::string_view value, reader->read(identity(row), static_cast<uint32_t>(bytes)));
  model::VectorView vector;
  STRATA_TRY(model::read_vector(value, &vector));
  if (vector.dimension != header_.dimension) {
    return Status::error(Code::kCorruption, "a stored vector has another dimension than its collection");
  }
  vector.copy(floats_at(row));
  return Status::ok();
}

index::Bitmap VectorSegment::matching(const model::MetadataFilter& filter) const {
  return columns_.matching(filter, header_.rows, [this](uint32_t row) { return metadata(row); });
}

std::shared_ptr<const index::HnswGraph> VectorSegment::graph() const {
  const base::MutexLock lock(graph_mutex_);
  return graph_;
}

void VectorSegment::set_graph(std::shared_ptr<const index::HnswGraph> graph) const {
  const base::MutexLock lock(graph_mutex_);
  graph_ = std::move(graph);
}

size_t VectorSegment::memory_bytes() const {
  const auto walked = graph();
  return image_bytes_ + columns_.memory_bytes() + size_t{header_.rows} * header_.dimension * sizeof(float) +
         (walked != nullptr ? walked->memory_bytes() : 0);
}

// ---- building ----

VectorSegment::Builder::Builder(const CollectionKind& kind, uint32_t most_rows)
    : kind_(kind), floats_(allocate(size_t{most_rows} * kind.dimension * sizeof(float))) {
  key_ends_.reserve(most_rows);
  metadata_ends_.reserve(most_rows);
  identities_.reserve(most_rows);
}

Status VectorSegment::Builder::add_value(std::string_view key, const RowIdentity& identity, std::string_view value) {
  model::VectorView vector;
  STRATA_TRY(model::read_vector(value, &vector));
  if (vector.dimension != kind_.dimension) {
    return Status::error(Code::kCorruption, "a stored vector has another dimension than its collection");
  }
  vector.copy(reinterpret_cast<float*>(floats_.get()) + size_t{rows()} * kind_.dimension);
  keys_.append(key);
  key_ends_.push_back(static_cast<uint32_t>(keys_.size()));
  metadata_.append(vector.metadata);
  metadata_ends_.push_back(metadata_.size());
  identities_.push_back(identity);
  return Status::ok();
}

void VectorSegment::Builder::add_row(std::string_view key, const RowIdentity& identity, const float* floats,
                                     std::string_view metadata) {
  float* to = reinterpret_cast<float*>(floats_.get()) + size_t{rows()} * kind_.dimension;
  std::memcpy(to, floats, kind_.dimension * sizeof(float));
  keys_.append(key);
  key_ends_.push_back(static_cast<uint32_t>(keys_.size()));
  metadata_.append(metadata);
  metadata_ends_.push_back(metadata_.size());
  identities_.push_back(identity);
}

std::shared_ptr<VectorSegment> VectorSegment::Builder::finish() {
  std::shared_ptr<VectorSegment> segment(new VectorSegment());
  Header& header = segment->header_;
  header.rows = rows();
  header.dimension = kind_.dimension;
  header.metric = static_cast<uint32_t>(kind_.metric);
  header.coded = 1;
  header.name_bytes = static_cast<uint32_t>(kind_.name.size());
  header.key_bytes = static_cast<uint32_t>(keys_.size());
  header.metadata_bytes = metadata_.size();
  const Layout layout(header);
  segment->image_ = allocate(layout.at);
  segment->image_bytes_ = layout.at;
  char* image = segment->image_.get();
  std::memset(image, 0, layout.codes);
  std::memcpy(image + layout.name, kind_.name.data(), kind_.name.size());
  std::memcpy(image + layout.key_ends, key_ends_.data(), key_ends_.size() * sizeof(uint32_t));
  std::memcpy(image + layout.metadata_ends, metadata_ends_.data(), metadata_ends_.size() * sizeof(uint64_t));
  std::memcpy(image + layout.identities, identities_.data(), identities_.size() * sizeof(RowIdentity));
  const size_t codes_end = layout.codes + header.rows * index::code_stride(header.dimension);
  std::memset(image + codes_end, 0, layout.keys - codes_end);
  std::memcpy(image + layout.keys, keys_.data(), keys_.size());
  std::memset(image + layout.keys + keys_.size(), 0, layout.metadata - layout.keys - keys_.size());
  std::memcpy(image + layout.metadata, metadata_.data(), metadata_.size());

  const auto* floats = reinterpret_cast<const float*>(floats_.get());
  index::CentreSum sum(kind_.metric, kind_.dimension);
  for (uint32_t row = 0; row < header.rows; ++row) sum.add(floats + size_t{row} * kind_.dimension);
  auto* centre = reinterpret_cast<float*>(image + layout.centre);
  sum.mean(centre);
  index::RowEncoder encoder(kind_.metric, kind_.dimension, centre);
  auto* factors = reinterpret_cast<index::RowFactors*>(image + layout.factors);
  auto* bounds = reinterpret_cast<index::RowBounds*>(image + layout.bounds);
  auto* codes = reinterpret_cast<uint8_t*>(image + layout.codes);
  for (uint32_t row = 0; row < header.rows; ++row) {
    const bool fits = encoder.encode(floats + size_t{row} * kind_.dimension,
                                     codes + row * index::code_stride(kind_.dimension), &factors[row], &bounds[row]);
    if (!fits) header.coded = 0;
  }
  std::memcpy(image, &header, sizeof(Header));
  segment->point_into(layout);
  segment->floats_ = std::move(floats_);
  return segment;
}

}  // namespace strata::derived
