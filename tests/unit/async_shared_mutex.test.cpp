// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <corolock/async_shared_mutex.hpp>
#include <support/manual_executor.hpp>
#include <support/policies.hpp>
#include <support/task.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <concepts>
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
class AsyncSharedMutex : public testing::Test {
 protected:
  using mutex = corolock::basic_async_shared_mutex<Threading>;
  using guard = typename mutex::guard_type;
  using shared_guard = typename mutex::shared_guard_type;

  // Tasks that end with the guard in their result; the test decides when it is dropped.
  static task<guard> write(mutex& m) {
    guard g = co_await m.async_lock();
    co_return g;
  }
  static task<shared_guard> read(mutex& m) {
    shared_guard g = co_await m.async_lock_shared();
    co_return g;
  }
  static task<guard> write_on(mutex& m, manual_executor& e) {
    guard g = co_await m.async_lock().on(e);
    co_return g;
  }
  static task<shared_guard> read_on(mutex& m, manual_executor& e) {
    shared_guard g = co_await m.async_lock_shared().on(e);
    co_return g;
  }
  static task<corolock::outcome<guard>> write(mutex& m, manual_executor& e, std::stop_token token) {
    auto g = co_await m.async_lock(token).on(e);
    co_return g;
  }
  static task<corolock::outcome<shared_guard>> read(mutex& m, manual_executor& e,
                                                    std::stop_token token) {
    auto g = co_await m.async_lock_shared(token).on(e);
    co_return g;
  }
  static task<> append_write(mutex& m, std::vector<int>& order, int id) {
    const guard g = co_await m.async_lock();
    order.push_back(id);
  }
  static task<> append_read(mutex& m, std::vector<int>& order, int id) {
    const shared_guard g = co_await m.async_lock_shared();
    order.push_back(id);
  }
  static task<> written_then(mutex& m, std::function<void()> f) {
    {
      const guard g = co_await m.async_lock();
    }
    f();
  }

  mutex m_;
  manual_executor executor_;
  std::vector<int> order_;
};
TYPED_TEST_SUITE(AsyncSharedMutex, corolock_test::policies, corolock_test::policy_names);

TYPED_TEST(AsyncSharedMutex, ManyReadersHoldItTogether) {
  const auto a = this->m_.try_lock_shared();
  const auto b = started(this->read(this->m_));
  const auto c = started(this->read_on(this->m_, this->executor_));
  EXPECT_TRUE(a);
  EXPECT_TRUE(b.done());
  EXPECT_TRUE(c.done());
  EXPECT_EQ(this->m_.statistics().readers, 3U);
  EXPECT_FALSE(this->m_.statistics().locked);
  EXPECT_FALSE(this->m_.try_lock());
}

TYPED_TEST(AsyncSharedMutex, AWriterHoldsItAlone) {
  auto g = started(this->write(this->m_)).result();
  EXPECT_TRUE(this->m_.statistics().locked);
  EXPECT_FALSE(this->m_.try_lock());
  EXPECT_FALSE(this->m_.try_lock_shared());
  const auto r = started(this->read(this->m_));
  const auto w = started(this->write(this->m_));
  EXPECT_FALSE(r.done());
  EXPECT_FALSE(w.done());
  g.unlock();
  EXPECT_TRUE(r.done());
  EXPECT_FALSE(w.done());
}

TYPED_TEST(AsyncSharedMutex, TwoWritersAreNeverInsideTogether) {
  auto reader = this->m_.try_lock_shared();
  auto a = started(this->write_on(this->m_, this->executor_));
  const auto b = started(this->write_on(this->m_, this->executor_));
  reader.unlock();
  EXPECT_EQ(this->executor_.run_all(), 1U);
  EXPECT_TRUE(a.done());
  EXPECT_FALSE(b.done());
  a.destroy();
  EXPECT_EQ(this->executor_.run_all(), 1U);
  EXPECT_TRUE(b.done());
}

TYPED_TEST(AsyncSharedMutex, TheLastReaderLetsTheWriterIn) {
  auto a = this->m_.try_lock_shared();
  auto b = this->m_.try_lock_shared();
  const auto w = started(this->write(this->m_));
  b.unlock();
  EXPECT_FALSE(w.done());
  a.unlock();
  EXPECT_TRUE(w.done());
}

TYPED_TEST(AsyncSharedMutex, AReaderDoesNotOvertakeAWaitingWriter) {
  auto reader = this->m_.try_lock_shared();
  const auto w = started(this->append_write(this->m_, this->order_, 0));
  EXPECT_FALSE(this->m_.try_lock_shared());
  const auto r = started(this->append_read(this->m_, this->order_, 1));
  EXPECT_FALSE(r.done());
  reader.unlock();
  EXPECT_THAT(this->order_, ElementsAre(0, 1));
}

TYPED_TEST(AsyncSharedMutex, AReaderThatReadsAgainBehindAWriterWaitsForItself) {
  auto twice = [](auto& m) -> task<> {
    auto first = co_await m.async_lock_shared();
    auto writer = started(AsyncSharedMutex<TypeParam>::write(m));
    auto second = co_await m.async_lock_shared();
  };
  auto t = started(twice(this->m_));
  EXPECT_FALSE(t.done());
  t.destroy();
  EXPECT_FALSE(this->m_.is_locked());
}

TYPED_TEST(AsyncSharedMutex, AWriterLetsInAllReadersUpToTheNextWriter) {
  auto g = this->m_.try_lock();
  const auto a = started(this->read_on(this->m_, this->executor_));
  const auto b = started(this->read_on(this->m_, this->executor_));
  const auto w = started(this->write_on(this->m_, this->executor_));
  const auto c = started(this->read_on(this->m_, this->executor_));
  g.unlock();
  EXPECT_EQ(this->executor_.size(), 2U);
  EXPECT_EQ(this->m_.statistics().readers, 2U);
  EXPECT_EQ(this->m_.statistics().waiters, 2U);
  this->executor_.run_all();
  EXPECT_FALSE(w.done());
  EXPECT_FALSE(c.done());
}

TYPED_TEST(AsyncSharedMutex, WaitersOfBothKindsAreServedInOrderOfArrival) {
  auto g = this->m_.try_lock();
  std::vector<task<>> tasks;
  for (int id = 0; id < 6; ++id) {
    tasks.push_back(id % 2 == 0 ? started(this->append_read(this->m_, this->order_, id))
                                : started(this->append_write(this->m_, this->order_, id)));
  }
  g.unlock();
  EXPECT_THAT(this->order_, ElementsAre(0, 1, 2, 3, 4, 5));
}

TYPED_TEST(AsyncSharedMutex, NobodyOvertakesAWokenWaiter) {
  auto g = this->m_.try_lock();
  const auto w = started(this->write_on(this->m_, this->executor_));
  g.unlock();
  EXPECT_FALSE(this->m_.try_lock());
  EXPECT_FALSE(this->m_.try_lock_shared());
  EXPECT_TRUE(this->m_.is_locked());
  this->executor_.run_all();
}

// ------------------------------------------------------------------------------- downgrading

TYPED_TEST(AsyncSharedMutex, ADowngradedWriterIsAReader) {
  auto w = this->m_.try_lock();
  const auto r = this->m_.downgrade(std::move(w));
  EXPECT_FALSE(w);  // NOLINT(bugprone-use-after-move)
  EXPECT_TRUE(r);
  EXPECT_EQ(this->m_.statistics().readers, 1U);
  EXPECT_TRUE(this->m_.try_lock_shared());
  EXPECT_FALSE(this->m_.try_lock());
}

TYPED_TEST(AsyncSharedMutex, DowngradingLetsInTheReadersThatWaitNext) {
  auto w = this->m_.try_lock();
  const auto a = started(this->read(this->m_));
  const auto b = started(this->read(this->m_));
  auto r = this->m_.downgrade(std::move(w));
  EXPECT_TRUE(a.done());
  EXPECT_TRUE(b.done());
  EXPECT_EQ(this->m_.statistics().readers, 3U);
}

TYPED_TEST(AsyncSharedMutex, DowngradingLetsNoWriterIn) {
  auto w = this->m_.try_lock();
  const auto next = started(this->write(this->m_));
  const auto behind = started(this->read(this->m_));
  auto r = this->m_.downgrade(std::move(w));
  EXPECT_FALSE(next.done());
  EXPECT_FALSE(behind.done());
  r.unlock();
  EXPECT_TRUE(next.done());
}

// ------------------------------------------------------------------------------ cancellation

TYPED_TEST(AsyncSharedMutex, AStoppedWriterLetsInTheReadersBehindIt) {
  const auto reader = this->m_.try_lock_shared();
  std::stop_source stop;
  auto w = started(this->write(this->m_, this->executor_, stop.get_token()));
  const auto a = started(this->read(this->m_));
  const auto b = started(this->read(this->m_));
  stop.request_stop();
  EXPECT_TRUE(a.done());
  EXPECT_TRUE(b.done());
  this->executor_.run_all();
  EXPECT_EQ(w.result().error(), corolock::errc::stopped);
}

TYPED_TEST(AsyncSharedMutex, ADestroyedWriterLetsInTheReadersBehindIt) {
  const auto reader = this->m_.try_lock_shared();
  auto w = started(this->write(this->m_));
  const auto a = started(this->read(this->m_));
  w.destroy();
  EXPECT_TRUE(a.done());
}

TYPED_TEST(AsyncSharedMutex, StoppingAReaderWhileAWriterHoldsTheLockWakesNobody) {
  const auto writer = this->m_.try_lock();
  std::stop_source stop;
  const auto a = started(this->read(this->m_, this->executor_, stop.get_token()));
  auto b = started(this->read_on(this->m_, this->executor_));
  auto c = started(this->write_on(this->m_, this->executor_));
  stop.request_stop();
  EXPECT_EQ(this->executor_.run_all(), 1U);
  EXPECT_FALSE(b.done());
  EXPECT_FALSE(c.done());
  c.destroy();
  b.destroy();
}

TYPED_TEST(AsyncSharedMutex, AWritersGrantPassesOnWhenItIsStoppedBeforeItRan) {
  auto g = this->m_.try_lock();
  std::stop_source stop;
  auto w = started(this->write(this->m_, this->executor_, stop.get_token()));
  const auto a = started(this->read_on(this->m_, this->executor_));
  g.unlock();
  stop.request_stop();
  this->executor_.run_all();
  EXPECT_EQ(w.result().error(), corolock::errc::stopped);
  EXPECT_TRUE(a.done());
}

TYPED_TEST(AsyncSharedMutex, AReadersGrantPassesOnWhenItIsStoppedBeforeItRan) {
  auto g = this->m_.try_lock();
  std::stop_source stop;
  auto r = started(this->read(this->m_, this->executor_, stop.get_token()));
  const auto w = started(this->write_on(this->m_, this->executor_));
  g.unlock();
  stop.request_stop();
  this->executor_.run_all();
  EXPECT_FALSE(r.result());
  EXPECT_TRUE(w.done());
}

TYPED_TEST(AsyncSharedMutex, AGrantPassesOnWhenItsFrameIsDestroyedBeforeItRan) {
  auto g = this->m_.try_lock();
  auto w = started(this->write_on(this->m_, this->executor_));
  auto r = started(this->read_on(this->m_, this->executor_));
  const auto last = started(this->write_on(this->m_, this->executor_));
  g.unlock();
  EXPECT_TRUE(this->executor_.drop(w.address()));
  w.destroy();
  EXPECT_TRUE(this->executor_.drop(r.address()));
  r.destroy();
  EXPECT_EQ(this->executor_.run_all(), 1U);
  EXPECT_TRUE(last.done());
}

TYPED_TEST(AsyncSharedMutex, AGrantPassesOnWhenItsFrameIsDestroyedOnTheTrampoline) {
  auto g = this->m_.try_lock();
  task<> b;
  task<> c;
  const auto a = started(this->written_then(this->m_, [&] {
    b.destroy();
    c.destroy();
  }));
  b = started(this->append_read(this->m_, this->order_, 1));
  c = started(this->append_write(this->m_, this->order_, 2));
  const auto d = started(this->append_read(this->m_, this->order_, 3));
  g.unlock();
  EXPECT_THAT(this->order_, ElementsAre(3));
  EXPECT_FALSE(this->m_.is_locked());
}

TYPED_TEST(AsyncSharedMutex, AStoppedTokenNeverAcquires) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(started(this->write(this->m_, this->executor_, stop.get_token())).result());
  EXPECT_FALSE(started(this->read(this->m_, this->executor_, stop.get_token())).result());
  EXPECT_FALSE(this->m_.is_locked());
}

// ------------------------------------------------------------------------------------ guards

TYPED_TEST(AsyncSharedMutex, AssigningToASharedGuardUnlocksWhatItHeld) {
  typename TestFixture::mutex other;
  auto a = this->m_.try_lock_shared();
  a = other.try_lock_shared();
  EXPECT_FALSE(this->m_.is_locked());
  EXPECT_TRUE(other.is_locked());
  auto& same = a;
  a = std::move(same);
  EXPECT_TRUE(other.is_locked());
  auto b = std::move(a);
  EXPECT_FALSE(a);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(b.mutex(), &other);
}

TYPED_TEST(AsyncSharedMutex, AnExceptionUnlocks) {
  auto fail = [](auto& m) -> task<> {
    auto g = co_await m.async_lock_shared();
    throw std::runtime_error("body");
  };
  auto t = started(fail(this->m_));
  EXPECT_THROW(t.result(), std::runtime_error);
  EXPECT_FALSE(this->m_.is_locked());
}

TYPED_TEST(AsyncSharedMutex, AReleasedSharedGuardLeavesTheLockToItsCaller) {
  auto* held = this->m_.try_lock_shared().release();
  EXPECT_TRUE(this->m_.is_locked());
  held->unlock_shared();
  EXPECT_FALSE(this->m_.is_locked());
  EXPECT_FALSE(std::copyable<typename TestFixture::shared_guard>);
}

// ------------------------------------------------------------------------------------- misuse

template <class Threading>
class AsyncSharedMutexDeathTest : public AsyncSharedMutex<Threading> {};
TYPED_TEST_SUITE(AsyncSharedMutexDeathTest, corolock_test::policies, corolock_test::policy_names);

TYPED_TEST(AsyncSharedMutexDeathTest, UnlockingWhatNobodyHoldsIsMisuse) {
  EXPECT_DEATH(this->m_.unlock(), "unlock\\(\\) of an async_shared_mutex that no writer holds");
  EXPECT_DEATH(this->m_.unlock_shared(),
               "unlock_shared\\(\\) of an async_shared_mutex that no reader holds");
}

TYPED_TEST(AsyncSharedMutexDeathTest, UnlockingTheOtherKindIsMisuse) {
  const auto r = this->m_.try_lock_shared();
  EXPECT_DEATH(this->m_.unlock(), "unlock\\(\\) of an async_shared_mutex that no writer holds");
}

TYPED_TEST(AsyncSharedMutexDeathTest, DowngradingWithoutTheLockIsMisuse) {
  EXPECT_DEATH(this->m_.downgrade(typename TestFixture::guard()).unlock(),
               "downgrade\\(\\) of an async_shared_mutex with a guard that does not hold it");
}

TYPED_TEST(AsyncSharedMutexDeathTest, DestroyingAHeldMutexIsMisuse) {
  EXPECT_DEATH(
      {
        typename TestFixture::mutex m;
        m.try_lock_shared().release();
      },
      "an async_shared_mutex was destroyed while it was held");
}
