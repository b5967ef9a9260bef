// How a database is opened.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace strata {

enum class Durability : uint8_t {
  kBuffered,  // handed to the operating system at each commit, synced every 100 ms: kill -9 loses nothing
  kStrict,    // synced before the acknowledgement; commits that arrive together share one sync
};

struct OpenOptions {
  Durability durability = Durability::kBuffered;
  bool read_only = false;
  size_t cache_bytes = 256u << 20;
  // Microseconds of history that are kept, applied in the background; nothing: all of it.
  std::optional<uint64_t> keep_history_micros;
  // Tells which cooperative task of the calling thread is running (0: none), to find out who owns a transaction.
  // Called in the calling thread, without engine locks.
  uint64_t (*current_task)() = nullptr;
};

}  // namespace strata
