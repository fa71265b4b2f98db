// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
//
// In an asio::awaitable the lock is waited for by a completion token, which knows its executor.
//
// expect-error(clang): no matching member function for call to 'await_transform'
// expect-error(g++): no matching function for call to .*await_transform
#include <corolock/asio.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

boost::asio::awaitable<void> f(corolock::async_mutex& m) {
#if defined(COROLOCK_EXPECT_SUCCESS)
  const corolock::mutex_guard guard = co_await async_lock(m, boost::asio::use_awaitable);
#else
  const corolock::mutex_guard guard = co_await m.async_lock();
#endif
}
