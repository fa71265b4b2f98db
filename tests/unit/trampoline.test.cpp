// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <corolock/async_barrier.hpp>
#include <corolock/async_condition.hpp>
#include <corolock/async_event.hpp>
#include <corolock/async_mutex.hpp>
#include <corolock/async_semaphore.hpp>
#include <support/manual_executor.hpp>
#include <support/policies.hpp>
#include <support/small_stack.hpp>
#include <support/task.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <stop_token>
#include <utility>
#include <vector>

using corolock_test::manual_executor;
using corolock_test::run_on_small_stack;
using corolock_test::started;
using corolock_test::task;
using testing::ElementsAre;

// ------------------------------------------------------------------------------ bounded stack

template <class Threading>
class BoundedStack : public testing::Test {
 protected:
  using mutex = corolock::basic_async_mutex<Threading>;
  static constexpr std::size_t million = 1'000'000;

  static task<> lock(mutex& m, std::size_t& served) {
    const auto g = co_await m.async_lock();
    ++served;
  }
  static task<> lock(mutex& m, std::size_t& served, std::stop_token token) {
    const auto g = co_await m.async_lock(token);
    ++served;
  }
  static task<> lock_and_transfer(mutex& m, std::size_t& served) {
    auto g = co_await m.async_lock();
    ++served;
    co_await corolock::async_unlock(std::move(g));
  }

  std::vector<task<>> tasks_;
  std::size_t served_ = 0;
};
TYPED_TEST_SUITE(BoundedStack, corolock_test::policies, corolock_test::policy_names);

TYPED_TEST(BoundedStack, AMillionWaitersDrainOnA64KiBStack) {
  typename TestFixture::mutex m;
  auto g = m.try_lock();
  this->tasks_.reserve(this->million);
  for (std::size_t i = 0; i < this->million; ++i) {
    this->tasks_.push_back(started(this->lock(m, this->served_)));
  }
  run_on_small_stack([&] { g.unlock(); });
  EXPECT_EQ(this->served_, this->million);
}

TYPED_TEST(BoundedStack, AHundredThousandStoppableWaitersDrain) {
  typename TestFixture::mutex m;
  std::stop_source stop;
  auto g = m.try_lock();
  for (std::size_t i = 0; i < this->million / 10; ++i) {
    this->tasks_.push_back(started(this->lock(m, this->served_, stop.get_token())));
  }
  run_on_small_stack([&] { g.unlock(); });
  EXPECT_EQ(this->served_, this->million / 10);
}

TYPED_TEST(BoundedStack, AHundredThousandStoppedWaitersDrain) {
  typename TestFixture::mutex m;
  std::stop_source stop;
  const auto g = m.try_lock();
  for (std::size_t i = 0; i < this->million / 10; ++i) {
    this->tasks_.push_back(started(this->lock(m, this->served_, stop.get_token())));
  }
  run_on_small_stack([&] { stop.request_stop(); });
  EXPECT_EQ(this->served_, this->million / 10);
  EXPECT_EQ(m.statistics().waiters, 0U);
}

TYPED_TEST(BoundedStack, AHundredThousandTransfersDrain) {
  typename TestFixture::mutex m;
  auto g = m.try_lock();
  for (std::size_t i = 0; i < this->million / 10; ++i) {
    this->tasks_.push_back(started(this->lock_and_transfer(m, this->served_)));
  }
  run_on_small_stack([&] { g.unlock(); });
  EXPECT_EQ(this->served_, this->million / 10);
  EXPECT_FALSE(m.is_locked());
}

TYPED_TEST(BoundedStack, AHundredThousandPermitsAreHandedOn) {
  corolock::basic_async_semaphore<TypeParam> s(0);
  auto acquire = [](auto& semaphore, std::size_t& served) -> task<> {
    const auto p = co_await semaphore.async_acquire();
    ++served;
  };
  for (std::size_t i = 0; i < this->million / 10; ++i) {
    this->tasks_.push_back(started(acquire(s, this->served_)));
  }
  run_on_small_stack([&] { s.release(); });
  EXPECT_EQ(this->served_, this->million / 10);
}

TYPED_TEST(BoundedStack, AHundredThousandWaitersForAnEventAndThenALockDrain) {
  corolock::basic_async_event<TypeParam> e;
  typename TestFixture::mutex m;
  auto wait = [](auto& event, auto& lock, std::size_t& served) -> task<> {
    co_await event.async_wait();
    const auto g = co_await lock.async_lock();
    ++served;
  };
  for (std::size_t i = 0; i < this->million / 10; ++i) {
    this->tasks_.push_back(started(wait(e, m, this->served_)));
  }
  run_on_small_stack([&] { e.set(); });
  EXPECT_EQ(this->served_, this->million / 10);
}

TYPED_TEST(BoundedStack, AHundredThousandNotifiedWaitersDrain) {
  corolock::basic_async_condition<TypeParam> c;
  typename TestFixture::mutex m;
  auto wait = [](auto& condition, auto& lock, std::size_t& served) -> task<> {
    auto g = co_await lock.async_lock();
    co_await condition.async_wait(g);
    ++served;
  };
  for (std::size_t i = 0; i < this->million / 10; ++i) {
    this->tasks_.push_back(started(wait(c, m, this->served_)));
  }
  run_on_small_stack([&] { c.notify_all(); });
  EXPECT_EQ(this->served_, this->million / 10);
}

TYPED_TEST(BoundedStack, AHundredThousandPhasesOfABarrierPass) {
  corolock::basic_async_barrier<TypeParam> b(2);
  auto phases = [](auto& barrier, std::size_t count, std::size_t& served) -> task<> {
    for (std::size_t i = 0; i < count; ++i) {
      static_cast<void>(co_await barrier.async_arrive_and_wait());
      ++served;
    }
  };
  run_on_small_stack([&] {
    this->tasks_.push_back(started(phases(b, this->million / 10, this->served_)));
    this->tasks_.push_back(started(phases(b, this->million / 10, this->served_)));
  });
  EXPECT_EQ(this->served_, this->million / 5);
}

// ---------------------------------------------------------------------------------- the order

template <class Threading>
class Trampoline : public testing::Test {
 protected:
  using mutex = corolock::basic_async_mutex<Threading>;

  static task<> lock_then(mutex& m, std::function<void()> f) {
    {
      const auto g = co_await m.async_lock();
    }
    f();
  }
  static task<> append(mutex& m, std::vector<int>& order, int id) {
    const auto g = co_await m.async_lock();
    order.push_back(id);
  }
  static task<> append_then_transfer(mutex& m, std::vector<int>& order, int before, int after) {
    auto g = co_await m.async_lock();
    order.push_back(before);
    co_await corolock::async_unlock(std::move(g));
    order.push_back(after);
  }

  mutex m_;
  mutex other_;
  std::vector<int> order_;
  manual_executor executor_;
};
TYPED_TEST_SUITE(Trampoline, corolock_test::policies, corolock_test::policy_names);

TYPED_TEST(Trampoline, RunsTheWaitersOfSeveralMutexesInTheOrderOfTheGrants) {
  auto g = this->m_.try_lock();
  auto h = this->other_.try_lock();
  const auto a = started(this->lock_then(this->m_, [&] {
    h.unlock();  // grants 1
    this->order_.push_back(0);
  }));
  const auto b = started(this->append(this->other_, this->order_, 1));
  const auto c = started(this->append(this->m_, this->order_, 2));
  g.unlock();
  EXPECT_THAT(this->order_, ElementsAre(0, 2, 1));  // 2 was granted when a unlocked, before h
}

TYPED_TEST(Trampoline, AListedWaiterMayBeDestroyedWhereverItStands) {
  corolock::basic_async_event<TypeParam> e;
  auto wait = [](auto& event, std::vector<int>& order, int id) -> task<> {
    co_await event.async_wait();
    order.push_back(id);
  };
  auto wait_then = [](auto& event, std::function<void()> f) -> task<> {
    co_await event.async_wait();
    f();
  };
  for (const int victim : {1, 2, 3}) {
    e.reset();
    this->order_.clear();
    std::vector<task<>> tasks(4);
    tasks[0] = started(wait_then(e, [&] { tasks[static_cast<std::size_t>(victim)].destroy(); }));
    for (int id = 1; id < 4; ++id) {
      tasks[static_cast<std::size_t>(id)] = started(wait(e, this->order_, id));
    }
    e.set();
    EXPECT_EQ(this->order_.size(), 2U);
    EXPECT_THAT(this->order_, testing::Not(testing::Contains(victim)));
  }
}

TYPED_TEST(Trampoline, WhatIsListedAfterTheLastOneWasDestroyedRunsToo) {
  auto g = this->m_.try_lock();
  auto h = this->other_.try_lock();
  task<> victim;
  const auto a = started(this->lock_then(this->m_, [&] {
    victim.destroy();
    h.unlock();
  }));
  victim = started(this->append(this->m_, this->order_, 1));
  const auto b = started(this->append(this->other_, this->order_, 2));
  g.unlock();
  EXPECT_THAT(this->order_, ElementsAre(2));
}

// ------------------------------------------------------------------------------ async_unlock

TYPED_TEST(Trampoline, AsyncUnlockRunsTheNextOwnerBeforeItsOwnTaskGoesOn) {
  auto g = this->m_.try_lock();
  const auto a = started(this->append_then_transfer(this->m_, this->order_, 0, 1));
  const auto b = started(this->append_then_transfer(this->m_, this->order_, 2, 3));
  g.unlock();
  EXPECT_TRUE(a.done() && b.done());
  EXPECT_THAT(this->order_, ElementsAre(0, 2, 3, 1));
  EXPECT_FALSE(this->m_.is_locked());
}

TYPED_TEST(Trampoline, AsyncUnlockOfALockThatNobodyWaitsForJustUnlocks) {
  const auto t = started(this->append_then_transfer(this->m_, this->order_, 0, 1));
  EXPECT_TRUE(t.done());
  EXPECT_FALSE(this->m_.is_locked());
}

TYPED_TEST(Trampoline, AsyncUnlockOfAnEmptyGuardDoesNothing) {
  auto unlock = []() -> task<> {
    typename TestFixture::mutex::guard_type none;
    co_await corolock::async_unlock(std::move(none));
  };
  EXPECT_TRUE(started(unlock()).done());
}

TYPED_TEST(Trampoline, AsyncUnlockThatIsNotAwaitedUnlocks) {
  static_cast<void>(corolock::async_unlock(this->m_.try_lock()));
  EXPECT_FALSE(this->m_.is_locked());
}

TYPED_TEST(Trampoline, AsyncUnlockPostsToAWaiterWithAnExecutor) {
  auto lock_on = [](auto& m, manual_executor& e) -> task<> {
    const auto g = co_await m.async_lock().on(e);
  };
  auto g = this->m_.try_lock();
  const auto a = started(this->append_then_transfer(this->m_, this->order_, 0, 1));
  const auto b = started(lock_on(this->m_, this->executor_));
  g.unlock();
  EXPECT_TRUE(a.done());
  EXPECT_FALSE(b.done());
  EXPECT_EQ(this->executor_.run_all(), 1U);
  EXPECT_TRUE(b.done());
}

TYPED_TEST(Trampoline, ATaskMayBeDestroyedWhileItsSuccessorRuns) {
  auto g = this->m_.try_lock();
  task<> a = started(this->append_then_transfer(this->m_, this->order_, 0, 1));
  const auto b = started(this->lock_then(this->m_, [&] { a.destroy(); }));
  g.unlock();
  EXPECT_TRUE(b.done());
  EXPECT_THAT(this->order_, ElementsAre(0));
  EXPECT_FALSE(this->m_.is_locked());
}
