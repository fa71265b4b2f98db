// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// guarded under every schedule: the object is reached by one task at a time, and nothing is lost
// whatever is stopped, destroyed or thrown into.

#include "explore/support/primitives.hpp"
#include <corolock/guarded.hpp>

#include <gtest/gtest.h>

#include <stop_token>
#include <utility>

namespace {

using namespace corolock;
using namespace corolock_test;

// Tasks that count themselves in two steps; the last `stoppable` of them by a stop token.
auto counters(unsigned count, unsigned stoppable) {
  return [count, stoppable](explore::world& w) {
    auto& users = w.make<guarded<int>>("users", 0);
    auto& inside = w.construct<occupancy>(w, "inside");
    auto& counted = w.shared<int>("counted", 0);
    const auto add = [&](guarded<int>::guard_type locked) -> explore::task<> {
      const auto stay = inside.enter();
      const int before = *locked;
      co_await explore::yield();
      *locked = before + 1;
      ++counted.use();
    };
    const auto& kept = w.construct<std::remove_const_t<decltype(add)>>(add);
    for (unsigned i = 0; i != count; ++i) {
      if (i + stoppable >= count) {
        w.spawn("impatient", [&](std::stop_token stop) -> explore::task<> {
          auto locked = co_await users.async_lock(stop);
          if (locked) {
            co_await kept(*std::move(locked));
          }
        });
      } else {
        w.spawn("adder", [&]() -> explore::task<> {
          auto locked = co_await users.async_lock();
          co_await kept(std::move(locked));
        });
      }
    }
    w.finally([&] {
      w.require(!users.is_locked() && users.statistics().waiters == 0, "it is free at the end");
      const auto locked = users.try_lock();
      w.require(*locked == counted.value(), "nobody was forgotten");
    });
  };
}

TEST(GuardedExplored, OneReachesTheObjectAtATime) {
  expect_verified(explore::check(counters(2, 0)));
  expect_verified(explore::check(counters(3, 0)));
}

TEST(GuardedExplored, AStopAtAnySuspensionLosesNothing) {
  expect_verified(explore::check(counters(2, 1)));
  expect_verified(explore::check(counters(3, 1)));
  expect_verified(explore::check(counters(2, 2), faults(2)));
}

TEST(GuardedExplored, ADestructionAtAnySuspensionLosesNothing) {
  expect_verified(explore::check(counters(2, 0), faults(0, 2)));
  expect_verified(explore::check(counters(3, 0), faults(0, 1)));
}

TEST(GuardedExplored, AnExceptionAtAnyResumptionLosesNothing) {
  expect_verified(explore::check(counters(2, 0), faults(0, 0, 2)));
  expect_verified(explore::check(counters(3, 1), faults(1, 0, 1)));
}

TEST(GuardedExplored, TryLockOvertakesNobody) {
  expect_verified(explore::check([](explore::world& w) {
    auto& users = w.make<guarded<int>>("users", 0);
    auto& inside = w.construct<occupancy>(w, "inside");
    w.spawn_n("adder", 2, [&]() -> explore::task<> {
      const auto locked = co_await users.async_lock();
      const auto stay = inside.enter();
      co_await explore::yield();
    });
    w.spawn("polite", [&]() -> explore::task<> {
      co_await explore::yield();
      const bool somebody_waits = users.statistics().waiters != 0;
      if (const auto locked = users.try_lock()) {
        w.require(!somebody_waits, "nobody is overtaken");
        const auto stay = inside.enter();
        co_await explore::yield();
      }
    });
    w.finally([&] { w.require(!users.is_locked(), "it is free at the end"); });
  }));
}

TEST(GuardedExplored, WhatIsReadUnderOneLockIsStaleUnderTheNext) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& users = w.make<guarded<int>>("users", 0);
    w.spawn_n("adder", 2, [&]() -> explore::task<> {
      int before = 0;
      {
        const auto locked = co_await users.async_lock();
        before = *locked;
      }
      const auto locked = co_await users.async_lock();
      *locked = before + 1;
    });
    w.finally([&] {
      const auto locked = users.try_lock();
      w.require(*locked == 2, "users is 2");
    });
  });
  expect_failure(r, explore::failure_kind::invariant,
                 {"users is 2", "lock users", "adder[1]", "adder[2]"});
}

TEST(GuardedExplored, LockingItTwiceWaitsForEver) {
  const explore::result r = explore::check([](explore::world& w) {
    auto& users = w.make<guarded<int>>("users", 0);
    w.spawn("adder", [&]() -> explore::task<> {
      const auto locked = co_await users.async_lock();
      const auto again = co_await users.async_lock();
    });
  });
  ASSERT_TRUE(r.failure.has_value());
  expect_failure(r, r.failure->kind, {"adder waits for users", "lock users (waits)"});
}

}  // namespace
