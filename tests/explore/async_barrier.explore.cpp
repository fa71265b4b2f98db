// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// async_barrier under every schedule: nobody goes on before all have arrived, each index is given
// once, and a party may be stopped or destroyed at any moment without breaking it.

#include "explore/support/primitives.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <stop_token>

namespace {

using namespace corolock;
using namespace corolock_test;

// `parties` tasks that meet `rounds` times.
auto meetings(unsigned parties, unsigned rounds) {
  return [parties, rounds](explore::world& w) {
    auto& b = w.make<async_barrier>("barrier", parties);
    auto& arrived = w.shared<unsigned>("arrived", 0U);
    auto& indices = w.shared<unsigned>("indices", 0U);
    w.spawn_n("party", parties, [&, parties, rounds]() -> explore::task<> {
      for (unsigned round = 1; round <= rounds; ++round) {
        ++arrived.use();
        auto index = co_await b.async_arrive_and_wait();
        w.require(arrived.get() >= parties * round, "all have arrived before one goes on");
        const unsigned mine = 1U << (parties * (round - 1) + static_cast<unsigned>(*index));
        w.require((indices.get() & mine) == 0, "each index is given once");
        indices.use() |= mine;
      }
    });
    w.finally([&, parties, rounds] {
      w.require(indices.value() == (1U << (parties * rounds)) - 1, "all indices were given");
      w.require(b.statistics().waiters == 0, "nobody waits at the end");
    });
  };
}

TEST(AsyncBarrierExplored, NobodyGoesOnBeforeAllHaveArrived) {
  expect_verified(explore::check(meetings(2, 1)));
  expect_verified(explore::check(meetings(2, 2)));
  expect_verified(explore::check(meetings(3, 1)));
}

TEST(SlowAsyncBarrierExplored, MoreMeetings) {
  expect_verified(explore::check(meetings(2, 3)));
  expect_verified(explore::check(meetings(4, 1)));
}

// One task more than parties, so that there is one meeting at most, also if one goes away; a last
// one breaks up those that are too few.
auto one_meeting(unsigned parties, bool stoppable) {
  return [parties, stoppable](explore::world& w) {
    auto& b = w.make<async_barrier>("barrier", parties);
    auto& indices = w.shared<unsigned>("indices", 0U);
    const auto note = [&, parties](std::size_t index) {
      w.require(index < parties, "an index is below the number of parties");
      const unsigned mine = 1U << index;
      w.require((indices.get() & mine) == 0, "each index is given once");
      indices.use() |= mine;
    };
    for (unsigned i = 0; i <= parties; ++i) {
      if (stoppable && i == parties) {
        w.spawn("impatient", [&, note](std::stop_token stop) -> explore::task<> {
          auto index = co_await b.async_arrive_and_wait(stop);
          if (index) {
            note(*index);
          } else {
            w.require(index.error() == errc::stopped || b.is_broken(), "somebody ended the wait");
          }
        });
      } else {
        w.spawn("party", [&, note]() -> explore::task<> {
          auto index = co_await b.async_arrive_and_wait();
          if (index) {
            note(*index);
          } else {
            w.require(b.is_broken(), "it was broken");
          }
        });
      }
    }
    w.spawn("closer", [&]() -> explore::task<> {
      struct at_end {
        async_barrier& barrier;
        ~at_end() { barrier.abort(); }
      } const aborts{b};
      co_await explore::yield();
    });
    w.finally([&] {
      w.require(b.is_broken() && b.statistics().waiters == 0, "nobody waits at the end");
    });
  };
}

TEST(AsyncBarrierExplored, AbortEndsAllWaitsAndLaterOnes) {
  expect_verified(explore::check(one_meeting(2, false)));
}

TEST(AsyncBarrierExplored, AStopAtAnySuspensionLosesNothing) {
  expect_verified(explore::check(one_meeting(2, true)));
}

TEST(AsyncBarrierExplored, ADestructionAtAnySuspensionLosesNothing) {
  expect_verified(explore::check(one_meeting(2, false), faults(0, 1)));
  expect_verified(explore::check(one_meeting(2, true), faults(1, 1)));
}

TEST(AsyncBarrierExplored, AnExceptionAtAnyResumptionLosesNothing) {
  expect_verified(explore::check(one_meeting(2, false), faults(0, 0, 1)));
}

TEST(AsyncBarrierExplored, AStoppedPartyHasNotArrivedAndIndicesStayDistinct) {
  expect_verified(explore::check(one_meeting(3, true)));
}

TEST(AsyncBarrierExplored, APartyThatHasGoneAwayIsNotCounted) {
  const auto body = [](explore::world& w) {
    auto& b = w.make<async_barrier>("barrier", 2U);
    w.spawn("party", [&](std::stop_token stop) -> explore::task<> {
      const auto index = co_await b.async_arrive_and_wait(stop);
      w.require(!index.has_value(), "it is alone");
    });
    w.finally([&] { w.require(b.statistics().waiters == 0, "nobody is counted"); });
  };
  expect_verified(explore::check(body, faults(1)));
  expect_verified(explore::check(body, faults(0, 1)));
}

TEST(AsyncBarrierExplored, PartiesGoOnInTheOrderOfTheirArrival) {
  expect_verified(explore::check([](explore::world& w) {
    auto& b = w.make<async_barrier>("barrier", 3U);
    auto& order = w.construct<arrivals>();
    auto& place = w.construct<std::array<std::size_t, 3>>();
    for (unsigned i = 0; i != 3; ++i) {
      w.spawn("party", [&, i]() -> explore::task<> {
        arrivals::party me(order, i);
        auto index = co_await me.ask(b.async_arrive_and_wait().on(me));
        place[*index] = i;
      });
    }
    w.finally([&] {
      w.require(order.in_order(), "they go on in the order of arrival");
      for (std::size_t i = 0; i != 3; ++i) {
        w.require(order.granted()[i] == place[i], "that is their index");
      }
    });
  }));
}

TEST(AsyncBarrierExplored, ResetEndsTheWaitsAndTheBarrierWorksAgain) {
  expect_verified(explore::check([](explore::world& w) {
    auto& b = w.make<async_barrier>("barrier", 2U);
    auto& met = w.shared<unsigned>("met", 0U);
    w.spawn_n("party", 2, [&]() -> explore::task<> {
      for (bool again = true; again;) {
        auto index = co_await b.async_arrive_and_wait();
        again = !index;
      }
      ++met.use();
    });
    w.spawn("resetter", [&]() -> explore::task<> {
      co_await explore::yield();
      b.reset();
    });
    w.finally([&] { w.require(met.value() == 2, "both have met"); });
  }));
}

TEST(AsyncBarrierExplored, TheLastArrivalNeedNotWait) {
  expect_verified(explore::check([](explore::world& w) {
    auto& b = w.make<async_barrier>("barrier", 2U);
    w.spawn("waiter", [&]() -> explore::task<> {
      auto index = co_await b.async_arrive_and_wait();
      w.require(index.has_value() && *index <= 1, "it was let go");
    });
    w.spawn("last", [&]() -> explore::task<> {
      co_await explore::yield();
      const bool one_waits = b.statistics().waiters == 1;
      const auto index = b.try_arrive();
      w.require(index.has_value() == one_waits, "it arrives if it is the last");
      if (!index) {
        const auto later = co_await b.async_arrive_and_wait();
        w.require(later.has_value(), "it was let go");
      }
    });
  }));
}

TEST(AsyncBarrierExplored, OneTooFewWaitForEver) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& b = w.make<async_barrier>("barrier", 3U);
    w.spawn_n("party", 2, [&]() -> explore::task<> {
      const auto index = co_await b.async_arrive_and_wait();
      w.require(index.has_value(), "it was let go");
    });
  });
  expect_failure(
      r, explore::failure_kind::lost_wakeup,
      {"party[1] waits for barrier", "party[2] waits for barrier", "arrive at barrier (waits)"});
}

// What belongs to a phase is left to whoever gets index 0, without a second meeting.
TEST(AsyncBarrierExplored, AnIndexAloneDoesNotEndAPhase) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& b = w.make<async_barrier>("barrier", 2U);
    auto& merged = w.shared<bool>("merged", false);
    w.spawn_n("party", 2, [&]() -> explore::task<> {
      auto index = co_await b.async_arrive_and_wait();
      if (*index == 1) {
        co_await merged.write(true);
      } else {
        w.require(merged.get(), "the parts were merged");
      }
    });
  });
  expect_failure(r, explore::failure_kind::invariant,
                 {"the parts were merged", "arrive at barrier (waits)", "goes on after barrier"});
}

}  // namespace
