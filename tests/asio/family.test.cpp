// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The keyed mutex, guarded and the rate limiter on Asio.

#include <corolock/asio.hpp>
#include <support/asio.hpp>
#include <support/virtual_clock.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/system/system_error.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
using asio::cancellation_type;
using asio::use_awaitable;
using corolock::async_acquire;
using corolock::async_lock;
using corolock::async_lock_all;
using corolock::async_lock_for;
using corolock::errc;
using corolock_test::completion;
using corolock_test::error_code;
using corolock_test::launch;
using corolock_test::poll;
using corolock_test::run;
using corolock_test::tracker;
using corolock_test::virtual_clock;
using std::chrono::hours;
using std::chrono::milliseconds;
using testing::ElementsAre;

namespace {

class on_context : public testing::Test {
 protected:
  on_context() { context_.emplace(); }

  template <class Token>
  auto here(Token&& token) {
    return asio::bind_executor(*context_, std::forward<Token>(token));
  }
  template <class Token>
  auto here(Token&& token, asio::cancellation_signal& signal) {
    return asio::bind_cancellation_slot(signal.slot(), here(std::forward<Token>(token)));
  }

  asio::cancellation_signal signal_;
  std::optional<asio::io_context> context_;
};

}  // namespace

// ------------------------------------------------------------------------------------ keyed mutex

class AsioKeyedMutex : public on_context {
 protected:
  using mutex = corolock::async_keyed_mutex<std::string>;
  using guard = mutex::guard_type;
  using keys_guard = mutex::keys_guard_type;

  static asio::awaitable<void> append(mutex& m, std::string key, std::vector<std::string>& order) {
    const guard locked = co_await async_lock(m, key, use_awaitable);
    EXPECT_EQ(locked.key(), key);
    order.push_back(key);
  }
  static asio::awaitable<void> append_all(mutex& m, std::vector<std::string> keys,
                                          std::vector<std::string>& order) {
    const keys_guard locked = co_await async_lock_all(m, keys, use_awaitable);
    for (const std::string& key : locked.keys()) {
      order.push_back(key);
    }
  }

  mutex m_;
  completion<guard> one_;
  completion<keys_guard> all_;
  std::vector<std::string> order_;
};

TEST_F(AsioKeyedMutex, TasksOfTheSameKeyWaitAndOthersDoNot) {
  guard held = m_.try_lock("a");
  launch(*context_, append(m_, "a", order_));
  launch(*context_, append(m_, "b", order_));
  poll(*context_);
  EXPECT_THAT(order_, ElementsAre("b"));
  held.unlock();
  EXPECT_THAT(order_, ElementsAre("b"));
  poll(*context_);
  EXPECT_THAT(order_, ElementsAre("b", "a"));
  EXPECT_EQ(m_.statistics().entries, 0U);
}

TEST_F(AsioKeyedMutex, AFreeKeyIsLockedWithoutGoingThroughTheScheduler) {
  launch(*context_, append(m_, "a", order_));
  EXPECT_EQ(context_->poll_one(), 1U);
  EXPECT_THAT(order_, ElementsAre("a"));
}

TEST_F(AsioKeyedMutex, ACallbackGetsTheGuardOfItsKey) {
  guard held = m_.try_lock("a");
  async_lock(m_, "a", here(one_.handler()));
  poll(*context_);
  EXPECT_EQ(one_.calls, 0U);
  held.unlock();
  poll(*context_);
  EXPECT_TRUE(one_.succeeded());
  EXPECT_EQ(one_.grant.key(), "a");
}

TEST_F(AsioKeyedMutex, ACancelledWaitLeavesNoEntry) {
  guard held = m_.try_lock("a");
  async_lock(m_, "a", here(one_.handler(), signal_));
  signal_.emit(cancellation_type::total);
  poll(*context_);
  EXPECT_TRUE(one_.was_aborted());
  held.unlock();
  EXPECT_EQ(m_.statistics().entries, 0U);
}

TEST_F(AsioKeyedMutex, ATimedOutWaitLeavesNoEntry) {
  guard held = m_.try_lock("a");
  async_lock_for(m_, "a", milliseconds(0), here(one_.handler()));
  run(*context_);
  EXPECT_TRUE(one_.failed_with(errc::timed_out));
  EXPECT_EQ(m_.statistics().waiters, 0U);
  completion<guard> free;
  async_lock_for(m_, "b", milliseconds(0), here(free.handler()));
  run(*context_);
  EXPECT_TRUE(free.succeeded());
}

TEST_F(AsioKeyedMutex, AllKeysAreLockedTogether) {
  guard held = m_.try_lock("b");
  launch(*context_, append_all(m_, {"c", "b", "a", "b"}, order_));
  poll(*context_);
  EXPECT_THAT(order_, ElementsAre());
  EXPECT_FALSE(m_.try_lock("a"));
  held.unlock();
  poll(*context_);
  EXPECT_THAT(order_, ElementsAre("a", "b", "c"));
  EXPECT_EQ(m_.statistics().entries, 0U);
}

TEST_F(AsioKeyedMutex, ACallbackLocksAllKeysOfAnyRange) {
  const std::list<std::string> keys = {"b", "a"};
  async_lock_all(m_, keys, here(all_.handler()));
  EXPECT_EQ(m_.statistics().entries, 2U);
  EXPECT_EQ(all_.calls, 0U);
  poll(*context_);
  EXPECT_TRUE(all_.succeeded());
}

TEST_F(AsioKeyedMutex, ACancelledWaitForAllKeysUnlocksThoseThatItHas) {
  guard held = m_.try_lock("b");
  const std::vector<std::string> keys = {"a", "b"};
  async_lock_all(m_, keys, here(all_.handler(), signal_));
  async_lock(m_, "a", here(one_.handler()));
  poll(*context_);
  EXPECT_EQ(one_.calls, 0U);
  signal_.emit(cancellation_type::total);
  poll(*context_);
  EXPECT_TRUE(all_.was_aborted());
  EXPECT_TRUE(one_.succeeded());
}

TEST_F(AsioKeyedMutex, ADestroyedContextUnlocksWhatItsWaitsHave) {
  const tracker alive;
  guard held = m_.try_lock("b");
  const std::vector<std::string> keys = {"a", "b"};
  async_lock_all(m_, keys, here([mark = alive.copy()](auto, auto) { FAIL(); }));
  async_lock(m_, "b", here([mark = alive.copy()](auto, auto) { FAIL(); }));
  launch(*context_, append_all(m_, {"a", "z"}, order_));
  poll(*context_);
  context_.reset();
  EXPECT_FALSE(alive.alive());
  EXPECT_EQ(m_.statistics().entries, 1U);
  held.unlock();
  EXPECT_EQ(m_.statistics().entries, 0U);
}

// ---------------------------------------------------------------------------------------- guarded

class AsioGuarded : public on_context {
 protected:
  using object = corolock::guarded<std::vector<int>>;

  static asio::awaitable<void> append(object& values, int value) {
    const auto locked = co_await async_lock(values, use_awaitable);
    locked->push_back(value);
    co_await corolock_test::yield();
    locked->push_back(value);
  }

  object values_;
  completion<object::guard_type> done_;
};

TEST_F(AsioGuarded, TasksReachTheObjectOneAfterTheOther) {
  launch(*context_, append(values_, 1));
  launch(*context_, append(values_, 2));
  poll(*context_);
  EXPECT_THAT(*values_.try_lock(), ElementsAre(1, 1, 2, 2));
}

TEST_F(AsioGuarded, ACallbackGetsThePointer) {
  auto held = values_.try_lock();
  held->push_back(7);
  async_lock(values_, here(done_.handler()));
  poll(*context_);
  EXPECT_EQ(done_.calls, 0U);
  held = {};
  poll(*context_);
  EXPECT_TRUE(done_.succeeded());
  EXPECT_THAT(*done_.grant, ElementsAre(7));
}

TEST_F(AsioGuarded, ACancelledOrTimedOutWaitGivesNoPointer) {
  const auto held = values_.try_lock();
  async_lock(values_, here(done_.handler(), signal_));
  signal_.emit(cancellation_type::total);
  poll(*context_);
  EXPECT_TRUE(done_.was_aborted());
  EXPECT_FALSE(done_.grant);
  completion<object::guard_type> late;
  async_lock_for(values_, milliseconds(0), here(late.handler()));
  run(*context_);
  EXPECT_TRUE(late.failed_with(errc::timed_out));
}

TEST_F(AsioGuarded, AContextIsDestroyedWithItsWaits) {
  const tracker alive;
  {
    const auto held = values_.try_lock();
    async_lock(values_, here([mark = alive.copy()](auto, const auto&) { FAIL(); }));
    async_lock_for(values_, hours(1), here([mark = alive.copy()](auto, const auto&) { FAIL(); }));
  }
  context_.reset();
  EXPECT_FALSE(alive.alive());
  EXPECT_FALSE(values_.is_locked());
}

// ----------------------------------------------------------------------------------- rate limiter

class AsioRateLimiter : public on_context {
 protected:
  using limiter = corolock::rate_limiter<virtual_clock>;

  AsioRateLimiter() { virtual_clock::reset(); }

  static asio::awaitable<void> append(limiter& limit, std::size_t units, std::vector<int>& order,
                                      int id) {
    co_await async_acquire(limit, units, use_awaitable);
    order.push_back(id);
  }
  // Lets the reactor look at all its timers: it does so when one on the steady clock has expired.
  void fire() {
    for (int i = 0; i < 3; ++i) {
      asio::steady_timer now(*context_, asio::steady_timer::time_point::min());
      bool fired = false;
      now.async_wait([&](const error_code&) { fired = true; });
      context_->restart();
      while (!fired) {
        context_->run_one();
      }
    }
    poll(*context_);
  }
  void advance(milliseconds by) {
    virtual_clock::advance(by);
    fire();
  }

  std::vector<int> order_;
};

TEST_F(AsioRateLimiter, LetsTheBurstInAtOnceAndTheOthersAsTheirTimeComes) {
  limiter limit(1, milliseconds(10), 2);
  for (int id = 1; id <= 5; ++id) {
    launch(*context_, append(limit, 1, order_, id));
  }
  fire();
  EXPECT_THAT(order_, ElementsAre(1, 2));
  EXPECT_EQ(limit.statistics().waiters, 3U);
  advance(milliseconds(9));
  EXPECT_THAT(order_, ElementsAre(1, 2));
  advance(milliseconds(1));
  EXPECT_THAT(order_, ElementsAre(1, 2, 3));
  advance(milliseconds(20));
  EXPECT_THAT(order_, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(limit.statistics().waiters, 0U);
}

TEST_F(AsioRateLimiter, ACallbackIsNotCalledInsideTheInitiatingFunction) {
  limiter limit(1, milliseconds(10), 1);
  completion<void> done;
  async_acquire(limit, 1, here(done.handler()));
  EXPECT_EQ(done.calls, 0U);
  EXPECT_FALSE(limit.try_acquire());
  poll(*context_);
  EXPECT_TRUE(done.succeeded());
}

TEST_F(AsioRateLimiter, ANewcomerDoesNotOvertake) {
  limiter limit(1, milliseconds(10), 2);
  EXPECT_TRUE(limit.try_acquire(1));
  launch(*context_, append(limit, 2, order_, 1));
  poll(*context_);
  launch(*context_, append(limit, 1, order_, 2));
  poll(*context_);
  EXPECT_FALSE(limit.try_acquire(1));
  EXPECT_THAT(order_, ElementsAre());
  advance(milliseconds(10));
  EXPECT_THAT(order_, ElementsAre(1));
  advance(milliseconds(10));
  EXPECT_THAT(order_, ElementsAre(1, 2));
}

TEST_F(AsioRateLimiter, ACancelledSleeperGivesItsTurnToTheNext) {
  limiter limit(1, milliseconds(10), 3);
  EXPECT_TRUE(limit.try_acquire(3));
  completion<void> sleeper;
  completion<void> queued;
  asio::cancellation_signal second;
  async_acquire(limit, 3, here(sleeper.handler(), signal_));
  fire();
  async_acquire(limit, 1, here(queued.handler(), second));
  launch(*context_, append(limit, 1, order_, 3));
  fire();
  advance(milliseconds(10));
  EXPECT_EQ(sleeper.calls, 0U);
  second.emit(cancellation_type::total);
  fire();
  EXPECT_TRUE(queued.was_aborted());
  signal_.emit(cancellation_type::terminal);
  fire();
  EXPECT_TRUE(sleeper.was_aborted());
  EXPECT_THAT(order_, ElementsAre(3));
  EXPECT_EQ(limit.statistics().waiters, 0U);
}

TEST_F(AsioRateLimiter, ATimeLimitEndsTheWaitOfTheSleeperAndOfThoseBehindIt) {
  limiter limit(1, milliseconds(10), 1);
  EXPECT_TRUE(limit.try_acquire(1));
  completion<void> first;
  completion<void> second;
  completion<void> third;
  async_acquire_for(limit, 1, milliseconds(5), here(first.handler()));
  async_acquire_until(limit, 1, virtual_clock::time_point(milliseconds(6)), here(second.handler()));
  async_acquire_for(limit, 1, hours::max(), here(third.handler()));
  fire();
  advance(milliseconds(5));
  EXPECT_TRUE(first.failed_with(errc::timed_out));
  EXPECT_EQ(second.calls, 0U);
  advance(milliseconds(1));
  EXPECT_TRUE(second.failed_with(errc::timed_out));
  EXPECT_EQ(third.calls, 0U);
  advance(milliseconds(4));
  EXPECT_TRUE(third.succeeded());
}

TEST_F(AsioRateLimiter, ALimitOfZeroTakesAFreeUnitAndTimesOutWithoutOne) {
  limiter limit(1, milliseconds(10), 1);
  completion<void> first;
  completion<void> second;
  async_acquire_for(limit, 1, milliseconds(0), here(first.handler()));
  async_acquire_for(limit, 1, milliseconds(-1), here(second.handler()));
  fire();
  EXPECT_TRUE(first.succeeded());
  EXPECT_TRUE(second.failed_with(errc::timed_out));
}

TEST_F(AsioRateLimiter, AContextDestroyedWithSleepersLeavesTheLimiterSound) {
  limiter limit(1, milliseconds(10), 1);
  const tracker alive;
  EXPECT_TRUE(limit.try_acquire(1));
  for (int i = 0; i < 5; ++i) {
    async_acquire(limit, 1, here([mark = alive.copy()](error_code) { FAIL(); }));
    async_acquire_for(limit, 1, hours(1), here([mark = alive.copy()](error_code) { FAIL(); }));
    launch(*context_, append(limit, 1, order_, i));
    poll(*context_);
  }
  EXPECT_EQ(limit.statistics().waiters, 15U);
  context_.reset();
  EXPECT_FALSE(alive.alive());
  EXPECT_EQ(limit.statistics().waiters, 0U);
  EXPECT_FALSE(limit.try_acquire(1));
  virtual_clock::advance(milliseconds(10));
  EXPECT_TRUE(limit.try_acquire(1));
}

static asio::awaitable<void> race(corolock::rate_limiter<virtual_clock>& limit, std::size_t& won) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_after(milliseconds(0));
  std::variant<std::monostate, std::monostate> first =
      co_await (async_acquire(limit, 1, use_awaitable) || timer.async_wait(use_awaitable));
  won = first.index();
}
TEST_F(AsioRateLimiter, ATimerMayEndAWaitByOr) {
  limiter limit(1, milliseconds(10), 1);
  EXPECT_TRUE(limit.try_acquire(1));
  std::size_t won = 9;
  launch(*context_, race(limit, won));
  fire();
  EXPECT_EQ(won, 1U);
  EXPECT_EQ(limit.statistics().waiters, 0U);
}

static asio::awaitable<void> count(corolock::rate_limiter<>& limit, std::atomic<int>& done) {
  for (int i = 0; i < 50; ++i) {
    co_await async_acquire(limit, 1, use_awaitable);
    ++done;
  }
}
TEST(AsioRateLimiterThreads, TasksOfAPoolAreAllLetIn) {
  corolock::rate_limiter<> limit(100, milliseconds(1), 3);
  asio::thread_pool pool(2);
  std::atomic<int> done{0};
  for (int i = 0; i < 6; ++i) {
    launch(asio::make_strand(pool), count(limit, done));
  }
  pool.join();
  EXPECT_EQ(done, 300);
}
