// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Waiting on Boost.Asio, by any completion token:
//
//   async_wait              async_event                     void(error_code)
//   async_wait              async_condition, with a guard   void(error_code)
//   async_arrive_and_wait   async_barrier                   void(error_code, index); errc::broken
//   ..._for, ..._until      the same, with a time limit: errc::timed_out
//
// asio/lock.hpp says what holds for every operation of the Asio front end.
//
// A wait for a condition takes the guard by reference: it is empty during the wait and holds the
// lock again when the handler runs, whatever the error code. So its cancellation is not total: it
// ends the wait for the notification, and completes when it has the lock again. The guard has to
// live until then.

#include <corolock/asio/detail/initiate.hpp>
#include <corolock/async_barrier.hpp>
#include <corolock/async_condition.hpp>
#include <corolock/async_event.hpp>

#include <chrono>
#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>

COROLOCK_BEGIN
namespace asio::detail {

template <class Threading, class Diagnostics>
auto event_request(basic_async_event<Threading, Diagnostics>& e,
                   typename Diagnostics::call_site where) {
  using event = basic_async_event<Threading, Diagnostics>;
  return make_request<typename event::waiter_type>(e, typename Diagnostics::wait_record(where));
}
template <class Threading, class Diagnostics>
auto barrier_request(basic_async_barrier<Threading, Diagnostics>& b,
                     typename Diagnostics::call_site where) {
  using barrier = basic_async_barrier<Threading, Diagnostics>;
  return make_request<typename barrier::waiter_type>(b, where);
}
template <class Condition>
auto condition_request(Condition& c, typename Condition::guard_type& guard,
                       typename Condition::call_site where) {
  return make_request<typename Condition::waiter_type>(c, std::ref(guard),
                                                       typename Condition::wait_record(where));
}
template <class Condition, class Predicate>
auto condition_request(Condition& c, typename Condition::guard_type& guard, Predicate&& predicate,
                       typename Condition::call_site where) {
  using waiter = typename Condition::template predicate_waiter_type<std::decay_t<Predicate>>;
  return make_request<waiter>(c, std::ref(guard), std::forward<Predicate>(predicate),
                              typename Condition::wait_record(where));
}

}  // namespace asio::detail

/// Waits until `e` is set.
template <class Threading, class Diagnostics, class Token>
auto async_wait(basic_async_event<Threading, Diagnostics>& e, Token&& token,
                typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(asio::detail::event_request(e, where),
                                     asio::detail::no_deadline(), std::forward<Token>(token));
}
/// async_wait with a time limit: errc::timed_out when it has passed.
template <class Threading, class Diagnostics, class Rep, class Period, class Token>
auto async_wait_for(basic_async_event<Threading, Diagnostics>& e,
                    std::chrono::duration<Rep, Period> limit, Token&& token,
                    typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(
      asio::detail::event_request(e, where),
      asio::detail::deadline_after<std::chrono::duration<Rep, Period>>{limit},
      std::forward<Token>(token));
}
/// async_wait with a time limit: errc::timed_out when it is reached.
template <class Threading, class Diagnostics, class Clock, class Duration, class Token>
auto async_wait_until(basic_async_event<Threading, Diagnostics>& e,
                      std::chrono::time_point<Clock, Duration> limit, Token&& token,
                      typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(asio::detail::event_request(e, where),
                                     asio::detail::deadline_at<Clock, Duration>{limit},
                                     std::forward<Token>(token));
}

/// Arrives at `b`: completes with the task's index when all have arrived, or with errc::broken.
template <class Threading, class Diagnostics, class Token>
auto async_arrive_and_wait(
    basic_async_barrier<Threading, Diagnostics>& b, Token&& token,
    typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(asio::detail::barrier_request(b, where),
                                     asio::detail::no_deadline(), std::forward<Token>(token));
}
/// async_arrive_and_wait with a time limit: errc::timed_out when it has passed.
template <class Threading, class Diagnostics, class Rep, class Period, class Token>
auto async_arrive_and_wait_for(
    basic_async_barrier<Threading, Diagnostics>& b, std::chrono::duration<Rep, Period> limit,
    Token&& token, typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(
      asio::detail::barrier_request(b, where),
      asio::detail::deadline_after<std::chrono::duration<Rep, Period>>{limit},
      std::forward<Token>(token));
}
/// async_arrive_and_wait with a time limit: errc::timed_out when it is reached.
template <class Threading, class Diagnostics, class Clock, class Duration, class Token>
auto async_arrive_and_wait_until(
    basic_async_barrier<Threading, Diagnostics>& b, std::chrono::time_point<Clock, Duration> limit,
    Token&& token, typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(asio::detail::barrier_request(b, where),
                                     asio::detail::deadline_at<Clock, Duration>{limit},
                                     std::forward<Token>(token));
}

/// Releases the lock, waits for a notification, and takes the lock again.
/// Precondition: `guard` holds a lock.
template <class Threading, class Diagnostics, class Token>
auto async_wait(basic_async_condition<Threading, Diagnostics>& c,
                typename basic_async_condition<Threading, Diagnostics>::guard_type& guard,
                Token&& token,
                typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(asio::detail::condition_request(c, guard, where),
                                     asio::detail::no_deadline(), std::forward<Token>(token));
}
/// async_wait with a time limit: errc::timed_out when it has passed.
template <class Threading, class Diagnostics, class Rep, class Period, class Token>
auto async_wait_for(basic_async_condition<Threading, Diagnostics>& c,
                    typename basic_async_condition<Threading, Diagnostics>::guard_type& guard,
                    std::chrono::duration<Rep, Period> limit, Token&& token,
                    typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(
      asio::detail::condition_request(c, guard, where),
      asio::detail::deadline_after<std::chrono::duration<Rep, Period>>{limit},
      std::forward<Token>(token));
}
/// async_wait with a time limit: errc::timed_out when it is reached.
template <class Threading, class Diagnostics, class Clock, class Duration, class Token>
auto async_wait_until(basic_async_condition<Threading, Diagnostics>& c,
                      typename basic_async_condition<Threading, Diagnostics>::guard_type& guard,
                      std::chrono::time_point<Clock, Duration> limit, Token&& token,
                      typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(asio::detail::condition_request(c, guard, where),
                                     asio::detail::deadline_at<Clock, Duration>{limit},
                                     std::forward<Token>(token));
}

/// Waits, as above, until predicate() is true. It is called with the lock held, on the handler's
/// executor, and must not throw: an exception terminates.
template <class Threading, class Diagnostics, std::predicate Predicate, class Token>
auto async_wait(basic_async_condition<Threading, Diagnostics>& c,
                typename basic_async_condition<Threading, Diagnostics>::guard_type& guard,
                Predicate predicate, Token&& token,
                typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(
      asio::detail::condition_request(c, guard, std::move(predicate), where),
      asio::detail::no_deadline(), std::forward<Token>(token));
}
/// async_wait with a time limit: errc::timed_out when it has passed.
template <class Threading, class Diagnostics, std::predicate Predicate, class Rep, class Period,
          class Token>
auto async_wait_for(basic_async_condition<Threading, Diagnostics>& c,
                    typename basic_async_condition<Threading, Diagnostics>::guard_type& guard,
                    Predicate predicate, std::chrono::duration<Rep, Period> limit, Token&& token,
                    typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(
      asio::detail::condition_request(c, guard, std::move(predicate), where),
      asio::detail::deadline_after<std::chrono::duration<Rep, Period>>{limit},
      std::forward<Token>(token));
}
/// async_wait with a time limit: errc::timed_out when it is reached.
template <class Threading, class Diagnostics, std::predicate Predicate, class Clock, class Duration,
          class Token>
auto async_wait_until(basic_async_condition<Threading, Diagnostics>& c,
                      typename basic_async_condition<Threading, Diagnostics>::guard_type& guard,
                      Predicate predicate, std::chrono::time_point<Clock, Duration> limit,
                      Token&& token,
                      typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(
      asio::detail::condition_request(c, guard, std::move(predicate), where),
      asio::detail::deadline_at<Clock, Duration>{limit}, std::forward<Token>(token));
}

COROLOCK_END
