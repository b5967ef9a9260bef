#include "branch/merge_record.h"

#include "base/coding.h"

namespace strata::branch {
namespace {

constexpr char kIsMerge = 'g';  // ON DISK: never change

}  // namespace

std::string encode_merge(const MergeParameters& parameters) {
  std::string bytes(1, kIsMerge);
  base::put_u32(bytes, parameters.source);
  base::put_u64(bytes, parameters.timestamp);
  return bytes;
}

bool decode_merge(std::string_view payload, MergeParameters* parameters) {
  if (payload.empty() || payload[0] != kIsMerge) return false;
  base::Reader reader(payload.substr(1));
  return reader.read_u32(parameters->source) && reader.read_u64(parameters->timestamp) && reader.done();
}

}  // namespace strata::branch
