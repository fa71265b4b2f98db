// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// rate_limiter under every schedule, on the explorer's clock: never more than the rate allows,
// first come, first served, and nobody waits past his time.

#include "explore/support/primitives.hpp"
#include <corolock/rate_limiter.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <stop_token>
#include <utility>
#include <vector>

namespace {

using namespace corolock;
using namespace corolock_test;
using namespace std::chrono_literals;

using limiter = rate_limiter<explore::virtual_clock>;

// When units were let in, and that this never exceeds the burst and the rate: one per second here.
class account {
 public:
  account(explore::world& w, std::size_t burst)
      : world_(w), admitted_(w.shared<std::size_t>("admitted", 0U)), burst_(burst) {}

  void admit(std::size_t units) {
    admitted_.use() += units;
    const auto seconds = static_cast<std::size_t>(world_.now().time_since_epoch() / 1s);
    world_.require(admitted_.value() <= burst_ + seconds,
                   "no more are let in than the rate allows");
  }
  [[nodiscard]] std::size_t admitted() const { return admitted_.get(); }

 private:
  explore::world& world_;
  explore::shared<std::size_t>& admitted_;
  std::size_t burst_;
};

// One unit per second, `burst` at once; a task for each of these requests, the last `stoppable` of
// them by a stop token.
auto callers(std::size_t burst, std::vector<std::size_t> weights, std::size_t stoppable = 0) {
  return [burst, weights = std::move(weights), stoppable](explore::world& w) {
    auto& limit = w.make<limiter>("limit", 1U, 1s, burst);
    auto& let_in = w.construct<account>(w, burst);
    auto& open = w.shared<std::size_t>("open", weights.size());
    // A task that is destroyed or thrown out is no open request any more.
    struct closes {
      explore::shared<std::size_t>& open;
      ~closes() { --open.use(); }
    };
    for (std::size_t i = 0; i != weights.size(); ++i) {
      const std::size_t n = weights[i];
      if (i + stoppable >= weights.size()) {
        w.spawn("impatient", [&, n](std::stop_token stop) -> explore::task<> {
          const closes at_end{open};
          const auto granted = co_await limit.async_acquire(n, stop);
          if (granted) {
            let_in.admit(n);
          }
        });
      } else {
        w.spawn("caller", [&, n]() -> explore::task<> {
          const closes at_end{open};
          co_await limit.async_acquire(n);
          let_in.admit(n);
        });
      }
    }
    w.spawn("timer", [&]() -> explore::task<> {
      while (open.get() != 0) {
        const auto next = limit.release_due();
        co_await explore::sleep_for(next ? *next - explore::virtual_clock::now()
                                         : explore::virtual_clock::duration(1s));
      }
    });
    w.finally([&] { w.require(limit.statistics().waiters == 0, "nobody waits at the end"); });
  };
}

TEST(RateLimiterExplored, NoMoreAreLetInThanTheRateAllows) {
  expect_verified_with_time(explore::check(callers(1, {1, 1})));
  expect_verified_with_time(explore::check(callers(2, {1, 2})));
  expect_verified_with_time(explore::check(callers(2, {2, 1, 1})));
}

TEST(RateLimiterExplored, AStopAtAnySuspensionLosesNothing) {
  expect_verified_with_time(explore::check(callers(1, {1, 1}, 1)));
  expect_verified_with_time(explore::check(callers(2, {1, 2}, 2), faults(2)));
}

// As callers(), but it is the tasks themselves that look after the time: the one that is destroyed
// cannot be the one that all depend on.
auto plain_callers(std::size_t burst, std::vector<std::size_t> weights) {
  return [burst, weights = std::move(weights)](explore::world& w) {
    auto& limit = w.make<limiter>("limit", 1U, 1s, burst);
    auto& let_in = w.construct<account>(w, burst);
    for (const std::size_t n : weights) {
      w.spawn("caller", [&, n]() -> explore::task<> {
        while (!limit.try_acquire(n)) {
          co_await explore::sleep_for(limit.due(n) - explore::virtual_clock::now());
        }
        let_in.admit(n);
        co_await explore::yield();
      });
    }
    w.finally([&] { w.require(limit.statistics().waiters == 0, "nobody waits at the end"); });
  };
}

TEST(RateLimiterExplored, WhoIsRefusedIsToldWhenToComeBack) {
  expect_verified_with_time(explore::check(plain_callers(1, {1, 1})));
  expect_verified_with_time(explore::check(plain_callers(2, {1, 2, 1})));
}

// Two that wait, of which one may go away; two that keep time, of which one may.
void timed(explore::world& w) {
  auto& limit = w.make<limiter>("limit", 1U, 1s, 1U);
  auto& let_in = w.construct<account>(w, 1U);
  for (int i = 0; i != 2; ++i) {
    w.spawn("caller", [&]() -> explore::task<> {
      co_await limit.async_acquire();
      let_in.admit(1);
    });
  }
  for (int i = 0; i != 2; ++i) {
    w.spawn("timer", [&]() -> explore::task<> {
      co_await explore::sleep_for(2s);
      while (limit.release_due()) {
        co_await explore::sleep_for(1s);
      }
    });
  }
  w.finally([&] { w.require(limit.statistics().waiters == 0, "nobody waits at the end"); });
}

TEST(RateLimiterExplored, ADestructionAtAnySuspensionLosesNothing) {
  // Idle timers: the search may find out late that a task, and not the time, goes on next.
  const explore::result r = explore::check(timed, faults(0, 1));
  EXPECT_EQ(r.verdict, explore::verdict::verified) << r;
}

TEST(RateLimiterExplored, AnExceptionAtAnyResumptionLosesNothing) {
  expect_verified_with_time(explore::check(timed, faults(0, 0, 1)));
}

TEST(RateLimiterExplored, GrantsComeInTheOrderOfTheRequests) {
  expect_verified_with_time(explore::check([](explore::world& w) {
    auto& limit = w.make<limiter>("limit", 1U, 1s, 2U);
    auto& order = w.construct<arrivals>();
    for (unsigned i = 0; i != 3; ++i) {
      w.spawn("caller", [&, i]() -> explore::task<> {
        arrivals::party me(order, i);
        co_await me.ask(limit.async_acquire(i == 1 ? 2U : 1U).on(me));
      });
    }
    w.spawn("timer", [&]() -> explore::task<> {
      for (int i = 0; i != 4; ++i) {
        co_await explore::sleep_for(1s);
        (void)limit.release_due();
      }
    });
    w.finally([&] { w.require(order.in_order(), "grants come in the order of the requests"); });
  }));
}

TEST(RateLimiterExplored, TheCallThatDoesNotWaitOvertakesNobody) {
  expect_verified_with_time(explore::check([](explore::world& w) {
    auto& limit = w.make<limiter>("limit", 1U, 1s, 2U);
    auto& let_in = w.construct<account>(w, 2U);
    w.spawn_n("caller", 2, [&]() -> explore::task<> {
      co_await limit.async_acquire(2);
      let_in.admit(2);
    });
    w.spawn("barger", [&]() -> explore::task<> {
      co_await explore::yield();
      const bool somebody_waits = limit.statistics().waiters != 0;
      if (limit.try_acquire(1)) {
        w.require(!somebody_waits, "nobody is overtaken");
        let_in.admit(1);
      }
    });
    w.spawn("timer", [&]() -> explore::task<> {
      for (int i = 0; i != 4; ++i) {
        co_await explore::sleep_for(1s);
        (void)limit.release_due();
      }
    });
  }));
}

TEST(RateLimiterExplored, WithoutATimerAWaiterWaitsForEver) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& limit = w.make<limiter>("limit", 1U, 1s, 1U);
    w.spawn_n("caller", 2, [&]() -> explore::task<> { co_await limit.async_acquire(); });
    w.spawn("timer", [&]() -> explore::task<> {
      co_await explore::yield();
      (void)limit.release_due();  // once, and too early
    });
  });
  expect_failure(r, explore::failure_kind::lost_wakeup,
                 {"waits for limit", "acquire limit (waits)"});
}

TEST(RateLimiterExplored, ALimiterIsNoLock) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& limit = w.make<limiter>("limit", 1U, 1s, 2U);
    auto& users = w.shared<int>("users", 0);
    w.spawn_n("adder", 2, [&]() -> explore::task<> {
      co_await limit.async_acquire();
      const int n = co_await users.read();
      co_await users.write(n + 1);
    });
    w.finally([&] { w.require(users.value() == 2, "users is 2"); });
  });
  expect_failure(r, explore::failure_kind::invariant,
                 {"users is 2", "acquire limit", "lost update"});
}

}  // namespace
