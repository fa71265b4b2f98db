// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
//
// A mutex is not awaited: what would end the section?
//
// expect-error(clang): no member named 'await_ready' in 'corolock::.*basic_async_mutex
// expect-error(g++): no member named .await_ready. in .corolock.*async_mutex
#include "../support/task.hpp"
#include <corolock/async_mutex.hpp>

corolock_test::task<> f(corolock::async_mutex& m) {
#if defined(COROLOCK_EXPECT_SUCCESS)
  const corolock::mutex_guard guard = co_await m.async_lock();
#else
  const corolock::mutex_guard guard = co_await m;
#endif
}
