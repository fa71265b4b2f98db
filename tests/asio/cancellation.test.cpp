// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Cancellation on Asio: by slots, and by operator|| and operator&&.

#include <corolock/asio.hpp>
#include <support/asio.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <deque>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
using asio::cancellation_type;
using asio::use_awaitable;
using corolock::async_acquire;
using corolock::async_lock;
using corolock::async_mutex;
using corolock::mutex_guard;
using corolock_test::completion;
using corolock_test::error_code;
using corolock_test::launch;
using corolock_test::poll;
using corolock_test::yield;
using testing::ElementsAre;

class AsioCancellation : public testing::Test {
 protected:
  template <class Token>
  auto here(Token&& token) {
    return asio::bind_executor(context_, std::forward<Token>(token));
  }
  auto here(completion<mutex_guard>& done, asio::cancellation_signal& signal) {
    return asio::bind_cancellation_slot(signal.slot(), here(done.handler()));
  }

  async_mutex m_;
  mutex_guard held_ = m_.try_lock();
  asio::io_context context_;
  asio::cancellation_signal signal_;
  completion<mutex_guard> first_;
  completion<mutex_guard> second_;
};

class AsioCancellationType : public AsioCancellation,
                             public testing::WithParamInterface<cancellation_type> {};

INSTANTIATE_TEST_SUITE_P(Each, AsioCancellationType,
                         testing::Values(cancellation_type::terminal, cancellation_type::partial,
                                         cancellation_type::total, cancellation_type::all),
                         [](const auto& type) {
                           switch (type.param) {
                             case cancellation_type::terminal: return "Terminal";
                             case cancellation_type::partial: return "Partial";
                             case cancellation_type::total: return "Total";
                             default: return "All";
                           }
                         });

TEST_P(AsioCancellationType, EndsAQueuedWaitAndLeavesTheNextOneAlone) {
  async_lock(m_, here(first_, signal_));
  async_lock(m_, here(second_.handler()));
  signal_.emit(GetParam());
  EXPECT_EQ(first_.calls, 0U);
  EXPECT_EQ(m_.statistics().waiters, 1U);
  poll(context_);
  EXPECT_TRUE(first_.was_aborted());
  EXPECT_FALSE(first_.grant);
  EXPECT_EQ(second_.calls, 0U);
  EXPECT_TRUE(m_.is_locked());
  held_.unlock();
  poll(context_);
  EXPECT_TRUE(second_.succeeded());
}

TEST_P(AsioCancellationType, AfterTheGrantPassesTheGrantOn) {
  async_lock(m_, here(first_, signal_));
  async_lock(m_, here(second_.handler()));
  held_.unlock();
  signal_.emit(GetParam());
  poll(context_);
  EXPECT_TRUE(first_.was_aborted());
  EXPECT_FALSE(first_.grant);
  EXPECT_TRUE(second_.succeeded());
  EXPECT_TRUE(second_.grant);
}

TEST_F(AsioCancellation, AfterTheGrantOfAFreeMutexFreesItAgain) {
  held_.unlock();
  async_lock(m_, here(first_, signal_));
  EXPECT_TRUE(m_.is_locked());
  signal_.emit(cancellation_type::total);
  EXPECT_FALSE(m_.is_locked());
  poll(context_);
  EXPECT_TRUE(first_.was_aborted());
}

TEST_F(AsioCancellation, OfTypeNoneDoesNothing) {
  async_lock(m_, here(first_, signal_));
  signal_.emit(cancellation_type::none);
  held_.unlock();
  poll(context_);
  EXPECT_TRUE(first_.succeeded());
}

TEST_F(AsioCancellation, AfterTheHandlerHasRunDoesNothing) {
  async_lock(m_, here(first_, signal_));
  held_.unlock();
  poll(context_);
  EXPECT_FALSE(signal_.slot().has_handler());
  signal_.emit(cancellation_type::all);
  poll(context_);
  EXPECT_TRUE(first_.succeeded());
  EXPECT_TRUE(first_.grant);
}

TEST_F(AsioCancellation, TwiceCountsOnce) {
  async_lock(m_, here(first_, signal_));
  signal_.emit(cancellation_type::total);
  signal_.emit(cancellation_type::terminal);
  poll(context_);
  EXPECT_TRUE(first_.was_aborted());
}

TEST_F(AsioCancellation, ThenTheGrantArrivesForTheNextOneOnly) {
  async_lock(m_, here(first_, signal_));
  async_lock(m_, here(second_.handler()));
  signal_.emit(cancellation_type::total);
  held_.unlock();
  poll(context_);
  EXPECT_TRUE(first_.was_aborted());
  EXPECT_TRUE(second_.succeeded());
  second_.grant.unlock();
  EXPECT_FALSE(m_.is_locked());
}

TEST_F(AsioCancellation, TheHandlerMayWaitAgainByTheSameSlot) {
  async_lock(m_, asio::bind_cancellation_slot(signal_.slot(),
                                              here([&](error_code error, const mutex_guard&) {
                                                EXPECT_EQ(error, asio::error::operation_aborted);
                                                async_lock(m_, here(first_, signal_));
                                              })));
  signal_.emit(cancellation_type::total);
  poll(context_);
  EXPECT_EQ(first_.calls, 0U);
  signal_.emit(cancellation_type::total);
  poll(context_);
  EXPECT_TRUE(first_.was_aborted());
}

TEST_F(AsioCancellation, InsideAHandlerOfTheSameTurnEndsTheWait) {
  async_lock(m_, here(first_.handler()));
  async_lock(m_, here(second_, signal_));
  asio::post(context_, [&] { signal_.emit(cancellation_type::total); });
  held_.unlock();
  poll(context_);
  EXPECT_TRUE(first_.succeeded());
  EXPECT_TRUE(second_.was_aborted());
  first_.grant.unlock();
  EXPECT_FALSE(m_.is_locked());
}

TEST_F(AsioCancellation, OfManyWaitersAtOnceGrantsNothing) {
  constexpr std::size_t count = 100;
  std::deque<asio::cancellation_signal> signals(count);
  std::deque<completion<mutex_guard>> done(count);
  for (std::size_t i = 0; i < count; ++i) {
    async_lock(m_, here(done[i], signals[i]));
  }
  async_lock(m_, here(first_.handler()));
  for (auto& signal : signals) {
    signal.emit(cancellation_type::terminal);
  }
  EXPECT_EQ(m_.statistics().waiters, 1U);
  poll(context_);
  for (const auto& d : done) {
    EXPECT_TRUE(d.was_aborted());
  }
  EXPECT_EQ(first_.calls, 0U);
  held_.unlock();
  poll(context_);
  EXPECT_TRUE(first_.succeeded());
}

// ------------------------------------------------------------------------------- in a coroutine

static asio::awaitable<void> take_totally(async_mutex& m, error_code& error, mutex_guard& guard) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  std::tie(error, guard) = co_await async_lock(m, asio::as_tuple(use_awaitable));
}
TEST_F(AsioCancellation, OfACoroutineGivesATupleWithoutAGuard) {
  error_code error;
  mutex_guard guard;
  asio::co_spawn(context_, take_totally(m_, error, guard),
                 asio::bind_cancellation_slot(signal_.slot(), corolock_test::rethrow()));
  poll(context_);
  signal_.emit(cancellation_type::total);
  poll(context_);
  EXPECT_EQ(error, asio::error::operation_aborted);
  EXPECT_FALSE(guard);
  EXPECT_EQ(m_.statistics().waiters, 0U);
}

static asio::awaitable<void> take(async_mutex& m, mutex_guard& guard) {
  guard = co_await async_lock(m, use_awaitable);
}
TEST_F(AsioCancellation, OfACoroutineThatWasGrantedPassesTheGrantOn) {
  error_code error;
  mutex_guard guard;
  asio::co_spawn(context_, take_totally(m_, error, guard),
                 asio::bind_cancellation_slot(signal_.slot(), corolock_test::rethrow()));
  poll(context_);
  async_lock(m_, here(second_.handler()));
  asio::post(context_, [&] {
    held_.unlock();
    signal_.emit(cancellation_type::total);
  });
  poll(context_);
  EXPECT_EQ(error, asio::error::operation_aborted);
  EXPECT_FALSE(guard);
  EXPECT_TRUE(second_.succeeded());
}

TEST_F(AsioCancellation, OfACoroutineBeforeItsFirstStepNeverAcquires) {
  held_.unlock();
  mutex_guard guard;
  asio::post(context_, [&] { signal_.emit(cancellation_type::terminal); });
  asio::co_spawn(context_, take(m_, guard),
                 asio::bind_cancellation_slot(signal_.slot(), corolock_test::rethrow()));
  EXPECT_THROW(poll(context_), boost::system::system_error);
  EXPECT_FALSE(guard);
  EXPECT_FALSE(m_.is_locked());
}

TEST_F(AsioCancellation, OfATypeThatTheCoroutineDoesNotEnableDoesNotReachTheWait) {
  mutex_guard guard;
  asio::co_spawn(context_, take(m_, guard),
                 asio::bind_cancellation_slot(signal_.slot(), corolock_test::rethrow()));
  poll(context_);
  signal_.emit(cancellation_type::total);
  held_.unlock();
  poll(context_);
  EXPECT_TRUE(guard);
}

// ---------------------------------------------------------------------- operator|| and operator&&

// A lock raced by a timer that has expired already, while the unlock comes so many turns later.
// Whoever wins: a guard that the race lost unlocks, and one that it won locks.
static asio::awaitable<void> race_by_timer(async_mutex& m) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_after(asio::steady_timer::duration::zero());
  std::variant<mutex_guard, std::monostate> winner =
      co_await (async_lock(m, use_awaitable) || timer.async_wait(use_awaitable));
  if (winner.index() == 0) {
    EXPECT_EQ(std::get<0>(winner).mutex(), &m);
    EXPECT_TRUE(m.is_locked());
  }
}
static asio::awaitable<void> unlock_later(mutex_guard guard, std::size_t turns) {
  co_await yield(turns);
  guard.unlock();
}
TEST(AsioRace, ATimerThatRacesAGrantNeverLeaksTheLock) {
  for (std::size_t turns = 0; turns < 12; ++turns) {
    for (int round = 0; round < 100; ++round) {
      asio::io_context context;
      async_mutex m;
      launch(context, unlock_later(m.try_lock(), turns));
      launch(context, race_by_timer(m));
      corolock_test::run(context);
      EXPECT_FALSE(m.is_locked());
      EXPECT_TRUE(m.try_lock());
    }
  }
}

// The same with an event in the timer's place, so that the order is ours: the grant and the event
// come in the same turn, in either order, `turns` after the race began.
static asio::awaitable<void> race_by_event(async_mutex& m, corolock::async_event& e,
                                           std::vector<std::size_t>& winners) {
  std::variant<mutex_guard, std::monostate> winner =
      co_await (async_lock(m, use_awaitable) || async_wait(e, use_awaitable));
  EXPECT_EQ(m.is_locked(), winner.index() == 0);
  winners.push_back(winner.index());
}
TEST(AsioRace, TheFirstOfAGrantAndAnEventWinsAndTheOtherLeavesNoTrace) {
  std::vector<std::size_t> winners;
  for (std::size_t turns = 0; turns < 12; ++turns) {
    for (const bool grant_first : {true, false}) {
      asio::io_context context;
      async_mutex m;
      corolock::async_event e;
      mutex_guard held = m.try_lock();
      launch(context, race_by_event(m, e, winners));
      for (std::size_t i = 0; i < turns; ++i) {
        context.poll_one();
      }
      if (grant_first) {
        held.unlock();
        e.set();
      } else {
        e.set();
        held.unlock();
      }
      context.run();
      EXPECT_FALSE(m.is_locked());
      EXPECT_EQ(e.statistics().waiters, 0U);
    }
  }
  EXPECT_THAT(winners, testing::Contains(0U));
  EXPECT_THAT(winners, testing::Contains(1U));
}

static asio::awaitable<void> race_by_lock(async_mutex& a, async_mutex& b, std::size_t& winner,
                                          mutex_guard& guard) {
  std::variant<mutex_guard, mutex_guard> won =
      co_await (async_lock(a, use_awaitable) || async_lock(b, use_awaitable));
  winner = won.index();
  guard = won.index() == 0 ? std::get<0>(std::move(won)) : std::get<1>(std::move(won));
}
TEST(AsioRace, TheFirstOfTwoLocksIsTakenAndTheOtherOneIsNot) {
  asio::io_context context;
  async_mutex a;
  async_mutex b;
  mutex_guard held_a = a.try_lock();
  mutex_guard held_b = b.try_lock();
  mutex_guard guard;
  std::size_t winner = 9;
  launch(context, race_by_lock(a, b, winner, guard));
  poll(context);
  held_b.unlock();
  held_a.unlock();  // granted too, and given back
  poll(context);
  EXPECT_EQ(winner, 1U);
  EXPECT_EQ(guard.mutex(), &b);
  EXPECT_FALSE(a.is_locked());
}

static asio::awaitable<void> take_both(async_mutex& a, async_mutex& b, bool& done) {
  const std::tuple<mutex_guard, mutex_guard> both =
      co_await (async_lock(a, use_awaitable) && async_lock(b, use_awaitable));
  done = true;
  EXPECT_EQ(std::get<0>(both).mutex(), &a);
  EXPECT_EQ(std::get<1>(both).mutex(), &b);
}
TEST(AsioRace, TwoLocksAreTakenTogetherByAnd) {
  asio::io_context context;
  async_mutex a;
  async_mutex b;
  mutex_guard held_a = a.try_lock();
  mutex_guard held_b = b.try_lock();
  bool done = false;
  launch(context, take_both(a, b, done));
  poll(context);
  held_b.unlock();
  poll(context);
  EXPECT_FALSE(done);
  EXPECT_TRUE(b.is_locked());
  held_a.unlock();
  poll(context);
  EXPECT_TRUE(done);
  EXPECT_FALSE(a.is_locked());
  EXPECT_FALSE(b.is_locked());
}

// The second of the two fails; the first had been granted its lock already.
static asio::awaitable<void> take_and_fail(async_mutex& m, corolock::async_semaphore& s,
                                           bool& closed) {
  try {
    std::tuple<mutex_guard, corolock::permit> both =
        co_await (async_lock(m, use_awaitable) && async_acquire(s, 1, use_awaitable));
  } catch (const boost::system::system_error& e) {
    closed = e.code() == corolock::errc::closed;
  }
}
TEST(AsioRace, ALockTakenByAndIsGivenBackWhenTheOtherWaitFails) {
  asio::io_context context;
  async_mutex m;
  corolock::async_semaphore s(0);
  bool closed = false;
  launch(context, take_and_fail(m, s, closed));
  poll(context);
  EXPECT_TRUE(m.is_locked());
  s.close();
  poll(context);
  EXPECT_TRUE(closed);
  EXPECT_FALSE(m.is_locked());
}

static asio::awaitable<void> race_for_units(corolock::async_semaphore& s) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_after(asio::steady_timer::duration::zero());
  std::variant<corolock::permit, std::monostate> winner =
      co_await (async_acquire(s, 2, use_awaitable) || timer.async_wait(use_awaitable));
  if (winner.index() == 0) {
    EXPECT_EQ(std::get<0>(winner).units(), 2U);
  }
}
static asio::awaitable<void> release_later([[maybe_unused]] corolock::permit units,
                                           std::size_t turns) {
  co_await yield(turns);
}
TEST(AsioRace, ATimerThatRacesAGrantLosesNoUnits) {
  for (std::size_t turns = 0; turns < 12; ++turns) {
    for (int round = 0; round < 50; ++round) {
      asio::io_context context;
      corolock::async_semaphore s(3, 3);
      launch(context, release_later(s.try_acquire(2), turns));
      launch(context, race_for_units(s));
      corolock_test::run(context);
      EXPECT_EQ(s.statistics().available, 3U);
      EXPECT_EQ(s.statistics().waiters, 0U);
    }
  }
}
