// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The clock of a session: leases, deadlines and time limits all read it, so that a test can move
// it.
//
//   steady_time()   the steady clock
//   manual_time     stands still until advance()

#include <corolock/detail/config.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

COROLOCK_BEGIN

/// A clock, and a way to sleep on it. For any thread.
class time_source {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  using duration = std::chrono::steady_clock::duration;
  using timer = std::shared_ptr<boost::asio::steady_timer>;

  time_source() = default;
  time_source(const time_source&) = delete;
  time_source& operator=(const time_source&) = delete;
  virtual ~time_source() = default;

  [[nodiscard]] virtual time_point now() const = 0;
  /// Sleeps on the timer until `limit`, or until somebody cancels the timer.
  virtual boost::asio::awaitable<void> sleep(timer on, time_point limit) = 0;
};

/// The steady clock.
std::shared_ptr<time_source> steady_time();

/// A clock that moves when it is told to, for tests.
class manual_time final : public time_source {
 public:
  [[nodiscard]] time_point now() const override;
  boost::asio::awaitable<void> sleep(timer on, time_point limit) override;

  /// Moves the clock, and wakes who sleeps until then; they run when their executor does.
  void advance(duration by);

 private:
  struct sleeper {
    time_point limit;
    timer on;
  };
  // Also when the sleeping coroutine is destroyed: its timer must not outlive its context.
  class waking {
   public:
    waking(manual_time& time, timer on) : time_(time), on_(std::move(on)) {}
    waking(const waking&) = delete;
    waking& operator=(const waking&) = delete;
    ~waking() { time_.forget(on_); }

   private:
    manual_time& time_;
    timer on_;
  };

  void forget(const timer& on);

  mutable std::mutex mutex_;
  time_point now_{};
  std::vector<sleeper> sleepers_;
};

COROLOCK_END
