// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// run_while_held: work that ends when its lock does.

#include <corolock/cluster/distributed_mutex.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <cstddef>
#include <exception>
#include <utility>

COROLOCK_BEGIN

/// Locks, runs `work(guard)`, an awaitable<void>, and gives the lock back. When the lock is lost,
/// at the latest at its deadline, the work is cancelled (terminal). Throws what the work throws.
///
/// The result is that of async_release(): `already_lost` means that the work was cancelled, or
/// that it ended too late.
template <class Work>
boost::asio::awaitable<release_result> run_while_held(distributed_mutex m, Work work) {
  namespace net = boost::asio;
  const distributed_mutex mine = std::move(m);
  distributed_guard guard = co_await mine.async_lock(net::use_awaitable);
  const auto executor = co_await net::this_coro::executor;
  auto both = net::experimental::make_parallel_group(
      net::co_spawn(executor, work(std::as_const(guard)), net::deferred),
      guard.async_lost(net::deferred));
  auto [order, failed, error] = co_await both.async_wait(net::experimental::wait_for_one(),
                                                         net::as_tuple(net::use_awaitable));
  const bool is_lost = order[0] == 1 && !error;
  auto [none, result] = co_await guard.async_release(net::as_tuple(net::use_awaitable));
  if (failed && !is_lost) {
    std::rethrow_exception(failed);
  }
  co_return is_lost ? release_result::already_lost : result;
}

COROLOCK_END
