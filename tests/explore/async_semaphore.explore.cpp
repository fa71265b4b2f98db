// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// async_semaphore under every schedule: never more inside than there are units, first come, first
// served whatever the weights, and all units are back whatever is stopped, destroyed or thrown
// into.

#include "explore/support/primitives.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <initializer_list>
#include <stop_token>
#include <utility>
#include <vector>

namespace {

using namespace corolock;
using namespace corolock_test;

// Tasks that take so many units each; the last `stoppable` of them by a stop token.
auto takers(std::size_t units, std::vector<std::size_t> weights, std::size_t stoppable = 0) {
  return [units, weights = std::move(weights), stoppable](explore::world& w) {
    auto& s = w.make<async_semaphore>("permits", units, units);
    auto& used = w.shared<std::size_t>("used", 0U);
    const auto enter = [&w, &used, units](std::size_t n) {
      used.use() += n;
      w.require(used.value() <= units, "no more units are used than there are");
    };
    for (std::size_t i = 0; i != weights.size(); ++i) {
      const std::size_t n = weights[i];
      if (i + stoppable < weights.size()) {
        w.spawn("taker", [&s, &used, enter, n]() -> explore::task<> {
          const auto granted = co_await s.async_acquire(n);
          enter(n);
          co_await explore::yield();
          used.use() -= n;
        });
      } else {
        w.spawn("impatient", [&s, n](std::stop_token stop) -> explore::task<> {
          auto granted = co_await s.async_acquire(n, stop);
          if (granted) {
            co_await explore::yield();
          }
        });
      }
    }
    w.finally([&s, &w, units] {
      const semaphore_statistics now = s.statistics();
      w.require(now.available == units && now.waiters == 0, "all units are back at the end");
    });
  };
}

TEST(AsyncSemaphoreExplored, NoMoreAreInsideThanThereAreUnits) {
  expect_verified(explore::check(takers(1, {1, 1})));
  expect_verified(explore::check(takers(1, {1, 1, 1})));
  expect_verified(explore::check(takers(2, {1, 1, 1})));
  expect_verified(explore::check(takers(2, {2, 1, 1})));
}

TEST(SlowAsyncSemaphoreExplored, FourTakers) {
  expect_verified(explore::check(takers(2, {2, 1, 1, 1})));
}

TEST(AsyncSemaphoreExplored, AStopAtAnySuspensionLosesNothing) {
  expect_verified(explore::check(takers(1, {1, 1, 1}, 1)));
  expect_verified(explore::check(takers(2, {1, 1, 2}, 1)));  // those behind a large head go on
  expect_verified(explore::check(takers(1, {1, 1, 1}, 2), faults(2)));
}

// Without an account of what is used: a task that is destroyed does not close it.
auto plain_takers(std::size_t units, const std::vector<std::size_t>& weights) {
  return takers(units, weights, weights.size());
}

TEST(AsyncSemaphoreExplored, ADestructionAtAnySuspensionLosesNothing) {
  expect_verified(explore::check(plain_takers(1, {1, 1}), faults(0, 2)));
  expect_verified(explore::check(plain_takers(2, {1, 2, 1}), faults(0, 1)));
  expect_verified(explore::check(plain_takers(1, {1, 1}), faults(1, 1)));
}

TEST(AsyncSemaphoreExplored, AnExceptionAtAnyResumptionLosesNothing) {
  expect_verified(explore::check(plain_takers(1, {1, 1}), faults(0, 0, 2)));
  expect_verified(explore::check(plain_takers(2, {1, 2, 1}), faults(0, 0, 1)));
}

// A large request at the head goes away: the small one behind it has enough, and is let in although
// nobody releases anything before it was.
auto small_behind_large(bool stoppable) {
  return [stoppable](explore::world& w) {
    auto& s = w.make<async_semaphore>("permits", 2U);
    auto& small_was_in = w.make<async_event>("small was in");
    w.spawn("holder", [&]() -> explore::task<> {
      const auto granted = co_await s.async_acquire(1);
      co_await small_was_in.async_wait();
    });
    if (stoppable) {
      w.spawn("large", [&](std::stop_token stop) -> explore::task<> {
        const auto granted = co_await s.async_acquire(2, stop);
      });
    } else {
      w.spawn("large",
              [&]() -> explore::task<> { const auto granted = co_await s.async_acquire(2); });
    }
    w.spawn("small", [&]() -> explore::task<> {
      struct at_end {
        async_event& event;
        ~at_end() { event.set(); }
      } const sets{small_was_in};
      const auto granted = co_await s.async_acquire(1);
    });
  };
}

TEST(AsyncSemaphoreExplored, ThoseBehindAHeadThatGoesAwayAreLookedAtAgain) {
  expect_verified(explore::check(small_behind_large(true), faults(1)));
  expect_verified(explore::check(small_behind_large(false), faults(0, 1)));
}

auto in_order(std::size_t units, std::vector<std::size_t> weights) {
  return [units, weights = std::move(weights)](explore::world& w) {
    auto& s = w.make<async_semaphore>("permits", units);
    auto& order = w.construct<arrivals>();
    for (unsigned i = 0; i != weights.size(); ++i) {
      const std::size_t n = weights[i];
      if (i == 0) {
        w.spawn("impatient", [&, n](std::stop_token stop) -> explore::task<> {
          arrivals::party me(order, 0);
          auto granted = co_await me.ask(s.async_acquire(n, stop).on(me));
          if (!granted) {
            me.withdraw();
          } else {
            co_await explore::yield();
          }
        });
      } else {
        w.spawn("taker", [&, n, i]() -> explore::task<> {
          arrivals::party me(order, i);
          const auto granted = co_await me.ask(s.async_acquire(n).on(me));
          co_await explore::yield();
        });
      }
    }
    w.finally([&] { w.require(order.in_order(), "grants come in the order of the requests"); });
  };
}

TEST(AsyncSemaphoreExplored, GrantsComeInTheOrderOfTheRequests) {
  expect_verified(explore::check(in_order(1, {1, 1, 1})));
  expect_verified(explore::check(in_order(2, {1, 2, 1})));
}

TEST(AsyncSemaphoreExplored, OneReleaseLetsInAllThatHaveEnough) {
  expect_verified(explore::check([](explore::world& w) {
    auto& s = w.make<async_semaphore>("permits", 0U);
    auto& in = w.shared<int>("in", 0);
    w.spawn_n("taker", 2, [&]() -> explore::task<> {
      auto granted = co_await s.async_acquire();
      ++in.use();
      (void)granted->release();  // used up
    });
    w.spawn("producer", [&]() -> explore::task<> {
      co_await explore::yield();
      s.release(2);
    });
    w.finally([&] {
      w.require(in.value() == 2 && s.statistics().available == 0, "both have got their unit");
    });
  }));
}

TEST(AsyncSemaphoreExplored, TheUnitsOfAWaiterThatWasWokenAreNotTakenFromIt) {
  expect_verified(explore::check([](explore::world& w) {
    auto& s = w.make<async_semaphore>("permits", 1U);
    auto& inside = w.construct<occupancy>(w, "inside");
    w.spawn("waiter", [&]() -> explore::task<> {
      const auto granted = co_await s.async_acquire();
      const auto stay = inside.enter();
      co_await explore::yield();
    });
    w.spawn("holder", [&]() -> explore::task<> {
      const auto granted = co_await s.async_acquire();
      const auto stay = inside.enter();
      co_await explore::yield();
    });
    w.spawn("barger", [&]() -> explore::task<> {
      co_await explore::yield();
      const bool somebody_waits = s.statistics().waiters != 0;
      if (const permit mine = s.try_acquire()) {
        w.require(!somebody_waits, "nobody is overtaken");
        const auto stay = inside.enter();
        co_await explore::yield();
      }
    });
    w.finally([&] { w.require(s.statistics().available == 1, "it is back at the end"); });
  }));
}

TEST(AsyncSemaphoreExplored, TheCallThatDoesNotWaitDoesNotOvertakeALargeRequest) {
  expect_verified(explore::check([](explore::world& w) {
    auto& s = w.make<async_semaphore>("permits", 2U);
    w.spawn("small", [&]() -> explore::task<> {
      const auto granted = co_await s.async_acquire(1);
      co_await explore::yield();
    });
    w.spawn("large", [&]() -> explore::task<> {
      const auto granted = co_await s.async_acquire(2);
      co_await explore::yield();
    });
    w.spawn("barger", [&]() -> explore::task<> {
      co_await explore::yield();
      const bool somebody_waits = s.statistics().waiters != 0;
      const permit mine = s.try_acquire(1);
      w.require(!(somebody_waits && mine), "nobody is overtaken");
    });
    w.finally([&] { w.require(s.statistics().available == 2, "they are back at the end"); });
  }));
}

TEST(AsyncSemaphoreExplored, CloseEndsAllWaitsAndNoneBeginsLater) {
  expect_verified(explore::check([](explore::world& w) {
    auto& s = w.make<async_semaphore>("permits", 1U);
    auto& closed = w.shared<bool>("closed", false);
    for (int i = 0; i != 2; ++i) {
      w.spawn("taker", [&](std::stop_token stop) -> explore::task<> {
        auto granted = co_await s.async_acquire(stop);
        if (!granted) {
          w.require(granted.error() == errc::stopped || closed.get(), "somebody ended the wait");
          co_return;
        }
        (void)granted->release();  // nobody is let in after this one, but by close()
      });
    }
    w.spawn("closer", [&]() -> explore::task<> {
      co_await explore::yield();
      closed.set(true);
      s.close();
      const auto late = co_await s.async_acquire();
      w.require(!late.has_value(), "closed is closed");
    });
    w.finally([&] { w.require(s.statistics().waiters == 0, "nobody waits at the end"); });
  }));
}

TEST(AsyncSemaphoreExplored, TwoPermitsAreNotALock) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& s = w.make<async_semaphore>("permits", 2U);
    auto& users = w.shared<int>("users", 0);
    w.spawn_n("adder", 2, [&]() -> explore::task<> {
      const auto granted = co_await s.async_acquire();
      const int n = co_await users.read();
      co_await users.write(n + 1);
    });
    w.finally([&] { w.require(users.value() == 2, "users is 2"); });
  });
  expect_failure(r, explore::failure_kind::invariant,
                 {"users is 2", "acquire permits", "lost update", "adder[1]", "adder[2]"});
}

TEST(AsyncSemaphoreExplored, APermitThatIsKeptLetsTheNextWaitForEver) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& s = w.make<async_semaphore>("permits", 1U);
    w.spawn("keeper", [&]() -> explore::task<> {
      auto granted = co_await s.async_acquire();
      (void)granted->release();
    });
    w.spawn("waiter",
            [&]() -> explore::task<> { const auto granted = co_await s.async_acquire(); });
  });
  expect_failure(r, explore::failure_kind::lost_wakeup,
                 {"waiter waits for permits", "acquire permits (waits)"});
}

TEST(AsyncSemaphoreExplored, TwoThatTakeTwoUnitsOneByOneMayWaitForEachOther) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& s = w.make<async_semaphore>("permits", 2U);
    w.spawn_n("t", 2, [&]() -> explore::task<> {
      const auto one = co_await s.async_acquire();
      const auto two = co_await s.async_acquire();
    });
  });
  ASSERT_TRUE(r.failure.has_value());
  expect_failure(r, r.failure->kind, {"t[1] waits for permits", "t[2] waits for permits"});
}

}  // namespace
