#include "derived/caches.h"

#include <utility>

namespace strata::derived {

Caches::Caches(txn::Engine& engine, CachePlace place) : engine_(engine), place_(std::move(place)), text_(engine) {}

Caches::~Caches() { close(); }

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

void Caches::close() {
  if (std::exchange(closed_, true)) return;
  text_.release();
}

}  // namespace strata::derived
