// Random numbers for tests: the same on every machine for one seed, and cheap to seed.
// Thread safety: one object a thread. Ownership: a value.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace strata::testing {

// SplitMix64.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // 0 <= below(n) < n. REQUIRES: n > 0.
  uint64_t below(uint64_t n) { return next() % n; }
  bool one_in(uint64_t n) { return below(n) == 0; }
  // True with that many chances in a hundred.
  bool percent(uint64_t chances) { return below(100) < chances; }
  template <typename List>
  auto& pick(List& list) {
    return list[below(list.size())];
  }

 private:
  uint64_t state_;
};

inline uint64_t number_from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? otherwise : std::strtoull(text, nullptr, 10);
}

// STRATA_SEED, or the given number; printed, so that a failure can be repeated.
inline uint64_t test_seed(uint64_t otherwise) {
  const uint64_t seed = number_from_environment("STRATA_SEED", otherwise);
  std::printf("STRATA_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

// The usual work multiplied by STRATA_SCALE (1 when it is not set), but never nothing.
inline uint64_t scaled(uint64_t usual) {
  const char* text = std::getenv("STRATA_SCALE");
  const double factor = text == nullptr || *text == '\0' ? 1.0 : std::strtod(text, nullptr);
  const auto work = static_cast<uint64_t>(static_cast<double>(usual) * factor);
  return work > 0 ? work : 1;
}

}  // namespace strata::testing
