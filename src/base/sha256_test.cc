#include "base/sha256.h"

#include <gtest/gtest.h>

#include <string>

namespace strata::base {
namespace {

std::string hex(const Sha256::Digest& digest) {
  std::string text;
  for (const char c : digest) {
    text += "0123456789abcdef"[static_cast<uint8_t>(c) >> 4];
    text += "0123456789abcdef"[static_cast<uint8_t>(c) & 15];
  }
  return text;
}

// The examples of FIPS 180-2.
TEST(Sha256, KnownDigests) {
  Sha256 sha;
  EXPECT_EQ(hex(sha.finish()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  sha.add("abc");
  EXPECT_EQ(hex(sha.finish()), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  sha.add("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq");
  EXPECT_EQ(hex(sha.finish()), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256, PiecesAreTheWhole) {
  const std::string text(1'000'000, 'a');
  Sha256 sha;
  for (size_t at = 0, piece = 1; at < text.size(); at += piece, piece = piece * 2 % 1021) {
    sha.add(std::string_view(text).substr(at, piece));
  }
  EXPECT_EQ(hex(sha.finish()), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

}  // namespace
}  // namespace strata::base
