// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The _for and _until forms. Timers that have expired already stand for time-outs, timers that
// never expire for the others: no test waits for time to pass.

#include <corolock/asio.hpp>
#include <support/asio.hpp>
#include <support/virtual_clock.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <limits>
#include <tuple>
#include <utility>

namespace asio = boost::asio;
using asio::use_awaitable;
using corolock::async_lock_for;
using corolock::async_lock_until;
using corolock::async_mutex;
using corolock::errc;
using corolock::mutex_guard;
using corolock_test::completion;
using corolock_test::error_code;
using corolock_test::launch;
using corolock_test::poll;
using corolock_test::run;
using corolock_test::virtual_clock;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

class AsioTimeLimit : public testing::Test {
 protected:
  template <class Token>
  auto here(Token&& token) {
    return asio::bind_executor(context_, std::forward<Token>(token));
  }
  // Times out, and leaves the lock to its holder.
  template <class Duration>
  void expect_timeout(Duration limit) {
    completion<mutex_guard> done;
    async_lock_for(m_, limit, here(done.handler()));
    run(context_);
    EXPECT_TRUE(done.failed_with(errc::timed_out));
    EXPECT_FALSE(done.grant);
    EXPECT_TRUE(m_.is_locked());
    EXPECT_EQ(m_.statistics().waiters, 0U);
  }
  // Waits, and is granted when the lock is free. Then the context has nothing left to do.
  template <class Duration>
  void expect_grant(Duration limit) {
    completion<mutex_guard> done;
    async_lock_for(m_, limit, here(done.handler()));
    poll(context_);
    EXPECT_EQ(done.calls, 0U);
    held_.unlock();
    run(context_);
    EXPECT_TRUE(done.succeeded());
    held_ = std::move(done.grant);
  }
  template <class TimePoint>
  void expect_grant_until(TimePoint limit) {
    completion<mutex_guard> done;
    async_lock_until(m_, limit, here(done.handler()));
    poll(context_);
    EXPECT_EQ(done.calls, 0U);
    held_.unlock();
    run(context_);
    EXPECT_TRUE(done.succeeded());
    held_ = std::move(done.grant);
  }

  async_mutex m_;
  mutex_guard held_ = m_.try_lock();
  asio::io_context context_;
};

TEST_F(AsioTimeLimit, AWaitTimesOutWithoutAGuard) {
  expect_timeout(milliseconds(1));
}
TEST_F(AsioTimeLimit, ALimitOfZeroTimesOut) {
  expect_timeout(milliseconds(0));
}
TEST_F(AsioTimeLimit, ANegativeLimitTimesOut) {
  expect_timeout(milliseconds(-5));
}
TEST_F(AsioTimeLimit, TheSmallestLimitsDoNotOverflow) {
  expect_timeout(hours::min());
  expect_timeout(std::chrono::nanoseconds::min());
  expect_timeout(-std::chrono::duration<double>::max());
}
TEST_F(AsioTimeLimit, TheLargestLimitsDoNotOverflow) {
  expect_grant(hours::max());
  expect_grant(std::chrono::nanoseconds::max());
  expect_grant(std::chrono::duration<double>::max());
  expect_grant(hours(1));
}
TEST_F(AsioTimeLimit, TheFurthestTimePointsDoNotOverflow) {
  expect_grant_until(steady_clock::time_point::max());
  expect_grant_until(std::chrono::time_point<steady_clock, hours>::max());
  expect_grant_until(std::chrono::time_point<steady_clock, std::chrono::duration<double>>::max());
}
TEST_F(AsioTimeLimit, TheEarliestTimePointsDoNotOverflow) {
  completion<mutex_guard> done;
  async_lock_until(m_, std::chrono::time_point<steady_clock, hours>::min(), here(done.handler()));
  run(context_);
  EXPECT_TRUE(done.failed_with(errc::timed_out));
}
TEST_F(AsioTimeLimit, TheSystemClockWillDo) {
  completion<mutex_guard> done;
  async_lock_until(m_, std::chrono::system_clock::time_point(), here(done.handler()));
  run(context_);
  EXPECT_TRUE(done.failed_with(errc::timed_out));
}

TEST_F(AsioTimeLimit, ALimitOfZeroTakesAFreeMutex) {
  held_.unlock();
  for (const milliseconds limit : {milliseconds(0), milliseconds(-5), milliseconds::min()}) {
    completion<mutex_guard> done;
    async_lock_for(m_, limit, here(done.handler()));
    run(context_);
    EXPECT_TRUE(done.succeeded());
    EXPECT_TRUE(done.grant);
  }
  completion<mutex_guard> done;
  async_lock_until(m_, steady_clock::time_point(), here(done.handler()));
  run(context_);
  EXPECT_TRUE(done.succeeded());
}

static asio::awaitable<void> take_now(async_mutex& m, mutex_guard& guard) {
  guard = co_await async_lock_for(m, milliseconds(0), use_awaitable);
}
TEST(AsioTimeLimits, ATimeoutOfZeroTakesAFreeMutex) {
  asio::io_context context;
  async_mutex m;
  mutex_guard guard;
  launch(context, take_now(m, guard));
  EXPECT_EQ(context.poll_one(), 1U);
  EXPECT_TRUE(guard);
}

static asio::awaitable<void> expect_throw(async_mutex& m, bool& thrown) {
  try {
    static_cast<void>(co_await async_lock_for(m, milliseconds(0), use_awaitable));
  } catch (const boost::system::system_error& e) {
    thrown = e.code() == errc::timed_out;
  }
}
TEST_F(AsioTimeLimit, AnAwaitThatTimesOutThrowsTimedOut) {
  bool thrown = false;
  launch(context_, expect_throw(m_, thrown));
  run(context_);
  EXPECT_TRUE(thrown);
}

TEST_F(AsioTimeLimit, ATimeoutGrantsNothingToOthersWhileTheLockIsHeld) {
  completion<mutex_guard> first;
  completion<mutex_guard> second;
  async_lock_for(m_, milliseconds(0), here(first.handler()));
  corolock::async_lock(m_, here(second.handler()));
  while (first.calls == 0) {
    context_.run_one();
  }
  EXPECT_TRUE(first.failed_with(errc::timed_out));
  EXPECT_EQ(second.calls, 0U);
  held_.unlock();
  run(context_);
  EXPECT_TRUE(second.succeeded());
}

TEST_F(AsioTimeLimit, ACancelledTimedWaitIsAbortedAndStopsItsTimer) {
  asio::cancellation_signal signal;
  completion<mutex_guard> done;
  async_lock_for(m_, hours(1), asio::bind_cancellation_slot(signal.slot(), here(done.handler())));
  poll(context_);
  signal.emit(asio::cancellation_type::total);
  run(context_);
  EXPECT_TRUE(done.was_aborted());
}

TEST_F(AsioTimeLimit, ACancellationBetweenTheGrantAndTheHandlerPassesTheGrantOn) {
  // A timed wait takes several turns from the grant to its handler: the cancellation comes in each.
  for (std::size_t turns = 0; turns < 6; ++turns) {
    asio::cancellation_signal signal;
    completion<mutex_guard> done;
    async_lock_for(m_, hours(1), asio::bind_cancellation_slot(signal.slot(), here(done.handler())));
    poll(context_);
    context_.restart();
    held_.unlock();
    for (std::size_t i = 0; i < turns; ++i) {
      context_.poll_one();
    }
    const bool was_called = done.calls != 0;
    signal.emit(asio::cancellation_type::total);
    run(context_);
    EXPECT_TRUE(was_called ? done.succeeded() : done.was_aborted()) << turns;
    EXPECT_EQ(m_.is_locked(), was_called) << turns;
    done.grant.unlock();
    held_ = m_.try_lock();
  }
}

// ------------------------------------------------------------------------- time-out against grant

static asio::awaitable<void> take_in_time(async_mutex& m) {
  auto [error, guard] =
      co_await async_lock_for(m, steady_clock::duration::zero(), asio::as_tuple(use_awaitable));
  EXPECT_EQ(static_cast<bool>(guard), !error);
  if (error) {
    EXPECT_EQ(error, errc::timed_out);
  } else {
    EXPECT_TRUE(m.is_locked());
  }
}
static asio::awaitable<void> unlock_later(mutex_guard guard, std::size_t turns) {
  co_await corolock_test::yield(turns);
  guard.unlock();
}
TEST(AsioTimeLimits, ATimeoutAndAnUnlockInTheSameTurnAgreeOnWhoHoldsTheLock) {
  for (std::size_t turns = 0; turns < 8; ++turns) {
    for (int round = 0; round < 100; ++round) {
      asio::io_context context;
      async_mutex m;
      launch(context, take_in_time(m));
      launch(context, unlock_later(m.try_lock(), turns));
      run(context);
      EXPECT_FALSE(m.is_locked());
    }
  }
}

// Here the order is ours: the clock stands still, then the limit passes and the lock is freed in
// one turn. (The reactor looks at all its timers when one on the steady clock has expired.)
static void let_expired_timers_fire(asio::io_context& context) {
  asio::steady_timer now(context, steady_clock::time_point::min());
  bool fired = false;
  now.async_wait([&](const error_code&) { fired = true; });
  context.restart();
  while (!fired) {
    context.run_one();
  }
}
TEST_F(AsioTimeLimit, AnyClockWillDo) {
  virtual_clock::reset();
  completion<mutex_guard> done;
  async_lock_until(m_, virtual_clock::time_point(milliseconds(10)), here(done.handler()));
  let_expired_timers_fire(context_);
  virtual_clock::advance(milliseconds(9));
  let_expired_timers_fire(context_);
  EXPECT_EQ(done.calls, 0U);
  virtual_clock::advance(milliseconds(1));
  let_expired_timers_fire(context_);
  poll(context_);
  EXPECT_TRUE(done.failed_with(errc::timed_out));
}
TEST_F(AsioTimeLimit, AnUnlockBeforeTheLimitPassesGrants) {
  virtual_clock::reset();
  completion<mutex_guard> done;
  async_lock_until(m_, virtual_clock::time_point(milliseconds(10)), here(done.handler()));
  poll(context_);
  held_.unlock();
  poll(context_);
  virtual_clock::advance(milliseconds(20));
  let_expired_timers_fire(context_);
  poll(context_);
  EXPECT_TRUE(done.succeeded());
}
TEST_F(AsioTimeLimit, ATimeoutThatComesFirstLeavesTheLockToTheNext) {
  virtual_clock::reset();
  completion<mutex_guard> first;
  completion<mutex_guard> second;
  async_lock_until(m_, virtual_clock::time_point(milliseconds(10)), here(first.handler()));
  corolock::async_lock(m_, here(second.handler()));
  virtual_clock::advance(milliseconds(20));
  let_expired_timers_fire(context_);
  held_.unlock();
  poll(context_);
  EXPECT_TRUE(first.failed_with(errc::timed_out));
  EXPECT_TRUE(second.succeeded());
}
TEST_F(AsioTimeLimit, ATimeoutIsNotEarlyOnACoarserClockThanItsLimit) {
  virtual_clock::reset();
  completion<mutex_guard> done;
  using picoseconds = std::chrono::duration<std::int64_t, std::pico>;
  const std::chrono::time_point<virtual_clock, picoseconds> limit(picoseconds(10'500));
  async_lock_until(m_, limit, here(done.handler()));
  virtual_clock::advance(std::chrono::nanoseconds(10));
  let_expired_timers_fire(context_);
  poll(context_);
  EXPECT_EQ(done.calls, 0U);
  virtual_clock::advance(std::chrono::nanoseconds(1));
  let_expired_timers_fire(context_);
  poll(context_);
  EXPECT_TRUE(done.failed_with(errc::timed_out));
}

// ------------------------------------------------------------------------------ every operation

TEST(AsioTimeLimits, EveryOperationTimesOut) {
  using corolock::async_acquire_for;
  using corolock::async_arrive_and_wait_for;
  using corolock::async_lock_shared_for;
  using corolock::async_wait_for;
  const milliseconds now(0);
  asio::io_context context;
  corolock::async_shared_mutex shared;
  const auto held = shared.try_lock();
  corolock::async_semaphore semaphore(0);
  corolock::async_event event;
  corolock::async_barrier barrier(2);
  async_mutex m;
  corolock::async_condition condition;
  corolock::async_condition condition_of_state;
  mutex_guard guard = m.try_lock();
  async_mutex m2;
  mutex_guard guard_2 = m2.try_lock();

  completion<corolock::async_shared_mutex::guard_type> write;
  completion<corolock::shared_guard> read;
  completion<corolock::permit> acquire;
  completion<void> wait;
  completion<std::size_t> arrive;
  completion<void> notified;
  completion<void> satisfied;
  const auto on = [&](auto& done) { return asio::bind_executor(context, done.handler()); };
  async_lock_for(shared, now, on(write));
  async_lock_shared_for(shared, now, on(read));
  async_acquire_for(semaphore, 1, now, on(acquire));
  async_wait_for(event, now, on(wait));
  async_arrive_and_wait_for(barrier, now, on(arrive));
  async_wait_for(condition, guard, now, on(notified));
  async_wait_for(condition_of_state, guard_2, [] { return false; }, now, on(satisfied));
  run(context);
  EXPECT_TRUE(write.failed_with(errc::timed_out));
  EXPECT_TRUE(read.failed_with(errc::timed_out));
  EXPECT_TRUE(acquire.failed_with(errc::timed_out));
  EXPECT_TRUE(wait.failed_with(errc::timed_out));
  EXPECT_TRUE(arrive.failed_with(errc::timed_out));
  EXPECT_TRUE(notified.failed_with(errc::timed_out));
  EXPECT_TRUE(satisfied.failed_with(errc::timed_out));
  EXPECT_FALSE(write.grant);
  EXPECT_FALSE(read.grant);
  EXPECT_FALSE(acquire.grant);
  EXPECT_TRUE(guard);
  EXPECT_TRUE(guard_2);
  EXPECT_EQ(shared.statistics().waiters, 0U);
  EXPECT_EQ(semaphore.statistics().waiters, 0U);
  EXPECT_EQ(event.statistics().waiters, 0U);
  EXPECT_EQ(barrier.statistics().waiters, 0U);
  EXPECT_EQ(condition.statistics().waiters, 0U);
}

TEST(AsioTimeLimits, EveryOperationThatNeedNotWaitIgnoresItsLimit) {
  using corolock::async_acquire_until;
  using corolock::async_arrive_and_wait_until;
  using corolock::async_lock_shared_until;
  using corolock::async_wait_until;
  const steady_clock::time_point long_ago{};
  asio::io_context context;
  corolock::async_shared_mutex for_reading;
  corolock::async_shared_mutex for_writing;
  corolock::async_semaphore semaphore(1);
  corolock::async_event event(true);
  corolock::async_barrier barrier(1);
  async_mutex m;
  corolock::async_condition condition;
  mutex_guard guard = m.try_lock();

  completion<corolock::async_shared_mutex::guard_type> write;
  completion<corolock::shared_guard> read;
  completion<corolock::permit> acquire;
  completion<void> wait;
  completion<std::size_t> arrive;
  completion<void> satisfied;
  const auto on = [&](auto& done) { return asio::bind_executor(context, done.handler()); };
  async_lock_until(for_writing, long_ago, on(write));
  async_lock_shared_until(for_reading, long_ago, on(read));
  async_acquire_until(semaphore, 1, long_ago, on(acquire));
  async_wait_until(event, long_ago, on(wait));
  async_arrive_and_wait_until(barrier, long_ago, on(arrive));
  async_wait_until(condition, guard, [] { return true; }, long_ago, on(satisfied));
  run(context);
  EXPECT_TRUE(write.succeeded());
  EXPECT_TRUE(read.succeeded());
  EXPECT_TRUE(acquire.succeeded());
  EXPECT_TRUE(wait.succeeded());
  EXPECT_TRUE(arrive.succeeded());
  EXPECT_TRUE(satisfied.succeeded());
  EXPECT_TRUE(guard);
}
