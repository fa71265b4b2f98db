// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
//
// std::lock_guard would acquire nothing, and then unlock.
//
// expect-error(clang): attempt to use a deleted function
// expect-error(clang): 'lock' has been explicitly marked deleted here
// expect-error(g++): use of deleted function .void corolock.*::lock\(\)
#include <corolock/async_mutex.hpp>

#include <mutex>

void f(corolock::async_mutex& m) {
#if defined(COROLOCK_EXPECT_SUCCESS)
  const corolock::mutex_guard guard = m.try_lock();
#else
  const std::lock_guard<corolock::async_mutex> guard(m);
#endif
}
