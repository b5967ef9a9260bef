// What a commit record says of a merge. ON DISK, the payload of the record: 'g' | source u32 | timestamp u64.
// Thread safety: pure functions. Ownership: values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace strata::branch {

struct MergeParameters {
  uint32_t source = 0;     // id of the branch merged, which stays as it is
  uint64_t timestamp = 0;  // everything of it up to here is part of the target from now on
};
std::string encode_merge(const MergeParameters& parameters);
// False: the commit is no merge.
bool decode_merge(std::string_view payload, MergeParameters* parameters);

}  // namespace strata::branch
