// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Locking on Boost.Asio, by any completion token:
//
//   async_lock          async_mutex, async_shared_mutex      void(error_code, guard)
//   async_lock_shared   async_shared_mutex                   void(error_code, shared guard)
//   async_lock          async_keyed_mutex, with a key        void(error_code, keyed guard)
//   async_lock_all      async_keyed_mutex, with a range      void(error_code, keys guard)
//   async_lock          guarded                              void(error_code, guarded_ptr)
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
// **Lifetime.** The lock outlives the wait. When the handler's execution context is destroyed
// first, the wait leaves the queue and its handler is destroyed.
// **Without an executor.** A handler that has none, such as a plain callback, runs on the
// system_executor; bind_executor gives it one.

#include <corolock/asio/detail/initiate.hpp>
#include <corolock/async_keyed_mutex.hpp>
#include <corolock/async_mutex.hpp>
#include <corolock/async_shared_mutex.hpp>
#include <corolock/guarded.hpp>

#include <chrono>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

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

template <class T, class Mutex>
auto guarded_request(basic_guarded<T, Mutex>& object, typename Mutex::call_site where) {
  using record = decltype(Mutex::waiter_type::record_);
  return make_request<typename Mutex::waiter_type>(object, record(where));
}
template <class Mutex>
auto keyed_request(Mutex& m, typename Mutex::key_type key, typename Mutex::call_site where) {
  return make_request<typename Mutex::waiter_type>(m, std::move(key), where);
}
template <class Mutex, class Keys>
auto keys_request(Mutex& m, Keys&& keys, typename Mutex::call_site where) {
  std::vector<typename Mutex::key_type> all;
  if constexpr (std::ranges::sized_range<Keys>) {
    all.reserve(std::ranges::size(keys));
  }
  for (auto&& key : keys) {
    all.emplace_back(std::forward<decltype(key)>(key));
  }
  return make_request<typename Mutex::all_waiter_type>(m, std::move(all), where);
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

/// Locks the key: completes with its guard, in order of arrival.
template <class Key, class Threading, class Diagnostics, class Compare, class Token>
auto async_lock(basic_async_keyed_mutex<Key, Threading, Diagnostics, Compare>& m,
                std::type_identity_t<Key> key, Token&& token,
                typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(asio::detail::keyed_request(m, std::move(key), where),
                                     asio::detail::no_deadline(), std::forward<Token>(token));
}
/// async_lock with a time limit: errc::timed_out when it has passed.
template <class Key, class Threading, class Diagnostics, class Compare, class Rep, class Period,
          class Token>
auto async_lock_for(basic_async_keyed_mutex<Key, Threading, Diagnostics, Compare>& m,
                    std::type_identity_t<Key> key, std::chrono::duration<Rep, Period> limit,
                    Token&& token,
                    typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(
      asio::detail::keyed_request(m, std::move(key), where),
      asio::detail::deadline_after<std::chrono::duration<Rep, Period>>{limit},
      std::forward<Token>(token));
}
/// async_lock with a time limit: errc::timed_out when it is reached.
template <class Key, class Threading, class Diagnostics, class Compare, class Clock, class Duration,
          class Token>
auto async_lock_until(basic_async_keyed_mutex<Key, Threading, Diagnostics, Compare>& m,
                      std::type_identity_t<Key> key, std::chrono::time_point<Clock, Duration> limit,
                      Token&& token,
                      typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(asio::detail::keyed_request(m, std::move(key), where),
                                     asio::detail::deadline_at<Clock, Duration>{limit},
                                     std::forward<Token>(token));
}

/// Locks all keys of the range, which is copied: completes with one guard of them all.
template <class Key, class Threading, class Diagnostics, class Compare,
          std::ranges::input_range Keys, class Token>
auto async_lock_all(basic_async_keyed_mutex<Key, Threading, Diagnostics, Compare>& m, Keys&& keys,
                    Token&& token,
                    typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(asio::detail::keys_request(m, std::forward<Keys>(keys), where),
                                     asio::detail::no_deadline(), std::forward<Token>(token));
}
/// async_lock_all with a time limit: errc::timed_out when it has passed.
template <class Key, class Threading, class Diagnostics, class Compare,
          std::ranges::input_range Keys, class Rep, class Period, class Token>
auto async_lock_all_for(basic_async_keyed_mutex<Key, Threading, Diagnostics, Compare>& m,
                        Keys&& keys, std::chrono::duration<Rep, Period> limit, Token&& token,
                        typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(
      asio::detail::keys_request(m, std::forward<Keys>(keys), where),
      asio::detail::deadline_after<std::chrono::duration<Rep, Period>>{limit},
      std::forward<Token>(token));
}
/// async_lock_all with a time limit: errc::timed_out when it is reached.
template <class Key, class Threading, class Diagnostics, class Compare,
          std::ranges::input_range Keys, class Clock, class Duration, class Token>
auto async_lock_all_until(
    basic_async_keyed_mutex<Key, Threading, Diagnostics, Compare>& m, Keys&& keys,
    std::chrono::time_point<Clock, Duration> limit, Token&& token,
    typename Diagnostics::call_site where = Diagnostics::call_site::current()) {
  return asio::detail::initiate_wait(asio::detail::keys_request(m, std::forward<Keys>(keys), where),
                                     asio::detail::deadline_at<Clock, Duration>{limit},
                                     std::forward<Token>(token));
}

/// Locks the object: completes with the pointer to it, in order of arrival.
template <class T, class Mutex, class Token>
auto async_lock(basic_guarded<T, Mutex>& object, Token&& token,
                typename Mutex::call_site where = Mutex::call_site::current()) {
  return asio::detail::initiate_wait(asio::detail::guarded_request(object, where),
                                     asio::detail::no_deadline(), std::forward<Token>(token));
}
/// async_lock with a time limit: errc::timed_out when it has passed.
template <class T, class Mutex, class Rep, class Period, class Token>
auto async_lock_for(basic_guarded<T, Mutex>& object, std::chrono::duration<Rep, Period> limit,
                    Token&& token, typename Mutex::call_site where = Mutex::call_site::current()) {
  return asio::detail::initiate_wait(
      asio::detail::guarded_request(object, where),
      asio::detail::deadline_after<std::chrono::duration<Rep, Period>>{limit},
      std::forward<Token>(token));
}
/// async_lock with a time limit: errc::timed_out when it is reached.
template <class T, class Mutex, class Clock, class Duration, class Token>
auto async_lock_until(basic_guarded<T, Mutex>& object,
                      std::chrono::time_point<Clock, Duration> limit, Token&& token,
                      typename Mutex::call_site where = Mutex::call_site::current()) {
  return asio::detail::initiate_wait(asio::detail::guarded_request(object, where),
                                     asio::detail::deadline_at<Clock, Duration>{limit},
                                     std::forward<Token>(token));
}

COROLOCK_END
