// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Wait, with a lock held, until something about the guarded state has changed.
//
//   async_condition, local_async_condition    the condition; the local one is for one thread

#include <corolock/async_mutex.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

COROLOCK_BEGIN

namespace detail {

// How a wait for a condition goes. The same node is first in the queue of the condition and then,
// moved there by whoever notifies or stops it, in the queue of the mutex: a notified task is not
// woken only to find the lock taken.
//
//   place_       status_                             who acts on it
//   own_task     idle                                its task, which has not begun to wait
//   condition    queued                              the opener of the condition's queue
//   moving       -                                   the thread that took it out, alone
//   mutex        queued, granted | pending, granted  as for any wait for the mutex
//
// `place_` leaves `condition` only under the condition's open queue. A thread that finds `moving`
// waits: the mover runs no foreign code. What ended the wait, `why_`, is decided in that same
// moment, once: a notification or a stop, whichever came first. The lock is always taken again, and
// nobody cancels that.
enum class condition_place : std::uint32_t { own_task, condition, moving, mutex };

template <class Mutex, class Diagnostics>
struct condition_waiter : Mutex::waiter_type {
  condition_waiter(typename Mutex::guard_type& guard,
                   typename Diagnostics::wait_record record) noexcept
      : Mutex::waiter_type(record), guard_(guard), waited_(record) {}

  typename Mutex::guard_type& guard_;
  Mutex* mutex_ = nullptr;  // the guard's, while the guard is empty on our account
  condition_place place_ = condition_place::own_task;
  wait_status why_ = wait_status::granted;
  wait_status ended_ = wait_status::idle;  // what a stop that came at another place asked for
  [[no_unique_address]] typename Diagnostics::wait_record waited_;
};

template <class Condition, class Predicate>
struct predicate_waiter : Condition::waiter_type, step {
  predicate_waiter(typename Condition::guard_type& guard, Predicate predicate,
                   typename Condition::wait_record record) noexcept
      : Condition::waiter_type(guard, record), predicate_(std::move(predicate)) {}

  Predicate predicate_;
  Condition* condition_ = nullptr;
  std::exception_ptr thrown_;  // by the predicate
};

// Adds to an awaiter of a predicate_waiter that what the predicate threw comes out of co_await.
template <class Awaiter>
class predicate_awaiter : Awaiter {
 public:
  using result_type = typename Awaiter::result_type;
  using Awaiter::await_ready;
  using Awaiter::await_suspend;
  using Awaiter::Awaiter;

  /// Resumes the task by `e.post()`, whatever executor its promise may offer.
  template <executor Executor>
  awaiter_on<predicate_awaiter> on(Executor& e) && noexcept {
    set_executor<typename Awaiter::threading>(this->waiter(), e);
    return awaiter_on<predicate_awaiter>(*this);
  }

  result_type await_resume() {
    if constexpr (std::is_void_v<result_type>) {
      Awaiter::await_resume();
      rethrow();
    } else {
      result_type result = Awaiter::await_resume();
      rethrow();
      return result;
    }
  }

 private:
  void rethrow() {
    if (this->waiter().thrown_) {
      std::rethrow_exception(std::move(this->waiter().thrown_));
    }
  }
};

}  // namespace detail

/// What statistics() of a condition tells: a picture of one moment, for people.
struct condition_statistics {
  std::size_t waiters = 0;  ///< not counting those that were notified and wait for the lock
};

/// Waiting, with an async_mutex held, until the guarded state has changed. Python:
/// asyncio.Condition.
///
/// **When.** A task needs a state that another task will bring about, and a lock guards that state:
/// "the queue is not empty", "fewer than n are connected".
/// **When not.** For a fact that happens once use async_event, to count use async_semaphore.
///
/// | state | async_wait(guard) | notify_one | notify_all |
/// |---|---|---|---|
/// | no waiters | the lock is released; waits | nothing | nothing |
/// | waiters | the lock is released; waits | the first queues for the lock | all do, in order |
///
/// However a wait ends, the guard holds the lock again when the task goes on.
///
/// **Order.** FIFO. Notified waiters queue for the lock at the moment of the notification, in their
/// order, behind those that wait for it already.
/// **Resumption.** As async_mutex, when the lock is theirs.
/// **Cancellation.** A stop ends the wait for the notification, not the one for the lock: the
/// outcome is errc::stopped, and the lock is held. A waiter that was notified first is not stopped;
/// if its frame is destroyed, the notification goes on to the next waiter.
/// **Memory order.** The lock's.
/// **Thread safety.** Distinct objects: safe. Shared objects: safe; of the local one: unsafe.
/// notify may be called with the lock held or without.
/// **Lifetime.** It outlives its waiters until they have been resumed.
/// **Cost.** No allocation; O(1), notify_all() O(waiters).
/// **See also.** async_mutex, async_event.
template <class Threading, class Diagnostics = no_diagnostics>
class basic_async_condition {
 public:
  using mutex_type = basic_async_mutex<Threading, Diagnostics>;
  using guard_type = typename mutex_type::guard_type;
  using call_site = typename Diagnostics::call_site;

  // For the front ends (see detail/awaiter.hpp).
  using threading = Threading;
  using wait_record = typename Diagnostics::wait_record;
  using waiter_type = detail::condition_waiter<mutex_type, Diagnostics>;
  template <class Predicate>
  using predicate_waiter_type = detail::predicate_waiter<basic_async_condition, Predicate>;
  static constexpr bool wait_may_end = false;

  basic_async_condition() noexcept = default;
  /// With a diagnostics policy: its constructor's arguments, such as the condition's name.
  template <class... Args>
    requires(sizeof...(Args) > 0 && std::is_constructible_v<Diagnostics, Args...>)
  explicit basic_async_condition(Args&&... args) : diagnostics_(std::forward<Args>(args)...) {}
  ~basic_async_condition() {
    COROLOCK_ASSERT(detail::wait_queue<Threading>::front(queue_.peek()) == nullptr,
                    "an async_condition was destroyed while tasks waited for it");
  }

  basic_async_condition(const basic_async_condition&) = delete;
  basic_async_condition& operator=(const basic_async_condition&) = delete;

  /// co_await it: releases the lock, waits for a notification, takes the lock again.
  /// Precondition: `guard` holds a lock; it stays alive until the wait is over.
  auto async_wait(guard_type& guard, call_site where = call_site::current()) noexcept {
    return detail::wait_awaiter<basic_async_condition, waiter_type>(*this, guard,
                                                                    wait_record(where));
  }
  /// co_await it: granted, or errc::stopped; either way the lock is held again.
  auto async_wait(guard_type& guard, std::stop_token token,
                  call_site where = call_site::current()) noexcept {
    return detail::stoppable_awaiter<basic_async_condition, waiter_type>(*this, std::move(token),
                                                                         guard, wait_record(where));
  }
  /// co_await it: waits until predicate() is true. It is called with the lock held, where the task
  /// would be resumed; what it throws comes out of the co_await, with the lock held.
  template <class Predicate>
    requires std::is_invocable_r_v<bool, Predicate&>
  auto async_wait(guard_type& guard, Predicate predicate,
                  call_site where = call_site::current()) noexcept {
    using awaiter = detail::wait_awaiter<basic_async_condition, predicate_waiter_type<Predicate>>;
    return detail::predicate_awaiter<awaiter>(*this, guard, std::move(predicate),
                                              wait_record(where));
  }
  /// co_await it: the same, or errc::stopped if predicate() is still false when it is stopped.
  template <class Predicate>
    requires std::is_invocable_r_v<bool, Predicate&>
  auto async_wait(guard_type& guard, Predicate predicate, std::stop_token token,
                  call_site where = call_site::current()) noexcept {
    using awaiter =
        detail::stoppable_awaiter<basic_async_condition, predicate_waiter_type<Predicate>>;
    return detail::predicate_awaiter<awaiter>(*this, std::move(token), guard, std::move(predicate),
                                              wait_record(where));
  }

  /// Notifies the waiter that has waited longest, if there is one.
  void notify_one() noexcept { notify(1); }
  /// Notifies all that wait now.
  void notify_all() noexcept { notify(static_cast<std::size_t>(-1)); }

  [[nodiscard]] condition_statistics statistics() const noexcept {
    auto& queue = const_cast<detail::wait_queue<Threading>&>(queue_);
    const detail::queue_word w = queue.open();
    const condition_statistics result{queue.count(w)};
    queue.close(w);
    return result;
  }

  /// The diagnostics policy's own object.
  [[nodiscard]] const Diagnostics& diagnostics() const noexcept { return diagnostics_; }

  // The protocol of a wait, in place of the one in detail/awaiter.hpp.

  bool begin_wait(waiter_type& n) noexcept {
    mutex_type* const mutex = n.guard_.mutex();
    COROLOCK_ASSERT(mutex != nullptr,
                    "async_wait() of an async_condition with a guard that holds no lock");
    detail::queue_word w = queue_.open();
    if (n.ended_ != detail::wait_status::idle) {
      n.why_ = n.ended_;
      queue_.close(w);
      return false;
    }
    n.guard_.release();
    n.mutex_ = mutex;
    enqueue(w, n);
    mutex->unlock();  // n may be gone
    return true;
  }
  template <class Predicate>
  bool begin_wait(predicate_waiter_type<Predicate>& n) noexcept {
    if (is_satisfied(n)) {
      return false;
    }
    n.condition_ = this;
    if (void* coroutine = n.address()) {
      n.coroutine_ = coroutine;
      n.run_ = [](detail::step& s) noexcept {
        auto& self = static_cast<predicate_waiter_type<Predicate>&>(s);
        if (self.condition_->recheck(self)) {
          std::coroutine_handle<>::from_address(self.coroutine_).resume();
        }
      };
      n.frame_ = detail::address_of(static_cast<detail::step*>(&n)) | detail::frame_is_step |
                 detail::frame_is_extended;
    }
    return begin_wait(static_cast<waiter_type&>(n));
  }

  void end_wait(waiter_type& n, detail::wait_status why) noexcept {
    detail::queue_word w = queue_.open();
    if (Threading::load(n.place_, std::memory_order_acquire) !=
        detail::condition_place::condition) {
      n.ended_ = why;  // begin_wait, or a predicate that is not satisfied, will see it
      queue_.close(w);
      return;
    }
    queue_.remove(w, n);
    n.why_ = why;
    n.link_ = 0;
    Threading::store(n.place_, detail::condition_place::moving, std::memory_order_relaxed);
    queue_.close(w);
    relock(&n);
  }

  bool leave_queue(waiter_type& n) noexcept {
    for (unsigned round = 1;; ++round) {
      const auto place = Threading::load(n.place_, std::memory_order_acquire);
      if (place == detail::condition_place::mutex) {
        break;
      }
      if (place == detail::condition_place::own_task) {
        return false;
      }
      if (place == detail::condition_place::moving) {
        Threading::pause(round);
        continue;
      }
      detail::queue_word w = queue_.open();
      const bool here = Threading::load(n.place_, std::memory_order_relaxed) ==
                        detail::condition_place::condition;
      if (here) {
        queue_.remove(w, n);
      }
      queue_.close(w);
      if (here) {
        return true;
      }
    }
    if (!detail::leave_queue(*n.mutex_, as_mutex_waiter(n))) {
      return false;
    }
    forward_notification(n);
    return true;
  }

  detail::wait_status settle(waiter_type& n) noexcept {
    if (n.mutex_ != nullptr) {
      n.guard_ = detail::core_access::take(*n.mutex_, as_mutex_waiter(n));
    }
    return n.why_;
  }

  // The task would be resumed now, with the lock: true if it may be; false if its wait goes on.
  template <class Predicate>
  bool recheck(predicate_waiter_type<Predicate>& n) noexcept {
    if (is_satisfied(n)) {
      n.why_ = detail::wait_status::granted;
      return true;
    }
    if (n.why_ != detail::wait_status::granted) {
      return true;
    }
    detail::queue_word w = queue_.open();
    if (n.ended_ != detail::wait_status::idle) {
      n.why_ = n.ended_;
      queue_.close(w);
      return true;
    }
    mutex_type* const mutex = n.mutex_;
    enqueue(w, n);
    detail::core_access::pass_on(*mutex);  // n may be gone
    return false;
  }

 private:
  friend struct detail::core_access;

  void take(waiter_type& n) noexcept { diagnostics_.granted(n.waited_); }
  // The lock is n's, and nobody will take it: its task is destroyed.
  void give_up(waiter_type& n) noexcept {
    detail::core_access::pass_on(*n.mutex_);
    forward_notification(n);
  }
  void forward_notification(waiter_type& n) noexcept {
    if (n.why_ == detail::wait_status::granted) {
      notify_one();
    }
  }
  static auto& as_mutex_waiter(waiter_type& n) noexcept {
    return static_cast<typename mutex_type::waiter_type&>(n);
  }

  void enqueue(detail::queue_word w, waiter_type& n) noexcept {
    Threading::store(n.place_, detail::condition_place::condition, std::memory_order_relaxed);
    Threading::store(n.status_, detail::wait_status::queued, std::memory_order_relaxed);
    detail::tell_queued(n, &queue_);
    queue_.push_back(w, n);
    queue_.close(w);
  }

  template <class Predicate>
  static bool is_satisfied(predicate_waiter_type<Predicate>& n) noexcept {
#if defined(__cpp_exceptions)
    try {
      return n.predicate_();
    } catch (...) {
      n.thrown_ = std::current_exception();
      return true;
    }
#else
    return n.predicate_();
#endif
  }

  void notify(std::size_t count) noexcept {
    detail::waiter* first = nullptr;
    detail::waiter* last = nullptr;
    detail::queue_word w = queue_.open();
    for (; count != 0 && detail::wait_queue<Threading>::front(w) != nullptr; --count) {
      auto& n = static_cast<waiter_type&>(queue_.pop_front(w));
      Threading::store(n.place_, detail::condition_place::moving, std::memory_order_relaxed);
      n.link_ = 0;
      if (last == nullptr) {
        first = &n;
      } else {
        last->link_ = detail::address_of(&n);
      }
      last = &n;
    }
    queue_.close(w);
    relock(first);  // *this may be gone
  }

  // Makes each of these waiters, linked by link_, wait for its mutex, or own it if it is free.
  static void relock(detail::waiter* first) noexcept {
    if (first == nullptr) {
      return;
    }
    detail::trampoline& here = detail::this_thread_trampoline;
    const bool held = here.hold();
    while (first != nullptr) {
      auto& n = static_cast<waiter_type&>(*first);
      first = detail::waiter_at(n.link_);
      relock(n);
    }
    here.release(held);
  }
  static void relock(waiter_type& n) noexcept {
    if constexpr (Diagnostics::is_enabled) {
      n.record_ = wait_record(n.waited_.where_);
    }
    mutex_type& mutex = *n.mutex_;
    auto& queue = detail::core_access::queue(mutex);
    detail::queue_word w = queue.open();
    const bool free = detail::core_access::enter(mutex, w, n) == detail::wait_status::granted;
    if (free) {
      n.link_ = 0;
      Threading::store(n.status_, detail::wait_status::granted | detail::wait_status::pending,
                       std::memory_order_relaxed);
    } else {
      Threading::store(n.status_, detail::wait_status::queued, std::memory_order_relaxed);
      detail::tell_queued(n, &queue);
      queue.push_back(w, n);
    }
    Threading::store(n.place_, detail::condition_place::mutex, std::memory_order_release);
    queue.close(w);
    if (free) {  // still ours: it is pending
      if (n.post_ != nullptr) {
        n.post_(n, detail::wait_status::granted);  // n may be gone
      } else {
        Threading::store(n.status_, detail::wait_status::granted, std::memory_order_release);
        detail::this_thread_trampoline.list(n);
      }
    }
  }

  detail::wait_queue<Threading> queue_;
  [[no_unique_address]] Diagnostics diagnostics_;
};

using async_condition = basic_async_condition<multi_threaded>;
using local_async_condition = basic_async_condition<single_threaded>;

COROLOCK_END
