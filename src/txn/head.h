// A branch's head: the two roots of one of its states, and the box in which readers find the newest one.
//
// Thread safety: Head is a value. SeqBox: one writer at a time, any number of readers that take no lock and never
//   see a mixture of two values.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "storage/commit_log.h"
#include "tree/forest.h"

namespace strata::txn {

struct Head {
  tree::Root present;
  tree::Root deleted;                    // tombstones live apart: scans and counts never wade through them
  uint64_t commit = 0;                   // number of the last record that changed the trees: no node is younger
  uint64_t timestamp = 0;                // of that commit
  storage::LogPosition last_record = 0;  // of that commit; 0: none
  uint64_t commits = 0;                  // since the branch was made
};

// A sequence lock over a small plain value.
template <typename T>
class SeqBox {
 public:
  void store(const T& value) {
    Words words;
    std::memcpy(words.data(), &value, sizeof(T));
    const uint64_t sequence = sequence_.load(std::memory_order_relaxed);
    sequence_.store(sequence + 1, std::memory_order_relaxed);
    // Whoever sees one of the new words sees the odd number too.
    for (size_t i = 0; i < kWords; ++i) words_[i].store(words[i], std::memory_order_release);
    sequence_.store(sequence + 2, std::memory_order_release);
  }
  T load() const {
    Words words;
    while (true) {
      const uint64_t before = sequence_.load(std::memory_order_acquire);
      for (size_t i = 0; i < kWords; ++i) words[i] = words_[i].load(std::memory_order_acquire);
      if ((before & 1) == 0 && sequence_.load(std::memory_order_relaxed) == before) break;
    }
    T value;
    std::memcpy(static_cast<void*>(&value), words.data(), sizeof(T));
    return value;
  }

 private:
  static constexpr size_t kWords = sizeof(T) / 8;
  static_assert(sizeof(T) % 8 == 0 && std::is_trivially_copyable_v<T>);
  using Words = std::array<uint64_t, kWords>;
  std::atomic<uint64_t> sequence_{0};
  std::array<std::atomic<uint64_t>, kWords> words_{};
};

using HeadBox = SeqBox<Head>;
using RootBox = SeqBox<tree::Root>;

}  // namespace strata::txn
