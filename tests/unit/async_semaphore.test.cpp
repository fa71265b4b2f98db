// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <corolock/async_semaphore.hpp>
#include <support/manual_executor.hpp>
#include <support/policies.hpp>
#include <support/task.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <concepts>
#include <cstddef>
#include <functional>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <utility>
#include <vector>

using corolock_test::manual_executor;
using corolock_test::started;
using corolock_test::task;
using testing::ElementsAre;

template <class Threading>
class AsyncSemaphore : public testing::Test {
 protected:
  using semaphore = corolock::basic_async_semaphore<Threading>;
  using permit = typename semaphore::guard_type;
  using outcome = corolock::outcome<permit>;

  // Tasks that end with the permit in their result; the test decides when it is dropped.
  static task<outcome> acquire(semaphore& s, std::size_t units = 1) {
    outcome p = co_await s.async_acquire(units);
    co_return p;
  }
  static task<outcome> acquire(semaphore& s, std::size_t units, std::stop_token token) {
    outcome p = co_await s.async_acquire(units, token);
    co_return p;
  }
  static task<outcome> acquire_on(semaphore& s, manual_executor& e, std::size_t units = 1) {
    outcome p = co_await s.async_acquire(units).on(e);
    co_return p;
  }
  static task<outcome> acquire_on(semaphore& s, manual_executor& e, std::size_t units,
                                  std::stop_token token) {
    outcome p = co_await s.async_acquire(units, token).on(e);
    co_return p;
  }
  static task<outcome, manual_executor> acquire_by_promise(semaphore& s, manual_executor&) {
    outcome p = co_await s.async_acquire();
    co_return p;
  }

  // Acquires, records, gives back.
  static task<> append(semaphore& s, std::vector<int>& order, int id, std::size_t units = 1) {
    const outcome p = co_await s.async_acquire(units);
    order.push_back(id);
  }
  // Acquires, gives back, then does something, while it still runs on the trampoline.
  static task<> acquired_then(semaphore& s, std::function<void()> f) {
    {
      const outcome p = co_await s.async_acquire();
    }
    f();
  }

  static std::size_t available(const semaphore& s) { return s.statistics().available; }

  manual_executor executor_;
  std::vector<int> order_;
};
TYPED_TEST_SUITE(AsyncSemaphore, corolock_test::policies, corolock_test::policy_names);

// ---------------------------------------------------------------------------------- counting

TYPED_TEST(AsyncSemaphore, HasTheUnitsThatItWasGiven) {
  const typename TestFixture::semaphore none(0);
  EXPECT_EQ(this->available(none), 0U);
  EXPECT_TRUE(none.is_locked());
  const typename TestFixture::semaphore some(3);
  EXPECT_EQ(this->available(some), 3U);
  EXPECT_FALSE(some.is_locked());
}

TYPED_TEST(AsyncSemaphore, AcquiresWithoutSuspendingWhileThereAreEnoughUnits) {
  typename TestFixture::semaphore s(6);
  auto a = started(this->acquire(s, 3));
  auto b = started(this->acquire_on(s, this->executor_, 2));
  auto c = started(this->acquire(s, 1, std::stop_token()));
  EXPECT_EQ(a.result()->units(), 3U);
  EXPECT_EQ(b.result()->units(), 2U);
  EXPECT_EQ(c.result()->units(), 1U);
  EXPECT_EQ(this->available(s), 6U);  // all three were dropped
}

TYPED_TEST(AsyncSemaphore, MakesATaskWaitForTheUnitsThatAreMissing) {
  typename TestFixture::semaphore s(2);
  auto t = started(this->acquire(s, 3));
  EXPECT_FALSE(t.done());
  s.release();
  ASSERT_TRUE(t.done());
  EXPECT_EQ(this->available(s), 0U);
  EXPECT_TRUE(t.result());
  EXPECT_EQ(this->available(s), 3U);
}

TYPED_TEST(AsyncSemaphore, TryAcquireTakesWhatIsFreeAndNeverWaits) {
  typename TestFixture::semaphore s(2);
  EXPECT_FALSE(s.try_acquire(3));
  auto p = s.try_acquire(2);
  EXPECT_EQ(p.units(), 2U);
  EXPECT_FALSE(s.try_acquire());
  p.give_back();
  EXPECT_EQ(this->available(s), 2U);
}

TYPED_TEST(AsyncSemaphore, UnitsMayBeAddedThatNobodyAcquired) {
  typename TestFixture::semaphore s(0);
  s.release(5);
  EXPECT_EQ(this->available(s), 5U);
}

TYPED_TEST(AsyncSemaphore, UpToItsBoundUnitsMayBeAdded) {
  typename TestFixture::semaphore s(1, 3);
  s.release(2);
  EXPECT_EQ(this->available(s), 3U);
}

// ------------------------------------------------------------------------------------- order

TYPED_TEST(AsyncSemaphore, WaitersAreServedInOrderOfArrival) {
  typename TestFixture::semaphore s(0);
  std::vector<task<>> tasks;
  for (int id = 0; id < 5; ++id) {
    tasks.push_back(started(this->append(s, this->order_, id)));
  }
  s.release();
  EXPECT_THAT(this->order_, ElementsAre(0, 1, 2, 3, 4));
}

TYPED_TEST(AsyncSemaphore, ReleasesInsideTheSectionKeepTheOrder) {
  typename TestFixture::semaphore s(1);
  auto again = [](auto& from, manual_executor& e, std::vector<int>& order, int id) -> task<> {
    for (int i = 0; i < 3; ++i) {
      const auto p = co_await from.async_acquire().on(e);
      order.push_back(id);
    }
  };
  auto p = s.try_acquire();
  const auto a = started(again(s, this->executor_, this->order_, 0));
  const auto b = started(again(s, this->executor_, this->order_, 1));
  p.give_back();
  this->executor_.run_all();
  EXPECT_THAT(this->order_, ElementsAre(0, 1, 0, 1, 0, 1));
}

TYPED_TEST(AsyncSemaphore, ANewcomerDoesNotOvertakeALargeRequest) {
  typename TestFixture::semaphore s(2);
  const auto large = started(this->acquire(s, 3));
  const auto small = started(this->acquire(s, 1));
  EXPECT_FALSE(small.done());
  EXPECT_FALSE(s.try_acquire());
  EXPECT_TRUE(s.is_locked());
  s.release();
  EXPECT_TRUE(large.done());
  EXPECT_FALSE(small.done());
  s.release();
  EXPECT_TRUE(small.done());
}

TYPED_TEST(AsyncSemaphore, ReleaseReservesTheUnitsForTheWaiterThatItWakes) {
  typename TestFixture::semaphore s(0);
  auto a = started(this->acquire_on(s, this->executor_));
  s.release();
  EXPECT_FALSE(a.done());
  EXPECT_EQ(this->available(s), 0U);
  EXPECT_TRUE(s.is_locked());
  EXPECT_FALSE(s.try_acquire());
  const auto b = started(this->acquire(s));
  EXPECT_FALSE(b.done());
  this->executor_.run_all();
  EXPECT_TRUE(a.result());
}

TYPED_TEST(AsyncSemaphore, OneReleaseWakesAllThatHaveEnough) {
  typename TestFixture::semaphore s(0);
  std::vector<task<typename TestFixture::outcome>> tasks;
  for (const std::size_t units : {1U, 2U, 1U, 2U}) {
    tasks.push_back(started(this->acquire_on(s, this->executor_, units)));
  }
  s.release(5);
  EXPECT_EQ(this->executor_.size(), 3U);
  EXPECT_EQ(this->available(s), 1U);
  EXPECT_EQ(s.statistics().waiters, 1U);
  s.release();
  EXPECT_EQ(this->executor_.size(), 4U);
  this->executor_.run_all();
}

TYPED_TEST(AsyncSemaphore, EachOfManyReleasesInOneTurnWakesOneMoreWaiter) {
  typename TestFixture::semaphore s(0);
  std::vector<task<typename TestFixture::outcome>> tasks;
  for (int i = 0; i < 50; ++i) {
    tasks.push_back(started(this->acquire_on(s, this->executor_)));
  }
  for (std::size_t i = 1; i <= 50; ++i) {
    s.release();
    EXPECT_EQ(this->executor_.size(), i);
  }
  EXPECT_EQ(this->executor_.run_all(), 50U);
  EXPECT_EQ(this->available(s), 0U);
}

// ------------------------------------------------------------------------------ cancellation

TYPED_TEST(AsyncSemaphore, AStoppedWaiterLeavesTheQueue) {
  typename TestFixture::semaphore s(0);
  std::stop_source stop;
  auto t = started(this->acquire(s, 1, stop.get_token()));
  stop.request_stop();
  EXPECT_EQ(t.result().error(), corolock::errc::stopped);
  EXPECT_EQ(s.statistics().waiters, 0U);
  s.release();
  EXPECT_EQ(this->available(s), 1U);
}

TYPED_TEST(AsyncSemaphore, IsNotLockedThoughAStoppedWaiterHasNotRunYet) {
  typename TestFixture::semaphore s(1);
  std::stop_source stop;
  const auto t = started(this->acquire_on(s, this->executor_, 2, stop.get_token()));
  EXPECT_TRUE(s.is_locked());
  stop.request_stop();
  EXPECT_FALSE(t.done());
  EXPECT_FALSE(s.is_locked());
  EXPECT_TRUE(s.try_acquire());
  this->executor_.run_all();
}

TYPED_TEST(AsyncSemaphore, AStoppedHeadLetsInThoseBehindItThatHaveEnough) {
  typename TestFixture::semaphore s(2);
  std::stop_source stop;
  const auto head = started(this->acquire(s, 3, stop.get_token()));
  const auto b = started(this->acquire(s, 1));
  const auto c = started(this->acquire(s, 1));
  const auto d = started(this->acquire(s, 1));
  stop.request_stop();
  EXPECT_TRUE(b.done());
  EXPECT_TRUE(c.done());
  EXPECT_FALSE(d.done());
}

TYPED_TEST(AsyncSemaphore, ADestroyedHeadLetsInThoseBehindItThatHaveEnough) {
  typename TestFixture::semaphore s(1);
  auto head = started(this->acquire(s, 3));
  const auto b = started(this->acquire_on(s, this->executor_, 1));
  head.destroy();
  EXPECT_EQ(this->executor_.run_all(), 1U);
  EXPECT_TRUE(b.done());
}

TYPED_TEST(AsyncSemaphore, AGrantPassesOnWhenItsWaiterIsStoppedBeforeItRan) {
  typename TestFixture::semaphore s(0);
  std::stop_source stop;
  auto a = started(this->acquire_on(s, this->executor_, 2, stop.get_token()));
  const auto b = started(this->acquire_on(s, this->executor_));
  const auto c = started(this->acquire_on(s, this->executor_));
  s.release(2);
  stop.request_stop();
  this->executor_.run_all();
  EXPECT_EQ(a.result().error(), corolock::errc::stopped);
  EXPECT_TRUE(b.done());
  EXPECT_TRUE(c.done());
}

TYPED_TEST(AsyncSemaphore, AStopBeforeTheReleaseTakesNothingFromIt) {
  typename TestFixture::semaphore s(0);
  std::stop_source stop;
  auto a = started(this->acquire_on(s, this->executor_, 1, stop.get_token()));
  auto b = started(this->acquire_on(s, this->executor_));
  stop.request_stop();
  s.release();
  this->executor_.run_all();
  EXPECT_EQ(a.result().error(), corolock::errc::stopped);
  EXPECT_TRUE(b.result());
}

TYPED_TEST(AsyncSemaphore, AUnitIsNotStuckWhenAllWaitersAreStoppedAfterTheGrant) {
  typename TestFixture::semaphore s(0);
  std::stop_source stop;
  const auto a = started(this->acquire_on(s, this->executor_, 1, stop.get_token()));
  const auto b = started(this->acquire_on(s, this->executor_, 1, stop.get_token()));
  s.release();
  stop.request_stop();
  this->executor_.run_all();
  EXPECT_EQ(this->available(s), 1U);
  EXPECT_TRUE(started(this->acquire(s)).done());
}

TYPED_TEST(AsyncSemaphore, AStoppedTokenAcquiresNothing) {
  typename TestFixture::semaphore s(1);
  std::stop_source stop;
  stop.request_stop();
  auto t = started(this->acquire(s, 1, stop.get_token()));
  EXPECT_EQ(t.result().error(), corolock::errc::stopped);
  EXPECT_EQ(this->available(s), 1U);
}

// -------------------------------------------------------------------------- destroyed frames

TYPED_TEST(AsyncSemaphore, AWaiterDestroyedInTheQueueLeavesIt) {
  typename TestFixture::semaphore s(0);
  auto a = started(this->acquire(s));
  auto b = started(this->acquire(s));
  a.destroy();
  EXPECT_EQ(s.statistics().waiters, 1U);
  s.release();
  EXPECT_TRUE(b.result());
}

TYPED_TEST(AsyncSemaphore, AGrantedFrameThatIsDestroyedGivesItsUnitsToTheNext) {
  typename TestFixture::semaphore s(0);
  auto a = started(this->acquire_on(s, this->executor_, 2));
  auto b = started(this->acquire_on(s, this->executor_));
  s.release(2);
  EXPECT_TRUE(this->executor_.drop(a.address()));
  a.destroy();
  this->executor_.run_all();
  ASSERT_TRUE(b.done());
  EXPECT_EQ(this->available(s), 1U);
  b.destroy();
  EXPECT_EQ(this->available(s), 2U);
}

TYPED_TEST(AsyncSemaphore, AGrantedFrameThatIsDestroyedOnTheTrampolineGivesItsUnitsToTheNext) {
  typename TestFixture::semaphore s(0);
  task<typename TestFixture::outcome> b;
  const auto a = started(this->acquired_then(s, [&] { b.destroy(); }));
  b = started(this->acquire(s));
  const auto c = started(this->append(s, this->order_, 2));
  s.release();
  EXPECT_THAT(this->order_, ElementsAre(2));
  EXPECT_EQ(this->available(s), 1U);
}

TYPED_TEST(AsyncSemaphore, OfTwoThatOneReleaseWokeTheFirstMayDestroyTheSecond) {
  typename TestFixture::semaphore s(0);
  task<typename TestFixture::outcome> b;
  const auto a = started(this->acquired_then(s, [&] { b.destroy(); }));
  b = started(this->acquire(s));
  s.release(2);
  EXPECT_TRUE(a.done());
  EXPECT_EQ(this->available(s), 2U);
}

// -------------------------------------------------------------------------------------- close

TYPED_TEST(AsyncSemaphore, CloseEndsAllWaits) {
  typename TestFixture::semaphore s(0);
  std::stop_source stop;
  auto a = started(this->acquire(s));
  auto b = started(this->acquire_on(s, this->executor_));
  auto c = started(this->acquire(s, 1, stop.get_token()));
  s.close();
  EXPECT_EQ(a.result().error(), corolock::errc::closed);
  EXPECT_FALSE(b.done());
  this->executor_.run_all();
  EXPECT_EQ(b.result().error(), corolock::errc::closed);
  EXPECT_EQ(c.result().error(), corolock::errc::closed);
  EXPECT_TRUE(s.statistics().closed);
  EXPECT_EQ(s.statistics().waiters, 0U);
}

TYPED_TEST(AsyncSemaphore, AClosedSemaphoreLetsNobodyIn) {
  typename TestFixture::semaphore s(1);
  s.close();
  s.close();
  auto t = started(this->acquire(s));
  EXPECT_EQ(t.result().error(), corolock::errc::closed);
  EXPECT_FALSE(s.try_acquire());
  EXPECT_TRUE(s.is_locked());
  EXPECT_EQ(this->available(s), 1U);
}

TYPED_TEST(AsyncSemaphore, PermitsOutliveTheClosing) {
  typename TestFixture::semaphore s(1);
  auto p = s.try_acquire();
  s.close();
  EXPECT_TRUE(p);
  p.give_back();
  EXPECT_EQ(this->available(s), 1U);
}

TYPED_TEST(AsyncSemaphore, AWaiterGrantedBeforeTheClosingKeepsItsUnits) {
  typename TestFixture::semaphore s(0);
  auto t = started(this->acquire_on(s, this->executor_));
  s.release();
  s.close();
  this->executor_.run_all();
  EXPECT_TRUE(t.result());
}

TYPED_TEST(AsyncSemaphore, AStopAfterTheClosingChangesNothing) {
  typename TestFixture::semaphore s(0);
  std::stop_source stop;
  auto t = started(this->acquire_on(s, this->executor_, 1, stop.get_token()));
  s.close();
  stop.request_stop();
  this->executor_.run_all();
  EXPECT_EQ(t.result().error(), corolock::errc::closed);
}

TYPED_TEST(AsyncSemaphore, AClosedSemaphoreMayGoBeforeItsWaitersRun) {
  std::optional<typename TestFixture::semaphore> s(std::in_place, 0U);
  std::stop_source stop;
  auto a = started(this->acquire_on(*s, this->executor_));
  auto b = started(this->acquire_on(*s, this->executor_, 1, stop.get_token()));
  auto c = started(this->acquire_on(*s, this->executor_));
  s->close();
  s.reset();
  stop.request_stop();
  EXPECT_TRUE(this->executor_.drop(c.address()));
  c.destroy();
  this->executor_.run_all();
  EXPECT_EQ(a.result().error(), corolock::errc::closed);
  EXPECT_EQ(b.result().error(), corolock::errc::closed);
}

// ------------------------------------------------------------------------------------ permits

TYPED_TEST(AsyncSemaphore, ADroppedPermitGivesItsUnitsBack) {
  typename TestFixture::semaphore s(2);
  auto drop = [](auto& from) -> task<> { static_cast<void>(co_await from.async_acquire(2)); };
  EXPECT_TRUE(started(drop(s)).done());
  EXPECT_EQ(this->available(s), 2U);
}

TYPED_TEST(AsyncSemaphore, AMovedPermitGivesItsUnitsBackOnce) {
  typename TestFixture::semaphore s(2);
  {
    auto a = s.try_acquire(2);
    const auto b = std::move(a);
    EXPECT_FALSE(a);  // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(a.units(), 0U);
    EXPECT_EQ(b.units(), 2U);
  }
  EXPECT_EQ(this->available(s), 2U);
}

TYPED_TEST(AsyncSemaphore, AssigningToAPermitGivesBackWhatItHad) {
  typename TestFixture::semaphore s(3);
  typename TestFixture::semaphore other(1);
  auto a = s.try_acquire(3);
  a = other.try_acquire();
  EXPECT_EQ(this->available(s), 3U);
  EXPECT_EQ(this->available(other), 0U);
  EXPECT_EQ(a.units(), 1U);
}

TYPED_TEST(AsyncSemaphore, APermitAssignedToItselfKeepsItsUnits) {
  typename TestFixture::semaphore s(3);
  auto a = s.try_acquire(2);
  auto& same = a;
  a = std::move(same);
  EXPECT_EQ(a.units(), 2U);
  EXPECT_EQ(this->available(s), 1U);
}

TYPED_TEST(AsyncSemaphore, AReleasedPermitLeavesItsUnitsToItsCaller) {
  typename TestFixture::semaphore s(2);
  auto p = s.try_acquire(2);
  EXPECT_EQ(p.release(), 2U);
  EXPECT_EQ(this->available(s), 0U);
  s.release(2);
  EXPECT_EQ(this->available(s), 2U);
}

TYPED_TEST(AsyncSemaphore, AnExceptionGivesTheUnitsBack) {
  typename TestFixture::semaphore s(1);
  auto fail = [](auto& from) -> task<> {
    const auto p = co_await from.async_acquire();
    throw std::runtime_error("body");
  };
  auto t = started(fail(s));
  EXPECT_THROW(t.result(), std::runtime_error);
  EXPECT_EQ(this->available(s), 1U);
}

TYPED_TEST(AsyncSemaphore, APermitCannotBeCopied) {
  EXPECT_FALSE(std::copyable<typename TestFixture::permit>);
  EXPECT_TRUE(std::movable<typename TestFixture::permit>);
}

TYPED_TEST(AsyncSemaphore, ReleaseOnlyPostsToTheExecutorOfThePromise) {
  typename TestFixture::semaphore s(0);
  const auto t = started(this->acquire_by_promise(s, this->executor_));
  s.release();
  EXPECT_FALSE(t.done());
  EXPECT_EQ(this->executor_.run_all(), 1U);
  EXPECT_TRUE(t.done());
}

// ------------------------------------------------------------------------------------- misuse

template <class Threading>
class AsyncSemaphoreDeathTest : public AsyncSemaphore<Threading> {};
TYPED_TEST_SUITE(AsyncSemaphoreDeathTest, corolock_test::policies, corolock_test::policy_names);

TYPED_TEST(AsyncSemaphoreDeathTest, ReleaseBeyondTheBoundIsMisuse) {
  typename TestFixture::semaphore s(1, 2);
  EXPECT_DEATH(s.release(2), "release\\(\\) of an async_semaphore beyond its bound");
}

TYPED_TEST(AsyncSemaphoreDeathTest, MoreUnitsThanItsBoundAreMisuse) {
  EXPECT_DEATH(typename TestFixture::semaphore(3, 2),
               "an async_semaphore was given more units than its bound");
}

TYPED_TEST(AsyncSemaphoreDeathTest, ARequestThatCanNeverBeGrantedIsMisuse) {
  typename TestFixture::semaphore s(1, 2);
  EXPECT_DEATH(started(this->acquire(s, 3)).destroy(),
               "more units are asked of an async_semaphore than its bound");
  EXPECT_DEATH(s.try_acquire(3).give_back(),
               "more units are asked of an async_semaphore than its bound");
}

TYPED_TEST(AsyncSemaphoreDeathTest, AwaitingAWaitASecondTimeIsMisuse) {
  auto twice = [](auto& from) -> task<> {
    auto wait = from.async_acquire();
    const auto a = co_await wait;
    const auto b = co_await wait;
  };
  typename TestFixture::semaphore s(2);
  EXPECT_DEATH(started(twice(s)).destroy(), "a wait was awaited a second time");
}

TYPED_TEST(AsyncSemaphoreDeathTest, DestroyingItUnderItsWaitersIsMisuse) {
  EXPECT_DEATH(
      {
        task<typename TestFixture::outcome> t;
        typename TestFixture::semaphore s(0);
        t = started(this->acquire(s));
      },
      "an async_semaphore was destroyed while tasks waited for it");
}
