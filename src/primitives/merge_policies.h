// How each primitive merges: the policies that a merge of branches is made of. db registers them by tag.
// Thread safety: each belongs to the merge that made it. Ownership: the caller's.
#pragma once

#include <memory>

#include "branch/merge.h"

namespace strata::primitives {

// Keys and cells: each by its value.
std::unique_ptr<branch::MergePolicy> make_value_merge();
// Documents: objects by member, arrays and scalars whole.
std::unique_ptr<branch::MergePolicy> make_json_merge();
// Definitions of indexes: where both changed one, the target's stays, and that is no conflict.
std::unique_ptr<branch::MergePolicy> make_index_merge();
// Events: those of the source that neither base nor target has are appended. None is removed.
std::unique_ptr<branch::MergePolicy> make_event_merge();
// Collections and their vectors, of both tags: each by its value; where the definitions of the two sides differ, a
// collection with all its vectors as one.
std::unique_ptr<branch::MergePolicy> make_vector_merge();
// Spaces: one lives while it holds anything, whoever deleted it; an empty one as its marker says.
std::unique_ptr<branch::MergePolicy> make_space_merge();

}  // namespace strata::primitives
