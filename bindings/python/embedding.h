// An EmbeddingRun as a Python object, which belongs to whoever holds it.
// Thread safety: as python.h.
#pragma once

#include "python.h"
#include "strata/embedding.h"

namespace strata::python {

// What Session._embedding_run returned; lives as long as the object. False with TypeError set.
bool embedding_run(PyObject* given, EmbeddingRun** run);

}  // namespace strata::python
