// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <corolock/async_condition.hpp>
#include <support/manual_executor.hpp>
#include <support/policies.hpp>
#include <support/task.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>
#include <stop_token>
#include <utility>
#include <vector>

using corolock_test::manual_executor;
using corolock_test::started;
using corolock_test::task;
using testing::ElementsAre;

template <class Threading>
class AsyncCondition : public testing::Test {
 protected:
  using mutex = corolock::basic_async_mutex<Threading>;
  using condition = corolock::basic_async_condition<Threading>;
  using guard = typename mutex::guard_type;
  using outcome = corolock::outcome<void>;

  // Locks, waits, records itself with the lock held.
  static task<> wait(AsyncCondition& t, int id) {
    guard g = co_await t.mutex_.async_lock();
    co_await t.condition_.async_wait(g);
    EXPECT_EQ(g.mutex(), &t.mutex_);
    EXPECT_TRUE(t.mutex_.is_locked());
    t.order_.push_back(id);
  }
  static task<> wait_on(AsyncCondition& t, manual_executor& e, int id) {
    guard g = co_await t.mutex_.async_lock().on(e);
    co_await t.condition_.async_wait(g).on(e);
    EXPECT_EQ(g.mutex(), &t.mutex_);
    t.order_.push_back(id);
  }
  static task<bool> wait(AsyncCondition& t, int id, std::stop_token token) {
    guard g = co_await t.mutex_.async_lock();
    const outcome o = co_await t.condition_.async_wait(g, token);
    EXPECT_EQ(g.mutex(), &t.mutex_);
    EXPECT_TRUE(t.mutex_.is_locked());
    t.order_.push_back(id);
    co_return o.has_value();
  }
  static task<bool> wait_on(AsyncCondition& t, manual_executor& e, int id, std::stop_token token) {
    guard g = co_await t.mutex_.async_lock().on(e);
    const outcome o = co_await t.condition_.async_wait(g, token).on(e);
    EXPECT_EQ(g.mutex(), &t.mutex_);
    t.order_.push_back(id);
    co_return o.has_value();
  }
  // Waits until value_ is at least `least`.
  static task<int> wait_for_value(AsyncCondition& t, int least) {
    guard g = co_await t.mutex_.async_lock();
    co_await t.condition_.async_wait(g, [&t, least] { return t.value_ >= least; });
    EXPECT_EQ(g.mutex(), &t.mutex_);
    co_return t.value_;
  }
  static task<int> wait_for_value_on(AsyncCondition& t, manual_executor& e, int least) {
    guard g = co_await t.mutex_.async_lock().on(e);
    co_await t.condition_.async_wait(g, [&t, least] { return t.value_ >= least; }).on(e);
    EXPECT_EQ(g.mutex(), &t.mutex_);
    co_return t.value_;
  }
  static task<bool> wait_for_value(AsyncCondition& t, int least, std::stop_token token) {
    guard g = co_await t.mutex_.async_lock();
    const outcome o =
        co_await t.condition_.async_wait(g, [&t, least] { return t.value_ >= least; }, token);
    EXPECT_EQ(g.mutex(), &t.mutex_);
    co_return o.has_value();
  }
  static task<> lock_then(AsyncCondition& t, std::function<void()> f) {
    const guard g = co_await t.mutex_.async_lock();
    f();
  }

  mutex mutex_;
  condition condition_;
  manual_executor executor_;
  std::vector<int> order_;
  int value_ = 0;
};
TYPED_TEST_SUITE(AsyncCondition, corolock_test::policies, corolock_test::policy_names);

TYPED_TEST(AsyncCondition, AWaitReleasesTheLockAndTakesItAgain) {
  const auto t = started(this->wait(*this, 0));
  EXPECT_FALSE(t.done());
  EXPECT_FALSE(this->mutex_.is_locked());
  EXPECT_EQ(this->condition_.statistics().waiters, 1U);
  this->condition_.notify_one();
  EXPECT_TRUE(t.done());
  EXPECT_THAT(this->order_, ElementsAre(0));
  EXPECT_FALSE(this->mutex_.is_locked());
}

TYPED_TEST(AsyncCondition, NotifyOneWakesThoseThatWaitedLongest) {
  std::vector<task<>> tasks;
  for (int id = 0; id < 3; ++id) {
    tasks.push_back(started(this->wait(*this, id)));
  }
  this->condition_.notify_one();
  EXPECT_THAT(this->order_, ElementsAre(0));
  this->condition_.notify_one();
  EXPECT_THAT(this->order_, ElementsAre(0, 1));
  this->condition_.notify_one();
  EXPECT_THAT(this->order_, ElementsAre(0, 1, 2));
  this->condition_.notify_one();
}

TYPED_TEST(AsyncCondition, NotifyAllWakesAllInOrder) {
  std::vector<task<>> tasks;
  for (int id = 0; id < 4; ++id) {
    tasks.push_back(started(this->wait(*this, id)));
  }
  this->condition_.notify_all();
  EXPECT_THAT(this->order_, ElementsAre(0, 1, 2, 3));
}

TYPED_TEST(AsyncCondition, TwoNotificationsInOneTurnWakeTwoWaiters) {
  const auto a = started(this->wait_on(*this, this->executor_, 0));
  const auto b = started(this->wait_on(*this, this->executor_, 1));
  const auto c = started(this->wait_on(*this, this->executor_, 2));
  this->condition_.notify_one();
  this->condition_.notify_one();
  this->executor_.run_all();
  EXPECT_THAT(this->order_, ElementsAre(0, 1));
  EXPECT_FALSE(c.done());
}

TYPED_TEST(AsyncCondition, ANotificationIsNotRememberedForLaterWaiters) {
  this->condition_.notify_one();
  this->condition_.notify_all();
  EXPECT_FALSE(started(this->wait(*this, 0)).done());
}

TYPED_TEST(AsyncCondition, NotifiedWaitersQueueBehindThoseThatWaitForTheLock) {
  const auto a = started(this->wait_on(*this, this->executor_, 0));
  auto g = this->mutex_.try_lock();
  const auto b = started(this->lock_then(*this, [&] { this->order_.push_back(1); }));
  this->condition_.notify_one();
  EXPECT_FALSE(a.done());
  EXPECT_EQ(this->mutex_.statistics().waiters, 2U);
  g.unlock();
  this->executor_.run_all();
  EXPECT_THAT(this->order_, ElementsAre(1, 0));
}

TYPED_TEST(AsyncCondition, NotifyWithTheLockHeldRunsNobodyUntilTheUnlock) {
  const auto t = started(this->wait(*this, 0));
  auto g = this->mutex_.try_lock();
  this->condition_.notify_all();
  EXPECT_FALSE(t.done());
  g.unlock();
  EXPECT_TRUE(t.done());
}

TYPED_TEST(AsyncCondition, ATaskThatNotifiesFromInsideTheLockThatTheWaitReleasedIsServed) {
  // The wait unlocks, which runs the next owner at once; that one uses the condition.
  auto g = this->mutex_.try_lock();
  const auto a = started(this->wait(*this, 0));
  const auto b = started(this->lock_then(*this, [&] {
    this->condition_.notify_all();
    this->order_.push_back(1);
  }));
  g.unlock();
  EXPECT_TRUE(a.done() && b.done());
  EXPECT_THAT(this->order_, ElementsAre(1, 0));
}

TYPED_TEST(AsyncCondition, NotifyNeedsNoLock) {
  this->condition_.notify_one();
  this->condition_.notify_all();
  EXPECT_EQ(this->condition_.statistics().waiters, 0U);
}

TYPED_TEST(AsyncCondition, SeveralConditionsShareOneMutex) {
  typename TestFixture::condition other;
  auto wait_other = [](auto& t, auto& c) -> task<> {
    auto g = co_await t.mutex_.async_lock();
    co_await c.async_wait(g);
    t.order_.push_back(1);
  };
  const auto a = started(this->wait(*this, 0));
  const auto b = started(wait_other(*this, other));
  other.notify_all();
  EXPECT_THAT(this->order_, ElementsAre(1));
  this->condition_.notify_all();
  EXPECT_THAT(this->order_, ElementsAre(1, 0));
}

TYPED_TEST(AsyncCondition, NotifyOnlyPostsToTheExecutorOfTheWait) {
  const auto t = started(this->wait_on(*this, this->executor_, 0));
  this->condition_.notify_one();
  EXPECT_FALSE(t.done());
  EXPECT_TRUE(this->mutex_.is_locked());
  EXPECT_EQ(this->executor_.run_all(), 1U);
  EXPECT_TRUE(t.done());
}

TYPED_TEST(AsyncCondition, ATaskMayEndBeforeTheUnlockOfItsOwnWaitHasReturned) {
  // Without an executor the wait runs the next owner, which notifies, and then the waiter itself.
  auto wait_detached = [](auto& t, int& ended) -> corolock_test::detached {
    auto g = co_await t.mutex_.async_lock();
    co_await t.condition_.async_wait(g);
    ++ended;
  };
  int ended = 0;
  auto g = this->mutex_.try_lock();
  wait_detached(*this, ended);
  const auto b = started(this->lock_then(*this, [&] { this->condition_.notify_one(); }));
  g.unlock();
  EXPECT_TRUE(b.done());
  EXPECT_EQ(ended, 1);
}

// --------------------------------------------------------------------------------- predicate

TYPED_TEST(AsyncCondition, AWaitForWhatIsTrueAlreadyKeepsTheLockAndDoesNotSuspend) {
  this->value_ = 3;
  auto t = started(this->wait_for_value(*this, 3));
  ASSERT_TRUE(t.done());
  EXPECT_EQ(t.result(), 3);
}

TYPED_TEST(AsyncCondition, AWaitForAPredicateGoesOnUntilItIsTrue) {
  auto t = started(this->wait_for_value(*this, 2));
  for (; this->value_ < 2; ++this->value_) {
    this->condition_.notify_all();
    EXPECT_FALSE(t.done());
    EXPECT_FALSE(this->mutex_.is_locked());
    EXPECT_EQ(this->condition_.statistics().waiters, 1U);
  }
  this->condition_.notify_all();
  EXPECT_EQ(t.result(), 2);
}

TYPED_TEST(AsyncCondition, AWaitForAPredicateGoesOnUntilItIsTrueOnAnExecutor) {
  auto a = started(this->wait_for_value_on(*this, this->executor_, 1));
  auto b = started(this->wait_for_value_on(*this, this->executor_, 2));
  this->condition_.notify_all();
  this->executor_.run_all();
  EXPECT_FALSE(a.done() || b.done());
  this->value_ = 1;
  this->condition_.notify_all();
  this->executor_.run_all();
  EXPECT_TRUE(a.done());
  EXPECT_FALSE(b.done());
  this->value_ = 2;
  this->condition_.notify_all();
  this->executor_.run_all();
  EXPECT_TRUE(b.done());
}

TYPED_TEST(AsyncCondition, APredicateIsCalledWithTheLockHeld) {
  int calls = 0;
  auto check = [](auto& t, int& count) -> task<> {
    auto g = co_await t.mutex_.async_lock();
    co_await t.condition_.async_wait(g, [&t, &count] {
      EXPECT_TRUE(t.mutex_.is_locked());
      EXPECT_FALSE(t.mutex_.try_lock());
      return ++count == 3;
    });
  };
  const auto t = started(check(*this, calls));
  this->condition_.notify_one();
  this->condition_.notify_one();
  EXPECT_TRUE(t.done());
  EXPECT_EQ(calls, 3);
}

TYPED_TEST(AsyncCondition, WhatThePredicateThrowsComesOutOfTheWaitWithTheLockHeld) {
  auto check = [](auto& t, int throw_at) -> task<> {
    auto g = co_await t.mutex_.async_lock();
    int call = 0;
    EXPECT_THROW(
        {
          co_await t.condition_.async_wait(g, [&]() -> bool {
            if (++call == throw_at) {
              throw std::runtime_error("predicate");
            }
            return false;
          });
        },
        std::runtime_error);
    EXPECT_EQ(g.mutex(), &t.mutex_);
  };
  auto at_once = started(check(*this, 1));
  EXPECT_TRUE(at_once.done());
  auto later = started(check(*this, 2));
  EXPECT_FALSE(later.done());
  this->condition_.notify_one();
  EXPECT_TRUE(later.done());
  EXPECT_FALSE(this->mutex_.is_locked());
}

// ------------------------------------------------------------------------------ cancellation

TYPED_TEST(AsyncCondition, AStoppedWaitTakesTheLockAgainFirst) {
  std::stop_source stop;
  auto t = started(this->wait(*this, 0, stop.get_token()));
  auto g = this->mutex_.try_lock();
  stop.request_stop();
  EXPECT_FALSE(t.done());
  EXPECT_EQ(this->condition_.statistics().waiters, 0U);
  g.unlock();
  EXPECT_FALSE(t.result());
  EXPECT_FALSE(this->mutex_.is_locked());
}

TYPED_TEST(AsyncCondition, AStopDuringTheWaitForTheLockIsNotLostAndTheLockIsHeld) {
  // Stopped twice, in a way: by its own token, and while it waits for the lock again.
  std::stop_source stop;
  const auto a = started(this->wait_on(*this, this->executor_, 0, stop.get_token()));
  auto g = this->mutex_.try_lock();
  stop.request_stop();
  stop.request_stop();
  EXPECT_EQ(this->mutex_.statistics().waiters, 1U);
  g.unlock();
  this->executor_.run_all();
  EXPECT_TRUE(a.done());
  EXPECT_THAT(this->order_, ElementsAre(0));
}

TYPED_TEST(AsyncCondition, AWaitThatWasNotifiedFirstIsNotStopped) {
  std::stop_source stop;
  auto t = started(this->wait_on(*this, this->executor_, 0, stop.get_token()));
  auto g = this->mutex_.try_lock();
  this->condition_.notify_one();
  stop.request_stop();
  g.unlock();
  stop.request_stop();
  this->executor_.run_all();
  EXPECT_TRUE(t.result());
}

TYPED_TEST(AsyncCondition, AStoppedWaitTakesNoNotificationFromTheOthers) {
  std::stop_source stop;
  auto a = started(this->wait_on(*this, this->executor_, 0, stop.get_token()));
  const auto b = started(this->wait_on(*this, this->executor_, 1));
  stop.request_stop();
  this->condition_.notify_one();
  this->executor_.run_all();
  EXPECT_FALSE(a.result());
  EXPECT_TRUE(b.done());
}

TYPED_TEST(AsyncCondition, AStoppedTokenEndsTheWaitAtOnceWithTheLockHeld) {
  std::stop_source stop;
  stop.request_stop();
  auto t = started(this->wait(*this, 0, stop.get_token()));
  ASSERT_TRUE(t.done());
  EXPECT_FALSE(t.result());
}

TYPED_TEST(AsyncCondition, APredicateThatIsTrueGoesBeforeAStop) {
  std::stop_source stop;
  auto a = started(this->wait_for_value(*this, 1, stop.get_token()));
  this->value_ = 1;
  stop.request_stop();
  EXPECT_TRUE(a.result());
  auto b = started(this->wait_for_value(*this, 1, stop.get_token()));
  EXPECT_TRUE(b.result());
}

TYPED_TEST(AsyncCondition, APredicateThatIsStillFalseEndsWithTheStop) {
  std::stop_source stop;
  auto a = started(this->wait_for_value(*this, 1, stop.get_token()));
  stop.request_stop();
  EXPECT_FALSE(a.result());
  auto b = started(this->wait_for_value(*this, 1, stop.get_token()));
  EXPECT_FALSE(b.result());
}

TYPED_TEST(AsyncCondition, AStopAfterANotificationThatDidNotSufficeEndsTheWait) {
  std::stop_source stop;
  auto a = started(this->wait_for_value(*this, 1, stop.get_token()));
  auto g = this->mutex_.try_lock();
  this->condition_.notify_one();
  stop.request_stop();
  g.unlock();
  EXPECT_FALSE(a.result());
}

// -------------------------------------------------------------------------- destroyed frames

TYPED_TEST(AsyncCondition, AWaiterDestroyedInTheQueueLeavesItAndHoldsNothing) {
  auto a = started(this->wait(*this, 0));
  const auto b = started(this->wait(*this, 1));
  a.destroy();
  EXPECT_EQ(this->condition_.statistics().waiters, 1U);
  EXPECT_FALSE(this->mutex_.is_locked());
  this->condition_.notify_one();
  EXPECT_THAT(this->order_, ElementsAre(1));
}

TYPED_TEST(AsyncCondition, ANotificationGoesOnWhenItsWaiterIsDestroyedBeforeItRan) {
  auto a = started(this->wait_on(*this, this->executor_, 0));
  const auto b = started(this->wait_on(*this, this->executor_, 1));
  this->condition_.notify_one();
  EXPECT_TRUE(this->executor_.drop(a.address()));
  a.destroy();
  this->executor_.run_all();
  EXPECT_TRUE(b.done());
  EXPECT_FALSE(this->mutex_.is_locked());
}

TYPED_TEST(AsyncCondition, ANotificationGoesOnWhenItsWaiterIsDestroyedWhileItWaitsForTheLock) {
  auto a = started(this->wait(*this, 0));
  const auto b = started(this->wait(*this, 1));
  auto g = this->mutex_.try_lock();
  this->condition_.notify_one();
  a.destroy();
  g.unlock();
  EXPECT_THAT(this->order_, ElementsAre(1));
}

TYPED_TEST(AsyncCondition, AStoppedWaiterThatIsDestroyedNotifiesNobody) {
  std::stop_source stop;
  auto a = started(this->wait_on(*this, this->executor_, 0, stop.get_token()));
  const auto b = started(this->wait_on(*this, this->executor_, 1));
  stop.request_stop();
  EXPECT_TRUE(this->executor_.drop(a.address()));
  a.destroy();
  this->executor_.run_all();
  EXPECT_FALSE(b.done());
  EXPECT_FALSE(this->mutex_.is_locked());
}

TYPED_TEST(AsyncCondition, AFrameWithAPredicateMayBeDestroyedBeforeItRan) {
  auto a = started(this->wait_for_value_on(*this, this->executor_, 1));
  auto b = started(this->wait_for_value_on(*this, this->executor_, 1));
  this->condition_.notify_all();
  EXPECT_TRUE(this->executor_.drop(a.address()));
  a.destroy();
  this->value_ = 1;
  this->executor_.run_all();
  EXPECT_TRUE(b.done());
}

TYPED_TEST(AsyncCondition, AnExceptionAfterTheWaitUnlocks) {
  auto fail = [](auto& t) -> task<> {
    auto g = co_await t.mutex_.async_lock();
    co_await t.condition_.async_wait(g);
    throw std::runtime_error("body");
  };
  auto t = started(fail(*this));
  this->condition_.notify_all();
  EXPECT_THROW(t.result(), std::runtime_error);
  EXPECT_FALSE(this->mutex_.is_locked());
}

// ------------------------------------------------------------------------------------- misuse

template <class Threading>
class AsyncConditionDeathTest : public AsyncCondition<Threading> {};
TYPED_TEST_SUITE(AsyncConditionDeathTest, corolock_test::policies, corolock_test::policy_names);

TYPED_TEST(AsyncConditionDeathTest, WaitingWithoutTheLockIsMisuse) {
  auto wait = [](auto& c, auto& g) -> task<> { co_await c.async_wait(g); };
  EXPECT_DEATH(
      {
        typename TestFixture::guard none;
        started(wait(this->condition_, none)).destroy();
      },
      "async_wait\\(\\) of an async_condition with a guard that holds no lock");
}

TYPED_TEST(AsyncConditionDeathTest, DestroyingItUnderItsWaitersIsMisuse) {
  auto wait = [](auto& m, auto& c) -> task<> {
    auto g = co_await m.async_lock();
    co_await c.async_wait(g);
  };
  EXPECT_DEATH(
      {
        task<> t;
        typename TestFixture::condition c;
        t = started(wait(this->mutex_, c));
      },
      "an async_condition was destroyed while tasks waited for it");
}
