// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// corolock::errc as a boost::system::error_code. A wait on Asio completes with
//
//   success                              and the grant
//   boost::asio::error::operation_aborted   it was cancelled
//   corolock::errc::timed_out, closed, broken

#include <corolock/errc.hpp>

#include <boost/system/error_code.hpp>

template <>
struct boost::system::is_error_code_enum<corolock::errc> : std::true_type {};
