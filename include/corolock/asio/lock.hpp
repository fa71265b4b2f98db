// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Locking on Boost.Asio, by any completion token:
//
//   async_lock          async_mutex, async_shared_mutex      void(error_code, guard)
//   async_lock_shared   async_shared_mutex                   void(error_code, shared guard)
//   ..._for, ..._until  the same, with a time limit: errc::timed_out
//
// What holds for every operation of the Asio front end:
//
// **Completion.** Exactly once, on the handler's associated executor, and never inside the
// initiating function. With use_awaitable (also as_tuple or redirect_error around it) a wait that
// need not wait returns without going through the scheduler.
// **Errors.** boost::asio::error::operation_aborted if it was cancelled, else corolock::errc.
// **Cancellation.** Total, of every cancellation_type: a cancelled wait leaves no trace. Cancelled
// after the grant but before the handler has run, the grant passes to the next waiter. The slot is
// touched only by the initiating function and on the handler's executor.
// **Memory.** One operation, from the handler's associated allocator; Asio's recycled memory if it
// has none.
// **Lifetime.** The lock outlives the wait. When the handler's execution context is destroyed first,
// the wait leaves the queue and its handler is destroyed.
// **Without an executor.** A handler that has none, such as a plain callback, runs on the
// system_executor; bind_executor gives it one.

#include <corolock/asio/detail/initiate.hpp>
#include <corolock/async_mutex.hpp>
#include <corolock/async_shared_mutex.hpp>

#include <chrono>
#include <utility>

COROLOCK_BEGIN
namespace asio::detail {

template <class Threading, class Diagnostics>
auto lock_request(basic_async_mutex<Threading, Diagnostics>& m,
                  typename Diagnostics::call_site where) {
  using mutex = basic_async_mutex<Threading, Diagnostics>;
  return make_request<typename mutex::waiter_type>(m, typename Diagnostics::wait_record(where));
}
template <class Threading, class Diagnostics>
auto lock_request(basic_async_shared_mutex<Threading, Diagnostics>& m,
                  typename Diagnostics::call_site where) {
  using mutex = basic_async_shared_mutex<Threading, Diagnostics>;
  return make_request<typename mutex::waiter_type>(m, where);
}
template <class Threading, class Diagnostics>
auto lock_shared_request(basic_async_shared_mutex<Threading, Diagnostics>& m,
                         typename Diagnostics::call_site where) {
  using mutex = basic_async_shared_mutex<Threading, Diagnostics>;
  return make_request<typename mutex::shared_waiter_type>(m, where);
}

}  // namespace asio::detail

/// Locks `m`: completes with a guard, in order of arrival.
template <class Threading, class Diagnostics, class Token>
auto async_lock(basic_async_mutex<Threading, Diagnostics>& m, Token&& token,
                typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(asio::detail::lock_request(m, where),
                                     asio::detail::no_deadline(), std::forward<Token>(token));
}
/// async_lock with a time limit: errc::timed_out when it has passed.
template <class Threading, class Diagnostics, class Rep, class Period, class Token>
auto async_lock_for(basic_async_mutex<Threading, Diagnostics>& m,
                    std::chrono::duration<Rep, Period> limit, Token&& token,
                    typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(
      asio::detail::lock_request(m, where),
      asio::detail::deadline_after<std::chrono::duration<Rep, Period>>{limit},
      std::forward<Token>(token));
}
/// async_lock with a time limit: errc::timed_out when it is reached.
template <class Threading, class Diagnostics, class Clock, class Duration, class Token>
auto async_lock_until(basic_async_mutex<Threading, Diagnostics>& m,
                      std::chrono::time_point<Clock, Duration> limit, Token&& token,
                      typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(asio::detail::lock_request(m, where),
                                     asio::detail::deadline_at<Clock, Duration>{limit},
                                     std::forward<Token>(token));
}

/// Locks `m` for writing: completes with a guard, in order of arrival.
template <class Threading, class Diagnostics, class Token>
auto async_lock(basic_async_shared_mutex<Threading, Diagnostics>& m, Token&& token,
                typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(asio::detail::lock_request(m, where),
                                     asio::detail::no_deadline(), std::forward<Token>(token));
}
/// async_lock with a time limit: errc::timed_out when it has passed.
template <class Threading, class Diagnostics, class Rep, class Period, class Token>
auto async_lock_for(basic_async_shared_mutex<Threading, Diagnostics>& m,
                    std::chrono::duration<Rep, Period> limit, Token&& token,
                    typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(
      asio::detail::lock_request(m, where),
      asio::detail::deadline_after<std::chrono::duration<Rep, Period>>{limit},
      std::forward<Token>(token));
}
/// async_lock with a time limit: errc::timed_out when it is reached.
template <class Threading, class Diagnostics, class Clock, class Duration, class Token>
auto async_lock_until(basic_async_shared_mutex<Threading, Diagnostics>& m,
                      std::chrono::time_point<Clock, Duration> limit, Token&& token,
                      typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(asio::detail::lock_request(m, where),
                                     asio::detail::deadline_at<Clock, Duration>{limit},
                                     std::forward<Token>(token));
}

/// Locks `m` for reading: completes with a shared guard, in order of arrival.
template <class Threading, class Diagnostics, class Token>
auto async_lock_shared(basic_async_shared_mutex<Threading, Diagnostics>& m, Token&& token,
                       typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(asio::detail::lock_shared_request(m, where),
                                     asio::detail::no_deadline(), std::forward<Token>(token));
}
/// async_lock_shared with a time limit: errc::timed_out when it has passed.
template <class Threading, class Diagnostics, class Rep, class Period, class Token>
auto async_lock_shared_for(
    basic_async_shared_mutex<Threading, Diagnostics>& m, std::chrono::duration<Rep, Period> limit,
    Token&& token, typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(
      asio::detail::lock_shared_request(m, where),
      asio::detail::deadline_after<std::chrono::duration<Rep, Period>>{limit},
      std::forward<Token>(token));
}
/// async_lock_shared with a time limit: errc::timed_out when it is reached.
template <class Threading, class Diagnostics, class Clock, class Duration, class Token>
auto async_lock_shared_until(
    basic_async_shared_mutex<Threading, Diagnostics>& m,
    std::chrono::time_point<Clock, Duration> limit, Token&& token,
    typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(asio::detail::lock_shared_request(m, where),
                                     asio::detail::deadline_at<Clock, Duration>{limit},
                                     std::forward<Token>(token));
}

COROLOCK_END
