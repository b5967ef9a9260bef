// SHA-256, in pieces. The library behind it uses the processor's instructions for it where there are any.
// Thread safety: an object belongs to one thread. Ownership: a value; borrows nothing.
#pragma once

#include <nettle/sha2.h>

#include <array>
#include <cstdint>
#include <string_view>

namespace strata::base {

class Sha256 {
 public:
  static constexpr size_t kBytes = 32;
  using Digest = std::array<char, kBytes>;

  Sha256() { sha256_init(&context_); }
  void add(std::string_view bytes) {
    sha256_update(&context_, bytes.size(), reinterpret_cast<const uint8_t*>(bytes.data()));
  }
  // Of everything added; the object then starts anew.
  Digest finish() {
    Digest digest;
    sha256_digest(&context_, digest.size(), reinterpret_cast<uint8_t*>(digest.data()));
    return digest;
  }

 private:
  sha256_ctx context_;
};

}  // namespace strata::base
