// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <corolock/rate_limiter.hpp>
#include <support/manual_executor.hpp>
#include <support/policies.hpp>
#include <support/task.hpp>
#include <support/virtual_clock.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <stop_token>
#include <utility>
#include <vector>

using corolock_test::manual_executor;
using corolock_test::started;
using corolock_test::task;
using corolock_test::virtual_clock;
using testing::ElementsAre;
using namespace std::chrono_literals;

template <class Threading>
class RateLimiter : public testing::Test {
 protected:
  using limiter_type = corolock::basic_rate_limiter<virtual_clock, Threading>;
  using turn_type = corolock::detail::rate_turn<limiter_type>;
  using outcome = corolock::outcome<void>;
  using time_point = virtual_clock::time_point;

  RateLimiter() { virtual_clock::reset(); }

  static task<> acquire(limiter_type& l, std::size_t units = 1) { co_await l.async_acquire(units); }
  static task<> acquire_on(limiter_type& l, manual_executor& e, std::size_t units = 1) {
    co_await l.async_acquire(units).on(e);
  }
  static task<outcome> acquire_on(limiter_type& l, manual_executor& e, std::size_t units,
                                  std::stop_token token) {
    outcome o = co_await l.async_acquire(units, token).on(e);
    co_return o;
  }
  static task<> append(limiter_type& l, std::vector<int>& order, int id, std::size_t units = 1) {
    co_await l.async_acquire(units);
    order.push_back(id);
  }

  // How many single units are let in now.
  static std::size_t take_all(limiter_type& l) {
    std::size_t count = 0;
    while (l.try_acquire()) {
      ++count;
    }
    return count;
  }
  static time_point at(virtual_clock::duration d) { return time_point(d); }

  manual_executor executor_;
  std::vector<int> order_;
};
TYPED_TEST_SUITE(RateLimiter, corolock_test::policies, corolock_test::policy_names);

// -------------------------------------------------------------------------------------- rate

TYPED_TEST(RateLimiter, BeginsWithTheWholeBurst) {
  typename TestFixture::limiter_type l(10, 1s, 5);
  EXPECT_EQ(l.statistics().available, 5U);
  EXPECT_EQ(this->take_all(l), 5U);
  EXPECT_EQ(l.statistics().available, 0U);
}

TYPED_TEST(RateLimiter, LetsInOneUnitPerInterval) {
  typename TestFixture::limiter_type l(10, 1s, 5);
  this->take_all(l);
  virtual_clock::advance(100ms - 1ns);
  EXPECT_FALSE(l.try_acquire());
  virtual_clock::advance(1ns);
  EXPECT_TRUE(l.try_acquire());
  EXPECT_FALSE(l.try_acquire());
  virtual_clock::advance(300ms);
  EXPECT_EQ(this->take_all(l), 3U);
}

TYPED_TEST(RateLimiter, NeverSavesUpMoreThanTheBurst) {
  typename TestFixture::limiter_type l(10, 1s, 5);
  this->take_all(l);
  virtual_clock::advance(1h);
  EXPECT_EQ(this->take_all(l), 5U);
}

TYPED_TEST(RateLimiter, ARequestOfManyUnitsCountsAsMany) {
  typename TestFixture::limiter_type l(10, 1s, 5);
  EXPECT_TRUE(l.try_acquire(3));
  EXPECT_FALSE(l.try_acquire(3));
  EXPECT_TRUE(l.try_acquire(2));
  virtual_clock::advance(400ms);
  EXPECT_FALSE(l.try_acquire(5));
  virtual_clock::advance(100ms);
  EXPECT_TRUE(l.try_acquire(5));
}

TYPED_TEST(RateLimiter, KeepsARateThatIsNoWholeNumberOfTicks) {
  typename TestFixture::limiter_type l(3, 1s, 1);
  EXPECT_TRUE(l.try_acquire());
  EXPECT_EQ(l.due(), this->at(333'333'334ns));  // rounded up
  for (int i = 1; i <= 3000; ++i) {
    virtual_clock::advance(l.due() - virtual_clock::now());
    ASSERT_TRUE(l.try_acquire());
  }
  // A late unit is never made up for, so each third of a second costs its rounding here.
  EXPECT_GE(virtual_clock::now(), this->at(1000s));
  EXPECT_LE(virtual_clock::now(), this->at(1000s + 3000ns));
}

TYPED_TEST(RateLimiter, LosesNothingToRoundingWhenTheBurstAllows) {
  typename TestFixture::limiter_type l(3, 1s, 2);
  this->take_all(l);
  std::size_t count = 0;
  for (int i = 0; i < 300; ++i) {
    virtual_clock::advance(333'333'333ns);  // a third of a nanosecond too short
    count += this->take_all(l);
  }
  virtual_clock::advance(100ns);
  count += this->take_all(l);
  EXPECT_EQ(count, 300U);
}

TYPED_TEST(RateLimiter, LetsInSeveralUnitsPerTick) {
  typename TestFixture::limiter_type l(7, 2ns, 7);
  EXPECT_EQ(this->take_all(l), 7U);
  virtual_clock::advance(1ns);
  EXPECT_EQ(this->take_all(l), 3U);
  virtual_clock::advance(1ns);
  EXPECT_EQ(this->take_all(l), 4U);
}

TYPED_TEST(RateLimiter, AClockThatGoesBackLetsNobodyInEarly) {
  virtual_clock::advance(1h);
  typename TestFixture::limiter_type l(10, 1s, 2);
  this->take_all(l);
  virtual_clock::reset();
  EXPECT_FALSE(l.try_acquire());
  EXPECT_EQ(l.due(), this->at(1h + 100ms));
  virtual_clock::advance(1h + 100ms);
  EXPECT_TRUE(l.try_acquire());
}

TYPED_TEST(RateLimiter, TimeThatPassesASecondTimeLetsNobodyInASecondTime) {
  virtual_clock::advance(1h);
  typename TestFixture::limiter_type l(10, 1s, 2);
  EXPECT_TRUE(l.try_acquire());
  virtual_clock::reset();
  EXPECT_TRUE(l.try_acquire());  // the rest of the burst
  virtual_clock::advance(1h);
  EXPECT_FALSE(l.try_acquire());
}

// --------------------------------------------------------------------------------------- due

TYPED_TEST(RateLimiter, DueIsNowWhileThereAreEnoughUnits) {
  virtual_clock::advance(1min);
  typename TestFixture::limiter_type l(10, 1s, 5);
  EXPECT_EQ(l.due(5), this->at(1min));
}

TYPED_TEST(RateLimiter, DueIsTheFirstMomentAtWhichTheRequestIsLetIn) {
  typename TestFixture::limiter_type l(10, 1s, 5);
  EXPECT_TRUE(l.try_acquire(4));
  EXPECT_EQ(l.due(1), this->at(0s));
  EXPECT_EQ(l.due(3), this->at(200ms));
  virtual_clock::advance(200ms - 1ns);
  EXPECT_FALSE(l.try_acquire(3));
  virtual_clock::advance(1ns);
  EXPECT_TRUE(l.try_acquire(3));
}

TYPED_TEST(RateLimiter, DueCountsThoseThatWait) {
  typename TestFixture::limiter_type l(10, 1s, 5);
  this->take_all(l);
  const auto a = started(this->acquire(l, 5));
  EXPECT_EQ(l.due(1), this->at(600ms));
  const auto b = started(this->acquire(l, 2));
  EXPECT_EQ(l.due(1), this->at(800ms));
  virtual_clock::advance(500ms);
  EXPECT_EQ(l.release_due(), this->at(700ms));
  EXPECT_TRUE(a.done());
  virtual_clock::advance(200ms);
  EXPECT_EQ(l.release_due(), std::nullopt);
  EXPECT_TRUE(b.done());
  EXPECT_EQ(l.due(1), this->at(800ms));
}

TYPED_TEST(RateLimiter, ATimeThatTheClockCannotTellIsTheLastThatItCan) {
  typename TestFixture::limiter_type l(1, 24h * 50'000, 1);
  EXPECT_TRUE(l.try_acquire());
  EXPECT_EQ(l.due(), this->at(24h * 50'000));
  const auto a = started(this->acquire(l));
  EXPECT_EQ(l.due(), this->at(24h * 100'000));
  const auto b = started(this->acquire(l));
  EXPECT_EQ(l.due(), TestFixture::time_point::max());
}

// ------------------------------------------------------------------------------------- waits

TYPED_TEST(RateLimiter, AcquiresWithoutSuspendingWhileThereAreEnoughUnits) {
  typename TestFixture::limiter_type l(10, 1s, 5);
  EXPECT_TRUE(started(this->acquire(l, 2)).done());
  EXPECT_TRUE(started(this->acquire_on(l, this->executor_, 2)).done());
  auto t = started(this->acquire_on(l, this->executor_, 1, std::stop_token()));
  EXPECT_TRUE(t.result());
  EXPECT_EQ(l.statistics().available, 0U);
}

TYPED_TEST(RateLimiter, AWaiterIsLetInByTheReleaseOfThoseThatAreDue) {
  typename TestFixture::limiter_type l(10, 1s, 1);
  EXPECT_EQ(l.release_due(), std::nullopt);
  this->take_all(l);
  const auto t = started(this->acquire(l));
  EXPECT_FALSE(t.done());
  EXPECT_EQ(l.statistics().waiters, 1U);
  EXPECT_EQ(l.release_due(), this->at(100ms));
  EXPECT_FALSE(t.done());
  virtual_clock::advance(100ms);
  EXPECT_EQ(l.release_due(), std::nullopt);
  EXPECT_TRUE(t.done());
}

TYPED_TEST(RateLimiter, OneReleaseLetsInAllThatAreDueAndTellsWhenTheNextOneIs) {
  typename TestFixture::limiter_type l(10, 1s, 3);
  this->take_all(l);
  std::vector<task<>> tasks;
  for (int id = 0; id < 4; ++id) {
    tasks.push_back(started(this->append(l, this->order_, id)));
  }
  virtual_clock::advance(250ms);
  EXPECT_EQ(l.release_due(), this->at(300ms));
  EXPECT_THAT(this->order_, ElementsAre(0, 1));
}

TYPED_TEST(RateLimiter, ALoopOverTheDueTimesServesAllWaitersAtTheRate) {
  typename TestFixture::limiter_type l(10, 1s, 1);
  this->take_all(l);
  std::vector<task<>> tasks;
  for (int id = 0; id < 5; ++id) {
    tasks.push_back(started(this->append(l, this->order_, id)));
  }
  while (const auto next = l.release_due()) {
    ASSERT_GT(*next, virtual_clock::now());
    virtual_clock::advance(*next - virtual_clock::now());
  }
  EXPECT_THAT(this->order_, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(virtual_clock::now(), this->at(500ms));
}

TYPED_TEST(RateLimiter, ANewcomerDoesNotOvertakeALargeRequest) {
  typename TestFixture::limiter_type l(10, 1s, 5);
  EXPECT_TRUE(l.try_acquire(3));
  const auto large = started(this->acquire(l, 5));
  const auto small = started(this->acquire(l, 1));
  EXPECT_FALSE(small.done());
  EXPECT_FALSE(l.try_acquire());
  virtual_clock::advance(300ms);
  l.release_due();
  EXPECT_TRUE(large.done());
  EXPECT_FALSE(small.done());
}

TYPED_TEST(RateLimiter, TryAcquireDoesNotOvertakeAWaiterThatIsDue) {
  typename TestFixture::limiter_type l(10, 1s, 1);
  this->take_all(l);
  const auto t = started(this->acquire(l));
  virtual_clock::advance(1h);
  EXPECT_FALSE(l.try_acquire());
  const auto u = started(this->acquire(l));
  EXPECT_FALSE(u.done());
  l.release_due();
  EXPECT_TRUE(t.done());
}

// ------------------------------------------------------------------------------ cancellation

TYPED_TEST(RateLimiter, AStoppedTokenAcquiresNothing) {
  typename TestFixture::limiter_type l(10, 1s, 1);
  std::stop_source stop;
  stop.request_stop();
  auto t = started(this->acquire_on(l, this->executor_, 1, stop.get_token()));
  EXPECT_EQ(t.result().error(), corolock::errc::stopped);
  EXPECT_EQ(l.statistics().available, 1U);
}

TYPED_TEST(RateLimiter, AStoppedWaiterLeavesNoTrace) {
  typename TestFixture::limiter_type l(10, 1s, 5);
  this->take_all(l);
  std::stop_source stop;
  auto t = started(this->acquire_on(l, this->executor_, 5, stop.get_token()));
  EXPECT_EQ(l.due(), this->at(600ms));
  stop.request_stop();
  EXPECT_EQ(l.due(), this->at(100ms));
  EXPECT_EQ(l.release_due(), std::nullopt);
  this->executor_.run_all();
  EXPECT_EQ(t.result().error(), corolock::errc::stopped);
}

TYPED_TEST(RateLimiter, AStoppedHeadLetsInThoseBehindItThatAreDue) {
  typename TestFixture::limiter_type l(10, 1s, 5);
  EXPECT_TRUE(l.try_acquire(3));
  std::stop_source stop;
  const auto head = started(this->acquire_on(l, this->executor_, 5, stop.get_token()));
  const auto b = started(this->acquire(l));
  const auto c = started(this->acquire(l));
  const auto d = started(this->acquire(l));
  stop.request_stop();
  EXPECT_TRUE(b.done());
  EXPECT_TRUE(c.done());
  EXPECT_FALSE(d.done());
  this->executor_.run_all();
}

TYPED_TEST(RateLimiter, AWaiterStoppedInTheMiddleMovesUpThoseBehindIt) {
  typename TestFixture::limiter_type l(10, 1s, 5);
  this->take_all(l);
  std::stop_source stop;
  const auto a = started(this->append(l, this->order_, 1));
  const auto b = started(this->acquire_on(l, this->executor_, 5, stop.get_token()));
  const auto c = started(this->append(l, this->order_, 2));
  stop.request_stop();
  virtual_clock::advance(200ms);
  EXPECT_EQ(l.release_due(), std::nullopt);
  EXPECT_THAT(this->order_, ElementsAre(1, 2));
  this->executor_.run_all();
}

TYPED_TEST(RateLimiter, ADestroyedHeadLetsInThoseBehindItThatAreDue) {
  typename TestFixture::limiter_type l(10, 1s, 5);
  EXPECT_TRUE(l.try_acquire(3));
  auto head = started(this->acquire(l, 5));
  const auto b = started(this->append(l, this->order_, 1));
  head.destroy();
  EXPECT_THAT(this->order_, ElementsAre(1));
  EXPECT_EQ(l.statistics().waiters, 0U);
}

// ------------------------------------------------------------------- granted, then given up

TYPED_TEST(RateLimiter, UnitsReturnWhenTheirWaiterIsStoppedBeforeItRan) {
  typename TestFixture::limiter_type l(10, 1s, 5);
  this->take_all(l);
  std::stop_source stop;
  auto a = started(this->acquire_on(l, this->executor_, 5, stop.get_token()));
  const auto b = started(this->append(l, this->order_, 1, 4));
  const auto c = started(this->append(l, this->order_, 2, 2));
  virtual_clock::advance(500ms);
  l.release_due();
  EXPECT_THAT(this->order_, ElementsAre());
  stop.request_stop();
  EXPECT_THAT(this->order_, ElementsAre(1));
  EXPECT_EQ(l.release_due(), this->at(600ms));
  this->executor_.run_all();
  EXPECT_EQ(a.result().error(), corolock::errc::stopped);
}

TYPED_TEST(RateLimiter, UnitsReturnWhenTheGrantedFrameIsDestroyed) {
  typename TestFixture::limiter_type l(10, 1s, 2);
  this->take_all(l);
  auto a = started(this->acquire_on(l, this->executor_, 2));
  virtual_clock::advance(200ms);
  l.release_due();
  EXPECT_FALSE(l.try_acquire());
  EXPECT_TRUE(this->executor_.drop(a.address()));
  a.destroy();
  EXPECT_EQ(l.statistics().available, 2U);
}

TYPED_TEST(RateLimiter, UnitsReturnWhoeverOfThoseLetInTogetherGivesUp) {
  typename TestFixture::limiter_type l(10, 1s, 4);
  this->take_all(l);
  std::stop_source first;
  std::stop_source second;
  const auto a = started(this->acquire_on(l, this->executor_, 1, first.get_token()));
  const auto b = started(this->acquire_on(l, this->executor_, 2, second.get_token()));
  const auto c = started(this->acquire_on(l, this->executor_, 1));
  virtual_clock::advance(400ms);
  l.release_due();
  EXPECT_EQ(l.statistics().available, 0U);
  first.request_stop();
  EXPECT_EQ(l.statistics().available, 1U);
  second.request_stop();
  EXPECT_EQ(l.statistics().available, 3U);
  this->executor_.run_all();
  EXPECT_EQ(this->take_all(l), 3U);
}

TYPED_TEST(RateLimiter, UnitsDoNotReturnWhenTheirPlaceIsUsed) {
  // a's unit was let in at 1 s, and another one at 2 s; would a's return, a third could go at 2 s
  // with a burst of one.
  typename TestFixture::limiter_type l(1, 1s, 1);
  this->take_all(l);
  std::stop_source stop;
  const auto a = started(this->acquire_on(l, this->executor_, 1, stop.get_token()));
  virtual_clock::advance(1s);
  l.release_due();
  virtual_clock::advance(1s);
  EXPECT_TRUE(l.try_acquire());
  stop.request_stop();
  EXPECT_FALSE(l.try_acquire());
  EXPECT_EQ(l.due(), this->at(3s));
  this->executor_.run_all();
}

// ---------------------------------------------------------------------------------- property

namespace {

struct event {
  std::int64_t at;
  std::int64_t units;
};

// In any window: at most burst + w * permits / per units.
void expect_within_rate(const std::vector<event>& events, std::int64_t permits, std::int64_t per,
                        std::int64_t burst) {
  for (std::size_t first = 0; first < events.size(); ++first) {
    std::int64_t units = 0;
    for (std::size_t last = first; last < events.size(); ++last) {
      units += events[last].units;
      ASSERT_LE((units - burst) * per, (events[last].at - events[first].at) * permits)
          << "from " << events[first].at << " to " << events[last].at;
    }
  }
}

}  // namespace

TYPED_TEST(RateLimiter, TryAcquireDecidesAsVirtualSchedulingInExactFractions) {
  std::minstd_rand random(1);
  for (int round = 0; round < 200; ++round) {
    virtual_clock::reset();
    const std::int64_t permits = 1 + static_cast<std::int64_t>(random() % 20);
    const std::int64_t per = 1 + static_cast<std::int64_t>(random() % 50);
    const std::int64_t burst = 1 + static_cast<std::int64_t>(random() % 6);
    typename TestFixture::limiter_type l(static_cast<std::size_t>(permits),
                                         virtual_clock::duration(per),
                                         static_cast<std::size_t>(burst));
    std::vector<event> events;
    std::int64_t tat = 0;  // in ticks / permits
    for (int i = 0; i < 200; ++i) {
      virtual_clock::advance(virtual_clock::duration(random() % 8));
      const std::int64_t now = virtual_clock::now().time_since_epoch().count();
      const std::int64_t units = 1 + static_cast<std::int64_t>(random()) % burst;
      const std::int64_t next = std::max(tat, now * permits) + units * per;
      const bool conforms = next <= now * permits + burst * per;
      const auto due = l.due(static_cast<std::size_t>(units));
      ASSERT_EQ(due == virtual_clock::now(), conforms);
      ASSERT_EQ(l.try_acquire(static_cast<std::size_t>(units)), conforms);
      if (conforms) {
        tat = next;
        events.push_back({now, units});
      }
    }
    expect_within_rate(events, permits, per, burst);
  }
}

TYPED_TEST(RateLimiter, NoWindowHasMoreThanItsShareWhateverIsGivenUp) {
  // Waits of random weight; a third of them are stopped: queued, granted, or too late.
  struct wait {
    std::stop_source stop;
    task<typename TestFixture::outcome> running;
    std::int64_t units;
    std::int64_t granted_at = -1;
  };
  std::minstd_rand random(2);
  std::size_t given_up = 0;
  for (int round = 0; round < 200; ++round) {
    virtual_clock::reset();
    const std::int64_t permits = 1 + static_cast<std::int64_t>(random() % 5);
    const std::int64_t per = 1 + static_cast<std::int64_t>(random() % 20);
    const std::int64_t burst = 1 + static_cast<std::int64_t>(random() % 6);
    typename TestFixture::limiter_type l(static_cast<std::size_t>(permits),
                                         virtual_clock::duration(per),
                                         static_cast<std::size_t>(burst));
    manual_executor e;
    std::vector<wait> waits(60);
    std::vector<event> direct;
    const auto now = [] { return virtual_clock::now().time_since_epoch().count(); };
    // The limiter lets in in order, so that those it let in are found by what stands in the queue.
    std::size_t begun = 0;
    const auto note_grants = [&] {
      const std::size_t queued = l.statistics().waiters;
      std::vector<std::size_t> candidates;
      for (std::size_t i = 0; i < begun; ++i) {
        if (waits[i].granted_at < 0 && !waits[i].stop.stop_requested()) {
          candidates.push_back(i);
        }
      }
      for (std::size_t i = 0; i + queued < candidates.size(); ++i) {
        waits[candidates[i]].granted_at = now();
      }
    };
    while (begun < waits.size()) {
      virtual_clock::advance(virtual_clock::duration(random() % 10));
      wait& w = waits[begun];
      w.units = 1 + static_cast<std::int64_t>(random()) % burst;
      w.running =
          started(this->acquire_on(l, e, static_cast<std::size_t>(w.units), w.stop.get_token()));
      ++begun;
      note_grants();
      l.release_due();
      note_grants();
      if (random() % 2 == 0) {
        wait& victim = waits[random() % begun];
        if (!victim.running.done()) {
          given_up += victim.granted_at >= 0 ? 1U : 0U;
          victim.granted_at = -1;
          victim.stop.request_stop();
          note_grants();
        }
      }
      if (random() % 3 == 0) {
        e.run_all();
      }
    }
    for (wait& w : waits) {
      w.stop.request_stop();  // those that have not run are given up
    }
    e.run_all();
    std::vector<event> events;
    for (wait& w : waits) {
      ASSERT_TRUE(w.running.done());
      const bool ran = w.running.result().has_value();
      if (ran) {
        ASSERT_GE(w.granted_at, 0);
        events.push_back({w.granted_at, w.units});
      }
    }
    ASSERT_TRUE(std::ranges::is_sorted(events, {}, &event::at));
    expect_within_rate(events, permits, per, burst);
    ASSERT_EQ(l.statistics().waiters, 0U);
  }
  EXPECT_GT(given_up, 100U);
}

// ----------------------------------------------------- tasks with a timer of their own (Asio)

TYPED_TEST(RateLimiter, WhoeverHasATimerOfItsOwnAsksUntilItsTimeHasCome) {
  typename TestFixture::limiter_type l(10, 1s, 2);
  this->take_all(l);
  typename TestFixture::turn_type turn(l, 2);
  turn.begin(turn.mutex().try_lock());
  EXPECT_EQ(turn.try_acquire(), this->at(200ms));
  virtual_clock::advance(200ms - 1ns);
  EXPECT_EQ(turn.try_acquire(), this->at(200ms));
  EXPECT_EQ(l.statistics().waiters, 1U);
  virtual_clock::advance(1ns);
  EXPECT_EQ(turn.try_acquire(), std::nullopt);
  EXPECT_EQ(l.statistics().waiters, 0U);
}

TYPED_TEST(RateLimiter, NobodyOvertakesATaskThatTakesATurn) {
  typename TestFixture::limiter_type l(10, 1s, 2);
  {
    const typename TestFixture::turn_type turn(l, 2);  // it has not even got the turn
    EXPECT_FALSE(l.try_acquire());
    EXPECT_EQ(l.due(), this->at(100ms));
  }
  EXPECT_TRUE(l.try_acquire());
}

TYPED_TEST(RateLimiter, ATurnComesAfterThoseThatWaitedBeforeIt) {
  typename TestFixture::limiter_type l(10, 1s, 1);
  this->take_all(l);
  const auto before = started(this->append(l, this->order_, 1));
  typename TestFixture::turn_type turn(l, 1);
  turn.begin(turn.mutex().try_lock());
  const auto after = started(this->append(l, this->order_, 2));
  EXPECT_EQ(turn.try_acquire(), this->at(200ms));
  EXPECT_EQ(l.due(), this->at(400ms));
  virtual_clock::advance(100ms);
  EXPECT_EQ(turn.try_acquire(), this->at(200ms));  // it let the other one in
  EXPECT_THAT(this->order_, ElementsAre(1));
  virtual_clock::advance(100ms);
  EXPECT_EQ(l.release_due(), this->at(300ms));
  EXPECT_THAT(this->order_, ElementsAre(1));
  EXPECT_EQ(turn.try_acquire(), std::nullopt);
  virtual_clock::advance(100ms);
  EXPECT_EQ(l.release_due(), std::nullopt);
  EXPECT_THAT(this->order_, ElementsAre(1, 2));
}

TYPED_TEST(RateLimiter, ASmallTurnDoesNotOvertakeALargeRequest) {
  typename TestFixture::limiter_type l(10, 1s, 5);
  EXPECT_TRUE(l.try_acquire(3));
  const auto large = started(this->acquire(l, 5));
  typename TestFixture::turn_type turn(l, 1);
  turn.begin(turn.mutex().try_lock());
  EXPECT_EQ(turn.try_acquire(), this->at(400ms));
  virtual_clock::advance(300ms);
  EXPECT_EQ(turn.try_acquire(), this->at(400ms));
  EXPECT_TRUE(large.done());
}

TYPED_TEST(RateLimiter, ATurnThatIsGivenUpLetsInThoseBehindIt) {
  typename TestFixture::limiter_type l(10, 1s, 2);
  EXPECT_TRUE(l.try_acquire());
  std::optional<typename TestFixture::turn_type> turn(std::in_place, l, 2U);
  turn->begin(turn->mutex().try_lock());
  EXPECT_EQ(turn->try_acquire(), this->at(100ms));
  const auto t = started(this->append(l, this->order_, 1));
  EXPECT_THAT(this->order_, ElementsAre());
  turn.reset();
  EXPECT_THAT(this->order_, ElementsAre(1));
}

TYPED_TEST(RateLimiter, TurnsPassFromTaskToTask) {
  typename TestFixture::limiter_type l(10, 1s, 1);
  this->take_all(l);
  auto take_turn = [](auto& limit, std::optional<typename TestFixture::turn_type>& turn,
                      std::size_t units) -> task<> {
    turn.emplace(limit, units);
    auto guard = co_await turn->mutex().async_lock();
    turn->begin(std::move(guard));
  };
  std::optional<typename TestFixture::turn_type> first;
  std::optional<typename TestFixture::turn_type> second;
  const auto a = started(take_turn(l, first, 1));
  const auto b = started(take_turn(l, second, 1));
  EXPECT_TRUE(a.done());
  EXPECT_FALSE(b.done());
  EXPECT_EQ(l.statistics().waiters, 2U);
  virtual_clock::advance(100ms);
  EXPECT_EQ(first->try_acquire(), std::nullopt);
  EXPECT_TRUE(b.done());
  EXPECT_EQ(second->try_acquire(), this->at(200ms));
}

// ------------------------------------------------------------------------ the default clock

TYPED_TEST(RateLimiter, WorksOnTheSteadyClock) {
  corolock::basic_rate_limiter<std::chrono::steady_clock, TypeParam> l(1, 1h, 2);
  EXPECT_TRUE(l.try_acquire(2));
  EXPECT_FALSE(l.try_acquire());
  EXPECT_GT(l.due(), std::chrono::steady_clock::now());
}

TEST(RateLimiterAliases, NameTheTwoPolicies) {
  corolock::rate_limiter<> shared(10, 1s, 5);
  corolock::local_rate_limiter<> local(10, 1s, 5);
  EXPECT_TRUE(shared.try_acquire(5));
  EXPECT_TRUE(local.try_acquire(5));
}

// ------------------------------------------------------------------------------- diagnostics

TYPED_TEST(RateLimiter, DiagnosticsCountTheWaits) {
  corolock::basic_rate_limiter<virtual_clock, TypeParam, corolock::diagnostics> l(10, 1s, 2,
                                                                                  "requests");
  EXPECT_TRUE(l.try_acquire());
  EXPECT_FALSE(l.try_acquire(2));
  EXPECT_EQ(l.diagnostics().name(), "requests");
  EXPECT_EQ(l.diagnostics().waits().total(), 1U);
  EXPECT_EQ(l.diagnostics().holds().total(), 0U);
}

// ------------------------------------------------------------------------------------ misuse

template <class Threading>
class RateLimiterDeathTest : public RateLimiter<Threading> {};
TYPED_TEST_SUITE(RateLimiterDeathTest, corolock_test::policies, corolock_test::policy_names);

TYPED_TEST(RateLimiterDeathTest, ARateOrABurstOfZeroIsMisuse) {
  using limiter = typename TestFixture::limiter_type;
  EXPECT_DEATH(limiter(0, 1s, 1), "a rate_limiter needs a positive rate");
  EXPECT_DEATH(limiter(1, 0s, 1), "a rate_limiter needs a positive rate");
  EXPECT_DEATH(limiter(1, 1s, 0), "a rate_limiter needs a burst of at least one unit");
}

TYPED_TEST(RateLimiterDeathTest, ABurstThatTakesLongerThanTheClockCanCountIsMisuse) {
  using limiter = typename TestFixture::limiter_type;
  EXPECT_DEATH(limiter(1, 24h, 54'000), "a rate_limiter's burst takes longer");
}

TYPED_TEST(RateLimiterDeathTest, ARequestAboveTheBurstIsMisuse) {
  typename TestFixture::limiter_type l(10, 1s, 5);
  const char* message = "more units are asked of a rate_limiter than its burst";
  EXPECT_DEATH(static_cast<void>(l.try_acquire(6)), message);
  EXPECT_DEATH(static_cast<void>(l.due(6)), message);
  EXPECT_DEATH(started(this->acquire(l, 6)).destroy(), message);
}

TYPED_TEST(RateLimiterDeathTest, DestroyingItWhileTasksWaitIsMisuse) {
  EXPECT_DEATH(
      {
        std::optional<typename TestFixture::limiter_type> l(std::in_place, 10U, 1s, 1U);
        this->take_all(*l);
        const auto t = started(this->acquire(*l));
        l.reset();
      },
      "a rate_limiter was destroyed while tasks waited for it");
}
