// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// async_keyed_mutex under every schedule: one owner for each key, first come, first served, no
// entry outlives its owners, and requests for several keys never wait for each other.

#include "explore/support/primitives.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <memory>
#include <stop_token>
#include <utility>
#include <vector>

namespace {

using namespace corolock;
using namespace corolock_test;

using keyed = async_keyed_mutex<int>;
using keys = std::vector<int>;

// A task for each of these requests, of one key or of several; the last `stoppable` of them by a
// stop token. Who holds what is accounted for by key.
auto requests(std::vector<keys> of_tasks, std::size_t stoppable = 0) {
  return [of_tasks = std::move(of_tasks), stoppable](explore::world& w) {
    auto& m = w.make<keyed>("keyed");
    auto& inside = w.construct<std::array<std::unique_ptr<occupancy>, 3>>();
    for (auto& i : inside) {
      i = std::make_unique<occupancy>(w, "inside");
    }
    for (std::size_t t = 0; t != of_tasks.size(); ++t) {
      const keys& mine = w.construct<keys>(of_tasks[t]);
      const auto hold = [&inside, &mine]() -> explore::task<> {
        std::vector<std::unique_ptr<occupancy::stay>> stays;
        for (const int key : mine) {
          stays.push_back(
              std::make_unique<occupancy::stay>(*inside[static_cast<std::size_t>(key)], 1));
        }
        co_await explore::yield();
      };
      const auto& held = w.construct<std::remove_const_t<decltype(hold)>>(hold);
      if (t + stoppable >= of_tasks.size()) {
        w.spawn("impatient", [&m, &mine, &held](std::stop_token stop) -> explore::task<> {
          if (mine.size() == 1) {
            auto guard = co_await m.async_lock(mine[0], stop);
            if (guard) {
              co_await held();
            }
          } else {
            auto guard = co_await m.async_lock_all(mine, stop);
            if (guard) {
              co_await held();
            }
          }
        });
      } else {
        w.spawn("locker", [&m, &mine, &held]() -> explore::task<> {
          if (mine.size() == 1) {
            const auto guard = co_await m.async_lock(mine[0]);
            co_await held();
          } else {
            const auto guard = co_await m.async_lock_all(mine);
            co_await held();
          }
        });
      }
    }
    w.finally([&] {
      const keyed_mutex_statistics s = m.statistics();
      w.require(s.entries == 0 && s.waiters == 0, "no entry is left at the end");
    });
  };
}

TEST(AsyncKeyedMutexExplored, OneIsInsideOfAKeyAtATime) {
  expect_verified(explore::check(requests({{0}, {0}})));
  expect_verified(explore::check(requests({{0}, {0}, {1}})));
  expect_verified(explore::check(requests({{0}, {0}, {0}})));
}

TEST(AsyncKeyedMutexExplored, SeveralKeysInAnyOrderAreNoDeadlock) {
  expect_verified(explore::check(requests({{0, 1}, {1, 0}})));
  expect_verified(explore::check(requests({{0, 1}, {1, 2}, {2, 0}})));
  expect_verified(explore::check(requests({{0, 1}, {1, 0}, {0}})));
}

TEST(AsyncKeyedMutexExplored, AStopAtAnySuspensionLosesNothing) {
  expect_verified(explore::check(requests({{0}, {0}, {0}}, 1)));
  expect_verified(explore::check(requests({{0}, {1}, {1, 0}}, 1)));
  expect_verified(explore::check(requests({{0, 1}, {1, 0}}, 2), faults(2)));
}

TEST(AsyncKeyedMutexExplored, ADestructionAtAnySuspensionLosesNothing) {
  expect_verified(explore::check(requests({{0}, {0}}), faults(0, 2)));
  expect_verified(explore::check(requests({{0, 1}, {1, 0}}), faults(0, 2)));
  expect_verified(explore::check(requests({{0}, {0, 1}, {1}}), faults(0, 1)));
}

TEST(AsyncKeyedMutexExplored, AnExceptionAtAnyResumptionLosesNothing) {
  expect_verified(explore::check(requests({{0}, {0}}), faults(0, 0, 2)));
  expect_verified(explore::check(requests({{0}, {0, 1}, {1}}), faults(0, 0, 1)));
}

TEST(AsyncKeyedMutexExplored, GrantsOfAKeyComeInTheOrderOfTheRequests) {
  expect_verified(explore::check([](explore::world& w) {
    auto& m = w.make<keyed>("keyed");
    auto& order = w.construct<arrivals>();
    for (unsigned i = 0; i != 3; ++i) {
      if (i == 1) {
        w.spawn("impatient", [&, i](std::stop_token stop) -> explore::task<> {
          arrivals::party me(order, i);
          auto guard = co_await me.ask(m.async_lock(7, stop).on(me));
          if (!guard) {
            me.withdraw();
          } else {
            co_await explore::yield();
          }
        });
      } else {
        w.spawn("locker", [&, i]() -> explore::task<> {
          arrivals::party me(order, i);
          const auto guard = co_await me.ask(m.async_lock(7).on(me));
          co_await explore::yield();
        });
      }
    }
    w.finally([&] { w.require(order.in_order(), "grants come in the order of the requests"); });
  }));
}

TEST(AsyncKeyedMutexExplored, TryLockOvertakesNobody) {
  expect_verified(explore::check([](explore::world& w) {
    auto& m = w.make<keyed>("keyed");
    auto& inside = w.construct<occupancy>(w, "inside");
    w.spawn_n("locker", 2, [&]() -> explore::task<> {
      const auto guard = co_await m.async_lock(7);
      const auto stay = inside.enter();
      co_await explore::yield();
    });
    w.spawn("polite", [&]() -> explore::task<> {
      co_await explore::yield();
      const bool is_held = m.is_locked(7);
      if (const auto guard = m.try_lock(7)) {
        w.require(!is_held, "nobody is overtaken");
        const auto stay = inside.enter();
        co_await explore::yield();
      }
    });
    w.finally([&] { w.require(m.size() == 0, "no entry is left at the end"); });
  }));
}

TEST(AsyncKeyedMutexExplored, OneKeyAfterTheOtherInOppositeOrdersIsADeadlock) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& m = w.make<keyed>("accounts");
    const auto both = [&m](int first, int second) {
      return [&m, first, second]() -> explore::task<> {
        const auto one = co_await m.async_lock(first);
        const auto two = co_await m.async_lock(second);
      };
    };
    w.spawn("there", both(1, 2));
    w.spawn("back", both(2, 1));
  });
  ASSERT_TRUE(r.failure.has_value());
  expect_failure(r, r.failure->kind,
                 {"there waits for accounts", "back waits for accounts", "lock accounts (waits)"});
}

TEST(AsyncKeyedMutexExplored, DifferentKeysProtectNothingInCommon) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& m = w.make<keyed>("accounts");
    auto& total = w.shared<int>("total", 0);
    w.spawn_n("depositor", 2, [&](unsigned i) -> explore::task<> {
      const auto guard = co_await m.async_lock(static_cast<int>(i));
      const int before = co_await total.read();
      co_await total.write(before + 1);
    });
    w.finally([&] { w.require(total.value() == 2, "the total is 2"); });
  });
  expect_failure(r, explore::failure_kind::invariant,
                 {"the total is 2", "lock accounts", "lost update"});
}

}  // namespace
