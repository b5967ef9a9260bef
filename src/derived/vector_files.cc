#include "derived/vector_files.h"

#include <utility>

namespace strata::derived {
namespace {

constexpr CacheFormat kFormat{kVectorFilePrefix, "STRATAVX", 2};

}  // namespace

VectorFiles::VectorFiles(os::FileSystem& fs, std::string folder, uint64_t database_id)
    : files_(fs, std::move(folder), database_id, kFormat) {}

std::vector<VectorFiles::Kept> VectorFiles::load(const CollectionKind& kind, std::vector<std::string>* useless) {
  std::vector<Kept> all;
  for (const std::string& name : names()) {
    if (is_unfinished_cache_file(name)) continue;
    bool other = false;
    auto kept = load_one(name, kind, &other);
    if (kept) {
      all.push_back(std::move(*kept));
    } else if (!other) {
      useless->push_back(name);
    }
  }
  return all;
}

std::optional<CollectionKind> VectorFiles::kind_of(const std::string& name) const {
  const auto file = files_.open(name);
  return file ? VectorSegment::kind_of(file->file(), CacheFile::kFirstPart, file->first_bytes()) : std::nullopt;
}

Result<VectorFiles::Kept> VectorFiles::load_one(const std::string& name, const CollectionKind& kind, bool* other) {
  STRATA_ASSIGN(const CacheFile file, files_.open(name));
  const uint64_t bytes = file.first_bytes();
  if (VectorSegment::kind_of(file.file(), CacheFile::kFirstPart, bytes) != kind) {
    *other = true;
    return useless_cache_file(name);
  }
  if (file.second_bytes() % sizeof(uint32_t) != 0) return useless_cache_file(name);
  os::LargeMemory image = os::allocate_large(bytes);
  if (image == nullptr) return useless_cache_file(name);
  std::vector<uint32_t> words(file.second_bytes() / sizeof(uint32_t));
  STRATA_TRY(file.read_first(image.get()));
  STRATA_TRY(file.read_second(reinterpret_cast<char*>(words.data())));
  auto segment = VectorSegment::from_image(std::move(image), bytes, kind);
  if (segment == nullptr) return useless_cache_file(name);
  if (!words.empty()) {
    auto walked = index::HnswGraph::from_words(std::move(words), segment->rows());
    if (walked == nullptr) return useless_cache_file(name);
    segment->set_graph(std::move(walked));
  }
  return Kept{name, std::move(segment)};
}

Status VectorFiles::save(const std::string& name, const VectorSegment& segment) {
  const auto graph = segment.graph();
  std::string_view words;
  if (graph != nullptr) {
    words = {reinterpret_cast<const char*>(graph->words().data()), graph->words().size_bytes()};
  }
  return files_.save(name, segment.image(), words);
}

}  // namespace strata::derived
