// The kernels of each kind of machine, for the choice between them. Null where this build has none of them or the
// machine cannot run them.
// Thread safety: pure functions. Ownership: none.
#pragma once

#include "index/distance.h"

namespace strata::index {

const Kernels& plain_kernels();
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();
const Kernels* neon_kernels();

}  // namespace strata::index
