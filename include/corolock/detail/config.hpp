// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Configuration shared by every header of the core.
//
//   COROLOCK_BEGIN, COROLOCK_END   open and close namespace corolock and its inline version
//                                  namespace. A program is built either for production or for the
//                                  schedule explorer (COROLOCK_EXPLORE); the two get different
//                                  inline namespaces, so that they can never be linked together.
//   COROLOCK_COLD                  a path that is rarely taken: kept out of its caller, so that the
//                                  caller saves no registers for it.
//   COROLOCK_ALWAYS_INLINE         a step of the hot path whose call would cost more than its body.
//   COROLOCK_ASSUME(condition)     tells the optimiser what it cannot see.

#if defined(COROLOCK_EXPLORE)
#define COROLOCK_BEGIN \
  namespace corolock { \
  inline namespace v1x {
#else
#define COROLOCK_BEGIN \
  namespace corolock { \
  inline namespace v1 {
#endif
#define COROLOCK_END \
  }                  \
  }

#if defined(__GNUC__) || defined(__clang__)
#define COROLOCK_COLD [[gnu::cold, gnu::noinline]]
#define COROLOCK_ALWAYS_INLINE [[gnu::always_inline]] inline
#define COROLOCK_ASSUME(condition) ((condition) ? static_cast<void>(0) : __builtin_unreachable())
#else
#define COROLOCK_COLD
#define COROLOCK_ALWAYS_INLINE inline
#define COROLOCK_ASSUME(condition) static_cast<void>(0)
#endif
