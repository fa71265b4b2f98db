// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Where a URL's servers are: libpq would block while it looks up their names.

#include <corolock/cluster/detail/attempt.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <optional>
#include <string>

COROLOCK_BEGIN
namespace cluster::detail::postgresql {

// libpq's host, hostaddr and port: lists of the same length.
struct places {
  std::string hosts;
  std::string addresses;
  std::string ports;
};

// None if there is nothing to look up. Throws cluster_error if none of the hosts is known in time.
boost::asio::awaitable<std::optional<places>> look_up_hosts(
    strand on, std::string url, std::chrono::steady_clock::time_point limit);

}  // namespace cluster::detail::postgresql
COROLOCK_END
