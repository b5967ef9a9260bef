#include "derived/vector_files.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/checksum.h"
#include "base/coding.h"

namespace strata::derived {
namespace {

constexpr std::string_view kMagic = "STRATAVX";
constexpr uint32_t kFormat = 1;
constexpr uint32_t kByteOrder = 0x01020304;
constexpr std::string_view kUnfinished = ".new";
constexpr size_t kHeaderBytes = 64;
constexpr uint64_t kMostBytes = uint64_t{1} << 46;

Status useless(const std::string& name) {
  return Status::error(Code::kCorruption, "'" + name + "' is no index of this database");
}

}  // namespace

struct VectorFiles::Header {
  uint64_t segment_bytes = 0;
  uint64_t graph_words = 0;
  uint32_t segment_checksum = 0;
  uint32_t graph_checksum = 0;

  std::string encode(uint64_t database_id) const {
    std::string bytes(kMagic);
    base::put_u32(bytes, kFormat);
    uint32_t order = kByteOrder;  // as this machine writes it, as everything that follows
    bytes.append(reinterpret_cast<const char*>(&order), sizeof(order));
    base::put_u64(bytes, database_id);
    base::put_u64(bytes, segment_bytes);
    base::put_u64(bytes, graph_words);
    base::put_u32(bytes, segment_checksum);
    base::put_u32(bytes, graph_checksum);
    base::put_u32(bytes, base::checksum(bytes, database_id));
    bytes.resize(kHeaderBytes);
    return bytes;
  }
  // False: not what encode made for this database on such a machine.
  bool decode(std::string_view bytes, uint64_t database_id) {
    if (bytes.size() != kHeaderBytes) return false;
    segment_bytes = base::load_u64(bytes.data() + 24);
    graph_words = base::load_u64(bytes.data() + 32);
    segment_checksum = base::load_u32(bytes.data() + 40);
    graph_checksum = base::load_u32(bytes.data() + 44);
    return bytes == encode(database_id) && segment_bytes < kMostBytes && graph_words < kMostBytes;
  }
};

std::vector<std::string> VectorFiles::names() {
  std::vector<std::string> ours;
  const auto names = fs_.list(folder_);
  if (!names) return ours;
  for (const std::string& name : *names) {
    if (name.starts_with(kVectorFilePrefix)) ours.push_back(name);
  }
  return ours;
}

std::string VectorFiles::fresh_name() {
  uint64_t most = 0;
  for (const std::string& name : names()) {
    uint64_t number = 0;
    std::from_chars(name.data() + kVectorFilePrefix.size(), name.data() + name.size(), number);
    most = std::max(most, number);
  }
  return std::string(kVectorFilePrefix) + std::to_string(most + 1);
}

std::vector<VectorFiles::Kept> VectorFiles::load(const CollectionKind& kind, std::vector<std::string>* useless_names) {
  std::vector<Kept> all;
  for (const std::string& name : names()) {
    bool other = false;
    auto kept = name.ends_with(kUnfinished) ? Result<Kept>(useless(name)) : load_one(name, kind, &other);
    if (kept) {
      all.push_back(std::move(*kept));
    } else if (!other) {
      useless_names->push_back(name);
    }
  }
  return all;
}

Result<VectorFiles::Kept> VectorFiles::load_one(const std::string& name, const CollectionKind& kind, bool* other) {
  STRATA_ASSIGN(const auto file, fs_.open(os::join_path(folder_, name), os::OpenMode::kRead));
  STRATA_ASSIGN(const uint64_t size, file->size());
  std::string head(kHeaderBytes, '\0');
  STRATA_ASSIGN(const size_t got, file->read(0, kHeaderBytes, head.data()));
  Header header;
  if (got != kHeaderBytes || !header.decode(head, database_id_)) return useless(name);
  if (size != kHeaderBytes + header.segment_bytes + header.graph_words * sizeof(uint32_t)) return useless(name);
  if (!VectorSegment::may_be(kind, *file, kHeaderBytes, header.segment_bytes)) {
    *other = true;
    return useless(name);
  }
  os::LargeMemory image = os::allocate_large(header.segment_bytes);
  std::vector<uint32_t> words(header.graph_words);
  if (image == nullptr) return useless(name);
  STRATA_ASSIGN(const size_t image_got, file->read(kHeaderBytes, header.segment_bytes, image.get()));
  auto* graph = reinterpret_cast<char*>(words.data());
  const size_t graph_bytes = words.size() * sizeof(uint32_t);
  STRATA_ASSIGN(const size_t graph_got, file->read(kHeaderBytes + header.segment_bytes, graph_bytes, graph));
  if (image_got != header.segment_bytes || graph_got != graph_bytes ||
      base::checksum({image.get(), header.segment_bytes}, database_id_) != header.segment_checksum ||
      base::checksum({graph, graph_bytes}, database_id_) != header.graph_checksum) {
    return useless(name);
  }
  auto segment = VectorSegment::from_image(std::move(image), header.segment_bytes, kind);
  if (segment == nullptr) return useless(name);
  if (!words.empty()) {
    auto walked = index::HnswGraph::from_words(std::move(words), segment->rows());
    if (walked == nullptr) return useless(name);
    segment->set_graph(std::move(walked));
  }
  return Kept{name, std::move(segment)};
}

Status VectorFiles::save(const std::string& name, const VectorSegment& segment) {
  STRATA_TRY(fs_.create_folder(folder_));
  const std::string path = os::join_path(folder_, name);
  const std::string unfinished = path + std::string(kUnfinished);
  STRATA_ASSIGN(const bool left, fs_.exists(unfinished));
  if (left) STRATA_TRY(fs_.remove(unfinished));
  Status saved = write(unfinished, segment);
  if (saved.is_ok()) saved = fs_.rename(unfinished, path);
  if (saved.is_ok()) return fs_.sync_folder(folder_);
  (void)fs_.remove(unfinished);  // the first error is the one to tell
  return saved;
}

Status VectorFiles::write(const std::string& path, const VectorSegment& segment) {
  const auto graph = segment.graph();
  std::string_view words;
  if (graph != nullptr) {
    words = {reinterpret_cast<const char*>(graph->words().data()), graph->words().size_bytes()};
  }
  Header header;
  header.segment_bytes = segment.image().size();
  header.graph_words = words.size() / sizeof(uint32_t);
  header.segment_checksum = base::checksum(segment.image(), database_id_);
  header.graph_checksum = base::checksum(words, database_id_);
  STRATA_ASSIGN(const auto file, fs_.open(path, os::OpenMode::kCreateNew));
  STRATA_TRY(file->write(0, header.encode(database_id_)));
  STRATA_TRY(file->write(kHeaderBytes, segment.image()));
  if (!words.empty()) STRATA_TRY(file->write(kHeaderBytes + header.segment_bytes, words));
  return file->sync();
}

Status VectorFiles::remove(const std::string& name) { return fs_.remove(os::join_path(folder_, name)); }

}  // namespace strata::derived
