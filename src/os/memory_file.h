// The bytes of one file in memory. Grows without moving a byte: part i holds 4 KB << i, so reading and writing find
// their place by one count of leading zeros, and take no lock.
// Thread safety: all methods, from any thread; overlapping writes, and truncate beside other calls on the bytes that it
//   cuts, are ordered by the caller.
// Ownership: owns its parts until destroyed; truncate clears bytes and keeps their memory.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/mutex.h"
#include "strata/status.h"

namespace strata::os {

class MemoryFile {
 public:
  MemoryFile() = default;
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  uint64_t size() const { return size_.load(std::memory_order_acquire); }
  size_t read(uint64_t offset, size_t n, char* out) const;
  Status write(uint64_t offset, std::string_view bytes);
  Status extend(uint64_t size);
  void truncate(uint64_t size);

 private:
  static constexpr unsigned kFirstPartBits = 12;
  static constexpr size_t kParts = 48;

  static size_t part_of(uint64_t offset) {
    return static_cast<size_t>(std::bit_width((offset >> kFirstPartBits) + 1)) - 1;
  }
  static uint64_t start_of(size_t part) { return ((uint64_t{1} << part) - 1) << kFirstPartBits; }
  static uint64_t bytes_of(size_t part) { return uint64_t{1} << (part + kFirstPartBits); }

  // Calls visit(memory or null, position in the range, length) for each piece of the range that lies in one part.
  template <typename Visit>
  void for_pieces(uint64_t offset, size_t n, Visit visit) const;
  Status make_part(size_t part);
  static void raise(std::atomic<uint64_t>& mark, uint64_t to);

  std::array<std::atomic<char*>, kParts> parts_ = {};
  std::atomic<uint64_t> size_{0};
  std::atomic<uint64_t> written_end_{0};  // bytes behind it have never been touched, or were cleared
  base::Mutex growing_;
};

}  // namespace strata::os
