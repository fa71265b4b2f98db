// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Mutual exclusion between coroutines.
//
//   async_mutex, local_async_mutex    the lock; the local one is for one thread or one strand
//   basic_async_mutex                 the template behind both
//   mutex_guard, local_mutex_guard    a grant: its destructor unlocks
//   async_unlock                      hands over by symmetric transfer
//
// docs/how-to/from-asyncio.md shows it beside asyncio.Lock.

#include <corolock/detail/awaiter.hpp>
#include <corolock/diagnostics.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

COROLOCK_BEGIN

namespace detail {

template <class Mutex>
class lock_awaiter;
template <class Mutex>
class unlock_awaiter;

}  // namespace detail

/// The grant of an exclusive lock. It unlocks when it is destroyed, and when another guard is
/// assigned to it. Movable, not copyable; an empty guard owns nothing.
template <class Mutex>
class [[nodiscard("a dropped guard unlocks at once")]] basic_mutex_guard {
 public:
  basic_mutex_guard() noexcept = default;
  /// Adopts a lock that the caller holds.
  explicit basic_mutex_guard(Mutex& held) noexcept : mutex_(&held) {
    COROLOCK_ASSUME(mutex_ != nullptr);
  }
  basic_mutex_guard(basic_mutex_guard&& other) noexcept
      : mutex_(std::exchange(other.mutex_, nullptr)) {}
  basic_mutex_guard& operator=(basic_mutex_guard&& other) noexcept {
    basic_mutex_guard old(std::exchange(mutex_, std::exchange(other.mutex_, nullptr)));
    return *this;
  }
  COROLOCK_ALWAYS_INLINE ~basic_mutex_guard() {
    if (mutex_ != nullptr) {
      mutex_->unlock();
    }
  }

  /// Unlocks now, if this guard owns a lock.
  void unlock() noexcept {
    if (Mutex* held = std::exchange(mutex_, nullptr)) {
      held->unlock();
    }
  }
  /// Gives up ownership without unlocking: the caller will call Mutex::unlock().
  Mutex* release() noexcept { return std::exchange(mutex_, nullptr); }

  /// The lock that is held, or null.
  [[nodiscard]] Mutex* mutex() const noexcept { return mutex_; }
  explicit operator bool() const noexcept { return mutex_ != nullptr; }

 private:
  explicit basic_mutex_guard(Mutex* held) noexcept : mutex_(held) {}

  Mutex* mutex_ = nullptr;
};

/// What statistics() of an exclusive lock tells: a picture of one moment, for people.
struct mutex_statistics {
  bool locked = false;
  std::size_t waiters = 0;
};

/// Mutual exclusion between coroutines, first come, first served. Python: asyncio.Lock.
///
/// **When.** Shared state is read and written with a `co_await` in between, by several tasks.
/// **When not.** If nothing is awaited while it is held, use std::mutex (several threads) or
/// nothing at all (one thread: such a section is atomic already).
///
/// | state | async_lock | try_lock | unlock | destroy |
/// |---|---|---|---|---|
/// | free | held, no suspension | a guard | *contract violation* | fine |
/// | held | queues | empty | free | *contract violation* |
/// | held, waiters | queues | empty | held by the first waiter | *contract violation* |
///
/// **Order.** FIFO: a newcomer never overtakes a queued waiter, try_lock() included. A waiter that
/// is stopped or destroyed gives up its place.
/// **Resumption.** On the executor named by `.on(executor)`, else on the one that the coroutine's
/// promise offers by get_executor(): unlock() only posts. Without one, the thread that unlocks runs
/// the waiter at the end of its outermost unlock().
/// **Cancellation.** Total: a stopped wait leaves no trace. Stopped after the grant but before it
/// ran, the grant passes to the next waiter.
/// **Memory order.** What was done before an unlock is seen by the next owner (unlock releases,
/// locking acquires).
/// **Thread safety.** Distinct objects: safe. Shared objects: safe; of local_async_mutex: unsafe.
/// **Lifetime.** The mutex outlives its waiters and its guard. It may be destroyed as soon as it is
/// free, by whoever locked and unlocked it last, even while the unlock() before that one is
/// returning on another thread.
/// **Cost.** 16 bytes; no allocation; every operation O(1), statistics() O(waiters).
/// **See also.** async_shared_mutex (many readers), async_semaphore (up to n at once), guarded (the
/// data inside the lock), async_keyed_mutex (a lock per key).
template <class Threading, class Diagnostics = no_diagnostics>
class basic_async_mutex {
 public:
  using guard_type = basic_mutex_guard<basic_async_mutex>;
  using call_site = typename Diagnostics::call_site;

  // For the front ends (see detail/awaiter.hpp).
  using threading = Threading;
  using waiter_type = detail::recorded_waiter<Diagnostics>;
  static constexpr bool wait_may_end = false;

  basic_async_mutex() noexcept = default;
  /// With a diagnostics policy: its constructor's arguments, such as the lock's name.
  template <class... Args>
    requires(sizeof...(Args) > 0 && std::is_constructible_v<Diagnostics, Args...>)
  explicit basic_async_mutex(Args&&... args) : diagnostics_(std::forward<Args>(args)...) {}
  ~basic_async_mutex() {
    COROLOCK_ASSERT(queue_.peek() == detail::queue_empty,
                    "an async_mutex was destroyed while it was held");
  }

  basic_async_mutex(const basic_async_mutex&) = delete;
  basic_async_mutex& operator=(const basic_async_mutex&) = delete;

  /// co_await it: a guard, in order of arrival. Does not suspend if the mutex is free.
  detail::lock_awaiter<basic_async_mutex> async_lock(
      call_site where = call_site::current()) noexcept {
    return detail::lock_awaiter<basic_async_mutex>(*this, where);
  }
  /// co_await it: a guard, or errc::stopped. A stopped token never acquires.
  detail::stoppable_awaiter<basic_async_mutex, waiter_type> async_lock(
      std::stop_token token, call_site where = call_site::current()) noexcept {
    return detail::stoppable_awaiter<basic_async_mutex, waiter_type>(
        *this, std::move(token), typename Diagnostics::wait_record(where));
  }
  // So that std::lock_guard<async_mutex> does not compile: it would acquire nothing, then unlock.
  void lock() = delete;

  /// A guard if the mutex is free, else an empty one. Never waits.
  guard_type try_lock(call_site where = call_site::current()) noexcept {
    if (!try_enter()) {
      return guard_type();
    }
    owned(typename Diagnostics::wait_record(where));
    return guard_type(*this);
  }

  /// Gives the lock to the first waiter, or frees it. Precondition: it is held, by whatever task.
  /// A guard does this by itself; call it only after guard.release().
  COROLOCK_ALWAYS_INLINE void unlock() noexcept {
    disowned();
    [[maybe_unused]] const detail::operation_scope scope(detail::lock_operation::release, this);
    pass_on();
  }

  /// True if some task holds it. From the moment of the hand-over that is the next waiter.
  [[nodiscard]] bool is_locked() const noexcept { return queue_.peek() != detail::queue_empty; }

  [[nodiscard]] mutex_statistics statistics() const noexcept {
    auto& queue = const_cast<detail::wait_queue<Threading>&>(queue_);
    const detail::queue_word w = queue.open();
    const mutex_statistics result{w != detail::queue_empty, queue.count(w)};
    queue.close(w);
    return result;
  }

  /// The diagnostics policy's own object.
  [[nodiscard]] const Diagnostics& diagnostics() const noexcept { return diagnostics_; }

 private:
  friend struct detail::core_access;
  template <class>
  friend class detail::lock_awaiter;
  template <class>
  friend class detail::unlock_awaiter;

  detail::wait_status enter(detail::queue_word& w, waiter_type&) noexcept {
    if (w != detail::queue_empty) {
      return detail::wait_status::queued;
    }
    w = detail::queue_flag;
    return detail::wait_status::granted;
  }
  COROLOCK_ALWAYS_INLINE bool try_enter() noexcept {
    detail::queue_word expected = detail::queue_empty;
    return queue_.swap_word(expected, detail::queue_flag) ||
           (expected == detail::queue_busy && try_enter_contended());
  }
  COROLOCK_COLD bool try_enter_contended() noexcept {
    const detail::queue_word w = queue_.open();
    queue_.close(w == detail::queue_empty ? detail::queue_flag : w);
    return w == detail::queue_empty;
  }
  void left(detail::queue_word&, detail::wake_list<Threading>&) noexcept {}
  void give_up(waiter_type&) noexcept { pass_on(); }
  guard_type take(waiter_type& n) noexcept {
    owned(n.record_);
    return guard_type(*this);
  }

  void owned(const typename Diagnostics::wait_record& wait) noexcept {
    detail::tell_taken(&queue_, wait);
    if constexpr (Diagnostics::is_enabled) {
      hold_ = diagnostics_.granted(wait);
      diagnostics_.set_owner(hold_);
    }
  }
  void disowned() noexcept {
    detail::tell_released(&queue_);
    if constexpr (Diagnostics::is_enabled) {
      diagnostics_.released(hold_);
      diagnostics_.clear_owner();
    }
  }

  COROLOCK_ALWAYS_INLINE void pass_on() noexcept {
    detail::queue_word w = queue_.open_or_busy();
    if (w != detail::queue_flag) {
      w = queue_.opened(w);
    }
    if (w == detail::queue_flag) {
      queue_.close(detail::queue_empty);
      return;
    }
    COROLOCK_ASSERT(w != detail::queue_empty, "unlock() of an async_mutex that is not held");
    hand_over(w);
  }

  // Queue open, with a waiter in it: makes that one the owner.
  COROLOCK_ALWAYS_INLINE void hand_over(detail::queue_word w) noexcept {
    detail::waiter& n = *detail::wait_queue<Threading>::front(w);
    const detail::queue_word rest = n.link_;
    const std::uintptr_t frame = n.frame_;
    if ((frame & detail::frame_is_extended) != 0) {
      hand_over_extended(static_cast<detail::extended_waiter&>(n), rest);
      return;
    }
    queue_.close(rest);
    detail::this_thread_trampoline.run(n, frame);  // *this may be gone
  }
  // unlock(), but where the next owner is a coroutine without an executor, it is left to the caller
  // to resume it: its frame, else 0.
  std::uintptr_t unlock_to_transfer() noexcept {
    disowned();
    const detail::queue_word w = queue_.open();
    if (w == detail::queue_flag) {
      queue_.close(detail::queue_empty);
      return 0;
    }
    COROLOCK_ASSERT(w != detail::queue_empty, "async_unlock() of an async_mutex that is not held");
    detail::waiter& n = *detail::wait_queue<Threading>::front(w);
    const std::uintptr_t frame = n.frame_;
    if ((frame & detail::frame_tags) != 0) {
      hand_over(w);
      return 0;
    }
    queue_.close(n.link_);
    return frame;  // *this may be gone
  }
  void hand_over_extended(detail::extended_waiter& n, detail::queue_word rest) noexcept {
    n.link_ = 0;
    if (n.post_ == nullptr) {
      Threading::store(n.status_, detail::wait_status::granted, std::memory_order_release);
      queue_.close(rest);
      detail::this_thread_trampoline.run(n, n.frame_);  // *this may be gone
    } else {
      Threading::store(n.status_, detail::wait_status::granted | detail::wait_status::pending,
                       std::memory_order_relaxed);
      queue_.close(rest);
      n.post_(n, detail::wait_status::granted);  // *this and n may be gone
    }
  }

  detail::wait_queue<Threading> queue_;  // flag: held; free implies that nobody waits
  [[no_unique_address]] Diagnostics diagnostics_;
  [[no_unique_address]] typename Diagnostics::hold_record hold_;  // the owner's
};

using async_mutex = basic_async_mutex<multi_threaded>;
using local_async_mutex = basic_async_mutex<single_threaded>;
using mutex_guard = async_mutex::guard_type;
using local_mutex_guard = local_async_mutex::guard_type;

static_assert(sizeof(async_mutex) == 2 * sizeof(void*) &&
              sizeof(local_async_mutex) == 2 * sizeof(void*));
static_assert(std::is_nothrow_default_constructible_v<async_mutex> &&
              !std::is_move_constructible_v<async_mutex>);
static_assert(std::is_nothrow_move_constructible_v<mutex_guard> &&
              !std::is_copy_constructible_v<mutex_guard>);

namespace detail {

// co_await m.async_lock(): the hot path. Without an executor it is a plain waiter, whose link alone
// says where it is; with one it is extended like every other wait.
template <class Mutex>
class [[nodiscard("nothing is acquired until it is co_awaited")]] lock_awaiter
    : Mutex::waiter_type {
  using threading = typename Mutex::threading;

 public:
  explicit lock_awaiter(Mutex& m, typename Mutex::call_site where) noexcept
      : Mutex::waiter_type(uninitialized_t(), where), mutex_(&m) {}
  lock_awaiter(const lock_awaiter&) = delete;
  lock_awaiter& operator=(const lock_awaiter&) = delete;
  ~lock_awaiter() {
    if (this->frame_ != 0) {
      abandon();
    }
  }

  /// Resumes the task by `e.post()`, whatever executor its promise may offer.
  template <executor Executor>
  wait_awaiter<Mutex, typename Mutex::waiter_type> on(Executor& e) && noexcept {
    return wait_awaiter<Mutex, typename Mutex::waiter_type>(*mutex_, on_executor<Executor>{e},
                                                            this->record_);
  }

  /// The lock that is asked for.
  [[nodiscard]] Mutex* mutex() const noexcept { return mutex_; }

  bool await_ready() const noexcept { return false; }

  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
    if constexpr (promise_with_executor<Promise>) {
      this->frame_ = address_of(h.address()) | frame_is_extended;
      this->status_ = wait_status::idle;
      set_executor<threading>(*this, h.promise().get_executor());
      return begin_wait(*mutex_, static_cast<typename Mutex::waiter_type&>(*this));
    } else {
      this->frame_ = address_of(h.address());
      auto& queue = mutex_->queue_;
      queue_word w = queue.open_or_busy();
      if (w != queue_empty) {
        w = queue.opened(w);
      }
      if (w == queue_empty) {
        queue.close(queue_flag);
        return false;
      }
      if constexpr (waiting_task::exists) {
        this->status_ = wait_status::queued;
        tell_queued(static_cast<typename Mutex::waiter_type&>(*this), &queue);
      }
      queue.push_back(w, *this);
      queue.close(w);  // *this may be resumed, and gone
      return true;
    }
  }

  typename Mutex::guard_type await_resume() noexcept {
    this->frame_ = 0;
    Mutex* m = mutex_;
    COROLOCK_ASSUME(m != nullptr);  // folds away the test in the guard's destructor
    return m->take(*this);
  }

 private:
  COROLOCK_COLD void abandon() noexcept {
    if ((this->frame_ & frame_is_extended) != 0) {
      abandon_wait(*mutex_, static_cast<typename Mutex::waiter_type&>(*this));
      return;
    }
    // While it is queued, its link is written by those that queue or leave behind it.
    queue_word w = mutex_->queue_.open();
    if ((this->link_ & link_is_listed) != 0) {
      mutex_->queue_.close(w);
      this_thread_trampoline.remove(*this);
      mutex_->give_up(*this);
      return;
    }
    mutex_->queue_.remove(w, *this);
    mutex_->queue_.close(w);
  }

  Mutex* mutex_;
};

// co_await async_unlock(guard).
template <class Mutex>
class [[nodiscard("the lock is not released until it is co_awaited")]] unlock_awaiter : waiter {
 public:
  explicit unlock_awaiter(Mutex* held) noexcept : mutex_(held) {}
  unlock_awaiter(const unlock_awaiter&) = delete;
  unlock_awaiter& operator=(const unlock_awaiter&) = delete;
  ~unlock_awaiter() {
    if (frame_ != 0) {  // destroyed while it is listed
      this_thread_trampoline.remove(*this);
    }
    if (mutex_ != nullptr) {  // it was not awaited
      mutex_->unlock();
    }
  }

  bool await_ready() const noexcept { return mutex_ == nullptr; }

  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> h) noexcept {
    Mutex& mutex = *std::exchange(mutex_, nullptr);
    trampoline& here = this_thread_trampoline;
    if constexpr (!promise_with_executor<Promise>) {
      if (here.may_transfer()) {
        if (const std::uintptr_t next = mutex.unlock_to_transfer()) {
          frame_ = address_of(h.address());
          here.list(*this);
          return std::coroutine_handle<>::from_address(reinterpret_cast<void*>(next));
        }
        return h;
      }
    }
    mutex.unlock();
    return h;
  }

  void await_resume() noexcept { frame_ = 0; }

 private:
  Mutex* mutex_;
};

}  // namespace detail

/// co_await it: unlocks, and goes over to the first waiter at once by symmetric transfer; this task
/// is resumed when that one has suspended. A hand-over of the processor with the lock: shorter than
/// unlock(), which lets this task run on first. It applies between tasks without an executor, where
/// one of them runs on the thread's trampoline; everywhere else it is unlock().
template <class Mutex>
detail::unlock_awaiter<Mutex> async_unlock(basic_mutex_guard<Mutex>&& guard) noexcept {
  return detail::unlock_awaiter<Mutex>(guard.release());
}

COROLOCK_END
