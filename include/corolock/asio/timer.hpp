// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// corolock::asio::timer: the timer that all time on Asio goes through, so that the schedule
// explorer can put a virtual one in its place (explore/asio/timer.hpp). Code that runs in both asks
// timer::clock_type for the time.

#include <corolock/detail/clock.hpp>

#if defined(COROLOCK_EXPLORE)
#include <corolock/explore/asio/timer.hpp>
#else
#include <boost/asio/basic_waitable_timer.hpp>
#endif

COROLOCK_BEGIN
namespace asio {

/// A timer on any clock.
#if defined(COROLOCK_EXPLORE)
template <class Clock>
using basic_timer = explore::basic_timer<Clock>;
#else
template <class Clock>
using basic_timer = boost::asio::basic_waitable_timer<Clock>;
#endif

/// A timer on the steady clock.
using timer = basic_timer<corolock::detail::steady_clock>;

}  // namespace asio
COROLOCK_END
