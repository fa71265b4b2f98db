// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// So many per second, with bursts.
//
//   rate_limiter<Clock>, local_rate_limiter<Clock>    the limiter; the local one is for one thread
//   basic_rate_limiter                                the template behind both

#include <corolock/async_mutex.hpp>
#include <corolock/detail/awaiter.hpp>
#include <corolock/detail/clock.hpp>
#include <corolock/diagnostics.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

COROLOCK_BEGIN

namespace detail {

template <class Diagnostics>
struct rate_waiter : recorded_waiter<Diagnostics> {
  rate_waiter(std::size_t units, typename Diagnostics::call_site where) noexcept
      : recorded_waiter<Diagnostics>(typename Diagnostics::wait_record(where)), units_(units) {}

  const std::size_t units_;
  std::uint64_t place_ = 0;     // by arrival
  std::uint64_t admitted_ = 0;  // granted: the limiter's admitted_ right after it
};

// The generic cell rate algorithm of ITU-T I.371 (also in the ATM Forum's traffic management
// specification), which gives it in two equivalent forms. One unit may come every T = per /
// permits; a request of n units conforms at time t if
//
//   virtual scheduling           max(TAT, t) + n T <= t + burst T, and then TAT = max(TAT, t) + n T
//   continuous leaky bucket      X(t) + n T <= burst T, and then X = X(t) + n T
//
// where TAT, the theoretical arrival time, is t + X(t): the bucket X drains by one tick per tick.
// T need not be a whole number of ticks, so X is kept in ticks / permits: a unit adds `per`, a tick
// drains `permits`. Everything is exact; the only rounding is that due() is the first whole tick at
// which the request conforms.
template <class Clock>
class cell_rate {
 public:
  using time_point = typename Clock::time_point;
  using duration = typename Clock::duration;

  static_assert(std::numeric_limits<typename duration::rep>::is_integer &&
                    std::numeric_limits<typename duration::rep>::digits == 63,
                "a rate_limiter's clock counts in signed 64-bit integers");

  cell_rate(std::size_t permits, duration per, std::size_t burst) noexcept
      : last_(Clock::now()),
        permits_(static_cast<std::int64_t>(permits)),
        per_(per.count()),
        burst_(burst) {
    COROLOCK_ASSERT(permits > 0 && per > duration::zero(), "a rate_limiter needs a positive rate");
    COROLOCK_ASSERT(burst > 0, "a rate_limiter needs a burst of at least one unit");
    // Half of what the type holds, so that the sum of two levels never overflows.
    COROLOCK_ASSERT(permits <= static_cast<std::uint64_t>(max / 2) &&
                        burst <= static_cast<std::uint64_t>(max / 2 / per_),
                    "a rate_limiter's burst takes longer than its clock can count");
  }

  [[nodiscard]] std::size_t burst() const noexcept { return burst_; }

  // Precondition of both: units <= burst().
  [[nodiscard]] bool admit(std::size_t units, time_point now) noexcept {
    const std::int64_t level = level_at(now) + cost(units);
    if (level > cost(burst_)) {
      return false;
    }
    level_ = level;
    last_ = std::max(last_, now);
    admitted_ += units;
    return true;
  }
  // When `units` are let in, if all those `ahead` were let in as soon as they may.
  [[nodiscard]] time_point due(std::uint64_t ahead, std::size_t units,
                               time_point now) const noexcept {
    now = std::max(last_, now);
    // Each of those ahead is let in before the bucket is empty, so that nothing is lost in between.
    const std::int64_t alone = level_at(now) + cost(units) - cost(burst_);
    if (ahead > static_cast<std::uint64_t>((max - std::max<std::int64_t>(alone, 0)) / per_)) {
      return time_point::max();
    }
    const std::int64_t excess = alone + cost(ahead);
    if (excess <= 0) {
      return now;
    }
    const duration wait((excess - 1) / permits_ + 1);
    return wait > time_point::max() - now ? time_point::max() : now + wait;
  }

  // Units let in since the beginning.
  [[nodiscard]] std::uint64_t admitted() const noexcept { return admitted_; }

  // Nobody uses `units` that were let in, right after which admitted() was `after`. The level
  // becomes what it would be without them, or more: those that were let in later came at last_ at
  // the latest, and they alone had filled an empty bucket to `since`.
  void give_back(std::size_t units, std::uint64_t after) noexcept {
    const std::uint64_t since = admitted_ - after;
    if (since < burst_) {
      level_ = std::max(level_ - cost(units), std::min(level_, cost(since)));
    }
  }

  [[nodiscard]] std::size_t available(time_point now) const noexcept {
    return static_cast<std::size_t>((cost(burst_) - level_at(now)) / per_);
  }

 private:
  static constexpr std::int64_t max = std::numeric_limits<std::int64_t>::max();

  [[nodiscard]] std::int64_t cost(std::uint64_t units) const noexcept {
    return static_cast<std::int64_t>(units) * per_;
  }
  // A clock that goes back drains nothing.
  [[nodiscard]] std::int64_t level_at(time_point now) const noexcept {
    if (now <= last_) {
      return level_;
    }
    const std::int64_t elapsed = (now - last_).count();
    return elapsed > level_ / permits_ ? 0 : level_ - elapsed * permits_;
  }

  std::int64_t level_ = 0;  // X at last_
  time_point last_;         // when a request was let in last
  std::int64_t permits_;
  std::int64_t per_;
  std::size_t burst_;
  std::uint64_t admitted_ = 0;
};

template <class Limiter>
class rate_turn;

}  // namespace detail

/// What statistics() of a rate limiter tells: a picture of one moment, for people.
struct rate_limiter_statistics {
  std::size_t available = 0;  ///< units that could be let in now, if nobody waited
  std::size_t waiters = 0;
};

/// Lets in `permits` units per `per`, and up to `burst` of them at once after a pause: in any time
/// of length w at most burst + w * permits / per units. Python has none; aiolimiter is near to it.
///
/// **When.** At most n requests per second may go to an endpoint.
/// **When not.** At most n at once is an async_semaphore; often both are needed.
///
/// | state | async_acquire(n) | try_acquire(n) | release_due() |
/// |---|---|---|---|
/// | n units free, no waiters | let in, no suspension | true | nullopt |
/// | fewer free, no waiters | queues | false | nullopt |
/// | waiters | queues | false | lets in those that are due, and tells when the next one is |
///
/// **The timer is yours.** The core has no timers. A wait that queues is let in by release_due():
/// call it when a task has queued, and again at the time that it returned. (The Asio front end has
/// timers, and needs none of this.)
///
/// **The rate** is kept exactly, by the generic cell rate algorithm in whole numbers: a unit every
/// per / permits on average even where that is not a whole number of ticks. due() rounds up to the
/// next tick of the clock, so nobody is let in early.
/// **Order.** FIFO by arrival, whatever the weights; try_acquire() never overtakes a waiter, not
/// even one that is due. When the head is stopped or destroyed, those behind it move up.
/// **Resumption.** As async_mutex: by whoever calls release_due().
/// **Cancellation.** Total. Units granted to a task that is stopped or destroyed before it ran are
/// returned, as far as the rate permits: not those whose place later requests have used already.
/// **Memory order.** None to rely on: it limits, it does not protect data.
/// **Thread safety.** Distinct objects: safe. Shared objects: safe; of the local one: unsafe.
/// Clock::now() is called while the queue is open; it must not use the limiter.
/// **Lifetime.** It outlives its waiters.
/// **Cost.** No allocation; O(1), release_due() O(tasks let in), due() O(waiters).
/// **See also.** async_semaphore.
template <class Clock, class Threading, class Diagnostics = no_diagnostics>
class basic_rate_limiter {
 public:
  using clock = Clock;
  using duration = typename Clock::duration;
  using time_point = typename Clock::time_point;
  using call_site = typename Diagnostics::call_site;

  // For the front ends (see detail/awaiter.hpp).
  using threading = Threading;
  using waiter_type = detail::rate_waiter<Diagnostics>;
  static constexpr bool wait_may_end = false;

  /// rate_limiter<> limit(10, 1s, 5): ten per second, five at once after a pause. It begins with
  /// the whole burst. Precondition: all are positive, and burst * per fits twice into the clock's
  /// duration (in nanoseconds: 4.6e9 units per second, or 53,000 per day).
  template <class... Args>
    requires(std::is_constructible_v<Diagnostics, Args...>)
  basic_rate_limiter(std::size_t permits, duration per, std::size_t burst, Args&&... args)
      : rate_(permits, per, burst), diagnostics_(std::forward<Args>(args)...) {}
  ~basic_rate_limiter() {
    COROLOCK_ASSERT(!has_waiters(queue_.peek()),
                    "a rate_limiter was destroyed while tasks waited for it");
  }

  basic_rate_limiter(const basic_rate_limiter&) = delete;
  basic_rate_limiter& operator=(const basic_rate_limiter&) = delete;

  /// co_await it: returns when `units` are let in. Precondition: units <= burst, because the wait
  /// could never end otherwise.
  detail::wait_awaiter<basic_rate_limiter, waiter_type> async_acquire(
      std::size_t units = 1, call_site where = call_site::current()) noexcept {
    require_possible(units);
    return detail::wait_awaiter<basic_rate_limiter, waiter_type>(*this, units, where);
  }
  /// co_await it: an outcome<void>, which may be errc::stopped.
  detail::stoppable_awaiter<basic_rate_limiter, waiter_type> async_acquire(
      std::size_t units, std::stop_token token, call_site where = call_site::current()) noexcept {
    require_possible(units);
    return detail::stoppable_awaiter<basic_rate_limiter, waiter_type>(*this, std::move(token),
                                                                      units, where);
  }
  detail::stoppable_awaiter<basic_rate_limiter, waiter_type> async_acquire(
      std::stop_token token, call_site where = call_site::current()) noexcept {
    return async_acquire(1, std::move(token), where);
  }

  /// True, and `units` are used, if they may be let in now and nobody waits. Never waits.
  [[nodiscard]] bool try_acquire(std::size_t units = 1,
                                 call_site where = call_site::current()) noexcept {
    require_possible(units);
    waiter_type n(units, where);
    if (detail::enter_now(*this, n) != detail::wait_status::granted) {
      return false;
    }
    take(n);
    return true;
  }

  /// Lets in all waiters whose time has come. Returns when the next one is due: call it again then;
  /// nullopt: nobody waits.
  std::optional<time_point> release_due() noexcept {
    detail::wake_list<Threading> woken;
    detail::queue_word w = queue_.open();
    const time_point now = Clock::now();
    let_in(w, woken, now);
    std::optional<time_point> next;
    if (const waiter_type* first = front(w)) {
      next = rate_.due(turn_place_ < first->place_ ? turn_units_ : 0, first->units_, now);
    }
    queue_.close(w);
    woken.wake();
    return next;
  }

  /// When a request of `units` made now would be let in, given those that wait: now, or later. For
  /// a refusal that says when to come back. Precondition: units <= burst.
  [[nodiscard]] time_point due(std::size_t units = 1) const noexcept {
    require_possible(units);
    auto& queue = const_cast<detail::wait_queue<Threading>&>(queue_);
    const detail::queue_word w = queue.open();
    const time_point result =
        rate_.due(turns_units_ + units_before(w, no_place), units, Clock::now());
    queue.close(w);
    return result;
  }

  [[nodiscard]] rate_limiter_statistics statistics() const noexcept {
    auto& queue = const_cast<detail::wait_queue<Threading>&>(queue_);
    const detail::queue_word w = queue.open();
    const rate_limiter_statistics result{rate_.available(Clock::now()), queue.count(w) + turns_};
    queue.close(w);
    return result;
  }

  /// The diagnostics policy's own object. It knows waits; there are no holds and no owner.
  [[nodiscard]] const Diagnostics& diagnostics() const noexcept { return diagnostics_; }

 private:
  friend struct detail::core_access;
  template <class>
  friend class detail::rate_turn;

  static constexpr std::uint64_t no_place = std::numeric_limits<std::uint64_t>::max();

  static waiter_type* front(detail::queue_word w) noexcept {
    return static_cast<waiter_type*>(detail::wait_queue<Threading>::front(w));
  }
  static bool has_waiters(detail::queue_word w) noexcept { return front(w) != nullptr; }
  void require_possible([[maybe_unused]] std::size_t units) const noexcept {
    COROLOCK_ASSERT(units <= rate_.burst(),
                    "more units are asked of a rate_limiter than its burst");
  }

  // From here on to give_up(): queue open.

  detail::wait_status enter(detail::queue_word& w, waiter_type& n) noexcept {
    if (!has_waiters(w) && turns_ == 0 && rate_.admit(n.units_, Clock::now())) {
      n.admitted_ = rate_.admitted();
      return detail::wait_status::granted;
    }
    n.place_ = ++places_;
    return detail::wait_status::queued;
  }
  void left(detail::queue_word& w, detail::wake_list<Threading>& woken) noexcept {
    let_in(w, woken, Clock::now());
  }
  // All whose time has come, up to the one whose turn it is.
  void let_in(detail::queue_word& w, detail::wake_list<Threading>& woken, time_point now) noexcept {
    while (waiter_type* first = front(w)) {
      if (turn_place_ < first->place_ || !rate_.admit(first->units_, now)) {
        break;
      }
      first->admitted_ = rate_.admitted();
      woken.add(queue_.pop_front(w), detail::wait_status::granted);
    }
  }
  static std::uint64_t units_before(detail::queue_word w, std::uint64_t place) noexcept {
    std::uint64_t units = 0;
    for (const waiter_type* n = front(w); n != nullptr && n->place_ < place; n = front(n->link_)) {
      units += n->units_;
    }
    return units;
  }

  void give_up(waiter_type& n) noexcept {
    detail::wake_list<Threading> woken;
    detail::queue_word w = queue_.open();
    rate_.give_back(n.units_, n.admitted_);
    left(w, woken);
    queue_.close(w);
    woken.wake();
  }
  void take(waiter_type& n) noexcept { diagnostics_.granted(n.record_); }

  // All of these belong to whoever has the queue open.
  detail::wait_queue<Threading> queue_;
  detail::cell_rate<Clock> rate_;
  std::uint64_t places_ = 0;
  // See rate_turn: how many there are, and their units; the one whose turn it is.
  std::size_t turns_ = 0;
  std::uint64_t turns_units_ = 0;
  std::uint64_t turn_place_ = no_place;
  std::size_t turn_units_ = 0;

  basic_async_mutex<Threading> turn_mutex_;
  [[no_unique_address]] Diagnostics diagnostics_;
};

template <class Clock = detail::steady_clock>
using rate_limiter = basic_rate_limiter<Clock, multi_threaded>;
template <class Clock = detail::steady_clock>
using local_rate_limiter = basic_rate_limiter<Clock, single_threaded>;

namespace detail {

// A wait by a task that has a timer of its own, as the Asio front end's. Such tasks take turns by a
// mutex, so that one timer at a time runs; the one whose turn it is has a place among the waiters
// of the queue, and lets in those before it while it looks after itself:
//
//   if (limiter.try_acquire(units)) return;
//   rate_turn turn(limiter, units);                from now on newcomers queue
//   turn.begin(guard of turn.mutex());             by whatever kind of wait
//   while (auto due = turn.try_acquire()) { sleep until *due }
//
// Its destructor gives the wait up, wherever it stands.
template <class Limiter>
class [[nodiscard]] rate_turn {
  using threading = typename Limiter::threading;

 public:
  using mutex_type = basic_async_mutex<threading>;
  using time_point = typename Limiter::time_point;

  rate_turn(Limiter& limiter, std::size_t units) noexcept : limiter_(&limiter), units_(units) {
    limiter.require_possible(units);
    const queue_word w = limiter.queue_.open();
    ++limiter.turns_;
    limiter.turns_units_ += units;
    limiter.queue_.close(w);
  }
  rate_turn(rate_turn&& other) noexcept
      : limiter_(std::exchange(other.limiter_, nullptr)),
        units_(other.units_),
        turn_(std::move(other.turn_)) {}
  rate_turn& operator=(rate_turn&&) = delete;
  ~rate_turn() {
    if (limiter_ != nullptr) {
      wake_list<threading> woken;
      queue_word w = limiter_->queue_.open();
      end(w, woken);
    }
  }

  [[nodiscard]] mutex_type& mutex() const noexcept { return limiter_->turn_mutex_; }

  // It is this one's turn.
  void begin(typename mutex_type::guard_type turn) noexcept {
    turn_ = std::move(turn);
    const queue_word w = limiter_->queue_.open();
    limiter_->turn_place_ = ++limiter_->places_;
    limiter_->turn_units_ = units_;
    limiter_->queue_.close(w);
  }

  // nullopt: the units are acquired, and the turn has ended. Else when to ask again, which is later
  // than now.
  std::optional<time_point> try_acquire() noexcept {
    wake_list<threading> woken;
    queue_word w = limiter_->queue_.open();
    const time_point now = Limiter::clock::now();
    limiter_->let_in(w, woken, now);
    const std::uint64_t ahead = Limiter::units_before(w, limiter_->turn_place_);
    if (ahead == 0 && limiter_->rate_.admit(units_, now)) {
      end(w, woken);
      return std::nullopt;
    }
    const time_point due = limiter_->rate_.due(ahead, units_, now);
    limiter_->queue_.close(w);
    woken.wake();
    return due;
  }

 private:
  // Queue open; it is closed here. Those that queued because of this one are looked at before the
  // turn passes to the next.
  void end(queue_word w, wake_list<threading>& woken) noexcept {
    Limiter& limiter = *std::exchange(limiter_, nullptr);
    --limiter.turns_;
    limiter.turns_units_ -= units_;
    if (turn_) {
      limiter.turn_place_ = Limiter::no_place;
      limiter.turn_units_ = 0;
    }
    limiter.left(w, woken);
    limiter.queue_.close(w);
    turn_.unlock();
    woken.wake();
  }

  Limiter* limiter_;
  std::size_t units_;
  typename mutex_type::guard_type turn_;
};

}  // namespace detail

COROLOCK_END
