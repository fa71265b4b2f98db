// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// corolock::asio::timer: the timer that all time on Asio goes through, so that the schedule
// explorer can put a virtual one in its place.

#include <corolock/detail/config.hpp>

#include <boost/asio/basic_waitable_timer.hpp>

#include <chrono>

COROLOCK_BEGIN
namespace asio {

/// A timer on any clock.
template <class Clock>
using basic_timer = boost::asio::basic_waitable_timer<Clock>;

/// A timer on the steady clock.
using timer = basic_timer<std::chrono::steady_clock>;

}  // namespace asio
COROLOCK_END
