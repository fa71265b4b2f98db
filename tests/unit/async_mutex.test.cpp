// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <corolock/async_mutex.hpp>
#include <support/manual_executor.hpp>
#include <support/policies.hpp>
#include <support/task.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <concepts>
#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

using corolock_test::manual_executor;
using corolock_test::started;
using corolock_test::task;
using testing::ElementsAre;

template <class Threading>
class AsyncMutex : public testing::Test {
 protected:
  using mutex = corolock::basic_async_mutex<Threading>;
  using guard = typename mutex::guard_type;
  using stopped_or_guard = corolock::outcome<guard>;

  // Tasks that end with the guard in their result; the test decides when it is dropped.
  static task<guard> lock(mutex& m) {
    guard g = co_await m.async_lock();
    co_return g;
  }
  static task<stopped_or_guard> lock(mutex& m, std::stop_token token) {
    stopped_or_guard g = co_await m.async_lock(token);
    co_return g;
  }
  static task<guard> lock_on(mutex& m, manual_executor& e) {
    guard g = co_await m.async_lock().on(e);
    co_return g;
  }
  static task<stopped_or_guard> lock_on(mutex& m, manual_executor& e, std::stop_token token) {
    stopped_or_guard g = co_await m.async_lock(token).on(e);
    co_return g;
  }
  static task<guard, manual_executor> lock_by_promise(mutex& m, manual_executor&) {
    guard g = co_await m.async_lock();
    co_return g;
  }

  // Locks, does something, unlocks.
  static task<> locked(mutex& m, std::function<void()> f) {
    const guard g = co_await m.async_lock();
    f();
  }
  // Locks, unlocks, then does something, while it still runs on the trampoline that resumed it.
  static task<> locked_then(mutex& m, std::function<void()> f) {
    {
      const guard g = co_await m.async_lock();
    }
    f();
  }
  static task<> append(mutex& m, std::vector<int>& order, int id) {
    const guard g = co_await m.async_lock();
    order.push_back(id);
  }
  static task<> append_on(mutex& m, manual_executor& e, std::vector<int>& order, int id) {
    const guard g = co_await m.async_lock().on(e);
    order.push_back(id);
  }

  mutex m_;
  manual_executor executor_;
  std::vector<int> order_;
};
TYPED_TEST_SUITE(AsyncMutex, corolock_test::policies, corolock_test::policy_names);

// -------------------------------------------------------------------------------- the fast path

TYPED_TEST(AsyncMutex, IsFreeAtFirst) {
  EXPECT_FALSE(this->m_.is_locked());
  auto t = started(this->lock(this->m_));
  ASSERT_TRUE(t.done());
  EXPECT_TRUE(this->m_.is_locked());
  t.destroy();
  EXPECT_FALSE(this->m_.is_locked());
}

TYPED_TEST(AsyncMutex, AFreeMutexIsLockedWithoutSuspending) {
  EXPECT_TRUE(started(this->lock(this->m_)).done());
  EXPECT_TRUE(started(this->lock(this->m_, std::stop_token())).done());
  EXPECT_TRUE(started(this->lock_on(this->m_, this->executor_)).done());
  EXPECT_TRUE(started(this->lock_by_promise(this->m_, this->executor_)).done());
  EXPECT_EQ(this->executor_.size(), 0U);
}

TYPED_TEST(AsyncMutex, AFreeMutexIsLockedAThousandTimesBeforeAnybodyElseRuns) {
  auto many_times = [](auto& m, int& count) -> task<> {
    for (; count < 1000; ++count) {
      auto g = co_await m.async_lock();
    }
  };
  int count = 0;
  const auto t = started(many_times(this->m_, count));
  EXPECT_TRUE(t.done());
  EXPECT_EQ(count, 1000);
}

TYPED_TEST(AsyncMutex, TryLockTakesAFreeMutexOnly) {
  auto g = this->m_.try_lock();
  EXPECT_TRUE(g);
  EXPECT_FALSE(this->m_.try_lock());
  g.unlock();
  EXPECT_TRUE(this->m_.try_lock());
}

TYPED_TEST(AsyncMutex, AFreeMutexIsLockedThoughAllEarlierWaitersWereStopped) {
  std::stop_source stop;
  auto g = this->m_.try_lock();
  const auto a = started(this->lock(this->m_, stop.get_token()));
  const auto b = started(this->lock(this->m_, stop.get_token()));
  stop.request_stop();
  g.unlock();
  EXPECT_TRUE(started(this->lock(this->m_)).done());
}

// ------------------------------------------------------------------------------------- order

TYPED_TEST(AsyncMutex, ALockedMutexMakesATaskWait) {
  auto g = this->m_.try_lock();
  auto t = started(this->lock(this->m_));
  EXPECT_FALSE(t.done());
  g.unlock();
  ASSERT_TRUE(t.done());
  EXPECT_TRUE(t.result());
}

TYPED_TEST(AsyncMutex, WaitersAreServedInOrderOfArrival) {
  auto g = this->m_.try_lock();
  std::vector<task<>> tasks;
  for (int id = 0; id < 5; ++id) {
    tasks.push_back(started(this->append(this->m_, this->order_, id)));
  }
  g.unlock();
  EXPECT_THAT(this->order_, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_FALSE(this->m_.is_locked());
}

TYPED_TEST(AsyncMutex, WaitersWithAndWithoutExecutorShareOneOrder) {
  auto g = this->m_.try_lock();
  const auto a = started(this->append(this->m_, this->order_, 0));
  const auto b = started(this->append_on(this->m_, this->executor_, this->order_, 1));
  const auto c = started(this->append(this->m_, this->order_, 2));
  g.unlock();
  EXPECT_THAT(this->order_, ElementsAre(0));
  this->executor_.run_all();
  EXPECT_THAT(this->order_, ElementsAre(0, 1, 2));
}

TYPED_TEST(AsyncMutex, AWaiterThatIsStoppedKeepsTheOrderOfTheOthers) {
  auto g = this->m_.try_lock();
  std::stop_source stop;
  const auto a = started(this->append(this->m_, this->order_, 0));
  const auto b = started(this->lock(this->m_, stop.get_token()));
  const auto c = started(this->append(this->m_, this->order_, 2));
  stop.request_stop();
  const auto d = started(this->append(this->m_, this->order_, 3));
  g.unlock();
  EXPECT_THAT(this->order_, ElementsAre(0, 2, 3));
}

TYPED_TEST(AsyncMutex, TheLastWaiterIsStoppedAndTheNextArrivalIsServedInItsTurn) {
  auto g = this->m_.try_lock();
  std::stop_source stop;
  const auto a = started(this->append(this->m_, this->order_, 0));
  const auto b = started(this->lock(this->m_, stop.get_token()));
  stop.request_stop();
  const auto c = started(this->append(this->m_, this->order_, 1));
  g.unlock();
  EXPECT_THAT(this->order_, ElementsAre(0, 1));
}

// Between the hand-over and the moment at which the new owner runs.

TYPED_TEST(AsyncMutex, ItIsHeldFromTheMomentOfTheHandOver) {
  auto g = this->m_.try_lock();
  const auto a = started(this->lock_on(this->m_, this->executor_));
  g.unlock();
  EXPECT_FALSE(a.done());
  EXPECT_TRUE(this->m_.is_locked());
  EXPECT_EQ(this->m_.statistics().waiters, 0U);
  this->executor_.run_all();
  EXPECT_TRUE(a.done());
}

TYPED_TEST(AsyncMutex, TryLockDoesNotOvertakeAWokenWaiter) {
  auto g = this->m_.try_lock();
  auto a = started(this->lock_on(this->m_, this->executor_));
  g.unlock();
  EXPECT_FALSE(this->m_.try_lock());
  this->executor_.run_all();
  EXPECT_TRUE(a.result());
}

TYPED_TEST(AsyncMutex, TryLockDoesNotOvertakeAWokenWaiterOnTheTrampoline) {
  auto g = this->m_.try_lock();
  bool overtaken = true;
  const auto a = started(this->locked_then(this->m_, [&] { overtaken = !!this->m_.try_lock(); }));
  const auto b = started(this->append(this->m_, this->order_, 1));
  g.unlock();
  EXPECT_FALSE(overtaken);
  EXPECT_THAT(this->order_, ElementsAre(1));
}

TYPED_TEST(AsyncMutex, ANewcomerDoesNotOvertakeAWokenWaiter) {
  auto g = this->m_.try_lock();
  const auto a = started(this->append_on(this->m_, this->executor_, this->order_, 0));
  g.unlock();
  const auto b = started(this->append(this->m_, this->order_, 1));
  EXPECT_FALSE(b.done());
  this->executor_.run_all();
  EXPECT_THAT(this->order_, ElementsAre(0, 1));
}

TYPED_TEST(AsyncMutex, ATaskThatLocksAgainQueuesBehindTheOthers) {
  auto twice = [](auto& m, manual_executor& e, std::vector<int>& order) -> task<> {
    for (int i = 0; i < 2; ++i) {
      auto g = co_await m.async_lock().on(e);
      order.push_back(0);
    }
  };
  auto g = this->m_.try_lock();
  const auto a = started(twice(this->m_, this->executor_, this->order_));
  const auto b = started(this->append_on(this->m_, this->executor_, this->order_, 1));
  g.unlock();
  this->executor_.run_all();
  EXPECT_THAT(this->order_, ElementsAre(0, 1, 0));
}

// ------------------------------------------------------------------------------ cancellation

TYPED_TEST(AsyncMutex, AStoppedWaiterLeavesTheQueueAndEndsWithStopped) {
  auto g = this->m_.try_lock();
  std::stop_source stop;
  auto t = started(this->lock(this->m_, stop.get_token()));
  EXPECT_EQ(this->m_.statistics().waiters, 1U);
  stop.request_stop();
  EXPECT_EQ(this->m_.statistics().waiters, 0U);
  ASSERT_TRUE(t.done());
  EXPECT_EQ(t.result().error(), corolock::errc::stopped);
  g.unlock();
  EXPECT_FALSE(this->m_.is_locked());
}

TYPED_TEST(AsyncMutex, AWaiterStoppedButNotYetRunIsNotChosenByUnlock) {
  auto g = this->m_.try_lock();
  std::stop_source stop;
  auto a = started(this->lock_on(this->m_, this->executor_, stop.get_token()));
  auto b = started(this->lock_on(this->m_, this->executor_));
  stop.request_stop();
  g.unlock();
  EXPECT_EQ(this->executor_.run_all(), 2U);
  EXPECT_EQ(a.result().error(), corolock::errc::stopped);
  EXPECT_TRUE(b.result());
}

TYPED_TEST(AsyncMutex, AGrantPassesOnWhenItsWaiterIsStoppedBeforeItRan) {
  auto g = this->m_.try_lock();
  std::stop_source stop;
  auto a = started(this->lock_on(this->m_, this->executor_, stop.get_token()));
  auto b = started(this->lock_on(this->m_, this->executor_));
  g.unlock();
  stop.request_stop();
  EXPECT_TRUE(this->m_.is_locked());
  EXPECT_EQ(this->executor_.run_all(), 2U);
  EXPECT_EQ(a.result().error(), corolock::errc::stopped);
  EXPECT_TRUE(b.result());
  EXPECT_FALSE(this->m_.is_locked());
}

TYPED_TEST(AsyncMutex, AGrantPassesOnWhenItsWaiterIsStoppedOnTheTrampoline) {
  auto g = this->m_.try_lock();
  std::stop_source stop;
  const auto a = started(this->locked_then(this->m_, [&] { stop.request_stop(); }));
  auto b = started(this->lock(this->m_, stop.get_token()));
  const auto c = started(this->append(this->m_, this->order_, 2));
  g.unlock();
  EXPECT_EQ(b.result().error(), corolock::errc::stopped);
  EXPECT_THAT(this->order_, ElementsAre(2));
  EXPECT_FALSE(this->m_.is_locked());
}

TYPED_TEST(AsyncMutex, AGrantThatIsStoppedFreesTheMutexIfNobodyElseWaits) {
  auto g = this->m_.try_lock();
  std::stop_source stop;
  const auto a = started(this->lock_on(this->m_, this->executor_, stop.get_token()));
  g.unlock();
  stop.request_stop();
  EXPECT_FALSE(this->m_.is_locked());
  this->executor_.run_all();
  EXPECT_FALSE(this->m_.is_locked());
}

TYPED_TEST(AsyncMutex, StopAndUnlockTogetherLetOneTaskIn) {
  auto g = this->m_.try_lock();
  std::stop_source stop;
  auto a = started(this->lock_on(this->m_, this->executor_, stop.get_token()));
  const auto b = started(this->lock_on(this->m_, this->executor_));
  const auto c = started(this->lock_on(this->m_, this->executor_));
  stop.request_stop();
  g.unlock();
  this->executor_.run_all();
  EXPECT_EQ(a.result().error(), corolock::errc::stopped);
  EXPECT_TRUE(b.done());
  EXPECT_FALSE(c.done());
  EXPECT_EQ(this->m_.statistics().waiters, 1U);
}

TYPED_TEST(AsyncMutex, StoppingAWaiterWhileAnotherTaskHoldsTheLockWakesNobody) {
  const auto g = this->m_.try_lock();
  std::stop_source stop;
  const auto a = started(this->lock_on(this->m_, this->executor_, stop.get_token()));
  auto b = started(this->lock_on(this->m_, this->executor_));
  auto c = started(this->lock(this->m_));
  stop.request_stop();
  EXPECT_EQ(this->executor_.run_all(), 1U);
  EXPECT_TRUE(a.done());
  EXPECT_FALSE(b.done());
  EXPECT_FALSE(c.done());
  c.destroy();
  b.destroy();
}

TYPED_TEST(AsyncMutex, StoppingAllWaitersAtOnceEmptiesTheQueueAndGrantsNothing) {
  auto g = this->m_.try_lock();
  std::stop_source stop;
  std::vector<task<typename TestFixture::stopped_or_guard>> tasks;
  for (int i = 0; i < 100; ++i) {
    tasks.push_back(started(this->lock_on(this->m_, this->executor_, stop.get_token())));
  }
  stop.request_stop();
  EXPECT_EQ(this->m_.statistics().waiters, 0U);
  EXPECT_EQ(this->executor_.run_all(), 100U);
  for (auto& t : tasks) {
    EXPECT_FALSE(t.result());
  }
  EXPECT_TRUE(this->m_.is_locked());
}

TYPED_TEST(AsyncMutex, AStoppedTokenNeverAcquires) {
  std::stop_source stop;
  stop.request_stop();
  auto t = started(this->lock(this->m_, stop.get_token()));
  ASSERT_TRUE(t.done());
  EXPECT_EQ(t.result().error(), corolock::errc::stopped);
  EXPECT_FALSE(this->m_.is_locked());
}

TYPED_TEST(AsyncMutex, AStopThatComesTooLateChangesNothing) {
  std::stop_source stop;
  auto t = started(this->lock(this->m_, stop.get_token()));
  stop.request_stop();
  EXPECT_TRUE(t.result());
}

TYPED_TEST(AsyncMutex, ATokenThatCannotBeStoppedWaitsLikeAnyOther) {
  auto g = this->m_.try_lock();
  auto t = started(this->lock(this->m_, std::stop_token()));
  g.unlock();
  EXPECT_TRUE(t.result());
}

TYPED_TEST(AsyncMutex, TheStopCallbackIsGoneOnceTheWaitIsOver) {
  auto g = this->m_.try_lock();
  std::stop_source stop;
  auto t = started(this->lock(this->m_, stop.get_token()));
  g.unlock();
  auto held = t.result();
  t.destroy();
  stop.request_stop();
  EXPECT_TRUE(this->m_.is_locked());
}

// ------------------------------------------------------------------------- destroyed frames

TYPED_TEST(AsyncMutex, AWaiterDestroyedInTheQueueLeavesIt) {
  auto g = this->m_.try_lock();
  std::vector<task<>> tasks;
  for (int id = 0; id < 5; ++id) {
    tasks.push_back(started(this->append(this->m_, this->order_, id)));
  }
  tasks[2].destroy();
  tasks[0].destroy();
  tasks[4].destroy();
  EXPECT_EQ(this->m_.statistics().waiters, 2U);
  tasks.push_back(started(this->append(this->m_, this->order_, 5)));
  g.unlock();
  EXPECT_THAT(this->order_, ElementsAre(1, 3, 5));
}

TYPED_TEST(AsyncMutex, AWaiterWithAnExecutorDestroyedInTheQueueLeavesIt) {
  auto g = this->m_.try_lock();
  std::stop_source stop;
  auto a = started(this->lock_on(this->m_, this->executor_));
  auto b = started(this->lock_on(this->m_, this->executor_, stop.get_token()));
  auto c = started(this->lock_by_promise(this->m_, this->executor_));
  a.destroy();
  b.destroy();
  g.unlock();
  EXPECT_EQ(this->executor_.run_all(), 1U);
  EXPECT_TRUE(c.result());
}

TYPED_TEST(AsyncMutex, AGrantPassesOnWhenItsFrameIsDestroyedBeforeItRan) {
  auto g = this->m_.try_lock();
  auto a = started(this->lock_on(this->m_, this->executor_));
  auto b = started(this->lock_on(this->m_, this->executor_));
  g.unlock();
  EXPECT_TRUE(this->executor_.drop(a.address()));
  a.destroy();
  this->executor_.run_all();
  EXPECT_TRUE(b.result());
  EXPECT_FALSE(this->m_.is_locked());
}

TYPED_TEST(AsyncMutex, AGrantPassesOnWhenItsFrameIsDestroyedOnTheTrampoline) {
  auto g = this->m_.try_lock();
  task<> b;
  task<typename TestFixture::stopped_or_guard> c;
  std::stop_source stop;
  // It hands over to b and destroys b, which passes on to c; it destroys c, which passes on to d.
  const auto a = started(this->locked_then(this->m_, [&] {
    b.destroy();
    c.destroy();
  }));
  b = started(this->append(this->m_, this->order_, 1));
  c = started(this->lock(this->m_, stop.get_token()));
  const auto d = started(this->append(this->m_, this->order_, 3));
  g.unlock();
  EXPECT_THAT(this->order_, ElementsAre(3));
  EXPECT_FALSE(this->m_.is_locked());
}

TYPED_TEST(AsyncMutex, AWaiterThatWasStoppedMayBeDestroyedBeforeItRan) {
  auto g = this->m_.try_lock();
  std::stop_source stop;
  auto a = started(this->lock_on(this->m_, this->executor_, stop.get_token()));
  auto b = started(this->lock_on(this->m_, this->executor_));
  stop.request_stop();
  EXPECT_TRUE(this->executor_.drop(a.address()));
  a.destroy();
  g.unlock();
  this->executor_.run_all();
  EXPECT_TRUE(b.result());
}

TYPED_TEST(AsyncMutex, AStoppedWaiterNeedsNoMutexToBeDestroyed) {
  std::optional<typename TestFixture::mutex> m(std::in_place);
  auto g = m->try_lock();
  std::stop_source stop;
  auto a = started(this->lock_on(*m, this->executor_, stop.get_token()));
  stop.request_stop();
  g.unlock();
  m.reset();
  EXPECT_TRUE(this->executor_.drop(a.address()));
  a.destroy();
}

TYPED_TEST(AsyncMutex, AnAwaiterThatIsNeverAwaitedAcquiresNothing) {
  {
    [[maybe_unused]] auto a = this->m_.async_lock();
    [[maybe_unused]] auto b = this->m_.async_lock(std::stop_token());
  }
  EXPECT_FALSE(this->m_.is_locked());
}

// ------------------------------------------------------------------------------------ guards

TYPED_TEST(AsyncMutex, ADroppedGrantUnlocks) {
  auto drop = [](auto& m) -> task<> { static_cast<void>(co_await m.async_lock()); };
  EXPECT_TRUE(started(drop(this->m_)).done());
  EXPECT_FALSE(this->m_.is_locked());
  static_cast<void>(this->m_.try_lock());
  EXPECT_FALSE(this->m_.is_locked());
}

TYPED_TEST(AsyncMutex, ADroppedOutcomeUnlocks) {
  auto t = started(this->lock(this->m_, std::stop_token()));
  EXPECT_TRUE(this->m_.is_locked());
  static_cast<void>(t.result());
  EXPECT_FALSE(this->m_.is_locked());
}

TYPED_TEST(AsyncMutex, AMovedGuardUnlocksOnce) {
  {
    auto a = this->m_.try_lock();
    const auto b = std::move(a);
    EXPECT_FALSE(a);  // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(b.mutex(), &this->m_);
    a.unlock();
    EXPECT_TRUE(this->m_.is_locked());
  }
  EXPECT_FALSE(this->m_.is_locked());
}

TYPED_TEST(AsyncMutex, AssigningToAGuardUnlocksWhatItHeld) {
  typename TestFixture::mutex other;
  auto a = this->m_.try_lock();
  auto b = other.try_lock();
  a = std::move(b);
  EXPECT_FALSE(this->m_.is_locked());
  EXPECT_TRUE(other.is_locked());
  EXPECT_EQ(a.mutex(), &other);
  a = typename TestFixture::guard();
  EXPECT_FALSE(other.is_locked());
}

TYPED_TEST(AsyncMutex, AssigningAGrantToAGuardUnlocksWhatItHeld) {
  auto replace = [](auto& first, auto& second) -> task<> {
    auto g = co_await first.async_lock();
    g = co_await second.async_lock();
    EXPECT_FALSE(first.is_locked());
    EXPECT_TRUE(second.is_locked());
  };
  typename TestFixture::mutex other;
  EXPECT_TRUE(started(replace(this->m_, other)).done());
  EXPECT_FALSE(other.is_locked());
}

TYPED_TEST(AsyncMutex, AGuardAssignedToItselfKeepsItsLock) {
  auto g = this->m_.try_lock();
  auto& same = g;
  g = std::move(same);
  EXPECT_TRUE(g);
  EXPECT_TRUE(this->m_.is_locked());
}

TYPED_TEST(AsyncMutex, AReleasedGuardLeavesTheLockToItsCaller) {
  auto* held = this->m_.try_lock().release();
  EXPECT_EQ(held, &this->m_);
  EXPECT_TRUE(this->m_.is_locked());
  const typename TestFixture::guard adopted(*held);
  EXPECT_TRUE(adopted);
}

TYPED_TEST(AsyncMutex, AnExceptionUnlocks) {
  auto fail = [](auto& m) -> task<> {
    auto g = co_await m.async_lock();
    throw std::runtime_error("body");
  };
  auto g = this->m_.try_lock();
  auto a = started(fail(this->m_));
  const auto b = started(this->append(this->m_, this->order_, 1));
  g.unlock();
  EXPECT_THROW(a.result(), std::runtime_error);
  EXPECT_THAT(this->order_, ElementsAre(1));
  EXPECT_FALSE(this->m_.is_locked());
}

TYPED_TEST(AsyncMutex, AnEarlyReturnUnlocks) {
  auto leave = [](auto& m) -> task<int> {
    auto g = co_await m.async_lock();
    if (m.is_locked()) {
      co_return 1;
    }
    co_return 2;
  };
  EXPECT_EQ(started(leave(this->m_)).result(), 1);
  EXPECT_FALSE(this->m_.is_locked());
}

TYPED_TEST(AsyncMutex, AnybodyMayUnlock) {
  auto t = started(this->lock(this->m_));
  auto* held = t.result().release();
  t.destroy();
  held->unlock();
  EXPECT_FALSE(this->m_.is_locked());
}

TYPED_TEST(AsyncMutex, ATaskThatLocksTwiceWaitsForItself) {
  auto twice = [](auto& m) -> task<> {
    auto first = co_await m.async_lock();
    auto second = co_await m.async_lock();
  };
  auto t = started(twice(this->m_));
  EXPECT_FALSE(t.done());
  EXPECT_EQ(this->m_.statistics().waiters, 1U);
  t.destroy();
  EXPECT_FALSE(this->m_.is_locked());
}

// -------------------------------------------------------------------------------- resumption

TYPED_TEST(AsyncMutex, UnlockOnlyPostsToTheExecutorOfThePromise) {
  auto g = this->m_.try_lock();
  const auto t = started(this->lock_by_promise(this->m_, this->executor_));
  g.unlock();
  EXPECT_FALSE(t.done());
  EXPECT_EQ(this->executor_.size(), 1U);
  EXPECT_TRUE(this->executor_.run_one());
  EXPECT_TRUE(t.done());
}

TYPED_TEST(AsyncMutex, UnlockOnlyPostsToTheExecutorThatTheWaitNames) {
  auto g = this->m_.try_lock();
  const auto t = started(this->lock_on(this->m_, this->executor_));
  g.unlock();
  EXPECT_FALSE(t.done());
  EXPECT_EQ(this->executor_.size(), 1U);
  EXPECT_TRUE(this->executor_.run_one());
  EXPECT_TRUE(t.done());
}

TYPED_TEST(AsyncMutex, TheExecutorThatTheWaitNamesGoesBeforeThatOfThePromise) {
  struct other_executor : manual_executor {};
  auto both = [](auto& m, manual_executor&, other_executor& named) -> task<void, manual_executor> {
    auto a = co_await m.async_lock().on(named);
    a.unlock();
    auto b = co_await m.async_lock(std::stop_token()).on(named);
  };
  other_executor named;
  auto g = this->m_.try_lock();
  const auto t = started(both(this->m_, this->executor_, named));
  g.unlock();
  EXPECT_EQ(this->executor_.size(), 0U);
  g = this->m_.try_lock();
  EXPECT_FALSE(g);
  EXPECT_TRUE(named.run_one());
  EXPECT_TRUE(t.done());
}

TYPED_TEST(AsyncMutex, AStoppedWaiterIsPostedToo) {
  const auto g = this->m_.try_lock();
  std::stop_source stop;
  const auto t = started(this->lock_on(this->m_, this->executor_, stop.get_token()));
  stop.request_stop();
  EXPECT_FALSE(t.done());
  EXPECT_EQ(this->executor_.run_all(), 1U);
  EXPECT_TRUE(t.done());
}

TYPED_TEST(AsyncMutex, TasksOfTwoExecutorsShareOneMutex) {
  manual_executor other;
  auto g = this->m_.try_lock();
  const auto a = started(this->append_on(this->m_, this->executor_, this->order_, 0));
  const auto b = started(this->append_on(this->m_, other, this->order_, 1));
  const auto c = started(this->append_on(this->m_, this->executor_, this->order_, 2));
  g.unlock();
  EXPECT_EQ(other.size(), 0U);
  EXPECT_TRUE(this->executor_.run_one());
  EXPECT_EQ(this->executor_.size(), 0U);
  EXPECT_TRUE(other.run_one());
  EXPECT_TRUE(this->executor_.run_one());
  EXPECT_THAT(this->order_, ElementsAre(0, 1, 2));
}

TYPED_TEST(AsyncMutex, WithoutAnExecutorAWaiterRunsAtTheEndOfTheOutermostUnlock) {
  auto g = this->m_.try_lock();
  // What it does after its own unlock comes before the task that this unlock granted.
  const auto a = started(this->locked_then(this->m_, [&] { this->order_.push_back(0); }));
  const auto b = started(this->append(this->m_, this->order_, 1));
  g.unlock();
  EXPECT_THAT(this->order_, ElementsAre(0, 1));
}

TYPED_TEST(AsyncMutex, AStoppedWaiterWithoutAnExecutorRunsBeforeRequestStopReturns) {
  const auto g = this->m_.try_lock();
  std::stop_source stop;
  const auto t = started(this->lock(this->m_, stop.get_token()));
  stop.request_stop();
  EXPECT_TRUE(t.done());
}

// --------------------------------------------------------------------------------- statistics

TYPED_TEST(AsyncMutex, StatisticsTellWhetherItIsHeldAndHowManyWait) {
  EXPECT_FALSE(this->m_.statistics().locked);
  auto g = this->m_.try_lock();
  EXPECT_TRUE(this->m_.statistics().locked);
  EXPECT_EQ(this->m_.statistics().waiters, 0U);
  const auto a = started(this->lock_on(this->m_, this->executor_));
  auto b = started(this->lock_on(this->m_, this->executor_));
  EXPECT_EQ(this->m_.statistics().waiters, 2U);
  g.unlock();
  EXPECT_TRUE(this->m_.statistics().locked);
  EXPECT_EQ(this->m_.statistics().waiters, 1U);
  b.destroy();
  EXPECT_EQ(this->m_.statistics().waiters, 0U);
  this->executor_.run_all();
}

// ------------------------------------------------------------------------------------ its type

namespace {

template <class T>
concept lockable_by_std = requires(T& m) { m.lock(); };
template <class T>
concept awaitable =
    requires(T& m) { m.await_ready(); } || requires(T& m) { m.operator co_await(); };

}  // namespace

TYPED_TEST(AsyncMutex, StdGuardsCannotLockIt) {
  EXPECT_FALSE(lockable_by_std<typename TestFixture::mutex>);
  EXPECT_TRUE(lockable_by_std<std::mutex>);
}

TYPED_TEST(AsyncMutex, TheMutexItselfCannotBeAwaited) {
  EXPECT_FALSE(awaitable<typename TestFixture::mutex>);
  EXPECT_TRUE(awaitable<decltype(this->m_.async_lock())>);
}

TYPED_TEST(AsyncMutex, NeitherAMutexNorAGuardNorAWaitCanBeCopied) {
  EXPECT_FALSE(std::copyable<typename TestFixture::mutex>);
  EXPECT_FALSE(std::movable<typename TestFixture::mutex>);
  EXPECT_FALSE(std::copyable<typename TestFixture::guard>);
  EXPECT_TRUE(std::movable<typename TestFixture::guard>);
  EXPECT_FALSE(std::is_move_constructible_v<decltype(this->m_.async_lock())>);
}

TYPED_TEST(AsyncMutex, IsTwoPointersLong) {
  EXPECT_EQ(sizeof(typename TestFixture::mutex), 2 * sizeof(void*));
  EXPECT_EQ(sizeof(typename TestFixture::guard), sizeof(void*));
}

// ------------------------------------------------------------------------------------- misuse

template <class Threading>
class AsyncMutexDeathTest : public AsyncMutex<Threading> {};
TYPED_TEST_SUITE(AsyncMutexDeathTest, corolock_test::policies, corolock_test::policy_names);

TYPED_TEST(AsyncMutexDeathTest, UnlockOfAMutexThatIsNotHeldIsMisuse) {
  EXPECT_DEATH(this->m_.unlock(), "unlock\\(\\) of an async_mutex that is not held");
}

TYPED_TEST(AsyncMutexDeathTest, ASecondUnlockIsMisuse) {
  EXPECT_DEATH(
      {
        auto g = this->m_.try_lock();
        this->m_.unlock();
        g.unlock();
      },
      "unlock\\(\\) of an async_mutex that is not held");
}

TYPED_TEST(AsyncMutexDeathTest, DestroyingAHeldMutexIsMisuse) {
  EXPECT_DEATH(
      {
        typename TestFixture::mutex m;
        m.try_lock().release();
      },
      "an async_mutex was destroyed while it was held");
}

namespace {

// What post() must not do.
struct inline_executor {
  void post(corolock::resumption r) { r(); }
};

}  // namespace

TYPED_TEST(AsyncMutexDeathTest, AnExecutorThatRunsInsidePostIsMisuse) {
  auto lock = [](auto& m, inline_executor& e) -> task<> { auto g = co_await m.async_lock().on(e); };
  EXPECT_DEATH(
      {
        inline_executor e;
        auto g = this->m_.try_lock();
        const auto t = started(lock(this->m_, e));
        g.unlock();
      },
      "an executor ran a resumption inside post\\(\\): post\\(\\) must return first");
}

namespace {

// A coroutine whose exceptions go to whoever resumes it.
struct leaky_task {
  struct promise_type {
    leaky_task get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() { throw; }
  };
};

template <class Mutex>
leaky_task lock_and_throw(Mutex& m) {
  auto g = co_await m.async_lock();
  throw std::runtime_error("nobody catches this");
}

}  // namespace

TYPED_TEST(AsyncMutexDeathTest, AnExceptionOutOfAResumedTaskEndsTheProgram) {
  EXPECT_DEATH(
      {
        auto g = this->m_.try_lock();
        lock_and_throw(this->m_);
        g.unlock();
      },
      "");
}
