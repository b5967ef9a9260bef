// Assertions. STRATA_CHECK is always on: for states where going on would destroy data. STRATA_ASSERT is on where
// STRATA_DEBUG is defined (debug, sanitizer and fuzz builds): for the engine's own invariants.
// Bytes that come from disk, a bundle or a caller are never asserted; they are errors.
#pragma once

namespace strata {
[[noreturn]] void check_failed(const char* expression, const char* file, int line);
}  // namespace strata

#define STRATA_CHECK(expression) \
  (__builtin_expect(!!(expression), 1) ? (void)0 : ::strata::check_failed(#expression, __FILE__, __LINE__))

#ifdef STRATA_DEBUG
#define STRATA_ASSERT(expression) STRATA_CHECK(expression)
#else
#define STRATA_ASSERT(expression) ((void)sizeof(!(expression)))
#endif
