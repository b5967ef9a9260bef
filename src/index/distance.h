// The inner loops of vector search, for the instructions that the machine has: chosen once, at run time.
//
// Codes are bytes that stand for signed numbers c in [-127, 127]: a row stores c + 128 unsigned, a query c itself; rows
// are padded to whole multiples of kCodeAlignment with 128, queries with 0. Sums are exact in 32 bits up to 65,536
// dimensions. Floats need no alignment beyond their own.
//
// Thread safety: pure functions. Ownership: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace strata::index {

constexpr size_t kCodeAlignment = 64;
constexpr size_t kFloatLanes = 16;

// `count` rows to be compared: from `first` on, or those that `picked` names. `stride` bytes a row.
struct CodeRows {
  const uint8_t* codes = nullptr;
  size_t stride = 0;
  const uint32_t* picked = nullptr;  // null: consecutive rows
  uint32_t first = 0;
  size_t count = 0;

  uint32_t number(size_t i) const { return picked != nullptr ? picked[i] : first + static_cast<uint32_t>(i); }
  const uint8_t* row(size_t i) const { return codes + stride * number(i); }
};

struct Kernels {
  const char* name;
  // Added up in kFloatLanes sums side by side, then halves onto halves: to the bit the same everywhere.
  float (*dot)(const float* a, const float* b, size_t n);
  float (*squared_l2)(const float* a, const float* b, size_t n);
  // out[i] = sum of (c + 128) * query over row i.
  void (*dot_rows)(const CodeRows& rows, const int8_t* query, int32_t* out);
  // Sum of (c_a + 128) * c_b of two rows of `stride` bytes.
  int32_t (*dot_pair)(const uint8_t* a, const uint8_t* b, size_t stride);
  uint64_t (*count_bits)(const uint64_t* words, size_t count);
};

// The fastest that this machine can run.
const Kernels& kernels();
// All that it can run, the plain ones last; for tests and measurements.
std::span<const Kernels* const> usable_kernels();

}  // namespace strata::index
