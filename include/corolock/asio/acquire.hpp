// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Acquiring units of an async_semaphore on Boost.Asio, by any completion token:
//
//   async_acquire                      void(error_code, permit); errc::closed
//   async_acquire_for, ..._until       the same, with a time limit: errc::timed_out
//
// asio/lock.hpp says what holds for every operation of the Asio front end.

#include <corolock/asio/detail/initiate.hpp>
#include <corolock/async_semaphore.hpp>

#include <chrono>
#include <cstddef>
#include <utility>

COROLOCK_BEGIN
namespace asio::detail {

template <class Threading, class Diagnostics>
auto acquire_request(basic_async_semaphore<Threading, Diagnostics>& s, std::size_t units,
                     typename Diagnostics::call_site where) {
  using semaphore = basic_async_semaphore<Threading, Diagnostics>;
  return make_request<typename semaphore::waiter_type>(s, units, where);
}

}  // namespace asio::detail

/// Acquires `units`: completes with a permit, in order of arrival, or with errc::closed.
template <class Threading, class Diagnostics, class Token>
auto async_acquire(basic_async_semaphore<Threading, Diagnostics>& s, std::size_t units,
                   Token&& token,
                   typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(asio::detail::acquire_request(s, units, where),
                                     asio::detail::no_deadline(), std::forward<Token>(token));
}
/// async_acquire with a time limit: errc::timed_out when it has passed.
template <class Threading, class Diagnostics, class Rep, class Period, class Token>
auto async_acquire_for(basic_async_semaphore<Threading, Diagnostics>& s, std::size_t units,
                       std::chrono::duration<Rep, Period> limit, Token&& token,
                       typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(
      asio::detail::acquire_request(s, units, where),
      asio::detail::deadline_after<std::chrono::duration<Rep, Period>>{limit},
      std::forward<Token>(token));
}
/// async_acquire with a time limit: errc::timed_out when it is reached.
template <class Threading, class Diagnostics, class Clock, class Duration, class Token>
auto async_acquire_until(
    basic_async_semaphore<Threading, Diagnostics>& s, std::size_t units,
    std::chrono::time_point<Clock, Duration> limit, Token&& token,
    typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(asio::detail::acquire_request(s, units, where),
                                     asio::detail::deadline_at<Clock, Duration>{limit},
                                     std::forward<Token>(token));
}

COROLOCK_END
