// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <corolock/async_barrier.hpp>
#include <support/manual_executor.hpp>
#include <support/policies.hpp>
#include <support/task.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
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
class AsyncBarrier : public testing::Test {
 protected:
  using barrier = corolock::basic_async_barrier<Threading>;
  using outcome = corolock::outcome<std::size_t>;

  static task<outcome> arrive(barrier& b) {
    const outcome o = co_await b.async_arrive_and_wait();
    co_return o;
  }
  static task<outcome> arrive(barrier& b, std::stop_token token) {
    const outcome o = co_await b.async_arrive_and_wait(token);
    co_return o;
  }
  static task<outcome> arrive_on(barrier& b, manual_executor& e) {
    const outcome o = co_await b.async_arrive_and_wait().on(e);
    co_return o;
  }
  static task<outcome> arrive_on(barrier& b, manual_executor& e, std::stop_token token) {
    const outcome o = co_await b.async_arrive_and_wait(token).on(e);
    co_return o;
  }
  static task<outcome, manual_executor> arrive_by_promise(barrier& b, manual_executor&) {
    const outcome o = co_await b.async_arrive_and_wait();
    co_return o;
  }
  static task<> arrive_then(barrier& b, std::function<void()> f) {
    static_cast<void>(co_await b.async_arrive_and_wait());
    f();
  }
  static task<> append_phases(barrier& b, std::vector<int>& order, int phases) {
    for (int phase = 0; phase < phases; ++phase) {
      order.push_back(phase);
      static_cast<void>(co_await b.async_arrive_and_wait());
    }
  }

  barrier two_{2};
  barrier three_{3};
  manual_executor executor_;
  std::vector<int> order_;
};
TYPED_TEST_SUITE(AsyncBarrier, corolock_test::policies, corolock_test::policy_names);

TYPED_TEST(AsyncBarrier, LetsTasksGoWhenAllHaveArrived) {
  auto a = started(this->arrive(this->three_));
  auto b = started(this->arrive(this->three_));
  EXPECT_FALSE(a.done());
  EXPECT_EQ(this->three_.statistics().waiters, 2U);
  auto c = started(this->arrive(this->three_));
  EXPECT_EQ(*a.result(), 0U);
  EXPECT_EQ(*b.result(), 1U);
  EXPECT_EQ(*c.result(), 2U);
  EXPECT_EQ(this->three_.statistics().waiters, 0U);
}

TYPED_TEST(AsyncBarrier, OfOnePartyNeverWaits) {
  typename TestFixture::barrier one(1);
  auto a = started(this->arrive(one));
  EXPECT_EQ(*a.result(), 0U);
  auto b = started(this->arrive(one, std::stop_token()));
  EXPECT_EQ(*b.result(), 0U);
  EXPECT_EQ(one.parties(), 1U);
}

TYPED_TEST(AsyncBarrier, NoTaskBeginsAPhaseBeforeAllHaveEndedTheLastOne) {
  const auto a = started(this->append_phases(this->three_, this->order_, 3));
  const auto b = started(this->append_phases(this->three_, this->order_, 3));
  const auto c = started(this->append_phases(this->three_, this->order_, 3));
  EXPECT_TRUE(a.done() && b.done() && c.done());
  EXPECT_THAT(this->order_, ElementsAre(0, 0, 0, 1, 1, 1, 2, 2, 2));
}

TYPED_TEST(AsyncBarrier, TheNextRoundFillsWhileTheLastOneHasNotRunYet) {
  auto a = started(this->arrive_on(this->two_, this->executor_));
  auto b = started(this->arrive_on(this->two_, this->executor_));
  auto c = started(this->arrive_on(this->two_, this->executor_));
  EXPECT_EQ(this->executor_.run_all(), 2U);
  EXPECT_EQ(*a.result(), 0U);
  EXPECT_EQ(*b.result(), 1U);
  EXPECT_FALSE(c.done());
  auto d = started(this->arrive_on(this->two_, this->executor_));
  this->executor_.run_all();
  EXPECT_EQ(*c.result(), 0U);
  EXPECT_EQ(*d.result(), 1U);
}

TYPED_TEST(AsyncBarrier, TryArriveSucceedsForTheLastPartyOnly) {
  EXPECT_EQ(this->two_.try_arrive(), std::nullopt);
  auto a = started(this->arrive(this->two_));
  EXPECT_EQ(this->two_.try_arrive(), 1U);
  EXPECT_EQ(*a.result(), 0U);
}

TYPED_TEST(AsyncBarrier, TheLastArrivalOnlyPostsToTheOthersExecutors) {
  const auto a = started(this->arrive_by_promise(this->two_, this->executor_));
  const auto b = started(this->arrive(this->two_));
  EXPECT_FALSE(a.done());
  EXPECT_TRUE(b.done());
  EXPECT_EQ(this->executor_.run_all(), 1U);
  EXPECT_TRUE(a.done());
}

TYPED_TEST(AsyncBarrier, TheLastPartyMayEndBeforeItsOwnArrivalHasReturned) {
  // Without an executor it is resumed inside the await_suspend of its own wait.
  auto arrive = [](auto& b, int& ended) -> corolock_test::detached {
    static_cast<void>(co_await b.async_arrive_and_wait());
    ++ended;
  };
  int ended = 0;
  arrive(this->two_, ended);
  arrive(this->two_, ended);
  EXPECT_EQ(ended, 2);
}

// ------------------------------------------------------------------------------ cancellation

TYPED_TEST(AsyncBarrier, AStoppedPartyHasNotArrivedAndTheBarrierIsNotBroken) {
  std::stop_source stop;
  auto a = started(this->arrive(this->two_, stop.get_token()));
  stop.request_stop();
  EXPECT_EQ(a.result().error(), corolock::errc::stopped);
  EXPECT_EQ(this->two_.statistics().waiters, 0U);
  EXPECT_FALSE(this->two_.is_broken());
  auto b = started(this->arrive(this->two_));
  EXPECT_FALSE(b.done());
  auto c = started(this->arrive(this->two_));
  EXPECT_TRUE(b.result() && c.result());
}

TYPED_TEST(AsyncBarrier, EachIndexIsGivenOnceThoughAPartyWasStoppedWhileItFilled) {
  std::stop_source stop;
  auto a = started(this->arrive(this->three_, stop.get_token()));
  auto b = started(this->arrive(this->three_));
  stop.request_stop();
  auto c = started(this->arrive(this->three_));
  auto d = started(this->arrive(this->three_));
  EXPECT_EQ(a.result().error(), corolock::errc::stopped);
  EXPECT_EQ(*b.result(), 0U);
  EXPECT_EQ(*c.result(), 1U);
  EXPECT_EQ(*d.result(), 2U);
}

TYPED_TEST(AsyncBarrier, ADestroyedPartyHasNotArrived) {
  auto a = started(this->arrive(this->two_));
  a.destroy();
  auto b = started(this->arrive(this->two_));
  EXPECT_FALSE(b.done());
  auto c = started(this->arrive(this->two_));
  EXPECT_EQ(*b.result(), 0U);
  EXPECT_EQ(*c.result(), 1U);
}

TYPED_TEST(AsyncBarrier, APartyThatWasLetGoMayBeDestroyedBeforeItRan) {
  auto a = started(this->arrive_on(this->two_, this->executor_));
  auto b = started(this->arrive_on(this->two_, this->executor_));
  EXPECT_TRUE(this->executor_.drop(a.address()));
  a.destroy();
  this->executor_.run_all();
  EXPECT_EQ(*b.result(), 1U);
  EXPECT_EQ(this->two_.statistics().waiters, 0U);
}

TYPED_TEST(AsyncBarrier, OneThatWasLetGoMayDestroyTheOthersAndTheBarrier) {
  std::optional<typename TestFixture::barrier> meeting(std::in_place, 3U);
  task<typename TestFixture::outcome> b;
  const auto a = started(this->arrive_then(*meeting, [&] {
    b.destroy();
    meeting.reset();
  }));
  b = started(this->arrive(*meeting));
  auto c = started(this->arrive(*meeting));
  EXPECT_TRUE(a.done());
  EXPECT_EQ(*c.result(), 2U);
}

// ------------------------------------------------------------------------- reset and abort

TYPED_TEST(AsyncBarrier, ResetBreaksTheWaitsAndTheBarrierWorksAgain) {
  auto a = started(this->arrive(this->three_));
  auto b = started(this->arrive_on(this->three_, this->executor_));
  this->three_.reset();
  this->executor_.run_all();
  EXPECT_EQ(a.result().error(), corolock::errc::broken);
  EXPECT_EQ(b.result().error(), corolock::errc::broken);
  EXPECT_FALSE(this->three_.is_broken());
  const auto c = started(this->arrive(this->three_));
  const auto d = started(this->arrive(this->three_));
  EXPECT_FALSE(c.done());
  auto e = started(this->arrive(this->three_));
  EXPECT_EQ(*e.result(), 2U);
}

TYPED_TEST(AsyncBarrier, ResetLeavesThoseAloneThatWereLetGo) {
  auto a = started(this->arrive_on(this->two_, this->executor_));
  auto b = started(this->arrive_on(this->two_, this->executor_));
  this->two_.reset();
  this->executor_.run_all();
  EXPECT_TRUE(a.result());
  EXPECT_TRUE(b.result());
}

TYPED_TEST(AsyncBarrier, AbortBreaksTheWaitsAndAllLaterOnes) {
  auto a = started(this->arrive(this->two_));
  this->two_.abort();
  EXPECT_EQ(a.result().error(), corolock::errc::broken);
  EXPECT_TRUE(this->two_.is_broken());
  auto b = started(this->arrive(this->two_));
  EXPECT_EQ(b.result().error(), corolock::errc::broken);
  auto c = started(this->arrive(this->two_, std::stop_token()));
  EXPECT_EQ(c.result().error(), corolock::errc::broken);
  EXPECT_EQ(this->two_.try_arrive(), std::nullopt);
}

TYPED_TEST(AsyncBarrier, ResetMendsABrokenBarrier) {
  this->two_.abort();
  this->two_.reset();
  auto a = started(this->arrive(this->two_));
  auto b = started(this->arrive(this->two_));
  EXPECT_TRUE(a.result());
  EXPECT_TRUE(b.result());
}

TYPED_TEST(AsyncBarrier, ABrokenBarrierMayGoBeforeItsWaitersRun) {
  std::optional<typename TestFixture::barrier> meeting(std::in_place, 2U);
  std::stop_source stop;
  auto a = started(this->arrive_on(*meeting, this->executor_, stop.get_token()));
  meeting->abort();
  meeting.reset();
  stop.request_stop();
  this->executor_.run_all();
  EXPECT_EQ(a.result().error(), corolock::errc::broken);
}

// ------------------------------------------------------------------------------------- misuse

template <class Threading>
class AsyncBarrierDeathTest : public AsyncBarrier<Threading> {};
TYPED_TEST_SUITE(AsyncBarrierDeathTest, corolock_test::policies, corolock_test::policy_names);

TYPED_TEST(AsyncBarrierDeathTest, ABarrierOfNoPartiesIsMisuse) {
  EXPECT_DEATH(typename TestFixture::barrier(0), "an async_barrier of no parties");
}

TYPED_TEST(AsyncBarrierDeathTest, DestroyingItUnderItsWaitersIsMisuse) {
  EXPECT_DEATH(
      {
        task<typename TestFixture::outcome> t;
        typename TestFixture::barrier b(2);
        t = started(this->arrive(b));
      },
      "an async_barrier was destroyed while tasks waited at it");
}
