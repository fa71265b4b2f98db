// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
//
// std::scoped_lock of two mutexes tries and locks; several are locked by async_keyed_mutex.
//
// expect-error(clang): attempt to use a deleted function
// expect-error(clang): 'lock' has been explicitly marked deleted here
// expect-error(g++): use of deleted function .void corolock.*::lock\(\)
#include <corolock/async_mutex.hpp>

#include <mutex>

void f(corolock::async_mutex& a, corolock::async_mutex& b) {
#if defined(COROLOCK_EXPECT_SUCCESS)
  const corolock::mutex_guard first = a.try_lock();
  const corolock::mutex_guard second = b.try_lock();
#else
  const std::scoped_lock both(a, b);
#endif
}
