// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// corolock on Boost.Asio: every waiting operation as a free function for any completion token.
//
//   auto guard          = co_await corolock::async_lock(m, use_awaitable);
//   auto [error, guard] = co_await corolock::async_lock(m, as_tuple(use_awaitable));
//   auto guard          = co_await corolock::async_lock_for(m, 100ms, use_awaitable);

#include <corolock/asio/acquire.hpp>
#include <corolock/asio/error.hpp>
#include <corolock/asio/lock.hpp>
#include <corolock/asio/rate_limiter.hpp>
#include <corolock/asio/timer.hpp>
#include <corolock/asio/wait.hpp>
#include <corolock/corolock.hpp>
