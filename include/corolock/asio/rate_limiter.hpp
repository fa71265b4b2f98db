// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Acquiring units of a rate_limiter on Boost.Asio, by any completion token:
//
//   async_acquire                      void(error_code)
//   async_acquire_for, ..._until       the same, with a time limit: errc::timed_out
//
// asio/lock.hpp says what holds for every operation of the Asio front end. Here the timer is
// Asio's, and release_due() need not be called: the tasks take turns, and the one whose turn it is
// sleeps until its units may be let in. A wait that sleeps takes one timer from the handler's
// memory.

#include <corolock/asio/lock.hpp>
#include <corolock/asio/timer.hpp>
#include <corolock/rate_limiter.hpp>

#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

COROLOCK_BEGIN
namespace asio::detail {

// The composed operation, a step a call: try; lock the turn; sleep and ask until it is granted.
template <class Limiter>
class acquire_by_turns {
  using clock = typename Limiter::clock;
  using time_point = typename Limiter::time_point;
  using turn_type = corolock::detail::rate_turn<Limiter>;
  using turn_guard = typename turn_type::mutex_type::guard_type;

 public:
  acquire_by_turns(Limiter& limiter, std::size_t units, time_point deadline) noexcept
      : limiter_(&limiter), units_(units), deadline_(deadline) {}

  // Begins.
  template <class Self>
  void operator()(Self& self) {
    if (was_let_in_) {
      self.complete({});
      return;
    }
    self.reset_cancellation_state(boost::asio::enable_total_cancellation());
    if (limiter_->try_acquire(units_)) {
      was_let_in_ = true;
      boost::asio::post(std::move(self));  // never inside the initiating function
      return;
    }
    turn_.emplace(*limiter_, units_);  // from now on newcomers queue behind it
    auto& mutex = turn_->mutex();
    const time_point deadline = deadline_;
    if (deadline == time_point::max()) {
      async_lock(mutex, std::move(self));
    } else {
      async_lock_until(mutex, deadline, std::move(self));
    }
  }

  // It has the turn, or never will.
  template <class Self>
  void operator()(Self& self, error_code error, turn_guard turn) {
    if (error) {
      complete(self, error);
      return;
    }
    turn_->begin(std::move(turn));
    ask(self);
  }

  // It has slept.
  template <class Self>
  void operator()(Self& self, error_code error) {
    if (error || self.cancelled() != boost::asio::cancellation_type::none) {
      complete(self, boost::asio::error::operation_aborted);
    } else {
      ask(self);
    }
  }

 private:
  template <class Self>
  void ask(Self& self) {
    const std::optional<time_point> due = turn_->try_acquire();
    if (!due) {
      complete(self, {});
      return;
    }
    if (deadline_ <= clock::now()) {
      complete(self, make_error_code(errc::timed_out));
      return;
    }
    if (timer_ == nullptr) {
      timer_ = std::allocate_shared<basic_timer<clock>>(
          recycled(boost::asio::get_associated_allocator(self)),
          boost::asio::get_associated_executor(self));
    }
    timer_->expires_at(std::min(*due, deadline_));
    basic_timer<clock>& timer = *timer_;
    timer.async_wait(std::move(self));
  }

  // The wait is given up, or over, before the handler runs.
  template <class Self>
  void complete(Self& self, error_code error) {
    turn_.reset();
    timer_.reset();
    self.complete(error);
  }

  Limiter* limiter_;
  std::size_t units_;
  time_point deadline_;
  bool was_let_in_ = false;
  std::optional<turn_type> turn_;
  std::shared_ptr<basic_timer<clock>> timer_;
};

template <class Limiter, class Token>
auto acquire_units(Limiter& limiter, std::size_t units, typename Limiter::time_point deadline,
                   Token&& token) {
  return boost::asio::async_compose<Token, void(error_code)>(
      acquire_by_turns<Limiter>(limiter, units, deadline), token);
}

}  // namespace asio::detail

/// Completes when `units` are let in, in order of arrival. Precondition: units <= burst.
template <class Clock, class Threading, class Diagnostics, class Token>
auto async_acquire(basic_rate_limiter<Clock, Threading, Diagnostics>& limiter, std::size_t units,
                   Token&& token) {
  return asio::detail::acquire_units(limiter, units, Clock::time_point::max(),
                                     std::forward<Token>(token));
}
/// async_acquire with a time limit, on the limiter's clock: errc::timed_out when it has passed.
template <class Clock, class Threading, class Diagnostics, class Rep, class Period, class Token>
auto async_acquire_for(basic_rate_limiter<Clock, Threading, Diagnostics>& limiter,
                       std::size_t units, std::chrono::duration<Rep, Period> limit, Token&& token) {
  return asio::detail::acquire_units(limiter, units,
                                     asio::detail::saturated_add<Clock>(Clock::now(), limit),
                                     std::forward<Token>(token));
}
/// async_acquire with a time limit, on the limiter's clock: errc::timed_out when it is reached.
template <class Clock, class Threading, class Diagnostics, class Duration, class Token>
auto async_acquire_until(basic_rate_limiter<Clock, Threading, Diagnostics>& limiter,
                         std::size_t units, std::chrono::time_point<Clock, Duration> limit,
                         Token&& token) {
  return asio::detail::acquire_units(limiter, units, asio::detail::saturated_cast(limit),
                                     std::forward<Token>(token));
}

COROLOCK_END
