// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <corolock/guarded.hpp>
#include <support/manual_executor.hpp>
#include <support/policies.hpp>
#include <support/task.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

using corolock_test::manual_executor;
using corolock_test::started;
using corolock_test::task;
using testing::ElementsAre;

template <class Threading>
class Guarded : public testing::Test {
 protected:
  using mutex_type = corolock::basic_async_mutex<Threading>;
  template <class T>
  using guarded_type = corolock::basic_guarded<T, mutex_type>;
  using list = guarded_type<std::vector<int>>;
  using pointer = typename list::guard_type;
  using outcome = corolock::outcome<pointer>;

  // Tasks that end with the grant in their result; the test decides when it is dropped.
  static task<pointer> lock(list& l) {
    pointer p = co_await l.async_lock();
    co_return p;
  }
  static task<pointer> lock_on(list& l, manual_executor& e) {
    pointer p = co_await l.async_lock().on(e);
    co_return p;
  }
  static task<pointer, manual_executor> lock_by_promise(list& l, manual_executor&) {
    pointer p = co_await l.async_lock();
    co_return p;
  }
  static task<outcome> lock(list& l, std::stop_token token) {
    outcome p = co_await l.async_lock(token);
    co_return p;
  }
  static task<outcome> lock_on(list& l, manual_executor& e, std::stop_token token) {
    outcome p = co_await l.async_lock(token).on(e);
    co_return p;
  }
  static task<> append(list& l, int value) {
    auto values = co_await l.async_lock();
    values->push_back(value);
  }
  // Locks, unlocks, then does something, while it still runs on the trampoline.
  static task<> locked_then(list& l, std::function<void()> f) {
    {
      const pointer p = co_await l.async_lock();
    }
    f();
  }

  manual_executor executor_;
};
TYPED_TEST_SUITE(Guarded, corolock_test::policies, corolock_test::policy_names);

// --------------------------------------------------------------------------------- the object

TYPED_TEST(Guarded, TheObjectIsReachedThroughTheGrant) {
  typename TestFixture::list l;
  auto p = started(this->lock(l)).result();
  p->push_back(1);
  (*p).push_back(2);
  EXPECT_THAT(*p, ElementsAre(1, 2));
  EXPECT_TRUE(l.is_locked());
}

TYPED_TEST(Guarded, TheObjectIsConstructedInPlace) {
  struct pinned {
    pinned(int a, std::unique_ptr<int> b) : sum(a + *b) {}
    pinned(const pinned&) = delete;
    int sum;
  };
  typename TestFixture::template guarded_type<pinned> g(1, std::make_unique<int>(2));
  EXPECT_EQ(g.try_lock()->sum, 3);
  typename TestFixture::list l(3U, 7);
  EXPECT_THAT(*l.try_lock(), ElementsAre(7, 7, 7));
}

TYPED_TEST(Guarded, TheObjectMayBeAnAggregateOrACopy) {
  struct account {
    int balance = 0;
    std::string owner;
  };
  typename TestFixture::template guarded_type<account> in_place(5, "Ada");
  EXPECT_EQ(in_place.try_lock()->owner, "Ada");
  const account sample{7, "Grace"};
  typename TestFixture::template guarded_type<account> copy(sample);
  EXPECT_EQ(copy.try_lock()->balance, 7);
}

TYPED_TEST(Guarded, ItIsNeitherCopiedNorMoved) {
  using guarded_list = typename TestFixture::list;
  EXPECT_FALSE(std::is_copy_constructible_v<guarded_list>);
  EXPECT_FALSE((std::is_constructible_v<guarded_list, guarded_list&>));
  EXPECT_FALSE(std::is_move_constructible_v<guarded_list>);
  EXPECT_FALSE(std::is_copy_constructible_v<typename guarded_list::guard_type>);
}

TYPED_TEST(Guarded, CostsNoMoreThanTheObjectAndTheLock) {
  EXPECT_EQ(sizeof(typename TestFixture::template guarded_type<void*>),
            sizeof(void*) + sizeof(typename TestFixture::mutex_type));
}

// ------------------------------------------------------------------------------------ locking

TYPED_TEST(Guarded, OneTaskAtATimeHoldsTheObject) {
  typename TestFixture::list l;
  auto p = l.try_lock();
  const auto t = started(this->lock(l));
  EXPECT_FALSE(t.done());
  EXPECT_FALSE(l.try_lock());
  EXPECT_EQ(l.statistics().waiters, 1U);
  p.unlock();
  EXPECT_FALSE(p);
  EXPECT_TRUE(t.done());
}

TYPED_TEST(Guarded, WaitersAreServedInOrderOfArrival) {
  typename TestFixture::list l;
  auto p = l.try_lock();
  std::vector<task<>> tasks;
  for (int value = 0; value < 5; ++value) {
    tasks.push_back(started(this->append(l, value)));
  }
  p.unlock();
  EXPECT_THAT(*l.try_lock(), ElementsAre(0, 1, 2, 3, 4));
}

TYPED_TEST(Guarded, AWaiterResumesOnTheExecutorThatItNames) {
  typename TestFixture::list l;
  auto p = l.try_lock();
  const auto a = started(this->lock_on(l, this->executor_));
  p.unlock();
  EXPECT_FALSE(a.done());
  this->executor_.run_all();
  EXPECT_TRUE(a.done());
}

TYPED_TEST(Guarded, AWaiterResumesOnTheExecutorThatItsPromiseOffers) {
  typename TestFixture::list l;
  auto p = l.try_lock();
  const auto a = started(this->lock_by_promise(l, this->executor_));
  p.unlock();
  EXPECT_FALSE(a.done());
  this->executor_.run_all();
  EXPECT_TRUE(a.done());
}

TYPED_TEST(Guarded, AnExceptionInTheSectionUnlocks) {
  typename TestFixture::list l;
  auto f = [](auto& guarded) -> task<> {
    auto p = co_await guarded.async_lock();
    p->push_back(1);
    throw std::runtime_error("in the section");
  };
  auto t = started(f(l));
  EXPECT_THROW(t.result(), std::runtime_error);
  EXPECT_FALSE(l.is_locked());
}

// ----------------------------------------------------------------------------------- the grant

TYPED_TEST(Guarded, AMovedGrantUnlocksOnce) {
  typename TestFixture::list l;
  auto a = l.try_lock();
  auto b = std::move(a);
  EXPECT_FALSE(a);  // NOLINT(bugprone-use-after-move): that is the question
  EXPECT_TRUE(b);
  b.unlock();
  b.unlock();
  EXPECT_FALSE(l.is_locked());
}

TYPED_TEST(Guarded, AnAssignedGrantReleasesWhatItHeld) {
  typename TestFixture::list a;
  typename TestFixture::list b(1U, 2);
  auto p = a.try_lock();
  p = b.try_lock();
  EXPECT_FALSE(a.is_locked());
  EXPECT_TRUE(b.is_locked());
  EXPECT_THAT(*p, ElementsAre(2));
}

TYPED_TEST(Guarded, AGrantIsEmptyUntilItIsGranted) {
  const typename TestFixture::pointer p;
  EXPECT_FALSE(p);
}

// ------------------------------------------------------------------------------- cancellation

TYPED_TEST(Guarded, AWaitThatMayBeStoppedYieldsTheGrant) {
  typename TestFixture::list l(1U, 3);
  std::stop_source stop;
  auto a = started(this->lock(l, stop.get_token()));
  EXPECT_THAT(**a.result(), ElementsAre(3));
  auto b = started(this->lock_on(l, this->executor_, stop.get_token()));
  EXPECT_THAT(**b.result(), ElementsAre(3));
  EXPECT_FALSE(l.is_locked());
}

TYPED_TEST(Guarded, AStoppedWaitYieldsStopped) {
  typename TestFixture::list l;
  std::stop_source stop;
  auto p = l.try_lock();
  auto a = started(this->lock(l, stop.get_token()));
  auto b = started(this->lock_on(l, this->executor_, stop.get_token()));
  stop.request_stop();
  this->executor_.run_all();
  EXPECT_EQ(a.result().error(), corolock::errc::stopped);
  EXPECT_EQ(b.result().error(), corolock::errc::stopped);
  EXPECT_EQ(l.statistics().waiters, 0U);
}

TYPED_TEST(Guarded, AGrantPassesOnWhenItsWaiterIsStoppedBeforeItRan) {
  typename TestFixture::list l;
  std::stop_source stop;
  auto p = l.try_lock();
  auto a = started(this->lock_on(l, this->executor_, stop.get_token()));
  const auto b = started(this->lock(l));
  p.unlock();
  stop.request_stop();
  EXPECT_TRUE(b.done());
  this->executor_.run_all();
  EXPECT_EQ(a.result().error(), corolock::errc::stopped);
}

TYPED_TEST(Guarded, AWaiterDestroyedInTheQueueLeavesIt) {
  typename TestFixture::list l;
  std::stop_source stop;
  auto p = l.try_lock();
  auto a = started(this->lock(l));
  auto b = started(this->lock(l, stop.get_token()));
  auto c = started(this->lock_on(l, this->executor_));
  const auto d = started(this->lock(l));
  a.destroy();
  b.destroy();
  c.destroy();
  EXPECT_EQ(l.statistics().waiters, 1U);
  p.unlock();
  EXPECT_TRUE(d.done());
}

TYPED_TEST(Guarded, AGrantedFrameThatIsDestroyedPassesTheLockOn) {
  typename TestFixture::list l;
  auto p = l.try_lock();
  auto a = started(this->lock_on(l, this->executor_));
  const auto b = started(this->lock(l));
  p.unlock();
  EXPECT_TRUE(this->executor_.drop(a.address()));
  a.destroy();
  EXPECT_TRUE(b.done());
}

TYPED_TEST(Guarded, AGrantedFrameThatIsDestroyedOnTheTrampolinePassesTheLockOn) {
  typename TestFixture::list l;
  task<typename TestFixture::pointer> b;
  auto p = l.try_lock();
  const auto a = started(this->locked_then(l, [&] { b.destroy(); }));
  b = started(this->lock(l));
  const auto c = started(this->append(l, 2));
  p.unlock();
  EXPECT_THAT(*l.try_lock(), ElementsAre(2));
}

// -------------------------------------------------------------------------------- diagnostics

TYPED_TEST(Guarded, DiagnosticsAreTheMutexs) {
  using mutex = corolock::basic_async_mutex<TypeParam, corolock::diagnostics>;
  corolock::basic_guarded<std::vector<int>, mutex> users(
      std::piecewise_construct, std::tuple<int, int>(2, 7), std::tuple<const char*>("users"));
  EXPECT_EQ(users.diagnostics().name(), "users");
  auto p = users.try_lock();
  EXPECT_NE(users.diagnostics().owner().line(), 0U);
  EXPECT_STREQ(users.diagnostics().owner().file_name(), __FILE__);
  EXPECT_THAT(*p, ElementsAre(7, 7));
  p.unlock();
  auto f = [](auto& guarded) -> task<> {
    const auto locked = co_await guarded.async_lock();
    EXPECT_STREQ(guarded.diagnostics().owner().file_name(), __FILE__);
  };
  const auto t = started(f(users));
  EXPECT_TRUE(t.done());
  EXPECT_EQ(users.diagnostics().waits().total(), 2U);
  EXPECT_EQ(users.diagnostics().holds().total(), 2U);
}

// ------------------------------------------------------------------------------------- misuse

template <class Threading>
class GuardedDeathTest : public Guarded<Threading> {};
TYPED_TEST_SUITE(GuardedDeathTest, corolock_test::policies, corolock_test::policy_names);

TYPED_TEST(GuardedDeathTest, UsingTheObjectThroughAnEmptyGrantIsMisuse) {
  typename TestFixture::list l;
  auto p = l.try_lock();
  p.unlock();
  EXPECT_DEATH(p->clear(), "a guarded object was used through an empty guarded_ptr");
  EXPECT_DEATH((*p).clear(), "a guarded object was used through an empty guarded_ptr");
}

TYPED_TEST(GuardedDeathTest, AGrantFromTheGuardOfAnotherLockIsMisuse) {
  typename TestFixture::list l;
  typename TestFixture::mutex_type other;
  EXPECT_DEATH(const typename TestFixture::pointer p(l, other.try_lock()),
               "a guarded_ptr was made with the guard of another lock");
}

TYPED_TEST(GuardedDeathTest, DestroyingItWhileItIsHeldIsMisuse) {
  EXPECT_DEATH(
      {
        std::optional<typename TestFixture::list> l(std::in_place);
        const auto p = l->try_lock();
        l.reset();
      },
      "an async_mutex was destroyed while it was held");
}
