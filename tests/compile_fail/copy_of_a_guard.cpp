// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
//
// A copy would unlock a second time.
//
// expect-error(clang): call to implicitly-deleted copy constructor of .*mutex_guard
// expect-error(g++): use of deleted function .*basic_mutex_guard
#include <corolock/async_mutex.hpp>

#include <utility>

void f(corolock::mutex_guard guard) {
#if defined(COROLOCK_EXPECT_SUCCESS)
  const corolock::mutex_guard other = std::move(guard);
#else
  const corolock::mutex_guard other = guard;
#endif
}
