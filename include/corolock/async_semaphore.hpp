// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Up to n at once.
//
//   async_semaphore, local_async_semaphore    the semaphore; the local one is for one thread
//   permit, local_permit                      a grant of some units: its destructor gives them back

#include <corolock/detail/awaiter.hpp>
#include <corolock/diagnostics.hpp>

#include <cstddef>
#include <limits>
#include <type_traits>
#include <utility>

COROLOCK_BEGIN

namespace detail {

template <class Diagnostics>
struct acquire_waiter : recorded_waiter<Diagnostics> {
  acquire_waiter(std::size_t units, typename Diagnostics::call_site where) noexcept
      : recorded_waiter<Diagnostics>(typename Diagnostics::wait_record(where)), units_(units) {}

  const std::size_t units_;
};

}  // namespace detail

/// Units of a semaphore. They are given back when the permit is destroyed, and when another permit
/// is assigned to it. Movable, not copyable; an empty permit owns nothing.
template <class Semaphore>
class [[nodiscard("a dropped permit is given back at once")]] basic_permit {
 public:
  basic_permit() noexcept = default;
  /// Adopts units that the caller has acquired.
  basic_permit(Semaphore& from, std::size_t units) noexcept : semaphore_(&from), units_(units) {}
  basic_permit(basic_permit&& other) noexcept
      : semaphore_(std::exchange(other.semaphore_, nullptr)),
        units_(std::exchange(other.units_, 0)),
        hold_(other.hold_) {}
  basic_permit& operator=(basic_permit&& other) noexcept {
    basic_permit taken(std::move(other));  // first, so that assigning to itself keeps the units
    std::swap(semaphore_, taken.semaphore_);
    std::swap(units_, taken.units_);
    std::swap(hold_, taken.hold_);
    return *this;
  }
  ~basic_permit() { give_back(); }

  /// Gives the units back now, if this permit has any.
  void give_back() noexcept {
    if (Semaphore* from = std::exchange(semaphore_, nullptr)) {
      from->give_back(std::exchange(units_, 0), hold_);
    }
  }
  /// Keeps the units without giving them back: the caller will call Semaphore::release(units).
  std::size_t release() noexcept {
    semaphore_ = nullptr;
    return std::exchange(units_, 0);
  }

  [[nodiscard]] std::size_t units() const noexcept { return units_; }
  explicit operator bool() const noexcept { return semaphore_ != nullptr; }

 private:
  friend Semaphore;
  basic_permit(Semaphore& from, std::size_t units, typename Semaphore::hold_record hold) noexcept
      : semaphore_(&from), units_(units), hold_(hold) {}

  Semaphore* semaphore_ = nullptr;
  std::size_t units_ = 0;
  [[no_unique_address]] typename Semaphore::hold_record hold_{};
};

/// What statistics() of a semaphore tells: a picture of one moment, for people.
struct semaphore_statistics {
  std::size_t available = 0;
  std::size_t waiters = 0;
  bool closed = false;
};

/// Counts units; a task takes some and waits, first come, first served, until there are as many.
/// Python: asyncio.Semaphore, and asyncio.BoundedSemaphore when a bound is given.
///
/// **When.** At most n tasks may do a thing at once: requests to an endpoint, open files, a pool.
/// **When not.** At most n per second is a rate_limiter. One at a time is an async_mutex, whose
/// guard says so.
///
/// | state | async_acquire(n) | try_acquire(n) | release(n) |
/// |---|---|---|---|
/// | n free, no waiters | n fewer free | a permit | n more free |
/// | fewer free, or waiters | queues | empty | n more free, then the first waiters get theirs |
/// | closed | errc::closed | empty | n more free |
///
/// **Order.** FIFO by arrival, whatever the weights: a large request at the head is not overtaken
/// by a small one behind it. When the head is stopped or destroyed, those behind it are looked at
/// again.
/// **Resumption.** As async_mutex.
/// **Cancellation.** Total. A permit granted to a task that is stopped before it ran is given back.
/// **Memory order.** What was done before a release is seen by those that it lets in.
/// **Thread safety.** Distinct objects: safe. Shared objects: safe; of the local one: unsafe.
/// **Lifetime.** It outlives its waiters and its permits. It may be destroyed by the task that made
/// the last use of it, even while an earlier release() is returning on another thread.
/// **Cost.** No allocation; O(1), release() O(tasks let in).
/// **See also.** rate_limiter, async_mutex.
template <class Threading, class Diagnostics = no_diagnostics>
class basic_async_semaphore {
 public:
  using guard_type = basic_permit<basic_async_semaphore>;
  using call_site = typename Diagnostics::call_site;
  using hold_record = typename Diagnostics::hold_record;

  // For the front ends (see detail/awaiter.hpp).
  using threading = Threading;
  using waiter_type = detail::acquire_waiter<Diagnostics>;
  static constexpr bool wait_may_end = true;

  static constexpr std::size_t unbounded = std::numeric_limits<std::size_t>::max();

  /// `units` are free at first. `bound`: never more than that many may be free; giving back more is
  /// a contract violation. Precondition: units <= bound.
  template <class... Args>
    requires(std::is_constructible_v<Diagnostics, Args...>)
  explicit basic_async_semaphore(std::size_t units, std::size_t bound = unbounded, Args&&... args)
      : available_(units), bound_(bound), diagnostics_(std::forward<Args>(args)...) {
    COROLOCK_ASSERT(units <= bound, "an async_semaphore was given more units than its bound");
  }
  ~basic_async_semaphore() {
    COROLOCK_ASSERT(detail::wait_queue<Threading>::front(queue_.peek()) == nullptr,
                    "an async_semaphore was destroyed while tasks waited for it");
  }

  basic_async_semaphore(const basic_async_semaphore&) = delete;
  basic_async_semaphore& operator=(const basic_async_semaphore&) = delete;

  /// co_await it: a permit of `units`, or errc::closed.
  /// Precondition: units <= bound, because the wait could never end otherwise.
  detail::wait_awaiter<basic_async_semaphore, waiter_type> async_acquire(
      std::size_t units = 1, call_site where = call_site::current()) noexcept {
    require_possible(units);
    return detail::wait_awaiter<basic_async_semaphore, waiter_type>(*this, units, where);
  }
  /// co_await it: a permit of `units`, or errc::stopped or errc::closed.
  detail::stoppable_awaiter<basic_async_semaphore, waiter_type> async_acquire(
      std::size_t units, std::stop_token token, call_site where = call_site::current()) noexcept {
    require_possible(units);
    return detail::stoppable_awaiter<basic_async_semaphore, waiter_type>(*this, std::move(token),
                                                                         units, where);
  }
  detail::stoppable_awaiter<basic_async_semaphore, waiter_type> async_acquire(
      std::stop_token token, call_site where = call_site::current()) noexcept {
    return async_acquire(1, std::move(token), where);
  }

  /// A permit of `units` if they are free, nobody waits and it is not closed; else an empty one.
  guard_type try_acquire(std::size_t units = 1, call_site where = call_site::current()) noexcept {
    require_possible(units);
    const typename Diagnostics::wait_record record(where);
    const detail::queue_word w = queue_.open();
    const bool possible = !closed_ && !has_waiters(w) && available_ >= units;
    if (possible) {
      available_ -= units;
    }
    queue_.close(w);
    if (!possible) {
      return guard_type();
    }
    detail::tell_taken(&queue_, record);
    return guard_type(*this, units, diagnostics_.granted(record));
  }

  /// Adds `units` to the free ones and lets in the first waiters, as many as have enough.
  /// A permit does this by itself. Precondition: the bound is not exceeded.
  void release(std::size_t units = 1) noexcept {
    detail::tell_released(&queue_);
    add(units);
  }

  /// From now on nobody is let in: waits end with errc::closed, at once and later. Permits stay
  /// valid, and units may still be given back. Closing again does nothing.
  void close() noexcept {
    detail::wake_list<Threading> woken;
    detail::queue_word w = queue_.open();
    closed_ = true;
    while (has_waiters(w)) {
      woken.add(queue_.pop_front(w), detail::wait_status::closed);
    }
    queue_.close(w);
    woken.wake();
  }

  /// True if async_acquire(1) would have to wait, or would end with errc::closed.
  [[nodiscard]] bool is_locked() const noexcept {
    const semaphore_statistics now = statistics();
    return now.closed || now.available == 0 || now.waiters > 0;
  }

  [[nodiscard]] semaphore_statistics statistics() const noexcept {
    auto& queue = const_cast<detail::wait_queue<Threading>&>(queue_);
    const detail::queue_word w = queue.open();
    const semaphore_statistics result{available_, queue.count(w), closed_};
    queue.close(w);
    return result;
  }

  /// The diagnostics policy's own object.
  [[nodiscard]] const Diagnostics& diagnostics() const noexcept { return diagnostics_; }

 private:
  friend guard_type;
  friend struct detail::core_access;

  static bool has_waiters(detail::queue_word w) noexcept {
    return detail::wait_queue<Threading>::front(w) != nullptr;
  }
  void require_possible([[maybe_unused]] std::size_t units) const noexcept {
    COROLOCK_ASSERT(units <= bound_, "more units are asked of an async_semaphore than its bound");
  }

  detail::wait_status enter(detail::queue_word& w, waiter_type& n) noexcept {
    if (closed_) {
      return detail::wait_status::closed;
    }
    if (has_waiters(w) || available_ < n.units_) {
      return detail::wait_status::queued;
    }
    available_ -= n.units_;
    return detail::wait_status::granted;
  }
  // Lets in the first waiters, as many as have enough.
  void left(detail::queue_word& w, detail::wake_list<Threading>& woken) noexcept {
    while (auto* first = static_cast<waiter_type*>(detail::wait_queue<Threading>::front(w))) {
      if (available_ < first->units_) {
        break;
      }
      available_ -= first->units_;
      woken.add(queue_.pop_front(w), detail::wait_status::granted);
    }
  }
  void add(std::size_t units) noexcept {
    detail::wake_list<Threading> woken;
    detail::queue_word w = queue_.open();
    COROLOCK_ASSERT(units <= bound_ - available_,
                    "release() of an async_semaphore beyond its bound");
    available_ += units;
    left(w, woken);
    queue_.close(w);
    woken.wake();  // *this may be gone
  }
  void give_up(waiter_type& n) noexcept { add(n.units_); }
  guard_type take(waiter_type& n) noexcept {
    detail::tell_taken(&queue_, n.record_);
    return guard_type(*this, n.units_, diagnostics_.granted(n.record_));
  }
  void give_back(std::size_t units, const hold_record& hold) noexcept {
    diagnostics_.released(hold);
    release(units);
  }

  // All of these belong to whoever has the queue open.
  detail::wait_queue<Threading> queue_;
  std::size_t available_;
  const std::size_t bound_;
  bool closed_ = false;
  [[no_unique_address]] Diagnostics diagnostics_;
};

using async_semaphore = basic_async_semaphore<multi_threaded>;
using local_async_semaphore = basic_async_semaphore<single_threaded>;
using permit = async_semaphore::guard_type;
using local_permit = local_async_semaphore::guard_type;

COROLOCK_END
