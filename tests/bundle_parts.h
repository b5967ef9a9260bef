// Bundles in parts, and put together again with checksums that fit: what somebody could make up.
// Thread safety: pure functions. Ownership: values.
#pragma once

#include <gtest/gtest.h>
#include <zstd.h>

#include <string>
#include <utility>
#include <vector>

#include "base/checksum.h"
#include "base/coding.h"
#include "base/sha256.h"
#include "branch/bundle_format.h"
#include "os/file_system.h"

namespace strata {

struct Block {
  uint32_t kind = 0;
  std::string bytes;
};
struct Parts {
  std::vector<Block> blocks;
  branch::BundleTotals totals;
};

inline std::string read_file(os::FileSystem& fs, const std::string& path) {
  auto file = fs.open(path, os::OpenMode::kRead);
  std::string bytes(static_cast<size_t>(*(*file)->size()), '\0');
  EXPECT_EQ(*(*file)->read(0, bytes.size(), bytes.data()), bytes.size());
  return bytes;
}

inline void write_file(os::FileSystem& fs, const std::string& path, const std::string& bytes) {
  if (*fs.exists(path)) {
    EXPECT_TRUE(fs.remove(path).is_ok());
  }
  auto file = fs.open(path, os::OpenMode::kCreateNew);
  EXPECT_TRUE((*file)->write(0, bytes).is_ok());
}

// REQUIRES: a good bundle.
inline Parts take_apart(const std::string& bundle) {
  Parts parts;
  size_t at = branch::kBundleHeaderBytes;
  const size_t end = bundle.size() - branch::kBundleTrailerBytes;
  while (at < end) {
    Block block{base::load_u32(&bundle[at + 4]), std::string(base::load_u32(&bundle[at + 12]), '\0')};
    const size_t stored = base::load_u32(&bundle[at + 8]);
    ZSTD_decompress(block.bytes.data(), block.bytes.size(), &bundle[at + branch::kBlockHeaderBytes], stored);
    at += branch::kBlockHeaderBytes + stored;
    parts.blocks.push_back(std::move(block));
  }
  parts.totals.entries = base::load_u64(&bundle[end + 16]);
  parts.totals.commits = base::load_u64(&bundle[end + 24]);
  return parts;
}

// With all checksums right, whatever the parts say.
inline std::string put_together(const Parts& parts) {
  std::string bundle(branch::kBundleMagic);
  base::put_u32(bundle, branch::kBundleVersion);
  base::put_u32(bundle, branch::kByteOrderMark);
  uint64_t bytes = 0;
  for (size_t i = 0; i < parts.blocks.size(); ++i) {
    const Block& block = parts.blocks[i];
    bytes += block.bytes.size();
    std::string frame(ZSTD_compressBound(block.bytes.size()), '\0');
    frame.resize(ZSTD_compress(frame.data(), frame.size(), block.bytes.data(), block.bytes.size(), 1));
    std::string rest;
    base::put_u32(rest, block.kind);
    base::put_u32(rest, static_cast<uint32_t>(frame.size()));
    base::put_u32(rest, static_cast<uint32_t>(block.bytes.size()));
    rest += frame;
    base::put_u32(bundle, base::checksum(rest, i));
    bundle += rest;
  }
  base::put_u64(bundle, parts.blocks.size());
  base::put_u64(bundle, bytes);
  base::put_u64(bundle, parts.totals.entries);
  base::put_u64(bundle, parts.totals.commits);
  base::Sha256 sha;
  sha.add(bundle);
  const base::Sha256::Digest digest = sha.finish();
  bundle.append(digest.data(), digest.size());
  return bundle.append(branch::kBundleEndMagic);
}

}  // namespace strata
