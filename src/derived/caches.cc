#include "derived/caches.h"

#include <utility>

namespace strata::derived {

Caches::Caches(txn::Engine& engine, CachePlace place, ListBranches branches)
    : engine_(engine),
      place_(std::move(place)),
      branches_(std::move(branches)),
      worker_(place_.background),
      embeddings_(engine, {place_.fs, place_.folder, place_.read_only}),
      json_(engine) {
  if (place_.fs != nullptr) {
    if (!place_.read_only) remove_unknown_files();
    vector_files_.emplace(*place_.fs, place_.folder, engine_.seed());
    text_files_.emplace(*place_.fs, place_.folder, engine_.seed(), place_.read_only);
  }
  vectors_.emplace(engine_, worker_, vector_files_ ? &*vector_files_ : nullptr, place_.read_only);
  text_.emplace(engine_, text_files_ ? &*text_files_ : nullptr, branches_);
}

Caches::~Caches() { close(); }

void Caches::tick() {
  vectors_->tick();
  json_.tick();
  if ((!text_->in_use() && !embeddings_.in_use()) || text_step_waits_.exchange(true)) return;
  worker_.post([this](const std::atomic<bool>& stop) {
    text_step_waits_.store(false);
    text_->background_step(stop);
    embeddings_.background_step();
  });
}

uint64_t Caches::disk_bytes() const {
  if (place_.fs == nullptr) return 0;
  const auto names = place_.fs->list(place_.folder);
  if (!names) return 0;
  uint64_t total = 0;
  for (const std::string& name : *names) {
    const auto file = place_.fs->open(os::join_path(place_.folder, name), os::OpenMode::kRead);
    if (!file) continue;
    const auto size = (*file)->size();
    if (size) total += *size;
  }
  return total;
}

// Of versions that keep other things, and what was cut off; what cannot be removed does no harm.
void Caches::remove_unknown_files() const {
  const auto names = place_.fs->list(place_.folder);
  if (!names) return;
  for (const std::string& name : *names) {
    const bool known =
        name.starts_with(kVectorFilePrefix) || name.starts_with(kTextFilePrefix) || name == kEmbeddingFile;
    if (known && !is_unfinished_cache_file(name)) continue;
    (void)place_.fs->remove(os::join_path(place_.folder, name));
  }
}

void Caches::close() {
  if (std::exchange(closed_, true)) return;
  worker_.stop();
  vectors_->close();
  vectors_->remove_orphans(branches_());
  text_->release();
  embeddings_.close();
  json_.release();
}

}  // namespace strata::derived
