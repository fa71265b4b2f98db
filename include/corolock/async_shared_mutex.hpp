// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// One writer, or many readers.
//
//   async_shared_mutex, local_async_shared_mutex    the lock; the local one is for one thread
//   shared_guard, local_shared_guard                a reader's grant: its destructor unlocks
// A writer's grant is a basic_mutex_guard, as async_mutex's.

#include <corolock/async_mutex.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

COROLOCK_BEGIN

namespace detail {

template <class Diagnostics>
struct shared_mutex_waiter : recorded_waiter<Diagnostics> {
  shared_mutex_waiter(bool shared, typename Diagnostics::call_site where) noexcept
      : recorded_waiter<Diagnostics>(typename Diagnostics::wait_record(where)), shared_(shared) {}

  const bool shared_;
};

template <class Diagnostics>
struct writer_waiter : shared_mutex_waiter<Diagnostics> {
  explicit writer_waiter(typename Diagnostics::call_site where) noexcept
      : shared_mutex_waiter<Diagnostics>(false, where) {}
};

template <class Diagnostics>
struct reader_waiter : shared_mutex_waiter<Diagnostics> {
  explicit reader_waiter(typename Diagnostics::call_site where) noexcept
      : shared_mutex_waiter<Diagnostics>(true, where) {}
};

}  // namespace detail

/// The grant of a shared lock. It unlocks when it is destroyed, and when another guard is assigned
/// to it. Movable, not copyable; an empty guard owns nothing.
template <class Mutex>
class [[nodiscard("a dropped guard unlocks at once")]] basic_shared_guard {
 public:
  basic_shared_guard() noexcept = default;
  /// Adopts a shared lock that the caller holds.
  explicit basic_shared_guard(Mutex& held) noexcept : mutex_(&held) {}
  basic_shared_guard(basic_shared_guard&& other) noexcept
      : mutex_(std::exchange(other.mutex_, nullptr)), hold_(other.hold_) {}
  basic_shared_guard& operator=(basic_shared_guard&& other) noexcept {
    basic_shared_guard taken(
        std::move(other));  // first, so that assigning to itself keeps the lock
    std::swap(mutex_, taken.mutex_);
    std::swap(hold_, taken.hold_);
    return *this;
  }
  ~basic_shared_guard() { unlock(); }

  /// Unlocks now, if this guard owns a shared lock.
  void unlock() noexcept {
    if (Mutex* held = std::exchange(mutex_, nullptr)) {
      held->unlock_shared(hold_);
    }
  }
  /// Gives up ownership without unlocking: the caller will call Mutex::unlock_shared().
  Mutex* release() noexcept { return std::exchange(mutex_, nullptr); }

  /// The lock that is held, or null.
  [[nodiscard]] Mutex* mutex() const noexcept { return mutex_; }
  explicit operator bool() const noexcept { return mutex_ != nullptr; }

 private:
  friend Mutex;
  basic_shared_guard(Mutex& held, typename Mutex::hold_record hold) noexcept
      : mutex_(&held), hold_(hold) {}

  Mutex* mutex_ = nullptr;
  [[no_unique_address]] typename Mutex::hold_record hold_{};
};

/// What statistics() of a shared mutex tells: a picture of one moment, for people.
struct shared_mutex_statistics {
  bool locked = false;      ///< by a writer
  std::size_t readers = 0;  ///< that hold it
  std::size_t waiters = 0;  ///< of both kinds
};

/// One writer or many readers, first come, first served.
///
/// **When.** Many tasks read across a `co_await`, few write, and the reads are long.
/// **When not.** Sections that are short or mostly write are better off with async_mutex. A reader
/// that asks for the lock again while it holds it may wait for ever: a writer may stand between.
///
/// | state | async_lock | async_lock_shared | unlock, unlock_shared |
/// |---|---|---|---|
/// | free | written | read by 1 | *contract violation* |
/// | read by n, no waiters | queues | read by n + 1 | read by n - 1, or free |
/// | read by n, waiters | queues | queues | read by n - 1; at 0 the first waiter |
/// | written | queues | queues | the first waiter; with a reader, all readers right behind it |
///
/// try_lock() and try_lock_shared() succeed where the wait would not queue.
///
/// **Order.** FIFO, fair to both: a reader does not overtake a waiting writer. When a waiter is
/// stopped or destroyed, those behind it are looked at again.
/// **Resumption.** As async_mutex.
/// **Cancellation.** Total. A grant to a task that is stopped before it ran is passed on.
/// **Memory order.** What was done before an unlock is seen by the next writer; what a writer did
/// is seen by the readers after it.
/// **Thread safety.** Distinct objects: safe. Shared objects: safe; of the local one: unsafe.
/// **Lifetime.** As async_mutex.
/// **Cost.** No allocation; O(1), letting in n readers O(n).
/// **See also.** async_mutex.
template <class Threading, class Diagnostics = no_diagnostics>
class basic_async_shared_mutex {
  using writer = detail::writer_waiter<Diagnostics>;
  using reader = detail::reader_waiter<Diagnostics>;

 public:
  using guard_type = basic_mutex_guard<basic_async_shared_mutex>;
  using shared_guard_type = basic_shared_guard<basic_async_shared_mutex>;
  using call_site = typename Diagnostics::call_site;
  using hold_record = typename Diagnostics::hold_record;

  // For the front ends (see detail/awaiter.hpp).
  using threading = Threading;
  using waiter_type = writer;
  using shared_waiter_type = reader;
  static constexpr bool wait_may_end = false;

  basic_async_shared_mutex() noexcept = default;
  /// With a diagnostics policy: its constructor's arguments, such as the lock's name.
  template <class... Args>
    requires(sizeof...(Args) > 0 && std::is_constructible_v<Diagnostics, Args...>)
  explicit basic_async_shared_mutex(Args&&... args) : diagnostics_(std::forward<Args>(args)...) {}
  ~basic_async_shared_mutex() {
    COROLOCK_ASSERT(!has_waiters(queue_.peek()) && holders_ == 0,
                    "an async_shared_mutex was destroyed while it was held");
  }

  basic_async_shared_mutex(const basic_async_shared_mutex&) = delete;
  basic_async_shared_mutex& operator=(const basic_async_shared_mutex&) = delete;

  /// co_await it: a guard for writing, in order of arrival.
  detail::wait_awaiter<basic_async_shared_mutex, writer> async_lock(
      call_site where = call_site::current()) noexcept {
    return detail::wait_awaiter<basic_async_shared_mutex, writer>(*this, where);
  }
  /// co_await it: a guard for writing, or errc::stopped.
  detail::stoppable_awaiter<basic_async_shared_mutex, writer> async_lock(
      std::stop_token token, call_site where = call_site::current()) noexcept {
    return detail::stoppable_awaiter<basic_async_shared_mutex, writer>(*this, std::move(token),
                                                                       where);
  }
  /// co_await it: a guard for reading, in order of arrival.
  detail::wait_awaiter<basic_async_shared_mutex, reader> async_lock_shared(
      call_site where = call_site::current()) noexcept {
    return detail::wait_awaiter<basic_async_shared_mutex, reader>(*this, where);
  }
  /// co_await it: a guard for reading, or errc::stopped.
  detail::stoppable_awaiter<basic_async_shared_mutex, reader> async_lock_shared(
      std::stop_token token, call_site where = call_site::current()) noexcept {
    return detail::stoppable_awaiter<basic_async_shared_mutex, reader>(*this, std::move(token),
                                                                       where);
  }
  // So that std::lock_guard and std::shared_lock do not compile with it.
  void lock() = delete;
  void lock_shared() = delete;

  /// A guard for writing if the lock is free and nobody waits, else an empty one.
  guard_type try_lock(call_site where = call_site::current()) noexcept {
    writer n(where);
    return detail::enter_now(*this, n) == detail::wait_status::granted ? take(n) : guard_type();
  }
  /// A guard for reading if no writer holds the lock and nobody waits, else an empty one.
  shared_guard_type try_lock_shared(call_site where = call_site::current()) noexcept {
    reader n(where);
    return detail::enter_now(*this, n) == detail::wait_status::granted ? take(n)
                                                                       : shared_guard_type();
  }

  /// Ends the writing. Precondition: a writer holds the lock. A guard does this by itself.
  void unlock() noexcept {
    detail::tell_released(&queue_);
    if constexpr (Diagnostics::is_enabled) {
      diagnostics_.released(hold_);
      diagnostics_.clear_owner();
    }
    end_writing(0);
  }
  /// Ends one reading. Precondition: a reader holds the lock. A guard does this by itself.
  void unlock_shared() noexcept { unlock_shared(hold_record()); }

  /// Turns a writer into a reader without letting another writer in between; readers that wait at
  /// the head of the queue come in with it. Precondition: `guard` holds this lock.
  shared_guard_type downgrade(guard_type&& guard) noexcept {
    COROLOCK_ASSERT(guard.mutex() == this,
                    "downgrade() of an async_shared_mutex with a guard that does not hold it");
    guard.release();
    hold_record hold{};
    if constexpr (Diagnostics::is_enabled) {
      hold = hold_;
      diagnostics_.clear_owner();
    }
    end_writing(1);
    return shared_guard_type(*this, hold);
  }

  /// True if a writer or a reader holds it.
  [[nodiscard]] bool is_locked() const noexcept {
    const shared_mutex_statistics now = statistics();
    return now.locked || now.readers > 0;
  }

  [[nodiscard]] shared_mutex_statistics statistics() const noexcept {
    auto& queue = const_cast<detail::wait_queue<Threading>&>(queue_);
    const detail::queue_word w = queue.open();
    const shared_mutex_statistics result{holders_ == written, holders_ == written ? 0 : holders_,
                                         queue.count(w)};
    queue.close(w);
    return result;
  }

  /// The diagnostics policy's own object.
  [[nodiscard]] const Diagnostics& diagnostics() const noexcept { return diagnostics_; }

 private:
  friend shared_guard_type;
  friend struct detail::core_access;

  static constexpr std::size_t written = static_cast<std::size_t>(-1);

  static bool has_waiters(detail::queue_word w) noexcept {
    return detail::wait_queue<Threading>::front(w) != nullptr;
  }

  // Queue open: takes the lock for one more holder of this kind, if those that hold it permit.
  bool admit(bool shared) noexcept {
    if (shared) {
      if (holders_ == written) {
        return false;
      }
      ++holders_;
    } else {
      if (holders_ != 0) {
        return false;
      }
      holders_ = written;
    }
    return true;
  }
  template <class W>
  detail::wait_status enter(detail::queue_word& w, W& n) noexcept {
    return !has_waiters(w) && admit(n.shared_) ? detail::wait_status::granted
                                               : detail::wait_status::queued;
  }
  // Lets in the first waiters: one writer, or the readers up to the next writer.
  void left(detail::queue_word& w, detail::wake_list<Threading>& woken) noexcept {
    using any_waiter = detail::shared_mutex_waiter<Diagnostics>;
    while (auto* first = static_cast<any_waiter*>(detail::wait_queue<Threading>::front(w))) {
      if (!admit(first->shared_)) {
        break;
      }
      woken.add(queue_.pop_front(w), detail::wait_status::granted);
    }
  }
  void give_up(writer&) noexcept { end_writing(0); }
  void give_up(reader&) noexcept { end_reading(); }
  guard_type take(writer& n) noexcept {
    detail::tell_taken(&queue_, n.record_);
    if constexpr (Diagnostics::is_enabled) {
      hold_ = diagnostics_.granted(n.record_);
      diagnostics_.set_owner(hold_);
    }
    return guard_type(*this);
  }
  shared_guard_type take(reader& n) noexcept {
    detail::tell_taken(&queue_, n.record_);
    return shared_guard_type(*this, diagnostics_.granted(n.record_));
  }
  void unlock_shared(const hold_record& hold) noexcept {
    detail::tell_released(&queue_);
    diagnostics_.released(hold);
    end_reading();
  }

  void end_reading() noexcept {
    detail::wake_list<Threading> woken;
    detail::queue_word w = queue_.open();
    COROLOCK_ASSERT(holders_ != 0 && holders_ != written,
                    "unlock_shared() of an async_shared_mutex that no reader holds");
    --holders_;
    left(w, woken);
    queue_.close(w);
    woken.wake();  // *this may be gone
  }
  void end_writing(std::size_t readers_left) noexcept {
    detail::wake_list<Threading> woken;
    detail::queue_word w = queue_.open();
    COROLOCK_ASSERT(holders_ == written, "unlock() of an async_shared_mutex that no writer holds");
    holders_ = readers_left;
    left(w, woken);
    queue_.close(w);
    woken.wake();  // *this may be gone
  }

  // These two belong to whoever has the queue open.
  detail::wait_queue<Threading> queue_;
  std::size_t holders_ = 0;  // readers, or `written`
  [[no_unique_address]] Diagnostics diagnostics_;
  [[no_unique_address]] hold_record hold_;  // the writer's
};

using async_shared_mutex = basic_async_shared_mutex<multi_threaded>;
using local_async_shared_mutex = basic_async_shared_mutex<single_threaded>;
using shared_guard = async_shared_mutex::shared_guard_type;
using local_shared_guard = local_async_shared_mutex::shared_guard_type;

COROLOCK_END
