// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
//
// Waiters and guards hold its address.
//
// expect-error(clang): call to deleted constructor of .*async_mutex
// expect-error(g++): use of deleted function .*basic_async_mutex
#include <corolock/async_mutex.hpp>

#include <utility>

void f(corolock::async_mutex& m) {
#if defined(COROLOCK_EXPECT_SUCCESS)
  const corolock::mutex_guard guard = m.try_lock();
#else
  const corolock::async_mutex other = m;
#endif
}
