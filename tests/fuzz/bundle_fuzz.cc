// Any bytes as a bundle, and as the blocks of one whose checksums are right: nothing is read outside of them, no length
// is believed, and what is accepted is what its own writer would have written.
#include <zstd.h>

#include "base/checksum.h"
#include "branch/bundle_reader.h"
#include "fuzz_support.h"

namespace {

using namespace strata;

constexpr const char* kPath = "bundle";
constexpr uint64_t kLatest = uint64_t{1} << 60;

void write(os::FileSystem& fs, const std::string& bytes) {
  auto file = fs.open(kPath, os::OpenMode::kCreateNew);
  STRATA_CHECK(file.is_ok() && (*file)->write(0, bytes).is_ok());
}

// Each block is a kind, a length and so many bytes of the input.
std::string signed_bundle(strata::fuzz::FuzzInput& input) {
  std::string bundle(branch::kBundleMagic);
  base::put_u32(bundle, branch::kBundleVersion);
  base::put_u32(bundle, branch::kByteOrderMark);
  branch::BundleTotals totals;
  totals.entries = input.number(1);
  totals.commits = input.number(1);
  while (!input.empty()) {
    std::string rest;
    base::put_u32(rest, static_cast<uint32_t>(input.number(1) % 4));
    const std::string_view bytes = input.bytes(input.number(2));
    std::string frame(ZSTD_compressBound(bytes.size()), '\0');
    frame.resize(ZSTD_compress(frame.data(), frame.size(), bytes.data(), bytes.size(), 1));
    base::put_u32(rest, static_cast<uint32_t>(frame.size()));
    base::put_u32(rest, static_cast<uint32_t>(bytes.size()));
    rest += frame;
    base::put_u32(bundle, base::checksum(rest, totals.blocks++));
    bundle += rest;
    totals.bytes += bytes.size();
  }
  for (const uint64_t total : {totals.blocks, totals.bytes, totals.entries, totals.commits}) {
    base::put_u64(bundle, total);
  }
  base::Sha256 sha;
  sha.add(bundle);
  const base::Sha256::Digest digest = sha.finish();
  bundle.append(digest.data(), digest.size());
  return bundle.append(branch::kBundleEndMagic);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  strata::fuzz::FuzzInput input(data, size);
  const bool raw = input.number(1) % 8 == 0;
  const std::unique_ptr<os::FileSystem> fs = os::make_memory_file_system();
  write(*fs, raw ? std::string(input.rest()) : signed_bundle(input));
  const branch::BundleReader::Poll poll = [](uint64_t) { return true; };
  const auto reader = branch::BundleReader::open(*fs, kPath, kLatest);
  if (!reader.is_ok() || !(*reader)->check(poll).is_ok()) return 0;
  uint64_t entries = 0;
  branch::BundleReader::Visitors visitors;
  visitors.entry = [&](const branch::CheckedEntry& checked) {
    STRATA_CHECK(checked.entry.version > 0 && checked.entry.timestamp <= kLatest);
    ++entries;
    return Status::ok();
  };
  if ((*reader)->read(visitors, poll).is_ok()) STRATA_CHECK(entries == (*reader)->totals().entries);
  return 0;
}
