// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What may go wrong with a lock that lives on a server.

#include <corolock/asio/error.hpp>

#include <boost/system/system_error.hpp>

#include <string>
#include <system_error>

COROLOCK_BEGIN

/// Why a session or a lock on it failed. A wait that ran out of time is errc::timed_out, a
/// cancelled one boost::asio::error::operation_aborted, as with the local locks.
enum class cluster_errc {
  invalid_url = 1,  ///< no URL of a lock server
  invalid_name,     ///< a lock's name is empty, too long, or has control characters
  invalid_options,  ///< an option is out of its range, such as a ttl below the least
  unreachable,      ///< no server answers
  refused,          ///< the server refuses us: wrong user or password, or no permission
  wrong_server,     ///< what answers is another kind of server, or one that cannot keep a lock
  session_lost,     ///< the session's lease could not be kept; all its locks are lost
  session_closed,   ///< the session was closed by its owner
  lock_lost,        ///< this lock, or its place in the queue, was taken away on the server
};

/// The category of corolock::cluster_errc.
const std::error_category& cluster_error_category() noexcept;

std::error_code make_error_code(cluster_errc e) noexcept;

/// What async_connect and the constructor of distributed_mutex throw: what() names what is wrong,
/// and where.
class cluster_error : public boost::system::system_error {
 public:
  cluster_error(cluster_errc why, const std::string& what);
};

COROLOCK_END

template <>
struct std::is_error_code_enum<corolock::cluster_errc> : std::true_type {};
template <>
struct boost::system::is_error_code_enum<corolock::cluster_errc> : std::true_type {};
