// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// look_up: a host's addresses, in time.
//
// The system's resolver blocks and cannot be interrupted, so Asio asks it on a thread of its own.
// When the limit has passed nobody waits for its answer any more; until that comes the context has
// work, and other look-ups in it wait.

#include <corolock/cluster/detail/attempt.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <string>
#include <tuple>

COROLOCK_BEGIN
namespace cluster::detail {

// On the strand. error::timed_out at the limit.
boost::asio::awaitable<std::tuple<error_code, boost::asio::ip::tcp::resolver::results_type>>
look_up(strand on, std::string host, std::string port, std::chrono::steady_clock::time_point limit);

}  // namespace cluster::detail
COROLOCK_END
