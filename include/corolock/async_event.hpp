// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// A flag that tasks wait for.
//
//   async_event, local_async_event    the event; the local one is for one thread or one strand

#include <corolock/detail/awaiter.hpp>
#include <corolock/diagnostics.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

COROLOCK_BEGIN

/// What statistics() of an event tells: a picture of one moment, for people.
struct event_statistics {
  bool set = false;
  std::size_t waiters = 0;
};

/// A flag that any number of tasks wait for. Python: asyncio.Event.
///
/// **When.** "It has happened": a start, a configuration that has arrived, a shutdown.
/// **When not.** To wait until some state holds, use async_condition: an event that is reset again
/// says nothing about the state at the moment a waiter runs.
///
/// | state          | async_wait            | set                  | reset      |
/// |----------------|-----------------------|----------------------|------------|
/// | set            | granted, no suspension | nothing             | not set    |
/// | not set        | queues                | set; all waiters are granted | nothing |
///
/// **Order.** Waiters are woken in the order of their arrival.
/// **Resumption.** As async_mutex.
/// **Cancellation.** Total. A waiter that set() has granted stays granted, also when reset() comes
/// before it runs.
/// **Memory order.** What was done before set() is seen by those that it wakes.
/// **Thread safety.** Distinct objects: safe. Shared objects: safe; of the local one: unsafe.
/// **Lifetime.** It outlives its waiters. A task that set() has woken may destroy it, even while
/// that set() is returning on another thread.
/// **Cost.** No allocation; O(1), set() O(waiters).
/// **See also.** async_condition, async_barrier.
template <class Threading, class Diagnostics = no_diagnostics>
class basic_async_event {
 public:
  using call_site = typename Diagnostics::call_site;

  // For the front ends (see detail/awaiter.hpp).
  using threading = Threading;
  using waiter_type = detail::recorded_waiter<Diagnostics>;
  static constexpr bool wait_may_end = false;

  /// `initially_set`: whether the flag is set at first.
  template <class... Args>
    requires(std::is_constructible_v<Diagnostics, Args...>)
  explicit basic_async_event(bool initially_set = false, Args&&... args)
      : queue_(initially_set ? detail::queue_flag : detail::queue_empty),
        diagnostics_(std::forward<Args>(args)...) {}
  ~basic_async_event() {
    COROLOCK_ASSERT(detail::wait_queue<Threading>::front(queue_.peek()) == nullptr,
                    "an async_event was destroyed while tasks waited for it");
  }

  basic_async_event(const basic_async_event&) = delete;
  basic_async_event& operator=(const basic_async_event&) = delete;

  /// co_await it: returns when the event is set. Does not suspend if it is.
  detail::wait_awaiter<basic_async_event, waiter_type> async_wait(
      call_site where = call_site::current()) noexcept {
    return detail::wait_awaiter<basic_async_event, waiter_type>(*this, wait_record(where));
  }
  /// co_await it: granted, or errc::stopped.
  detail::stoppable_awaiter<basic_async_event, waiter_type> async_wait(
      std::stop_token token, call_site where = call_site::current()) noexcept {
    return detail::stoppable_awaiter<basic_async_event, waiter_type>(*this, std::move(token),
                                                                     wait_record(where));
  }
  /// True if it is set: the wait that never waits.
  [[nodiscard]] bool try_wait() const noexcept { return is_set(); }

  /// Sets the event and wakes all that wait. Setting it again does nothing.
  void set() noexcept {
    detail::wake_list<Threading> woken;
    detail::queue_word w = queue_.open();
    while (detail::wait_queue<Threading>::front(w) != nullptr) {
      woken.add(queue_.pop_front(w), detail::wait_status::granted);
    }
    queue_.close(detail::queue_flag);
    woken.wake();  // *this may be gone
  }

  /// From now on tasks wait again. Those that set() has woken are not affected.
  void reset() noexcept {
    const detail::queue_word w = queue_.open();
    queue_.close(w == detail::queue_flag ? detail::queue_empty : w);
  }

  [[nodiscard]] bool is_set() const noexcept { return queue_.peek() == detail::queue_flag; }

  [[nodiscard]] event_statistics statistics() const noexcept {
    auto& queue = const_cast<detail::wait_queue<Threading>&>(queue_);
    const detail::queue_word w = queue.open();
    const event_statistics result{w == detail::queue_flag, queue.count(w)};
    queue.close(w);
    return result;
  }

  /// The diagnostics policy's own object.
  [[nodiscard]] const Diagnostics& diagnostics() const noexcept { return diagnostics_; }

 private:
  using wait_record = typename Diagnostics::wait_record;

  friend struct detail::core_access;

  detail::wait_status enter(detail::queue_word& w, waiter_type&) noexcept {
    return w == detail::queue_flag ? detail::wait_status::granted : detail::wait_status::queued;
  }
  // A link to no next waiter reads like the flag: an event that lost its last waiter is not set.
  void left(detail::queue_word& w, detail::wake_list<Threading>&) noexcept {
    if (detail::wait_queue<Threading>::front(w) == nullptr) {
      w = detail::queue_empty;
    }
  }
  void give_up(waiter_type&) noexcept {}
  void take(waiter_type& n) noexcept { diagnostics_.granted(n.record_); }

  detail::wait_queue<Threading> queue_;  // flag: set; set implies that nobody waits
  [[no_unique_address]] Diagnostics diagnostics_;
};

using async_event = basic_async_event<multi_threaded>;
using local_async_event = basic_async_event<single_threaded>;

COROLOCK_END
