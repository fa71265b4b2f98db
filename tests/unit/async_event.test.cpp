// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <corolock/async_event.hpp>
#include <support/manual_executor.hpp>
#include <support/policies.hpp>
#include <support/task.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

using corolock_test::manual_executor;
using corolock_test::started;
using corolock_test::task;
using testing::ElementsAre;

template <class Threading>
class AsyncEvent : public testing::Test {
 protected:
  using event = corolock::basic_async_event<Threading>;
  using outcome = corolock::outcome<void>;

  static task<> wait(event& e) { co_await e.async_wait(); }
  static task<outcome> wait(event& e, std::stop_token token) {
    const outcome o = co_await e.async_wait(token);
    co_return o;
  }
  static task<> wait_on(event& e, manual_executor& x) { co_await e.async_wait().on(x); }
  static task<outcome> wait_on(event& e, manual_executor& x, std::stop_token token) {
    const outcome o = co_await e.async_wait(token).on(x);
    co_return o;
  }
  static task<void, manual_executor> wait_by_promise(event& e, manual_executor&) {
    co_await e.async_wait();
  }
  static task<> append(event& e, std::vector<int>& order, int id) {
    co_await e.async_wait();
    order.push_back(id);
  }
  static task<> append_on(event& e, manual_executor& x, std::vector<int>& order, int id) {
    co_await e.async_wait().on(x);
    order.push_back(id);
  }
  static task<> wait_then(event& e, std::function<void()> f) {
    co_await e.async_wait();
    f();
  }

  event event_;
  manual_executor executor_;
  std::vector<int> order_;
};
TYPED_TEST_SUITE(AsyncEvent, corolock_test::policies, corolock_test::policy_names);

TYPED_TEST(AsyncEvent, IsNotSetAtFirstUnlessItIsToldTo) {
  EXPECT_FALSE(this->event_.is_set());
  const typename TestFixture::event set(true);
  EXPECT_TRUE(set.is_set());
}

TYPED_TEST(AsyncEvent, AWaitForASetEventDoesNotSuspend) {
  this->event_.set();
  EXPECT_TRUE(this->event_.try_wait());
  EXPECT_TRUE(started(this->wait(this->event_)).done());
  EXPECT_TRUE(started(this->wait_on(this->event_, this->executor_)).done());
  EXPECT_TRUE(started(this->wait(this->event_, std::stop_token())).result());
  EXPECT_EQ(this->executor_.size(), 0U);
}

TYPED_TEST(AsyncEvent, SetWakesAllInOrderOfArrival) {
  std::vector<task<>> tasks;
  for (int id = 0; id < 4; ++id) {
    tasks.push_back(started(this->append(this->event_, this->order_, id)));
  }
  EXPECT_FALSE(this->event_.try_wait());
  this->event_.set();
  EXPECT_THAT(this->order_, ElementsAre(0, 1, 2, 3));
}

TYPED_TEST(AsyncEvent, ATaskThatArrivesAfterSetGoesThroughBeforeTheWokenOnesRun) {
  const auto a = started(this->append_on(this->event_, this->executor_, this->order_, 1));
  const auto b = started(this->append_on(this->event_, this->executor_, this->order_, 2));
  this->event_.set();
  const auto c = started(this->append_on(this->event_, this->executor_, this->order_, 3));
  this->executor_.run_all();
  EXPECT_THAT(this->order_, ElementsAre(3, 1, 2));
}

TYPED_TEST(AsyncEvent, AWokenTaskGoesOnThoughTheEventWasResetBeforeItRan) {
  auto a = started(this->wait_on(this->event_, this->executor_));
  std::stop_source stop;
  auto b = started(this->wait_on(this->event_, this->executor_, stop.get_token()));
  this->event_.set();
  this->event_.reset();
  this->executor_.run_all();
  EXPECT_TRUE(a.done());
  EXPECT_TRUE(b.result());
  EXPECT_FALSE(this->event_.is_set());
  EXPECT_FALSE(started(this->wait(this->event_)).done());
}

TYPED_TEST(AsyncEvent, AllWokenTasksGoOnThoughTheFirstOneResetsTheEvent) {
  const auto a = started(this->wait_then(this->event_, [&] { this->event_.reset(); }));
  const auto b = started(this->append(this->event_, this->order_, 1));
  this->event_.set();
  EXPECT_THAT(this->order_, ElementsAre(1));
}

TYPED_TEST(AsyncEvent, SettingItTwiceIsSettingItOnce) {
  const auto a = started(this->wait_on(this->event_, this->executor_));
  this->event_.set();
  this->event_.set();
  EXPECT_EQ(this->executor_.run_all(), 1U);
  EXPECT_TRUE(this->event_.is_set());
}

TYPED_TEST(AsyncEvent, SetMayMeetWaitersThatWereWokenButDidNotRunYet) {
  const auto a = started(this->append_on(this->event_, this->executor_, this->order_, 0));
  this->event_.set();
  this->event_.reset();
  const auto b = started(this->append_on(this->event_, this->executor_, this->order_, 1));
  this->event_.set();
  EXPECT_EQ(this->executor_.run_all(), 2U);
  EXPECT_THAT(this->order_, ElementsAre(0, 1));
}

TYPED_TEST(AsyncEvent, ResetMakesTasksWaitAgain) {
  this->event_.set();
  this->event_.reset();
  this->event_.reset();
  const auto t = started(this->wait(this->event_));
  EXPECT_FALSE(t.done());
  this->event_.reset();
  EXPECT_FALSE(t.done());
  EXPECT_EQ(this->event_.statistics().waiters, 1U);
  this->event_.set();
  EXPECT_TRUE(t.done());
}

TYPED_TEST(AsyncEvent, ATaskThatWaitsAgainInItsTurnWaitsForTheNextSet) {
  auto rounds = [](auto& e, std::vector<int>& order) -> task<> {
    for (int i = 0; i < 3; ++i) {
      co_await e.async_wait();
      e.reset();
      order.push_back(i);
    }
  };
  const auto t = started(rounds(this->event_, this->order_));
  this->event_.set();
  EXPECT_THAT(this->order_, ElementsAre(0));
  this->event_.set();
  this->event_.set();
  EXPECT_TRUE(t.done());
}

TYPED_TEST(AsyncEvent, AStoppedWaiterLeavesTheQueue) {
  std::stop_source stop;
  auto a = started(this->wait(this->event_, stop.get_token()));
  const auto b = started(this->append(this->event_, this->order_, 1));
  stop.request_stop();
  EXPECT_EQ(a.result().error(), corolock::errc::stopped);
  EXPECT_EQ(this->event_.statistics().waiters, 1U);
  this->event_.set();
  EXPECT_THAT(this->order_, ElementsAre(1));
}

TYPED_TEST(AsyncEvent, AnEventThatLostItsLastWaiterIsNotSet) {
  std::stop_source stop;
  const auto a = started(this->wait(this->event_, stop.get_token()));
  auto b = started(this->wait(this->event_));
  stop.request_stop();
  EXPECT_FALSE(this->event_.is_set());
  b.destroy();
  EXPECT_FALSE(this->event_.is_set());
  EXPECT_FALSE(this->event_.statistics().set);
  EXPECT_FALSE(started(this->wait(this->event_)).done());
}

TYPED_TEST(AsyncEvent, AStoppedTokenIsStoppedThoughTheEventIsSet) {
  std::stop_source stop;
  stop.request_stop();
  this->event_.set();
  EXPECT_EQ(started(this->wait(this->event_, stop.get_token())).result().error(),
            corolock::errc::stopped);
}

TYPED_TEST(AsyncEvent, AWaiterDestroyedInTheQueueLeavesIt) {
  auto a = started(this->append(this->event_, this->order_, 0));
  const auto b = started(this->append(this->event_, this->order_, 1));
  a.destroy();
  this->event_.set();
  EXPECT_THAT(this->order_, ElementsAre(1));
}

TYPED_TEST(AsyncEvent, AWokenWaiterMayBeDestroyedBeforeItRan) {
  auto a = started(this->append_on(this->event_, this->executor_, this->order_, 0));
  const auto b = started(this->append_on(this->event_, this->executor_, this->order_, 1));
  this->event_.set();
  EXPECT_TRUE(this->executor_.drop(a.address()));
  a.destroy();
  this->executor_.run_all();
  EXPECT_THAT(this->order_, ElementsAre(1));
}

TYPED_TEST(AsyncEvent, OfThoseThatOneSetWokeTheFirstMayDestroyTheOthers) {
  task<> b;
  task<> c;
  task<> d;
  const auto a = started(this->wait_then(this->event_, [&] {
    c.destroy();
    b.destroy();
    d.destroy();
  }));
  b = started(this->append(this->event_, this->order_, 1));
  c = started(this->append(this->event_, this->order_, 2));
  d = started(this->append(this->event_, this->order_, 3));
  const auto e = started(this->append(this->event_, this->order_, 4));
  this->event_.set();
  EXPECT_THAT(this->order_, ElementsAre(4));
}

TYPED_TEST(AsyncEvent, AWokenTaskMayDestroyTheEvent) {
  std::optional<typename TestFixture::event> e(std::in_place);
  const auto t = started(this->wait_then(*e, [&] { e.reset(); }));
  e->set();
  EXPECT_TRUE(t.done());
  EXPECT_FALSE(e);
}

TYPED_TEST(AsyncEvent, TheFirstOfSeveralWokenTasksMayDestroyTheEvent) {
  std::optional<typename TestFixture::event> e(std::in_place);
  const auto a = started(this->wait_then(*e, [&] { e.reset(); }));
  const auto b = started(this->wait(*e));
  auto c = started(this->wait_on(*e, this->executor_));
  auto d = started(this->wait_on(*e, this->executor_));
  e->set();
  EXPECT_FALSE(e);
  EXPECT_TRUE(this->executor_.drop(d.address()));
  d.destroy();
  this->executor_.run_all();
  EXPECT_TRUE(b.done());
  EXPECT_TRUE(c.done());
}

TYPED_TEST(AsyncEvent, SetOnlyPostsToTheExecutorOfThePromise) {
  const auto t = started(this->wait_by_promise(this->event_, this->executor_));
  this->event_.set();
  EXPECT_FALSE(t.done());
  EXPECT_EQ(this->executor_.run_all(), 1U);
  EXPECT_TRUE(t.done());
}

TYPED_TEST(AsyncEvent, TwoWaitersThatSetEachOthersEventsWhenStoppedBothEnd) {
  typename TestFixture::event other;
  auto wait_and_set = [](auto& mine, auto& theirs, std::stop_token token) -> task<bool> {
    const auto o = co_await mine.async_wait(token);
    theirs.set();
    co_return o.has_value();
  };
  std::stop_source stop;
  auto a = started(wait_and_set(this->event_, other, stop.get_token()));
  auto b = started(wait_and_set(other, this->event_, stop.get_token()));
  stop.request_stop();
  EXPECT_TRUE(a.done());
  EXPECT_TRUE(b.done());
}

TYPED_TEST(AsyncEvent, StatisticsTellWhetherItIsSetAndHowManyWait) {
  const auto a = started(this->wait(this->event_));
  const auto b = started(this->wait(this->event_));
  EXPECT_FALSE(this->event_.statistics().set);
  EXPECT_EQ(this->event_.statistics().waiters, 2U);
  this->event_.set();
  EXPECT_TRUE(this->event_.statistics().set);
  EXPECT_EQ(this->event_.statistics().waiters, 0U);
}

TYPED_TEST(AsyncEvent, IsTwoPointersLong) {
  EXPECT_EQ(sizeof(typename TestFixture::event), 2 * sizeof(void*));
}

template <class Threading>
class AsyncEventDeathTest : public AsyncEvent<Threading> {};
TYPED_TEST_SUITE(AsyncEventDeathTest, corolock_test::policies, corolock_test::policy_names);

TYPED_TEST(AsyncEventDeathTest, DestroyingItUnderItsWaitersIsMisuse) {
  EXPECT_DEATH(
      {
        task<> t;
        typename TestFixture::event e;
        t = started(this->wait(e));
      },
      "an async_event was destroyed while tasks waited for it");
}
