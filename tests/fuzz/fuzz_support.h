// What the fuzz targets share. Built with clang a target is driven by libFuzzer; built with any other compiler it has
// a main of its own, which runs the files that are named, or random bytes when none are.
//
// Thread safety: none. Ownership: FuzzInput borrows the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "testing/random.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace strata::fuzz {

// Hands out the input piece by piece; zeros when it is used up.
class FuzzInput {
 public:
  FuzzInput(const uint8_t* data, size_t size) : left_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return left_.empty(); }
  uint64_t number(size_t bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes && !left_.empty(); ++i) {
      value = value << 8 | static_cast<uint8_t>(left_.front());
      left_.remove_prefix(1);
    }
    return value;
  }
  // 0 <= below(n) < n. REQUIRES: 0 < n < 2^32.
  uint64_t below(uint64_t n) { return number(4) % n; }
  std::string_view bytes(size_t most) {
    const std::string_view taken = left_.substr(0, most);
    left_.remove_prefix(taken.size());
    return taken;
  }
  std::string_view rest() { return bytes(left_.size()); }

 private:
  std::string_view left_;
};

}  // namespace strata::fuzz

#ifndef __clang__
int main(int argc, char** argv) {
  const auto run = [](const std::string& bytes) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  };
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    run(std::string(std::istreambuf_iterator<char>(file), {}));
  }
  if (argc > 1) return 0;
  strata::testing::Random random(strata::testing::test_seed(1));
  const uint64_t inputs = strata::testing::scaled(20'000);
  for (uint64_t i = 0; i < inputs; ++i) {
    std::string bytes(random.below(random.one_in(10) ? 9000 : 200), '\0');
    // Small numbers often: they are what lengths and tags are made of.
    for (char& byte : bytes) byte = static_cast<char>(random.one_in(2) ? random.below(8) : random.next());
    run(bytes);
  }
  std::printf("counted: %llu random inputs\n", static_cast<unsigned long long>(inputs));
  return 0;
}
#endif
